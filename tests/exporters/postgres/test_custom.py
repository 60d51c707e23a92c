"""What becomes of a query of the user's own?"""

import asyncio
import logging
from typing import Any

import pytest
from pydantic import ValidationError

from exporters.postgres import PostgresSettings
from exporters.sampling.model import reading
from rules.payments import database as metrics
from rules.payments import monitoring
from rules.vocabulary import OTHER
from tests.exporters.postgres.asking import Seen, asking
from tests.postgres import NOW, PaymentsDatabase

QUERY: dict[str, object] = {
    "name": "by_currency",
    "sql": "SELECT currency, count(*) AS value FROM payments GROUP BY currency;",
    "metric": "payments_custom_by_currency",
    "help": "Payments by currency",
    "labels": {"currency": ["usd", "eur"]},
}
METRIC = PostgresSettings.model_validate({"dsn": "host=x", "queries": [QUERY]}).queries[0].gauge


def seen(database: PaymentsDatabase, *queries: dict[str, object], **settings: Any) -> Seen:
    async def once() -> Seen:
        async with asking(database.dsn, queries=queries, **settings) as exporter:
            return await exporter.sample(NOW)

    return asyncio.run(once())


def in_currencies(database: PaymentsDatabase, *currencies: str) -> None:
    for currency in currencies:
        database.payment()
        database.execute("UPDATE payments SET currency = %(it)s WHERE id = lastval()", {"it": currency})


def test_a_row_is_a_series_and_what_no_allow_list_names_is_added_up(payments_database: PaymentsDatabase) -> None:
    in_currencies(payments_database, "usd", "usd", "eur", "chf", "jpy", "jpy")

    async def story() -> None:
        async with asking(payments_database.dsn, queries=[QUERY]) as exporter:
            found = await exporter.sample(NOW)
            values = {value: found.value(METRIC, currency=value) for value in ("usd", "eur", OTHER)}
            assert values == {"usd": 2, "eur": 1, OTHER: 3}
            assert reading(monitoring.label_overflow, 2, label="currency") in exporter.overflow.readings()

    asyncio.run(story())


def test_the_time_of_the_sample_and_percent_signs_may_stand_in_it(payments_database: PaymentsDatabase) -> None:
    found = seen(
        payments_database,
        QUERY | {"sql": "SELECT 'usd' AS currency, extract(epoch FROM %(now)s) AS value WHERE 'a%b' LIKE 'a%' -- done"},
    )
    assert found.value(METRIC, currency="usd") == NOW


def test_more_rows_than_allowed_are_an_error_not_a_part_of_the_truth(payments_database: PaymentsDatabase) -> None:
    in_currencies(payments_database, "usd", "eur", "chf")
    found = seen(payments_database, QUERY | {"max_rows": 2})
    assert found.value(metrics.query_success, query="by_currency") == 0
    assert found.value(METRIC, currency="usd") is None
    assert seen(payments_database, QUERY | {"max_rows": 3}).value(METRIC, currency="usd") == 1


def test_a_null_is_an_error_unless_the_query_says_otherwise(payments_database: PaymentsDatabase) -> None:
    null = QUERY | {"sql": "SELECT 'usd' AS currency, NULL AS value UNION ALL SELECT 'eur', 1"}
    assert seen(payments_database, null).value(metrics.query_success, query="by_currency") == 0
    found = seen(payments_database, null | {"null": "absent"})
    assert found.value(metrics.query_success, query="by_currency") == 1
    assert found.value(METRIC, currency="usd") is None
    assert found.value(METRIC, currency="eur") == 1


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1 AS value) AS a; DROP TABLE payments; SELECT * FROM (SELECT 1", "it is more than one statement"),
        ("DROP TABLE payments", "it is not a SELECT"),
        ("DELETE FROM payments", "it is not a SELECT"),
        ("/* SELECT */ -- SELECT", "it is not a SELECT"),
        (
            "WITH gone AS (DELETE FROM payments RETURNING currency) SELECT currency, 1 AS value FROM gone",
            r"it would write \(DELETE\)",
        ),
        ("COMMIT", "it is not a SELECT"),
    ],
)
def test_only_one_select_can_be_asked(sql: str, said: str) -> None:
    with pytest.raises(ValidationError, match=f"{said}; write one SELECT"):
        PostgresSettings.model_validate({"dsn": "host=x", "queries": [QUERY | {"sql": sql}]})


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ("SELECT count(*) > 0 AS value FROM payments", 0),
        ("SELECT true AS value", 1),
        ("SELECT to_timestamp(1800000000.5) AS value", NOW + 0.5),
        ("SELECT timestamp '2027-01-15 17:00' AS value", NOW),
        ("SELECT date '2027-01-16' AS value", NOW + 7 * 3600),
        ("SELECT interval '1 day 0.5 seconds' AS value", 86_400.5),
        ("SELECT 1.5::money AS value", 1.5),
        ("SELECT '7' AS value", 7),
        ("SELECT 7 AS value -- that is all", 7),
        ("SELECT 7 AS value; -- that is all; really", 7),
        ("SELECT 7 AS value; /* that; /* is; */ all */", 7),
        ("SELECT length(';''--') AS value ;", 4),
        ("SELECT length($x$;--$x$) AS value;", 3),
        ('SELECT ";" AS value FROM (SELECT 5 AS ";") AS a', 5),
        ("VALUES (3)", 3),
        ("(WITH a AS (SELECT 1 AS value) SELECT value FROM a)", 1),
    ],
)
def test_truths_moments_spans_and_comments_are_served_as_psql_would_show_them(
    payments_database: PaymentsDatabase, asked: str, value: float
) -> None:
    plain = {**QUERY, "sql": asked, "labels": {}, "value": "column1" if asked.startswith("VALUES") else "value"}
    metric = PostgresSettings.model_validate({"dsn": "host=x", "queries": [plain]}).queries[0].gauge
    assert seen(payments_database, plain, time_zone="Asia/Tokyo").value(metric) == value


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("SELECT now() AS value, 'x' AS currency, '{}'::json AS value2", None),
        ("SELECT '{}'::json AS value", "its column value is of type json, which is no number; cast it in the query"),
        ("SELECT 'x' AS value", "a value is not of the type that is needed (SQLSTATE 22P02)"),
        ("SELECT sum(id) AS value FROM payments", "its column value is NULL, as an aggregate of no rows is; set"),
        ("SELECT 1 AS values", 'column "value" does not exist'),
        ("SELECT nonsense(1) AS value", "function nonsense(integer) does not exist (SQLSTATE 42883)"),
        ("SELECT 1 AS value FROM", "syntax error at or near"),
    ],
)
def test_why_a_query_of_ones_own_cannot_be_served_is_said(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture, asked: str, said: str | None
) -> None:
    with caplog.at_level(logging.WARNING):
        found = seen(payments_database, QUERY | {"sql": asked, "labels": {}})
    assert found.value(metrics.query_success, query="by_currency") == (said is None)
    assert said is None or any(line.startswith(f"by_currency: {said}") for line in caplog.messages), caplog.messages


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "unfinished"}, "a built-in query is already named unfinished; choose another name"),
        ({"labels": {"job": ["a"]}}, "label 'job' is not ours to set"),
        ({"metric": "payment_attempts_total"}, "is no metric's name of yours; begin it with payments_custom_"),
        ({"name": "By currency"}, "is no query's name; write at most 41 small letters, digits and _, a letter first"),
        ({"help": "Rows of the table."}, "ends with a full stop; leave it out"),
        ({"labels": {"Currency": ["usd"]}}, "is no label's name; write small letters, digits and _"),
        ({"metric": "payments_custom_rows_total"}, "ends like a counter's or a histogram's sample"),
        ({"labels": {"currency": []}}, "at least 1 item"),
        ({"interval": 0}, "greater than 0 seconds"),
        ({"sql": " "}, "at least 1 character"),
    ],
)
def test_a_query_that_could_not_be_served_is_refused_with_the_settings(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PostgresSettings.model_validate({"dsn": "host=x", "queries": [QUERY | wrong]})


def test_two_queries_cannot_share_a_name_or_a_metric() -> None:
    with pytest.raises(ValidationError, match="two queries have the name by_currency; give each its own"):
        PostgresSettings.model_validate({"dsn": "host=x", "queries": [QUERY, QUERY]})
    with pytest.raises(ValidationError, match="two queries have the metric payments_custom_by_currency"):
        PostgresSettings.model_validate({"dsn": "host=x", "queries": [QUERY, QUERY | {"name": "again"}]})
