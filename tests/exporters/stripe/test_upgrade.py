"""Does a state that an earlier release wrote go on, with all that it holds?"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from exporters.sampling.reconciling import Received
from exporters.stripe.storage.database import SCHEMA_VERSION
from simulator.postgres_server import PostgresServer
from simulator.stripe import Cause
from tests.exporters.stripe.shop import START, Watched, counters, values, watched

TABLES = """
CREATE TABLE paymon_marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE paymon_counters (series TEXT PRIMARY KEY, total BIGINT NOT NULL);
CREATE TABLE paymon_buckets (width INTEGER, start BIGINT, series TEXT, total BIGINT NOT NULL,
    PRIMARY KEY (width, start, series));
CREATE TABLE paymon_events (at BIGINT, id TEXT, seen_for BIGINT NOT NULL, type TEXT NOT NULL, about TEXT NOT NULL,
    PRIMARY KEY (at, id));
CREATE TABLE paymon_changes (change BIGINT PRIMARY KEY, seen_for BIGINT NOT NULL);
CREATE TABLE paymon_networks (charge BIGINT PRIMARY KEY, network TEXT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE paymon_unplaced (charge BIGINT NOT NULL, metric TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX paymon_unplaced_charge ON paymon_unplaced (charge);
CREATE TABLE paymon_intents (id TEXT PRIMARY KEY, steps TEXT NOT NULL, outcome TEXT NOT NULL, touched BIGINT NOT NULL,
    due BIGINT);
CREATE INDEX paymon_intents_due ON paymon_intents (due) WHERE due IS NOT NULL;
"""
"""What the first release made, word for word."""

SECOND = """
CREATE TABLE paymon_authorizations (charge BIGINT PRIMARY KEY, at BIGINT NOT NULL, captured_at BIGINT,
    rest BIGINT NOT NULL);
CREATE TABLE paymon_refunds (at BIGINT NOT NULL, live BOOLEAN NOT NULL, fact TEXT NOT NULL);
CREATE INDEX paymon_refunds_at ON paymon_refunds (at);
"""
"""What the second schema added, word for word."""

BEGAN = int(START) - 3 * 86400


def filled(asked: str) -> list[tuple[str, tuple[object, ...]]]:
    """Rows as the first release left them, an hour and some minutes ago; `asked` is an intent that needs action."""
    now = int(START)
    marks = {
        "epoch": BEGAN,
        "watermark": now,
        "settled": now - 900,
        "fresh": now,
        "covered_from": BEGAN - 86400,
        "head": None,
        "deep": None,
        "backfill": None,
        "deep_pages": 1,
        "pruned_at": now - 900,
    }
    day = now // 86400 * 86400
    return [
        ("INSERT INTO paymon_marks VALUES (?, ?)", ("marks", json.dumps(marks))),
        ("INSERT INTO paymon_counters VALUES (?, ?)", ("payment_attempts_total|success|card|api", 41)),
        ("INSERT INTO paymon_counters VALUES (?, ?)", ("payment_amount_minor_units_total|usd", 82_000)),
        ("INSERT INTO paymon_counters VALUES (?, ?)", ("stripe_refunds_total|created", 3)),
        ("INSERT INTO paymon_buckets VALUES (?, ?, ?, ?)", (3600, day - 3600, "stripe_window_charges|visa", 41)),
        (
            "INSERT INTO paymon_events VALUES (?, ?, ?, ?, ?)",
            (now - 300, "evt_old", now + 50 * 3600, "payment_intent.succeeded", "pi_paid_before"),
        ),
        (
            "INSERT INTO paymon_intents VALUES (?, ?, ?, ?, ?)",
            (asked, json.dumps([[now - 60, "A", "card", "api", "usd"]]), "", now - 60, now - 60 + 3600),
        ),
    ]


def go_on(world: Watched) -> None:
    """What happens after the upgrade, and what comes of both."""
    fake = world.fake
    asked = fake.ask()
    held = fake.pay(capture=False, after=asked, cause=Cause.AUTHENTICATED)
    world.clock.on(30)
    fake.capture(held)
    fake.pay()
    snapshot = world.rest()
    found = counters(snapshot)
    assert found["payment_attempts_total", "success", "card", "api"] == 41 + 2
    assert found["payment_amount_minor_units_total", "usd"] == 82_000 + 4000
    assert found["stripe_refunds_total", "created"] == 3
    assert found["payment_intents_total", "succeeded"] == 2
    assert found["payment_attempts_total", "abandoned", "card", "api"] == 1  # who was asked before the upgrade
    assert values(snapshot.readings)["stripe_window_charges", "24h", "visa"] == 41 + 2
    received = dict(world.runner.run(world.stripe.history.received(START - 3600, START + 3600)))
    assert received.pop("pi_paid_before") is None  # what it took was not kept then
    assert list(received.values()) == [Received(2000, "usd", refunded=False)] * 2


def refund_of_before(captured_at: int) -> tuple[str, tuple[object, ...]]:
    """A refund that waits to be decided, as the second schema kept it: without its payment intent."""
    fact = ["RefundMade", "re_before", "ch_before", "usd", 500, True]
    return "INSERT INTO paymon_refunds VALUES (?, ?, ?)", (captured_at, True, json.dumps(fact))


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_earlier_release_goes_on(tmp_path: Path, version: int) -> None:
    path = tmp_path / "state.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLES + (SECOND if version == 2 else "") + f"PRAGMA user_version={version};")
        for statement, row in filled("pi_from_before"):
            connection.execute(statement, row)
    with watched(tmp_path) as world:
        world.clock.on(60)
        go_on(world)
        world.restart()
        world.sample()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


@pytest.fixture
def dsn(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    name = f"upgrade_{uuid4().hex}"
    yield postgres.create(name)
    postgres.drop(name)


def test_a_refund_that_an_earlier_release_left_undecided_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLES + SECOND + "PRAGMA user_version=2;")
        for statement, row in [*filled("pi_from_before"), refund_of_before(int(START) - 600)]:
            connection.execute(statement, row)
    with watched(tmp_path) as world:
        world.clock.on(60)
        world.fake.pay()
        assert counters(world.rest())["stripe_refunds_total", "created"] == 3 + 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_database_of_an_earlier_release_goes_on(tmp_path: Path, dsn: str, version: int) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute((TABLES + (SECOND if version == 2 else "")).encode())
        connection.execute("INSERT INTO paymon_marks VALUES ('schema', %s)", (str(version),))
        for statement, row in filled("pi_from_before"):
            connection.execute(statement.replace("?", "%s").encode(), row)
    with watched(tmp_path, state={"backend": "postgres", "dsn": dsn}) as world:
        world.clock.on(60)
        go_on(world)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT value FROM paymon_marks WHERE name = 'schema'").fetchone() == (
            str(SCHEMA_VERSION),
        )
