"""Does each shape of docs/your-schema.md give the right numbers, with the settings that stand there?"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rules.payments import database as metrics
from rules.payments import silence, webhooks
from rules.vocabulary import Source
from simulator.postgres_server import PostgresServer
from tests.exporters.postgres.asking import asking
from tests.postgres import NOW

DOCUMENT = (Path(__file__).parents[3] / "docs" / "your-schema.md").read_text()
SECTIONS = {
    title: body
    for title, body in re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    if "```sql" in body
}
INBOX = "An inbox that says true, or a word"


@dataclass(frozen=True, slots=True)
class Written:
    """How an application of that shape writes a payment and an attempt: SQL with their parts in it."""

    payment: str
    attempt: str
    completed: str
    pending: str
    failed: str
    succeeded: str


def at(seconds: str) -> str:
    return f"to_timestamp({seconds})"


def utc(seconds: str) -> str:
    return f"(to_timestamp({seconds}) AT TIME ZONE 'UTC')"


SIMPLE = Written(
    "INSERT INTO payments VALUES ({n}, {order}, 'pi_{n}', {status}, to_timestamp({created}), to_timestamp({done}))",
    "INSERT INTO payment_attempts VALUES ({n}, {user}, {status}, to_timestamp({created}))",
    "'completed'", "'pending'", "'failed'", "'succeeded'",
)  # fmt: skip
SHAPES = {
    "One wide table": SIMPLE,
    "An intent and its attempts": Written(
        "INSERT INTO payment_intent VALUES ('p{n}', 'pi_{n}', {order}, {status},"
        f" {utc('{created}')}, {utc('coalesce({done}, {created})')})",
        "INSERT INTO payment_attempt VALUES (md5('{n}'), 'p1', '{user}', {status}," f" {utc('{created}')})",
        "'succeeded'", "'processing'", "'failure'", "'charged'",
    ),
    "Names in camel case": Written(
        """INSERT INTO "Payment" VALUES ('p{n}', {order}, 'pi_{n}', {status},"""
        f" {utc('{created}')}, {utc('{done}')})",
        f"""INSERT INTO "PaymentAttempt" VALUES (md5('{{n}}'), '{{user}}', {{status}}, {utc('{created}')})""",
        "'SUCCEEDED'", "'PENDING'", "false", "true",
    ),
    "Random keys and numbers for words": Written(
        "INSERT INTO payments (order_id, stripe_intent_id, status, created_at, completed_at)"
        f" VALUES (md5({{order}})::uuid, 'pi_{{n}}', {{status}}, {utc('{created}')}, {utc('{done}')})",
        "INSERT INTO charge_attempts (user_id, status, created_at)"
        f" VALUES (md5('{{user}}')::uuid, {{status}}, {utc('{created}')})",
        "1", "0", "2", "1",
    ),
    "Soft deletes": SIMPLE,
    "Numbers since 1970": Written(
        "INSERT INTO payments VALUES ({n}, {order}, 'pi_{n}', {status}, 1000 * {created}, 1000 * {done})",
        "INSERT INTO payment_attempts VALUES ({n}, {user}, {status}, 1000 * {created})",
        "'completed'", "'pending'", "'failed'", "'succeeded'",
    ),
}  # fmt: skip


def test_every_shape_of_the_document_is_tried() -> None:
    assert set(SECTIONS) == {*SHAPES, INBOX}


def prepared(postgres: PostgresServer, title: str) -> tuple[str, dict[str, Any]]:
    """A database as the section wants it, and the section's settings."""
    dsn = postgres.create("your_schema")
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statements in re.findall(r"```sql\n(.+?)```", SECTIONS[title], re.DOTALL):
            connection.execute(statements.encode())
    [settings] = re.findall(r"```yaml\n(.+?)```", SECTIONS[title], re.DOTALL)
    return dsn, yaml.safe_load(settings)["postgres"]


OFF = {name: {"enabled": False} for name in ("migrations", "tables", "dead_tuples")}


@pytest.mark.parametrize("title", SHAPES)
def test_a_shape_gives_the_numbers_that_its_rows_hold(postgres: PostgresServer, title: str) -> None:
    shape = SHAPES[title]
    dsn, settings = prepared(postgres, title)
    settings = {**settings, "inbox": {"enabled": False}, "built_in": {**settings.get("built_in", {}), **OFF}}
    count = iter(range(1, 100))

    async def story(connection: psycopg.Connection[Any]) -> None:
        def payment(status: str, order: str, created: float, done: float | None = None) -> None:
            moment = "NULL::float" if done is None else NOW - done
            parts = {
                "n": next(count),
                "order": f"'{order}'",
                "status": status,
                "created": NOW - created,
                "done": moment,
            }
            connection.execute(shape.payment.format(**parts).encode())

        def attempt(status: str, user: int, created: float) -> None:
            parts = {"n": next(count), "user": user, "status": status, "created": NOW - created}
            connection.execute(shape.attempt.format(**parts).encode())

        payment(shape.completed, "one", 70, 60)
        payment(shape.completed, "two", 80, 75)
        payment(shape.completed, "two", 90, 85)
        payment(shape.pending, "three", 500)
        if title == "Soft deletes":
            payment(shape.pending, "four", 9000)
            connection.execute("UPDATE payments SET deleted_at = now() WHERE order_id = 'four'")
        attempt(shape.failed, 1, 30)
        attempt(shape.succeeded, 2, 20)
        async with asking(dsn, **settings) as exporter:
            await exporter.sample(NOW)
            attempt(shape.failed, 3, -5)
            attempt(shape.succeeded, 4, -6)
            seen = await exporter.sample(NOW + 60)
            succeeded = {
                dict(one.labels)["query"]: getattr(one, "value", 0)
                for one in seen.snapshot.readings
                if one.metric is metrics.query_success
            }
            assert all(succeeded.values()), succeeded
            assert seen.value(silence.last_completed) == NOW - 60
            status = "processing" if shape.pending == "'processing'" else "pending"
            assert seen.value(metrics.unfinished, status=status) == 1
            assert seen.value(metrics.oldest_unfinished, status=status) == NOW - 500
            assert seen.value(metrics.duplicates) == 1
            assert seen.value(metrics.last_attempt) == NOW + 6
            assert seen.value(metrics.affected_users) == 2
            assert seen.value(metrics.recorded_attempts) == 2
            assert seen.value(metrics.recorded_failures) == 1

    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            asyncio.run(story(connection))
    finally:
        postgres.drop("your_schema")


def test_an_inbox_that_says_true_or_a_word_has_its_backlog_and_its_times(postgres: PostgresServer) -> None:
    dsn, settings = prepared(postgres, INBOX)

    async def story(connection: psycopg.Connection[Any]) -> None:
        def event(n: int, processed: str, state: str, since: float) -> None:
            connection.execute(
                "INSERT INTO stripe_webhooks VALUES (%s, %s, 'payment_intent.succeeded', to_timestamp(%s), %s, %s,"
                " to_timestamp(%s), to_timestamp(%s))",
                (n, f"evt_{n}", NOW - since - 1, processed, state, NOW - since, NOW - since + 4),
            )

        event(1, "false", "new", 300)
        async with asking(dsn, **settings) as exporter:
            await exporter.sample(NOW, Source.WEBHOOK_INBOX)
            event(2, "true", "", 10)
            event(3, "false", "done", 9)
            seen = await exporter.sample(NOW + 15, Source.WEBHOOK_INBOX)
            assert seen.value(webhooks.inbox_backlog) == 1
            assert seen.value(webhooks.inbox_oldest) == NOW - 300
            took = seen.distribution(webhooks.duration, event_type="payment_intent.succeeded")
            assert took is not None
            assert (took.count, took.total) == (2, 8)

    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            asyncio.run(story(connection))
    finally:
        postgres.drop("your_schema")
