"""What does a sampler hand over, and what does it say when it cannot?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from rules.vocabulary import Histogram, Metric, Source

__all__ = [
    "Clock",
    "Distribution",
    "ErrorClass",
    "Reading",
    "SampleError",
    "Sampler",
    "Snapshot",
    "distribution",
    "reading",
]

Clock = Callable[[], float]
"""Seconds since 1970, passed in wherever time matters; `time.time` in production."""


class ErrorClass(Enum):
    """Why a sample failed; the values of the label `class` of payments_exporter_sample_errors_total."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    NOT_PERMITTED = "not_permitted"
    RATE_LIMITED = "rate_limited"
    BAD_ANSWER = "bad_answer"
    BAD_DATA = "bad_data"
    INTERNAL = "internal"


class SampleError(Exception):
    """A source could not be sampled: where, what happened and what would mend it, without any secret."""

    def __init__(self, kind: ErrorClass, where: str, what: str, how_to_fix: str) -> None:
        super().__init__(f"{where}: {what}; {how_to_fix}")
        self.kind = kind
        self.where = where
        self.what = what
        self.how_to_fix = how_to_fix


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one series of a counter or gauge."""

    metric: Metric
    labels: tuple[tuple[str, str], ...]
    value: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """One series of a histogram: `cumulative` has one count per bound of the metric, `count` includes the rest."""

    metric: Histogram
    labels: tuple[tuple[str, str], ...]
    cumulative: tuple[int, ...]
    count: int
    total: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one sample of a source saw.

    `complete_until` is the moment (seconds since 1970) up to which everything that the source says is contained; None
    where this sample did not look, and another replica does. `problem` is why a part could not be read; the readings
    hold the rest.
    """

    source: Source
    taken_at: float
    complete_until: float | None
    readings: tuple[Reading | Distribution, ...]
    catching_up: bool = False
    problem: SampleError | None = None


def reading(metric: Metric, value: float, **labels: str) -> Reading:
    """A reading whose labels are checked against the metric's.

    Raises ValueError for a label or value that the metric does not have: a programmer's mistake, never the data's.
    """
    return Reading(metric, _checked(metric, labels), float(value))


def distribution(
    metric: Histogram, cumulative: tuple[int, ...], count: int, total: float, **labels: str
) -> Distribution:
    """A histogram's series, checked likewise."""
    if len(cumulative) != len(metric.bounds):
        raise ValueError(
            f"{metric.name} has {len(metric.bounds)} bounds, not {len(cumulative)}; count up to each of them"
        )
    return Distribution(metric, _checked(metric, labels), cumulative, count, total)


def _checked(metric: Metric, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = []
    for label in metric.labels:
        value = labels.get(label.name)
        if value is None or len(labels) != len(metric.labels):
            wanted = ", ".join(label.name for label in metric.labels)
            raise ValueError(f"{metric.name} has the labels {wanted}, not {', '.join(labels) or 'none'}")
        if value not in label.values and label.values and not label.open:
            raise ValueError(f"{metric.name} has no {label.name}={value!r}; count it under other")
        found.append((label.name, value))
    if len(found) != len(labels):
        raise ValueError(f"{metric.name} has the labels none, not {', '.join(labels)}")
    return tuple(found)


class Sampler(Protocol):
    """One source: sampled in the background, never by a scrape."""

    @property
    def source(self) -> Source:
        """The source that it samples, one sampler each."""

    @property
    def interval(self) -> timedelta:
        """How long until the next sample; may change between samples."""

    @property
    def usual_interval(self) -> timedelta:
        """What `interval` is while nothing backs off, in which the age of data counts. Inherit where nothing does."""
        return self.interval

    @property
    def max_age(self) -> timedelta:
        """How old a snapshot may grow before it is no longer served."""

    async def sample(self, now: float) -> Snapshot:
        """Sample once. Raises SampleError; anything else counts as an internal error."""

    def about(self) -> tuple[Reading | Distribution, ...]:
        """What the exporter knows about its own work here (metrics of Source.EXPORTER only).

        Served whatever became of the latest sample, so every declared series is there from the start, counters at
        0. Called for every new page, on the event loop: memory only, no I/O. Inherit from Sampler to say nothing.
        """
        return ()

    async def close(self) -> None:
        """Let go of connections and files."""
