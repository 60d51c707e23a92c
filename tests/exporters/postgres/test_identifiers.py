"""Is a key that is about to run out of numbers told of while there is time, and is nothing told that is not known?"""

import asyncio
from fractions import Fraction
from typing import Any

import psycopg
import pytest

from exporters.postgres import Database, PostgresSettings
from exporters.postgres.identifiers import UsedIdentifiers
from exporters.sampling.model import SampleError
from rules.payments import database as metrics_of_database
from rules.payments import identifiers as metrics
from tests.exporters.postgres.asking import Seen, asking
from tests.postgres import NOW, PaymentsDatabase

INT2, INT4, INT8 = 2**15 - 1, 2**31 - 1, 2**63 - 1


def seen(database: PaymentsDatabase, *named: str, dsn: str = "", **settings: Any) -> Seen:
    """What is sampled of columns that are named `table.column`."""
    identifiers = [dict(zip(("table", "column"), one.rsplit(".", 1), strict=True)) for one in named]

    async def once() -> Seen:
        async with asking(dsn or database.dsn, identifiers=identifiers, **settings) as exporter:
            return await exporter.sample(NOW)

    return asyncio.run(once())


def share(database: PaymentsDatabase, column: str) -> float | None:
    return seen(database, column).value(metrics.used_ratio, identifier=column)


def test_nothing_is_asked_where_no_column_is_named(payments_database: PaymentsDatabase) -> None:
    found = seen(payments_database).snapshot.readings
    assert not [one for one in found if one.metric is metrics.used_ratio or ("query", "identifiers") in one.labels]


def test_a_real_key_of_four_bytes_is_nearly_used_up_before_the_insert_that_fails(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute("CREATE TABLE receipts (id serial PRIMARY KEY)")
    assert share(payments_database, "receipts.id") == 0
    payments_database.execute(f"SELECT setval('receipts_id_seq', {INT4 - 2})")
    payments_database.execute("INSERT INTO receipts DEFAULT VALUES")
    assert share(payments_database, "receipts.id") == float(Fraction(INT4 - 2, INT4 - 1))
    payments_database.execute("INSERT INTO receipts DEFAULT VALUES")
    assert share(payments_database, "receipts.id") == 1
    with pytest.raises(psycopg.errors.SequenceGeneratorLimitExceeded):
        payments_database.execute("INSERT INTO receipts DEFAULT VALUES")


@pytest.mark.parametrize(
    ("made", "used"),
    [
        pytest.param(
            "id integer PRIMARY KEY DEFAULT nextval('wide')", Fraction(4_999, INT4 - 1), id="column is narrower"
        ),
        pytest.param("id smallint PRIMARY KEY DEFAULT nextval('wide')", Fraction(4_999, INT2 - 1), id="of two bytes"),
        pytest.param("id bigint PRIMARY KEY DEFAULT nextval('wide')", Fraction(4_999, INT8 - 1), id="of eight bytes"),
        pytest.param(
            "id bigint PRIMARY KEY DEFAULT nextval('narrow')", Fraction(4_999, INT4 - 1), id="sequence is narrower"
        ),
        pytest.param(
            "id bigint PRIMARY KEY DEFAULT nextval('short')", Fraction(4_999, 9_999), id="sequence ends early"
        ),
        pytest.param("id integer PRIMARY KEY DEFAULT nextval('down')", Fraction(5_000 - 1, INT4), id="it counts down"),
        pytest.param(
            "id integer PRIMARY KEY DEFAULT nextval('below')", Fraction(5_000 + 2**31, 2**32 - 1), id="from below 0 on"
        ),
    ],
)
def test_the_narrower_of_column_and_sequence_is_the_end(
    payments_database: PaymentsDatabase, made: str, used: Fraction
) -> None:
    """Each sequence has handed out 5,000; the shares are those of the numbers between its ends."""
    payments_database.execute(
        "CREATE SEQUENCE wide; CREATE SEQUENCE narrow AS integer; CREATE SEQUENCE short MAXVALUE 10000;"
        "CREATE SEQUENCE down INCREMENT -1; CREATE SEQUENCE below AS integer MINVALUE -2147483648;"
        "SELECT setval(of, 5000) FROM unnest(ARRAY['wide', 'narrow', 'short', 'below']::regclass[]) AS of;"
        "SELECT setval('down', -5000)"
    )
    payments_database.execute(f"CREATE TABLE receipts ({made})")
    assert share(payments_database, "receipts.id") == pytest.approx(float(used), rel=1e-12)


def test_an_identity_column_and_a_domain_are_read_alike(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "CREATE DOMAIN key AS integer; CREATE TABLE receipts (id key PRIMARY KEY DEFAULT nextval('payments_id_seq'))"
    )
    payments_database.execute("SELECT setval('payments_id_seq', 1000000001)")
    assert share(payments_database, "public.receipts.id") == float(Fraction(1_000_000_000, INT4 - 1))
    assert share(payments_database, "public.payments.id") == float(Fraction(1_000_000_000, INT8 - 1))


def test_a_reference_that_is_narrower_than_the_key_is_read_at_the_end_of_its_index(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute("CREATE TABLE lines (payment_id integer, line int); CREATE INDEX ON lines (payment_id)")
    assert share(payments_database, "lines.payment_id") == 0
    payments_database.execute("INSERT INTO lines VALUES (1073741824, 1), (NULL, 2), (5, 3)")
    assert share(payments_database, "lines.payment_id") == float(Fraction(2**30, INT4))


def test_partitions_share_the_numbers_of_their_table(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "CREATE TABLE receipts (id serial, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "CREATE TABLE receipts_one PARTITION OF receipts FOR VALUES FROM ('2027-01-01') TO ('2027-02-01');"
        "SELECT setval('receipts_id_seq', 1000000001)"
    )
    assert share(payments_database, "receipts.id") == float(Fraction(1_000_000_000, INT4 - 1))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("nowhere.id", "there is no table nowhere (postgres.identifiers[0]); create it, or write the name that it has"),
        ("payments.number", "payments has no column number (postgres.identifiers[0]); write the name that it has"),
        (
            "payments.status",
            "payments.status is of type text, whose values never run out (postgres.identifiers[0]); leave it out",
        ),
        ("shown.id", "shown is no table (postgres.identifiers[0]); name the table in which the numbers are kept"),
        (
            "payments.user_id",
            "payments.user_id has no sequence, and no index begins with it, so that all rows would be read for the"
            " highest (postgres.identifiers[0]); create one, or leave it out",
        ),
    ],
)
def test_what_cannot_be_told_is_an_error_with_place_and_cure(
    payments_database: PaymentsDatabase, column: str, said: str
) -> None:
    payments_database.execute("CREATE VIEW shown AS SELECT * FROM payments")
    found = seen(payments_database, column)
    assert found.value(metrics_of_database.query_success, query="identifiers") == 0
    assert found.value(metrics.used_ratio, identifier=column) is None
    with pytest.raises(SampleError) as told:
        asyncio.run(answered(payments_database, column))
    assert str(told.value) == f"identifiers: {said}"


async def answered(database: PaymentsDatabase, column: str) -> None:
    table, _, name = column.rpartition(".")
    settings = PostgresSettings.model_validate({"dsn": database.dsn, "identifiers": [{"table": table, "column": name}]})
    there = Database(settings)
    try:
        await UsedIdentifiers(settings).answer(there, NOW)
    finally:
        await there.close()


def test_a_wrong_name_does_not_hide_the_others(payments_database: PaymentsDatabase) -> None:
    found = seen(payments_database, "public.payments.id", "public.payments.number")
    assert found.value(metrics.used_ratio, identifier="public.payments.id") == 0
    assert found.value(metrics_of_database.query_success, query="identifiers") == 0


def test_what_is_known_beside_a_wrong_name_stands_until_it_is_asked_again(
    payments_database: PaymentsDatabase,
) -> None:
    """The question is asked once in five minutes, the source sampled every 15 s: here for ten minutes."""

    async def story() -> list[tuple[float | None, float | None]]:
        named = [{"table": "public.payments", "column": one} for one in ("id", "number")]
        async with asking(payments_database.dsn, identifiers=named) as exporter:
            samples = [await exporter.sample(NOW + 15 * number) for number in range(41)]
        return [
            (
                one.value(metrics.used_ratio, identifier="public.payments.id"),
                one.value(metrics_of_database.query_success, query="identifiers"),
            )
            for one in samples
        ]

    assert asyncio.run(story()) == [(0, 0)] * 41


def test_a_table_that_cannot_be_read_now_does_not_hide_the_others(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("CREATE TABLE lines (payment_id integer); CREATE INDEX ON lines (payment_id)")
    with psycopg.connect(payments_database.dsn) as other:
        other.execute("LOCK TABLE lines IN ACCESS EXCLUSIVE MODE")
        found = seen(payments_database, "lines.payment_id", "public.payments.id")
    assert found.value(metrics.used_ratio, identifier="lines.payment_id") is None
    assert found.value(metrics.used_ratio, identifier="public.payments.id") == 0
    assert found.value(metrics_of_database.query_success, query="identifiers") == 0


def test_a_role_that_may_not_read_the_sequence_is_told_so_and_never_reads_0(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute("SELECT setval('payments_id_seq', 5)")
    name = f"reader_{payments_database.name}"
    payments_database.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    dsn = payments_database.server.dsn(payments_database.name, user=name, password="x")
    try:
        found = seen(payments_database, "public.payments.id", dsn=dsn)
        assert found.value(metrics.used_ratio, identifier="public.payments.id") is None
        assert found.value(metrics_of_database.query_success, query="identifiers") == 0
        payments_database.execute(f"GRANT SELECT ON SEQUENCE payments_id_seq TO {name}")
        found = seen(payments_database, "public.payments.id", dsn=dsn)
        assert found.value(metrics.used_ratio, identifier="public.payments.id") == float(Fraction(4, INT8 - 1))
    finally:
        payments_database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_a_column_that_is_named_twice_is_refused() -> None:
    twice = {"table": "payments", "column": "id"}
    with pytest.raises(ValueError, match=r"payments\.id is named twice; name it once"):
        PostgresSettings.model_validate({"dsn": "host=x", "identifiers": [twice, twice]})
