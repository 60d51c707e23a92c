"""When may a rollout go on, and what stops it?"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from rules.vocabulary.alert import Alert
from rules.vocabulary.metric import Gauge, Metric

__all__ = ["Limit", "Rollout", "SequentialTest", "Stage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialTest:
    """A sequential probability ratio test on the share of events that fail: good enough, too bad, or look on.

    `events` are selectors of counters that are added up, `failures` selects some of those. At the share `healthy` it stops a rollout with a probability of
    at most `wrongly_stopped`, at `unacceptable` it lets one go on with at most `wrongly_passed`, however often one looks.

    >>> SequentialTest(
    ...     title="Orders fail",
    ...     events=(str(ORDERS),),
    ...     failures=ORDERS.where(result="failed"),
    ...     healthy=Decimal("0.002"),
    ...     unacceptable=Decimal("0.05"),
    ...     wrongly_stopped=Decimal("0.01"),
    ...     wrongly_passed=Decimal("0.05"),
    ...     because="it was promised",
    ... ).unacceptable
    Decimal('0.05')
    """

    title: str
    events: tuple[str, ...]
    failures: str
    healthy: Decimal
    unacceptable: Decimal
    wrongly_stopped: Decimal
    wrongly_passed: Decimal
    because: str

    def __post_init__(self) -> None:
        if not 0 < self.healthy < self.unacceptable < 1:
            raise ValueError(
                f"test {self.title!r} has a healthy share of {self.healthy} and an unacceptable one of "
                f"{self.unacceptable}; shares lie between 0 and 1, the healthy one is the smaller"
            )
        for name, risk in (("wrongly_stopped", self.wrongly_stopped), ("wrongly_passed", self.wrongly_passed)):
            if not 0 < risk < Decimal("0.5"):
                raise ValueError(f"test {self.title!r} has {name} {risk}; a risk lies between 0 and 0.5")
        if not self.because:
            raise ValueError(f"test {self.title!r} has no because; say why its shares are where they are")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A share that must not be exceeded over a stage; `part` and `whole` are selectors of counters.

    >>> Limit(
    ...     title="Late", part="late_total", whole="orders_total", at_most=Decimal("0.01"), from_events=100, because="so"
    ... ).from_events
    100
    """

    title: str
    part: str
    whole: str
    at_most: Decimal
    from_events: int
    """Events of the whole below which the share is noise."""
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a rollout: how many customers, for how long, and what has to be seen before the next.

    >>> Stage(
    ...     percent=10,
    ...     at_least=days(1),
    ...     at_most=days(3),
    ...     tests=(),
    ...     limits=(),
    ...     stops=(QUEUE_LONG,),
    ...     holds=(),
    ...     traffic=(Decimal("0.5"), Decimal(2)),
    ...     because="a day has every hour",
    ... ).serves
    ()
    """

    percent: int
    at_least: timedelta
    at_most: timedelta
    """When a person decides, if the tests have not."""
    tests: tuple[SequentialTest, ...]
    limits: tuple[Limit, ...]
    stops: tuple[Alert, ...]
    """The alerts whose condition, met for a moment, ends the rollout."""
    holds: tuple[Alert, ...]
    """The alerts during whose condition nobody goes on."""
    traffic: tuple[Decimal, Decimal]
    """Least and most attempts, relative to those that the mean traffic at this percentage would bring."""
    because: str
    serves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise ValueError(f"stage {self.percent} % is none; a stage lies between 1 and 100 %")
        if not timedelta(0) < self.at_least <= self.at_most:
            raise ValueError(f"stage {self.percent} % lasts at least longer than at most; exchange the two")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The steps by which customers get live payments, and the facts that tell which one it is.

    >>> [stage.percent for stage in ROLLOUT.stages]
    [1, 10, 100]
    """

    flag: Gauge
    killed: Gauge
    planned: Gauge
    attempts: tuple[str, ...]
    """Selectors of the counters of what customers do behind the flag, added up."""
    baseline_per_minute: Decimal | None
    """Mean attempts a minute at 100 %; None where nobody knows, so that no stage can be judged."""
    target_up: Metric
    """What tells that a target was scraped; the exporter's and the payments service's must have been all the time."""
    watermark: str
    """A selector of the moment up to which all attempts are counted."""
    stages: tuple[Stage, ...]
    back_to: tuple[int, ...]
    """The percentages of a rollback."""
    gone_within: timedelta
    """Time after which nobody pays any more at 0 %."""

    def stage(self, percent: int) -> Stage:
        """The stage of that percentage. Raises KeyError for one that there is not."""
        for stage in self.stages:
            if stage.percent == percent:
                return stage
        raise KeyError(percent)
