"""Is the database itself as it should be: tables, migrations, replica, vacuum?"""

from datetime import timedelta

from psycopg import sql

from exporters.postgres.questions import CAP, SingleQuery, column, if_any, number, table, timing
from exporters.postgres.settings import PostgresSettings
from exporters.sampling.model import reading
from rules.payments import database as metrics

__all__ = ["structure_questions"]

_TABLES = "SELECT name, to_regclass(named) IS NOT NULL FROM (VALUES {tables}) AS expected (name, named)"
"""By name: information_schema shows a role only what it may read, so a table without privileges looks missing."""

_DEAD_TUPLES = """
SELECT name, pg_stat_get_dead_tuples(to_regclass(named))
FROM (VALUES {tables}) AS expected (name, named)
WHERE to_regclass(named) IS NOT NULL AND NOT pg_is_in_recovery()
"""
"""A replica does not keep these figures: it would show 0."""

_MIGRATIONS = """
SELECT count(*) FROM (SELECT 1 FROM {migrations} WHERE {applied} IS NOT TRUE LIMIT {cap}) AS counted
"""
"""Not by comparison with the latest that is applied: a gap below it would be missed."""

_REPLICA_LAG = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN 0
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
    ELSE greatest(0, extract(epoch FROM %(now)s - pg_last_xact_replay_timestamp()))
END::float8
"""
"""Everything received and replayed is no lag, however long the primary was idle, as long as somebody still receives."""


def structure_questions(settings: PostgresSettings) -> tuple[SingleQuery, ...]:
    """The questions about the database rather than its contents."""
    expected = {
        "payments": settings.payments.table,
        "payment_attempts": settings.attempts.table,
        "audit_log": settings.audit_log,
        "schema_migrations": settings.migrations.table,
        "webhook_events": settings.inbox.table,
    }
    if not settings.inbox.enabled:
        del expected["webhook_events"]
    tables = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(name), sql.Literal(table(named).as_string()))
        for name, named in expected.items()
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
            sql.SQL(_MIGRATIONS).format(
                migrations=table(settings.migrations.table),
                applied=column(settings.migrations.applied),
                cap=sql.Literal(CAP),
            ),
            lambda rows: (reading(metrics.migrations_pending, number(rows[0][0], "migrations", "the count")),),
        ),
        SingleQuery(
            "replica_lag",
            *timing(settings, "replica_lag"),
            sql.SQL(_REPLICA_LAG).format(),
            lambda rows: if_any(metrics.replica_lag, rows),
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
