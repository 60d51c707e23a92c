"""A real Postgres for the tests: each version on this machine, one server a session, a fresh database a test."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest

from simulator.postgres_server import SCHEMA, PostgresServer, installations, running

NOW = 1_800_000_000.0
"""The time in these tests: 2027-01-15 08:00 UTC."""


@dataclass(frozen=True, slots=True)
class PaymentsDatabase:
    """A database with the simulator's schema, of a test's own."""

    server: PostgresServer
    name: str
    dsn: str
    admin: psycopg.Connection[tuple[object, ...]]

    def execute(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Change something as the application would; `ago(seconds)` in it is that long before NOW."""
        self.admin.execute(statement.encode(), parameters)

    def value(self, question: str) -> object:
        """The only value that a query gives."""
        row = self.admin.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]

    def payment(self, status: str = "completed", *, ago: float = 60, **columns: object) -> None:
        """One payment, created so many seconds before NOW."""
        values = {"order_id": f"order-{uuid4()}", "payment_intent_id": f"pi_{uuid4()}"} | columns
        if "completed_ago" in values:
            values["completed_at"] = NOW - float(str(values.pop("completed_ago")))
        self.admin.execute(
            "INSERT INTO payments (order_id, user_id, payment_intent_id, status, amount, currency, created_at,"
            " completed_at) VALUES (%(order_id)s, 1, %(payment_intent_id)s, %(status)s, %(amount)s, %(currency)s,"
            " to_timestamp(%(created_at)s), to_timestamp(%(completed_at)s))",
            {"completed_at": None, "amount": 100, "currency": "usd"}
            | values
            | {"status": status, "created_at": NOW - ago},
        )

    def attempt(self, status: str = "succeeded", *, user: int | None = 1, ago: float = 1) -> None:
        """One payment attempt, so many seconds before NOW."""
        self.admin.execute(
            "INSERT INTO payment_attempts (user_id, status, created_at) VALUES (%s, %s, to_timestamp(%s))",
            (user, status, NOW - ago),
        )

    def event(
        self,
        id: str,  # noqa: A002 - as Stripe calls it
        kind: str = "payment_intent.succeeded",
        *,
        created: float,
        received: float,
        processed: float | None = None,
    ) -> None:
        """One event in the inbox; the times are seconds before NOW."""
        self.admin.execute(
            "INSERT INTO webhook_events (id, type, created_at, received_at, processed_at)"
            " VALUES (%s, %s, to_timestamp(%s), to_timestamp(%s), to_timestamp(%s))",
            (id, kind, NOW - created, NOW - received, None if processed is None else NOW - processed),
        )


@pytest.fixture(scope="session", params=installations(), ids=lambda one: f"postgres-{one.version}")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A running server with the schema in its template `payments`; the embedded Postgres, then Debian's."""
    with running(request.param) as server:
        server.create("payments")
        server.psql("payments", SCHEMA)
        yield server


@pytest.fixture
def payments_database(postgres: PostgresServer) -> Iterator[PaymentsDatabase]:
    """An empty payments database."""
    name = f"test_{uuid4().hex}"
    dsn = postgres.create(name, template="payments")
    with psycopg.connect(dsn, autocommit=True) as admin:
        yield PaymentsDatabase(postgres, name, dsn, admin)
    postgres.drop(name)
