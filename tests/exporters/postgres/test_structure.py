"""What does the exporter say of the database itself?"""

import asyncio
from typing import Any

import pytest

from rules.payments import database as metrics
from rules.payments import replica
from tests.exporters.postgres.asking import Seen, asking
from tests.postgres import NOW, PaymentsDatabase


def seen(database: PaymentsDatabase, **settings: Any) -> Seen:
    async def once() -> Seen:
        async with asking(database.dsn, **settings) as exporter:
            return await exporter.sample(NOW)

    return asyncio.run(once())


def test_each_table_is_present_or_not(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("DROP TABLE audit_log")
    found = seen(payments_database)
    assert {table: found.value(metrics.table_present, table=table) for table in metrics.TABLE.values} == {
        "payments": 1,
        "payment_attempts": 1,
        "audit_log": 0,
        "schema_migrations": 1,
        "webhook_events": 1,
    }


def test_a_table_of_another_name_and_schema_is_served_under_the_name_it_stands_for(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute('CREATE SCHEMA "Shop"; ALTER TABLE audit_log SET SCHEMA "Shop"')
    payments_database.execute('ALTER TABLE "Shop".audit_log RENAME TO "Log"')
    assert seen(payments_database, audit_log="Shop.Log").value(metrics.table_present, table="audit_log") == 1


def test_a_table_that_a_team_does_not_have_is_not_looked_for(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("DROP TABLE audit_log")
    found = seen(payments_database, audit_log=None)
    assert found.value(metrics.table_present, table="audit_log") is None
    assert found.value(metrics.table_present, table="payments") == 1


def test_every_migration_that_is_not_applied_is_pending_gaps_included(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "INSERT INTO schema_migrations (version, applied)"
        " VALUES ('9', true), ('10', false), ('11', true), ('12', false)"
    )
    assert seen(payments_database).value(metrics.migrations_pending) == 2


def test_migrations_are_pending_before_the_first_is_applied(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("INSERT INTO schema_migrations (version, applied) VALUES ('1', false)")
    assert seen(payments_database).value(metrics.migrations_pending) == 1


def test_a_migration_of_which_nobody_knows_is_pending(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("ALTER TABLE schema_migrations ALTER applied DROP NOT NULL")
    payments_database.execute("INSERT INTO schema_migrations (version, applied) VALUES ('1', NULL)")
    assert seen(payments_database).value(metrics.migrations_pending) == 1


def test_dead_rows_are_counted_by_table(payments_database: PaymentsDatabase) -> None:
    for number in range(30):
        payments_database.event(f"evt_{number}", created=3, received=2)
    payments_database.execute("UPDATE webhook_events SET status = 'seen'")
    payments_database.execute("SELECT pg_stat_force_next_flush()")
    assert seen(payments_database).value(metrics.dead_tuples, table="webhook_events") == 30


def test_a_primary_has_no_lag(payments_database: PaymentsDatabase) -> None:
    assert seen(payments_database).value(replica.replica_lag) == 0


def test_a_query_that_is_turned_off_is_not_asked(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("DROP TABLE schema_migrations")
    found = seen(payments_database, built_in={"migrations": {"enabled": False}})
    assert found.value(metrics.query_success, query="migrations") is None


@pytest.mark.parametrize(
    ("off", "asked_for"),
    [
        (
            ("attempts", "last_attempt", "affected_users"),
            {"payments", "audit_log", "schema_migrations", "webhook_events"},
        ),
        (("attempts", "affected_users", "migrations"), set(metrics.TABLE.values) - {"schema_migrations"}),
    ],
)
def test_a_table_that_no_query_reads_any_more_is_not_asked_for(
    off: tuple[str, ...], asked_for: set[str], payments_database: PaymentsDatabase
) -> None:
    found = seen(payments_database, built_in={name: {"enabled": False} for name in off})
    assert {table for table in metrics.TABLE.values if found.value(metrics.table_present, table=table) is not None} == (
        asked_for
    )
