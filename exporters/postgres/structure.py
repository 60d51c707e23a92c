"""Is the database itself as it should be: tables, migrations, replica, vacuum?"""

from datetime import timedelta

from psycopg import sql

from exporters.postgres.migrations import migrations_read, migrations_table, pending_migrations
from exporters.postgres.questions import SingleQuery, if_any, number, schema_and_name, timing
from exporters.postgres.settings import PostgresSettings, QueryName
from exporters.sampling.model import reading
from rules.payments import database as metrics
from rules.payments import replica

__all__ = ["structure_questions"]

_TABLES = """
SELECT expected.name, EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = expected.relation AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND CASE WHEN expected.schema IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = expected.schema END
)
FROM (VALUES {tables}) AS expected (name, schema, relation)
"""
"""By the catalogue: information_schema shows a role only what it may read, to_regclass fails without the schema's."""

_DEAD_TUPLES = """
WITH RECURSIVE tree (name, oid) AS (
    SELECT expected.name, c.oid FROM (VALUES {tables}) AS expected (name, schema, relation)
    JOIN pg_class AS c ON c.relname = expected.relation AND c.relkind IN ('r', 'p', 'm')
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
        AND CASE WHEN expected.schema IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = expected.schema END
    UNION
    SELECT tree.name, below.inhrelid FROM tree JOIN pg_inherits AS below ON below.inhparent = tree.oid
)
SELECT name, sum(pg_stat_get_dead_tuples(oid)) FROM tree WHERE NOT pg_is_in_recovery() GROUP BY name
"""
"""A partitioned table has none itself: its partitions have. A replica does not keep these figures: it would show 0."""

_REPLICA_LAG = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN 0
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
    ELSE greatest(0, extract(epoch FROM %(now)s - pg_last_xact_replay_timestamp()))
END::float8
"""
"""Everything received and replayed is no lag, however long the primary was idle, as long as somebody still receives."""

_READ_BY: dict[str, tuple[QueryName, ...]] = {
    "payment_attempts": ("attempts", "last_attempt", "affected_users"),
    "schema_migrations": ("migrations",),
}
"""The built-in queries of tables that nobody need have: once they are all turned off, nobody asks for the table."""


def structure_questions(settings: PostgresSettings) -> tuple[SingleQuery, ...]:
    """The questions about the database rather than its contents."""
    expected: dict[str, str | None] = {
        "payments": settings.payments.table,
        "payment_attempts": settings.attempts.table,
        "audit_log": settings.audit_log,
        "schema_migrations": migrations_table(settings.migrations),
        "webhook_events": settings.inbox.table,
    }
    if not settings.inbox.enabled:
        expected["webhook_events"] = None
    for name, queries in _READ_BY.items():
        if not any(settings.of(query).enabled for query in queries):
            expected[name] = None
    tables = sql.SQL(", ").join(
        sql.SQL("({}, {}::name, {}::name)").format(sql.Literal(name), *map(sql.Literal, schema_and_name(named)))
        for name, named in expected.items()
        if named is not None
    )
    slowly = timedelta(minutes=1)
    return (
        SingleQuery(
            "tables",
            *timing(settings, "tables", slowly),
            sql.SQL(_TABLES).format(tables=tables),
            lambda rows: tuple(reading(metrics.table_present, present, table=name) for name, present in rows),
        ),
        SingleQuery(
            "migrations",
            *timing(settings, "migrations", slowly),
            pending_migrations(settings.migrations),
            lambda rows: (reading(metrics.migrations_pending, number(rows[0][0], "migrations", "the count")),),
            reads=(migrations_read(settings.migrations),),
        ),
        SingleQuery(
            "replica_lag",
            *timing(settings, "replica_lag"),
            sql.SQL(_REPLICA_LAG).format(),
            lambda rows: if_any(replica.replica_lag, rows),
        ),
        SingleQuery(
            "dead_tuples",
            *timing(settings, "dead_tuples", slowly),
            sql.SQL(_DEAD_TUPLES).format(tables=tables),
            lambda rows: tuple(
                reading(metrics.dead_tuples, number(dead, "dead_tuples", "the number of dead rows"), table=name)
                for name, dead in rows
            ),
        ),
    )
