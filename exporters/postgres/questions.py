"""What is one question to the database, and what becomes of its answer?"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Protocol

from psycopg import sql

from exporters.configuration.secrets import Section
from exporters.postgres.connection import Database, Row
from exporters.postgres.failures import null_value
from exporters.postgres.settings import Moments, PostgresSettings, QueryName
from exporters.sampling.model import Distribution, Reading, SampleError, reading
from rules.payments import database as metrics
from rules.vocabulary import Gauge

__all__ = [
    "CAP",
    "Answer",
    "Elapsed",
    "Health",
    "Holds",
    "Question",
    "Read",
    "SingleQuery",
    "Words",
    "column",
    "if_any",
    "moment",
    "number",
    "one_of",
    "reads",
    "schema_and_name",
    "since_start",
    "table",
    "timing",
    "words",
]

Elapsed = Callable[[], float]
"""Seconds since some moment, which never go back: ages are told by them, not by the clock, which may be corrected."""

CAP = 10_001
"""Where counts stop: enough to say "more than ten thousand" at a constant cost."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The readings of one question; `catching_up` while there are more rows than one sample may read."""

    readings: tuple[Reading | Distribution, ...]
    catching_up: bool = False
    complete_until: float | None = None
    """Up to which moment it is complete, where that is not the moment of asking."""
    problem: SampleError | None = None
    """What is wrong with some of the rows; the readings hold the others."""


class Holds(Enum):
    """What a column must hold for a question's answer to mean anything."""

    ANYTHING = "anything"
    MOMENT = "moments"
    ORDERED_MOMENT = "moments by which rows are found"
    KEY = "keys that can be put in order"
    STRIPES_ID = "ids of Stripe's"
    NUMBER = "numbers"
    CODE = "codes of letters"
    TRUTH = "true or false"


@dataclass(frozen=True, slots=True)
class Words:
    """A column that holds words; those of each setting are looked for in it."""

    by_setting: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Read:
    """A table as `setting` names it, and of which kind each of the columns read must be, by its own setting."""

    setting: str
    table: str
    moments: Moments
    columns: tuple[tuple[str, str, Holds | Words], ...]
    """The setting of each column within `setting`, its name, and what it holds."""


def reads(place: str, section: Section, **columns: Holds | Words) -> Read:
    """The columns that are read of the table of that section, `postgres.<place>`."""
    return Read(
        f"postgres.{place}",
        getattr(section, "table"),  # noqa: B009 - each such section has one
        getattr(section, "moments", "timestamp"),
        tuple((name, getattr(section, name), holds) for name, holds in columns.items()),
    )


def words(settings: PostgresSettings, *lists: str) -> Words:
    """The words of these lists of `postgres.statuses`."""
    return Words(tuple((f"postgres.statuses.{one}", getattr(settings.statuses, one)) for one in lists))


class Question(Protocol):
    """Something to ask the database, at an interval of its own."""

    @property
    def name(self) -> str:
        """Its value of the label `query`."""

    @property
    def interval(self) -> timedelta:
        """How long until it is asked again."""

    @property
    def reads(self) -> tuple[Read, ...]:
        """What it reads, so that a table of another shape is told before a number comes of it."""

    async def answer(self, database: Database, now: float, /) -> Answer:
        """Ask it. Raises SampleError."""

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The statements that it runs, with parameters as large as usual, to be explained."""


@dataclass(frozen=True, slots=True)
class SingleQuery:
    """A question that one statement answers; the statement may use %(now)s."""

    name: str
    interval: timedelta
    timeout: timedelta | None
    statement: sql.Composed
    read: Callable[[tuple[Row, ...]], tuple[Reading, ...]]
    parameters: Mapping[str, object] = field(default_factory=dict)
    reads: tuple[Read, ...] = ()

    async def answer(self, database: Database, now: float) -> Answer:
        """Ask it. Raises SampleError."""
        rows = await database.rows(self.statement, self._with(now), where=self.name, timeout=self.timeout)
        return Answer(self.read(rows))

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The one statement."""
        return ((self.statement, self._with(now)),)

    def _with(self, now: float) -> Mapping[str, object]:
        return {"now": moment(now), **self.parameters}


class Health:
    """How the latest run of each query went, whichever source asked it."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[bool, float, float]] = {}
        self._too_slow: set[str] = set()

    def too_slow(self, name: str, *, is_it: bool) -> int:
        """Take note of whether a query takes longer than the database can bear. Returns of how many that is so now."""
        (self._too_slow.add if is_it else self._too_slow.discard)(name)
        return len(self._too_slow)

    def ran(self, name: str, *, success: bool, seconds: float, interval: float) -> None:
        """Take note of a run, and of how many seconds there are until the next."""
        self._latest[name] = (success, seconds, interval)

    def waits(self, name: str) -> None:
        """Take note that there is nothing to ask for now: how the latest run went says nothing any more."""
        self._latest.pop(name, None)
        self._too_slow.discard(name)

    def readings(self) -> tuple[Reading, ...]:
        """Success, duration and interval of every query that has run."""
        return tuple(
            found
            for name, (success, seconds, interval) in self._latest.items()
            for found in (
                reading(metrics.query_success, success, query=name),
                reading(metrics.query_duration, seconds, query=name),
                reading(metrics.query_interval, interval, query=name),
            )
        )


def since_start() -> float:
    """Seconds by the event loop's own clock."""
    return asyncio.get_running_loop().time()


def timing(
    settings: PostgresSettings, name: QueryName, usual: timedelta | None = None
) -> tuple[timedelta, timedelta | None]:
    """The interval and the timeout of a built-in query: as set, or as usual."""
    chosen = settings.of(name)
    return chosen.interval or max(usual or settings.interval, settings.interval), chosen.timeout


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as Postgres takes them."""
    return datetime.fromtimestamp(seconds, UTC)


def table(name: str) -> sql.Identifier:
    """A table as the settings name it: `payments` or `public.payments`."""
    return sql.Identifier(*name.split("."))


def schema_and_name(name: str) -> tuple[str | None, str]:
    """The two parts of a table's name, the first None where the settings leave it to the search path."""
    schema, _, relation = name.rpartition(".")
    return schema or None, relation


def column(name: str) -> sql.Identifier:
    """A column as the settings name it."""
    return sql.Identifier(name)


def one_of(values: tuple[str, ...]) -> sql.Composed:
    """The values as SQL wants them behind IN.

    Literals rather than parameters: their type then follows the column's, be it text or an enum, and the planner sees
    that a partial index applies.
    """
    return sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, values)))


def number(value: object, where: str, what: str) -> float:
    """The value as a number. Raises SampleError for NULL."""
    if value is None:
        raise null_value(where, what)
    return float(value)  # type: ignore[arg-type] # int, float or Decimal


def if_any(metric: Gauge, rows: tuple[Row, ...]) -> tuple[Reading, ...]:
    """A reading of the only value, none where it is NULL: for metrics whose help says so."""
    return () if rows[0][0] is None else (reading(metric, rows[0][0]),)
