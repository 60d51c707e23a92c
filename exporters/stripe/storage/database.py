"""Which few operations does the state need from whatever keeps it?"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["OWNER", "SCHEMA", "SCHEMA_VERSION", "CorruptError", "Database"]

SCHEMA_VERSION = 3
"""Version 1 lacked `authorizations` and `refunds`, version 2 `received`: a state of that version gets them, and keeps
all it has; what its payments received before is not known."""

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS paymon_marks (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS paymon_counters (series TEXT PRIMARY KEY, total BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS paymon_buckets"
    " (width INTEGER, start BIGINT, series TEXT, total BIGINT NOT NULL, PRIMARY KEY (width, start, series))",
    "CREATE TABLE IF NOT EXISTS paymon_events"
    " (at BIGINT, id TEXT, seen_for BIGINT NOT NULL, type TEXT NOT NULL, about TEXT NOT NULL, PRIMARY KEY (at, id))",
    "CREATE TABLE IF NOT EXISTS paymon_changes (change BIGINT PRIMARY KEY, seen_for BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS paymon_networks (charge BIGINT PRIMARY KEY, network TEXT NOT NULL, at BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS paymon_unplaced (charge BIGINT NOT NULL, metric TEXT NOT NULL, at BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS paymon_unplaced_charge ON paymon_unplaced (charge)",
    "CREATE TABLE IF NOT EXISTS paymon_authorizations (charge BIGINT PRIMARY KEY, at BIGINT NOT NULL,"
    " captured_at BIGINT, rest BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS paymon_refunds (at BIGINT NOT NULL, live BOOLEAN NOT NULL, fact TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS paymon_refunds_at ON paymon_refunds (at)",
    "CREATE TABLE IF NOT EXISTS paymon_received (intent TEXT, at BIGINT NOT NULL, amount BIGINT, currency TEXT,"
    " refunded BOOLEAN NOT NULL, PRIMARY KEY (intent))",
    "CREATE TABLE IF NOT EXISTS paymon_intents"
    " (id TEXT PRIMARY KEY, steps TEXT NOT NULL, outcome TEXT NOT NULL, touched BIGINT NOT NULL, due BIGINT)",
    "CREATE INDEX IF NOT EXISTS paymon_intents_due ON paymon_intents (due) WHERE due IS NOT NULL",
)
"""The tables, in SQL that SQLite and Postgres both read.

`changes` and the charges of `networks`, `unplaced` and `authorizations` are 64-bit hashes: two of a million changes
share one with a probability of 3e-8. `seen_for` is the moment until which a row must be remembered, rather than when it
happened. `metric` of `unplaced` may name the network, too, under which one was counted: `metric|network`. `refunds` are
those that may turn out to be releases of an authorization, kept until that is certain. `amount` and `currency` of
`received` are what a payment intent took in all, both NULL where only a refund of it was seen.
"""

OWNER = "SELECT value FROM paymon_marks WHERE name = 'payments'"
"""Whose payments are counted; no row where nobody has said it yet."""

type_of_row = tuple[Any, ...]


class CorruptError(Exception):
    """What was kept cannot be read any more."""


class Database(Protocol):
    """A connection that nobody else writes through; parameters are written `?`."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[type_of_row]:
        """Run one statement and give its rows. Raises SampleError or CorruptError."""

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row. Raises SampleError or CorruptError."""

    def size(self) -> int:
        """Bytes that the state takes."""

    def close(self) -> None:
        """Let go, also of the lock; never raises."""
