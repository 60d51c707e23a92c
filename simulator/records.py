"""What does the payments service write into its database, and how does a month of it get there in a second?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

__all__ = ["Attempt", "InboxEvent", "Order", "Records", "write"]


@dataclass(slots=True, eq=False)
class Order:
    """A row of payments."""

    id: int
    order_id: str
    user: int
    intent: str | None
    status: str
    amount: int
    currency: str
    created: float
    completed: float | None = None
    stored: bool = True
    """Whether the database has it; a row that was lost never comes back."""


@dataclass(slots=True, eq=False)
class InboxEvent:
    """A row of webhook_events."""

    id: str
    type: str
    created: float
    received: float
    processed: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of payment_attempts."""

    payment: int | None
    user: int
    status: str
    at: float


@dataclass(slots=True)
class Records:
    """Rows that are new or changed since the last time that somebody wrote them."""

    orders: dict[int, Order] = field(default_factory=dict)
    new_orders: set[int] = field(default_factory=set)
    events: dict[str, InboxEvent] = field(default_factory=dict)
    new_events: set[str] = field(default_factory=set)
    attempts: list[Attempt] = field(default_factory=list)

    def add(self, order: Order) -> None:
        """A new payment."""
        if order.stored:
            self.new_orders.add(order.id)
            self.orders[order.id] = order

    def change(self, order: Order) -> None:
        """A payment whose row is no longer what was written."""
        if order.stored:
            self.orders[order.id] = order

    def receive(self, event: InboxEvent) -> None:
        """A new event in the inbox."""
        self.new_events.add(event.id)
        self.events[event.id] = event

    def process(self, event: InboxEvent) -> None:
        """An event that was acted upon."""
        self.events[event.id] = event

    def clear(self) -> None:
        """Everything has been written."""
        for kept in (self.orders, self.new_orders, self.events, self.new_events):
            kept.clear()
        self.attempts.clear()


_ORDERS = "payments (id, order_id, user_id, payment_intent_id, status, amount, currency, created_at, completed_at)"
_ATTEMPTS = "payment_attempts (payment_id, user_id, status, created_at)"
_EVENTS = "webhook_events (id, type, created_at, received_at, processed_at, status)"

_CHANGE_ORDERS = """
UPDATE payments SET payment_intent_id = intent, status = new.status, completed_at = completed, updated_at = now()
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) AS new (id, intent, status, completed)
WHERE payments.id = new.id
"""
_CHANGE_EVENTS = """
UPDATE webhook_events SET processed_at = processed, status = 'processed'
FROM unnest(%s::text[], %s::timestamptz[]) AS new (id, processed) WHERE webhook_events.id = new.id
"""


def write(connection: psycopg.Connection[Any], records: Records) -> None:
    """Write what is new and what has changed, in one transaction, and forget it."""
    orders, events = records.orders.values(), records.events.values()
    with connection.transaction(), connection.cursor() as cursor:
        _copy(
            cursor,
            _ORDERS,
            (
                (o.id, o.order_id, o.user, o.intent, o.status, o.amount, o.currency, _at(o.created), _at(o.completed))
                for o in orders
                if o.id in records.new_orders
            ),
        )
        _copy(cursor, _ATTEMPTS, ((one.payment, one.user, one.status, _at(one.at)) for one in records.attempts))
        _copy(
            cursor,
            _EVENTS,
            (
                (e.id, e.type, _at(e.created), _at(e.received), _at(e.processed), _status(e))
                for e in events
                if e.id in records.new_events
            ),
        )
        changed = [o for o in orders if o.id not in records.new_orders]
        if changed:
            cursor.execute(
                _CHANGE_ORDERS,
                (
                    [o.id for o in changed],
                    [o.intent for o in changed],
                    [o.status for o in changed],
                    [_at(o.completed) for o in changed],
                ),
            )
        processed = [e for e in events if e.id not in records.new_events]
        if processed:
            cursor.execute(_CHANGE_EVENTS, ([e.id for e in processed], [_at(e.processed) for e in processed]))
    records.clear()


def _copy(cursor: psycopg.Cursor[Any], into: str, rows: Iterable[Sequence[Any]]) -> None:
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.SQL(into))) as copy:
        for row in rows:
            copy.write_row(row)


def _status(event: InboxEvent) -> str:
    return "received" if event.processed is None else "processed"


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
