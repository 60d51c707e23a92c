"""What may be set about the payments database, and what holds where nothing is set?"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from exporters.configuration.dsn import Dsn
from exporters.configuration.secrets import Section
from exporters.configuration.spelling import spelled
from exporters.postgres.statement import one_select
from rules.vocabulary import OTHER, Gauge, Label, Source, Unit

__all__ = [
    "AmountColumns",
    "AttemptsTable",
    "CustomQuery",
    "Identifier",
    "InboxTable",
    "MigrationsTable",
    "Moments",
    "PaymentsTable",
    "PostgresSettings",
    "QueryName",
    "QuerySettings",
    "ReconciliationSettings",
    "Statuses",
]

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]{0,62}"

Column = Annotated[
    str, spelled(_IDENTIFIER, "is no column's name; write one such as created_at, in letters, digits and _")
]
Table = Annotated[
    str,
    spelled(
        rf"{_IDENTIFIER}(\.{_IDENTIFIER})?",
        "is no table's name; write one such as payments or billing.payments, in letters, digits and _",
    ),
]
Value = Annotated[str, spelled(r"[^%]{1,100}", "is no value to look for; write 1 to 100 characters, none of them %")]
_SMALL = "small letters, digits and _"
Values = Annotated[tuple[Value, ...], Field(min_length=1)]
Duration = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))]
"""A number of seconds, or ISO 8601 (`PT1M`)."""

Moments = Literal["timestamp", "seconds", "milliseconds"]
"""How a table's moments are written: as timestamps with or without time zone, or as numbers since 1970."""

_LONGEST_WINDOW = timedelta(hours=25)
"""A comparison looks back for twice its window, and the ids of Stripe's events are kept for 50 hours."""

_HELP = "What the user says of it"
"""A help text, to try names out."""

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
    "identifiers",
    "reconciled_payments",
    "reconciled_events",
    "reconciled_amounts",
]


class AmountColumns(Section):
    """What the table of payments says of the money taken: all three, or no amount is compared."""

    amount: Column
    """What was captured, of all captures together."""
    currency: Column
    """Its currency, as the code of three letters in which the customer paid."""
    unit: Literal["minor", "major"]
    """Whether 10 euros are 1000, as Stripe counts, or 10."""


class PaymentsTable(Section):
    """The table of payments; the runbook's, with the columns that it takes for granted."""

    table: Table = "public.payments"
    order_id: Column = "order_id"
    payment_intent_id: Column = "payment_intent_id"
    status: Column = "status"
    method: Column = "payment_method"
    """How the customer pays; looked at only where `slow_methods` names some."""
    created_at: Column = "created_at"
    completed_at: Column = "completed_at"
    amounts: AmountColumns | None = None
    """What is compared with the amounts that Stripe took; nothing where it is not set."""
    moments: Moments = "timestamp"


class AttemptsTable(Section):
    """The table of payment attempts: `created_at` is when a row was written, `id` a key of any kind."""

    table: Table = "public.payment_attempts"
    id: Column = "id"
    user_id: Column = "user_id"
    status: Column = "status"
    created_at: Column = "created_at"
    moments: Moments = "timestamp"


class MigrationsTable(Section):
    """The table of migrations: the runbook's, or that of the tool which keeps it.

    Some tools write down only what they have applied: which migrations there should be, `expected` says then, in the
    words of the column `version`.
    """

    model_config = ConfigDict(validate_default=True)

    tool: Literal[
        "runbook",
        "alembic",
        "diesel",
        "django",
        "flyway",
        "golang-migrate",
        "liquibase",
        "prisma",
        "rails",
    ] = "runbook"
    table: Table | None = None
    """Where it is not where the tool puts it."""
    applied: Column = "applied"
    """True where a migration of the runbook's is applied."""
    version: Column | None = None
    """Where it is not what the tool calls it."""
    expected: tuple[Value, ...] = ()

    @field_validator("expected")
    @classmethod
    def _says_something(cls, expected: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        tool = info.data.get("tool")
        if not expected and tool in ("alembic", "diesel", "django", "rails"):
            raise ValueError(
                f"{tool} writes down only what it has applied; list the migrations that there should be, or turn the"
                " query `migrations` off"
            )
        return expected


class InboxTable(Section):
    """The webhook inbox: one row for each event, `id` being Stripe's."""

    enabled: bool = True
    table: Table = "public.webhook_events"
    id: Column = "id"
    type: Column = "type"
    created_at: Column = "created_at"
    received_at: Column = "received_at"
    processed_at: Column = "processed_at"
    moments: Moments = "timestamp"


class Identifier(Section):
    """A column of whole numbers that may run out: a key, or what points to one."""

    table: Table
    column: Column = "id"

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


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

    PACE = frozenset({"interval", "timeout"})

    enabled: bool = True
    interval: Duration | None = None
    timeout: Duration | None = None


class CustomQuery(Section):
    """A query of one's own: one gauge, with one series for each row."""

    PACE = frozenset({"interval", "timeout"})

    name: Annotated[
        str, spelled(r"[a-z][a-z0-9_]{0,40}", f"is no query's name; write at most 41 {_SMALL}, a letter first")
    ]
    sql: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True), AfterValidator(one_select)]
    """One SELECT; `%(now)s` in it is the time of the sample."""
    metric: Annotated[
        str,
        spelled(
            r"payments_custom_[a-z0-9_]+",
            f"is no metric's name of yours; begin it with payments_custom_, then {_SMALL}",
        ),
    ]
    help: Annotated[
        str,
        StringConstraints(min_length=10, max_length=200),
        spelled(r"(?s).*[^.]", "ends with a full stop; leave it out, as Prometheus' own metrics do"),
    ]
    value: Column = "value"
    labels: dict[
        Annotated[str, spelled(r"[a-z][a-z0-9_]*", f"is no label's name; write {_SMALL}, a letter first")], Values
    ] = Field(default={})
    """The values that each label may take, by its column; the rest are added up under other."""
    null: Literal["error", "absent"] = "error"
    max_rows: int = Field(default=100, ge=1, le=10_000)
    interval: Duration | None = None
    timeout: Duration | None = None

    @property
    def gauge(self) -> Gauge:
        """The metric that it serves."""
        return _gauge(self.metric, self.help, self.labels)

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in get_args(QueryName):
            raise ValueError(f"a built-in query is already named {name}; choose another name")
        return name

    @field_validator("metric")
    @classmethod
    def _names_a_gauge(cls, metric: str) -> str:
        _gauge(metric, _HELP, {})
        return metric

    @field_validator("labels")
    @classmethod
    def _are_ours_to_set(cls, labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        _gauge("payments_custom_any", _HELP, labels)
        return labels


def _gauge(metric: str, text: str, labels: Mapping[str, tuple[str, ...]]) -> Gauge:
    """Raises ValueError for a name that is not ours to give."""
    allowed = tuple(Label(name, tuple(dict.fromkeys((*values, OTHER)))) for name, values in labels.items())
    return Gauge(metric, text, Unit.COUNT, Source.POSTGRES, labels=allowed)


class ReconciliationSettings(Section):
    """How Stripe and the database are compared."""

    model_config = ConfigDict(validate_default=True)
    PACE = frozenset({"interval"})

    enabled: bool = True
    grace: Duration = timedelta(minutes=15)
    """How long the two sides may differ."""
    window: Duration = timedelta(hours=24)
    interval: Duration = timedelta(minutes=5)

    @field_validator("window")
    @classmethod
    def _comparable(cls, window: timedelta, info: ValidationInfo) -> timedelta:
        if window > _LONGEST_WINDOW:
            hours = f"{_LONGEST_WINDOW.total_seconds() / 3600:.0f}h"
            raise ValueError(f"is longer than what is remembered of Stripe's events; write {hours} or less")
        if window <= info.data.get("grace", timedelta()):
            raise ValueError("the window must be longer than the grace period; nothing would be compared")
        return window


class PostgresSettings(Section):
    """The payments database: how it is reached, what it calls things, and how gently it is asked."""

    model_config = ConfigDict(validate_default=True)
    PACE = frozenset({"interval", "max_age", "connect_timeout", "statement_timeout", "lock_timeout", "deadline_margin"})

    dsn: Dsn
    interval: Duration = timedelta(seconds=15)
    max_age: Duration = timedelta(minutes=2)
    """How long an answer is served after the latest success of its query; two of its intervals where that is longer."""
    connect_timeout: Annotated[timedelta, Field(ge=timedelta(seconds=2), le=timedelta(minutes=1))] = timedelta(
        seconds=5
    )
    statement_timeout: Duration = timedelta(seconds=2)
    lock_timeout: Duration = timedelta(milliseconds=500)
    deadline_margin: Duration = timedelta(seconds=1)
    """How much longer than the server the exporter waits before it cancels by itself."""
    time_zone: Annotated[
        str,
        spelled(r"[A-Za-z][A-Za-z0-9_+/-]{0,62}", "is no time zone's name; write one such as UTC or Europe/Stockholm"),
    ] = "UTC"
    """In which zone the moments are written of columns that do not say it: `timestamp without time zone`."""
    role_sees_all_rows: bool = False
    """Whether row level security, where a table has it, hides nothing from the role."""
    late_commits: Duration = timedelta(minutes=2)
    """How long a row may stay uncommitted after others that came later."""
    large_table: int = Field(default=32 * 1024**2, ge=0)
    """From how many bytes on a table is too large to be read as a whole."""

    payments: PaymentsTable = PaymentsTable()
    attempts: AttemptsTable = AttemptsTable()
    migrations: MigrationsTable = MigrationsTable()
    audit_log: Table | None = "public.audit_log"
    """Where the runbook's procedures write what they did; no alert reads it. null where there is none."""
    inbox: InboxTable = InboxTable()
    statuses: Statuses = Statuses()
    slow_methods: tuple[Value, ...] = ()
    """Ways of paying that take days, such as bank debits: left out of unfinished payments. The index needs them too."""
    settled_duplicates: tuple[Value, ...] = ()
    """Orders that were charged twice and are dealt with, although no row says refunded: they are counted no more."""
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    identifiers: tuple[Identifier, ...] = ()
    """Of which columns the share is sampled that is used of their numbers; of none where none is named."""
    built_in: dict[QueryName, QuerySettings] = Field(default={})
    queries: tuple[CustomQuery, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, zone: str) -> str:
        known = available_timezones()
        if known and zone not in known:
            close = get_close_matches(zone, known, 1)
            cure = f"did you mean {close[0]}?" if close else "write it as in Europe/Berlin"
            raise ValueError(f"no time zone is called {zone}; {cure}")
        return zone

    @field_validator("lock_timeout")
    @classmethod
    def _below_the_statements(cls, lock_timeout: timedelta, info: ValidationInfo) -> timedelta:
        if lock_timeout >= info.data.get("statement_timeout", timedelta.max):
            raise ValueError("lock_timeout must be below statement_timeout; a lock could not be told from a slow query")
        return lock_timeout

    @field_validator("identifiers")
    @classmethod
    def _each_once(cls, identifiers: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
        for place, one in enumerate(identifiers):
            if one in identifiers[:place]:
                raise ValueError(f"{one} is named twice; name it once")
        return identifiers

    @field_validator("queries", mode="wrap")
    @classmethod
    def _each_its_own(cls, queries: Any, validated: ValidatorFunctionWrapHandler) -> Any:
        """What two queries share is told beside whatever else is wrong with either of them."""
        shared = list(_shared(queries))
        try:
            found = validated(queries)
        except ValidationError as error:
            others = error.errors(include_url=False, include_input=False, include_context=False)
            shared = [*(_error(one["type"], one["msg"], one["loc"]) for one in others), *shared]
        if shared:
            raise ValidationError.from_exception_data(cls.__name__, shared, hide_input=True)
        return found

    def of(self, name: QueryName) -> QuerySettings:
        """What is set about that built-in query."""
        return self.built_in.get(name, QuerySettings())


def _shared(queries: Any) -> Iterator[InitErrorDetails]:
    """The names and metrics that an earlier query has already, of queries that may be anything yet."""
    taken: set[tuple[str, str]] = set()
    for place, query in enumerate(queries if isinstance(queries, list | tuple) else ()):
        for what in ("name", "metric"):
            name = query.get(what) if isinstance(query, dict) else None
            if isinstance(name, str) and (what, name) in taken:
                yield _error("shared", f"two queries have the {what} {name}; give each its own", (place, what))
            elif isinstance(name, str):
                taken.add((what, name))


def _error(kind: str, message: str, place: tuple[str | int, ...]) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=place, input=None)
