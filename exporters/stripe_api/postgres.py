"""How is the state kept in Postgres, for pods without a volume and for a hand-over between replicas?

The connection holds an advisory lock for as long as it lives, so that two writers cannot meet. A lost connection ends
an open transaction, and the next sample connects again and reads what was committed.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg

from exporters.model import ErrorClass, SampleError
from exporters.stripe_api.database import SCHEMA, SCHEMA_VERSION, Database, type_of_row

__all__ = ["open_postgres"]

_WHERE = "state database"
_LOCK = 0x7061796D6F6E53  # "paymonS"
_CONNECT_SECONDS = 5
_STATEMENT_MILLISECONDS = 15_000


class _PostgresDatabase:
    """A connection to Postgres that holds the writer's lock."""

    def __init__(self, connection: psycopg.Connection[type_of_row]) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[type_of_row]:
        with _errors():
            cursor = self._connection.execute(_in_psycopg(sql), parameters)
            return cursor.fetchall() if cursor.description else []

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with _errors(), self._connection.cursor() as cursor:
            cursor.executemany(_in_psycopg(sql), rows)

    def size(self) -> int:
        ((total,),) = self.execute(
            "SELECT COALESCE(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relname LIKE 'paymon|_%%' ESCAPE '|' AND pg_table_is_visible(c.oid)"
        )
        return int(total)

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()


def open_postgres(dsn: str) -> Database:
    """The state in that database, in the first schema of its search path.

    Raises SampleError where it cannot be reached, where another writer holds it, or where a newer release wrote it.
    """
    with _errors():
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="paymon-exporter-state",
            options=f"-c statement_timeout={_STATEMENT_MILLISECONDS} -c synchronous_commit=on",
            prepare_threshold=None,
        )
    database = _PostgresDatabase(connection)
    try:
        _lock(database)
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _lock(database: Database) -> None:
    ((locked,),) = database.execute("SELECT pg_try_advisory_lock(?)", (_LOCK,))
    if not locked:
        raise SampleError(
            ErrorClass.INTERNAL,
            _WHERE,
            "another exporter writes it",
            "stop the other one, or give each its own stripe.state.dsn",
        )


def _prepare(database: Database) -> None:
    database.execute("BEGIN")
    for statement in SCHEMA:
        database.execute(statement)
    database.execute(
        "INSERT INTO paymon_marks (name, value) VALUES ('schema', ?) ON CONFLICT (name) DO NOTHING",
        (str(SCHEMA_VERSION),),
    )
    ((version,),) = database.execute("SELECT value FROM paymon_marks WHERE name = 'schema'")
    if version != str(SCHEMA_VERSION):
        database.execute("ROLLBACK")
        raise SampleError(
            ErrorClass.BAD_DATA,
            _WHERE,
            f"it has schema version {version}, this release knows {SCHEMA_VERSION}",
            "run the release that wrote it, or name another database",
        )
    database.execute("COMMIT")


def _in_psycopg(sql: str) -> LiteralString:
    """The statement with psycopg's placeholders; every statement is a text of this package."""
    return sql.replace("?", "%s")


@contextmanager
def _errors() -> Iterator[None]:
    """psycopg's errors without their text, which may hold the DSN or a value."""
    try:
        yield
    except psycopg.Error as error:
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        kind = ErrorClass.UNREACHABLE if isinstance(error, psycopg.OperationalError) else ErrorClass.INTERNAL
        raise SampleError(
            kind,
            _WHERE,
            f"{type(error).__name__}{state}",
            "see whether the database answers and whether the role may create tables in its schema",
        ) from None
