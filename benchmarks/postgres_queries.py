"""Does sampling cost the same, however many payments the database holds?

Each query of the exporter on tables of 10 thousand and 1 million payments, with the indexes of deploy/postgres, at the
same traffic: a larger table is an older one. Aim: within 2x. 10 million too: `python -m benchmarks.postgres_queries
--full`. With `--partitions` each table has twelve, by time.

What is compared is the time that the server's process was at work on it, as Linux counts it: a busy machine lengthens
how long an answer takes, and by the same for small and large tables, which would hide what differs.
"""

import asyncio
import re
import statistics
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import psycopg
from psycopg import sql

from exporters.postgres import Database, PostgresSettings, questions
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.reconciling import Received, SucceededPayments
from simulator.postgres_server import SCHEMA, PostgresServer, installations, running

NOW = 1_800_000_000.0
SECONDS_BETWEEN_PAYMENTS = 17
RUNS = 31
INDEXES = Path(__file__).parents[1] / "deploy" / "postgres" / "indexes.sql"

_FILL = (
    f"""
    INSERT INTO payments (order_id, user_id, payment_intent_id, status, amount, currency, created_at, completed_at)
    SELECT 'order_' || n, n %% 100000, 'pi_' || md5(n::text),
        CASE WHEN n > %(rows)s - 40 THEN 'processing' WHEN n %% 20 = 0 THEN 'failed' ELSE 'completed' END,
        1000, 'usd', moment, CASE WHEN n <= %(rows)s - 40 AND n %% 20 <> 0 THEN moment + interval '2 s' END
    FROM generate_series(1, %(rows)s) AS n,
        LATERAL (SELECT to_timestamp({NOW} - (%(rows)s - n) * {SECONDS_BETWEEN_PAYMENTS})) AS at (moment)
    """,
    """
    INSERT INTO payment_attempts (payment_id, user_id, status, created_at)
    SELECT id, user_id, CASE status WHEN 'failed' THEN 'failed' ELSE 'succeeded' END, created_at FROM payments
    """,
    """
    INSERT INTO webhook_events (id, type, created_at, received_at, processed_at)
    SELECT 'evt_' || md5(id::text), 'payment_intent.succeeded', created_at, created_at + interval '1 s',
        CASE WHEN id <= (SELECT max(id) - 40 FROM payments) THEN created_at + interval '2 s' END
    FROM payments
    """,
)


_SETTINGS = {"shared_buffers": "2GB", "maintenance_work_mem": "512MB", "wal_level": "minimal", "max_wal_senders": "0"}
_OPTED_IN = {
    "payments": {"amounts": {"amount": "amount", "currency": "currency", "unit": "minor"}},
    "identifiers": [{"table": "payments"}, {"table": "payment_attempts"}],
}
PARTITIONS = 12
_PARTITIONED = (("payments", "created_at"), ("payment_attempts", "created_at"), ("webhook_events", "received_at"))


class _Stripe(SucceededPayments):
    """Stripe's side, which agrees with the database."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        with psycopg.connect(server.dsn(database)) as connection:
            since = (NOW - 2 * 86_400,)
            intents = (
                "SELECT payment_intent_id, extract(epoch FROM created_at)::float8, amount, currency FROM payments"
                " WHERE status = 'completed' AND created_at >= to_timestamp(%s)"
            )
            rows = connection.execute(intents, since).fetchall()
            self._intents = frozenset(id_ for id_, *_ in rows)
            self._took = [(at, id_, Received(amount, currency, refunded=False)) for id_, at, amount, currency in rows]
            events = "SELECT id FROM webhook_events WHERE received_at >= to_timestamp(%s)"
            self._events = frozenset(row[0] for row in connection.execute(events, since))

    async def known(self) -> tuple[float, float]:
        return NOW - 30 * 86_400, NOW

    async def payment_intents(self, _since: float, _until: float, /) -> frozenset[str]:
        return self._intents

    async def received(self, since: float, until: float) -> Mapping[str, Received | None]:
        return {id_: took for at, id_, took in self._took if since <= at < until}

    async def events_sent(self, _since: float, _until: float, /) -> frozenset[str]:
        return self._events


def main() -> None:
    """Print the median work of each query by size of the table, and the largest against the smallest."""
    sizes = (10_000, 1_000_000, 10_000_000) if "--full" in sys.argv[1:] else (10_000, 1_000_000)
    partitioned = "--partitions" in sys.argv[1:]
    with running(installations()[0], _SETTINGS) as server:
        for size in sizes:
            _fill(server, size, partitioned=partitioned)
        medians = asyncio.run(_measured(server, sizes))
    _print("ms of work (median)", tuple(f"{size:,}" for size in sizes), "ratio")
    for name, times in (*medians.items(), ("all", tuple(map(sum, zip(*medians.values(), strict=True))))):
        _print(name, tuple(f"{1000 * time:.2f}" for time in times), f"{times[-1] / times[0]:.2f}")


def _print(name: str, columns: tuple[str, ...], last: str) -> None:
    print(f"{name:24}" + "".join(f"{column:>14}" for column in columns) + f"{last:>8}")


def _name(size: int) -> str:
    return f"payments_{size}"


def _fill(server: PostgresServer, size: int, *, partitioned: bool) -> None:
    with psycopg.connect(server.create(_name(size))) as connection:  # one transaction, whose new tables need no log
        connection.execute(SCHEMA.read_bytes())
        connection.execute("ALTER TABLE payment_attempts DROP CONSTRAINT payment_attempts_payment_id_fkey")
        if partitioned:
            for table, column in _PARTITIONED:
                for statement in _partitioning(table, column, size):
                    connection.execute(statement.encode())
        for statement in _FILL:
            connection.execute(statement.encode(), {"rows": size})
        for statement in re.findall(r"CREATE INDEX.+?;", INDEXES.read_text(), re.DOTALL):
            connection.execute(statement.replace(" CONCURRENTLY", "").encode())
    with psycopg.connect(server.dsn(_name(size)), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _partitioning(table: str, column: str, size: int) -> Iterator[str]:
    """What makes the empty table one of partitions, each as long as the others, that together hold all of its time."""
    yield f"ALTER TABLE {table} RENAME TO whole"
    yield f"CREATE TABLE {table} (LIKE whole INCLUDING DEFAULTS) PARTITION BY RANGE ({column})"
    yield "DROP TABLE whole"
    if table != "webhook_events":
        yield f"CREATE SEQUENCE {table}_id; ALTER TABLE {table} ALTER id SET DEFAULT nextval('{table}_id')"
    yield f"CREATE INDEX ON {table} (id)"
    begin, end = NOW - size * SECONDS_BETWEEN_PAYMENTS - 60, NOW + 86_400
    bounds = [begin + (end - begin) * part / PARTITIONS for part in range(PARTITIONS + 1)]
    for part, (since, until) in enumerate(pairwise(bounds)):
        yield (
            f"CREATE TABLE {table}_{part} PARTITION OF {table}"
            f" FOR VALUES FROM (to_timestamp({since})) TO (to_timestamp({until}))"
        )


async def _measured(server: PostgresServer, sizes: tuple[int, ...]) -> dict[str, tuple[float, ...]]:
    """The median seconds of each query by size; the sizes take turns, so that noise hits them alike."""
    databases, asked = [], []
    passed = 0.0
    for size in sizes:
        settings = PostgresSettings.model_validate({"dsn": server.dsn(_name(size)), **_OPTED_IN})
        databases.append(Database(settings))
        by_source = questions(settings, LabelOverflow(), _Stripe(server, _name(size)), lambda: passed)
        asked.append([question for some in by_source.values() for question in some])
    processes = [await _process(database) for database in databases]
    medians = {}
    for same in zip(*asked, strict=True):
        times: list[list[float]] = [[] for _ in sizes]
        for run in range(RUNS):
            passed = 15.0 * run
            for question, database, process, taken in zip(same, databases, processes, times, strict=True):
                started = _worked(process)
                await question.answer(database, NOW + passed)
                taken.append(_worked(process) - started)
        medians[same[0].name] = tuple(statistics.median(taken) for taken in times)
    for database in databases:
        await database.close()
    return medians


async def _process(database: Database) -> int:
    """The server's process behind the connection."""
    ((process,),) = await database.rows(sql.SQL("SELECT pg_backend_pid()").format(), {}, where="benchmark")
    return int(process)


def _worked(process: int) -> float:
    """Seconds for which a process has been at work so far."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


if __name__ == "__main__":
    main()
