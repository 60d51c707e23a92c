"""What may be set about the payments database, and what holds where nothing is set?"""

from datetime import timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from exporters.secrets import Secret, Section
from rules.vocabulary import OTHER, Gauge, Label, Source, Unit

__all__ = [
    "AttemptsTable",
    "CustomQuery",
    "InboxTable",
    "MigrationsTable",
    "PaymentsTable",
    "PostgresSettings",
    "QueryName",
    "QuerySettings",
    "ReconciliationSettings",
    "Statuses",
]

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]{0,62}"

Column = Annotated[str, StringConstraints(pattern=rf"^{_IDENTIFIER}$")]
Table = Annotated[str, StringConstraints(pattern=rf"^{_IDENTIFIER}(\.{_IDENTIFIER})?$")]
Values = Annotated[tuple[Annotated[str, StringConstraints(pattern=r"^[^%]{1,100}$")], ...], Field(min_length=1)]
Duration = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))]
"""A number of seconds, or ISO 8601 (`PT1M`)."""

QueryName = Literal[
    "last_completed",
    "unfinished",
    "duplicates",
    "pending_review",
    "last_attempt",
    "affected_users",
    "attempts",
    "tables",
    "migrations",
    "replica_lag",
    "dead_tuples",
    "inbox_processed",
    "inbox_received",
    "inbox_backlog",
    "reconciled_payments",
    "reconciled_events",
]


class PaymentsTable(Section):
    """The table of payments; the runbook's, with the columns that it takes for granted."""

    table: Table = "public.payments"
    order_id: Column = "order_id"
    payment_intent_id: Column = "payment_intent_id"
    status: Column = "status"
    created_at: Column = "created_at"
    completed_at: Column = "completed_at"


class AttemptsTable(Section):
    """The table of payment attempts; `id` must grow with every row."""

    table: Table = "public.payment_attempts"
    id: Column = "id"
    user_id: Column = "user_id"
    status: Column = "status"
    created_at: Column = "created_at"


class MigrationsTable(Section):
    """The table of migrations."""

    table: Table = "public.schema_migrations"
    applied: Column = "applied"


class InboxTable(Section):
    """The webhook inbox: one row for each event, `id` being Stripe's."""

    enabled: bool = True
    table: Table = "public.webhook_events"
    id: Column = "id"
    type: Column = "type"
    created_at: Column = "created_at"
    received_at: Column = "received_at"
    processed_at: Column = "processed_at"


class Statuses(Section):
    """The words that the database uses."""

    completed: Values = ("completed", "pending_review", "refunded")
    """Completed once, whatever became of it since: the runbook's rollback turns completed into pending_review."""
    charged: Values = ("completed", "pending_review")
    """The customer has paid and was not paid back."""
    pending_review: Values = ("pending_review",)
    ended: Values = ("completed", "failed", "canceled", "refunded", "pending_review")
    """Nothing more will happen by itself; every other status is unfinished."""
    pending: Values = ("pending",)
    processing: Values = ("processing",)
    requires_action: Values = ("requires_action",)
    failed_attempt: Values = ("failed",)


class QuerySettings(Section):
    """What may be changed about a built-in query."""

    enabled: bool = True
    interval: Duration | None = None
    timeout: Duration | None = None


class CustomQuery(Section):
    """A query of one's own: one gauge, with one series for each row."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    sql: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
    """One SELECT; `%(now)s` in it is the time of the sample."""
    metric: Annotated[str, StringConstraints(pattern=r"^payments_custom_[a-z0-9_]+$")]
    help: Annotated[str, StringConstraints(min_length=10, max_length=200, pattern=r"[^.]$")]
    value: Column = "value"
    labels: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")], Values] = Field(default={})
    """The values that each label may take, by its column; the rest are added up under other."""
    null: Literal["error", "absent"] = "error"
    max_rows: int = Field(default=100, ge=1, le=10_000)
    interval: Duration | None = None
    timeout: Duration | None = None

    @property
    def gauge(self) -> Gauge:
        """The metric that it serves. Raises ValueError for a name that is not ours to give."""
        labels = tuple(Label(name, tuple(dict.fromkeys((*values, OTHER)))) for name, values in self.labels.items())
        return Gauge(self.metric, self.help, Unit.COUNT, Source.POSTGRES, labels=labels)

    @model_validator(mode="after")
    def _servable(self) -> Self:
        if self.name in get_args(QueryName):
            raise ValueError(f"a built-in query is already named {self.name}; choose another name")
        assert self.gauge
        return self


class ReconciliationSettings(Section):
    """How Stripe and the database are compared."""

    enabled: bool = True
    grace: Duration = timedelta(minutes=15)
    """How long the two sides may differ."""
    window: Duration = timedelta(hours=24)
    interval: Duration = timedelta(minutes=5)

    @model_validator(mode="after")
    def _window_beyond_grace(self) -> Self:
        if self.window <= self.grace:
            raise ValueError("the window must be longer than the grace period; nothing would be compared")
        return self


class PostgresSettings(Section):
    """The payments database: how it is reached, what it calls things, and how gently it is asked."""

    dsn: Secret
    """As libpq reads it, TLS modes included; what it does not say, libpq's environment variables may."""
    interval: Duration = timedelta(seconds=15)
    max_age: Duration = timedelta(minutes=2)
    """How long an answer is served after the latest success of its query."""
    connect_timeout: Annotated[timedelta, Field(ge=timedelta(seconds=2), le=timedelta(minutes=1))] = timedelta(
        seconds=5
    )
    lock_timeout: Duration = timedelta(milliseconds=500)
    statement_timeout: Duration = timedelta(seconds=2)
    deadline_margin: Duration = timedelta(seconds=1)
    """How much longer than the server the exporter waits before it cancels by itself."""
    late_commits: Duration = timedelta(minutes=2)
    """How long a row may stay uncommitted after others that came later."""
    large_table: int = Field(default=32 * 1024**2, ge=0)
    """From how many bytes on a table is too large to be read as a whole."""

    payments: PaymentsTable = PaymentsTable()
    attempts: AttemptsTable = AttemptsTable()
    migrations: MigrationsTable = MigrationsTable()
    audit_log: Table = "public.audit_log"
    inbox: InboxTable = InboxTable()
    statuses: Statuses = Statuses()
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    built_in: dict[QueryName, QuerySettings] = Field(default={})
    queries: tuple[CustomQuery, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.lock_timeout >= self.statement_timeout:
            raise ValueError("lock_timeout must be below statement_timeout; a lock could not be told from a slow query")
        for what, names in (
            ("name", [query.name for query in self.queries]),
            ("metric", [query.metric for query in self.queries]),
        ):
            for name in sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"two queries have the {what} {name}; give each its own")
        return self

    def of(self, name: QueryName) -> QuerySettings:
        """What is set about that built-in query."""
        return self.built_in.get(name, QuerySettings())
