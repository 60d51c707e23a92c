"""Where does a signal stop being fine, when must the alert stay quiet, and what does it ask of people?"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Protocol

from rules.vocabulary.durations import NONE
from rules.vocabulary.former import Former
from rules.vocabulary.metric import plain
from rules.vocabulary.people import Environment, Override, Priority, Severity
from rules.vocabulary.signal import Signal

__all__ = [
    "Alert",
    "Branch",
    "Comparison",
    "Guard",
    "Runbook",
    "Step",
    "Threshold",
    "above",
    "at_least",
    "at_most",
    "below",
    "only_if",
    "or_when",
    "unless",
]

_ALERT_NAME = re.compile(r"([A-Z][a-z0-9]*)+\Z")


class Comparison(Enum):
    """The four ways to be past a bound.

    >>> Comparison(">=").words, Comparison(">=").holds(Decimal(5), Decimal(5))
    ('at least', True)
    """

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @classmethod
    def _missing_(cls, value: object) -> "Comparison":
        raise ValueError(f"{value!r} is no comparison; use one of {', '.join(one.value for one in cls)}")

    @property
    def upward(self) -> bool:
        """True where larger values breach."""
        return self in (Comparison.ABOVE, Comparison.AT_LEAST)

    @property
    def words(self) -> str:
        """The comparison as one would say it."""
        return {">": "above", ">=": "at least", "<": "below", "<=": "at most"}[self.value]

    def holds(self, value: Decimal, bound: Decimal) -> bool:
        """Whether `value` is past `bound`."""
        match self:
            case Comparison.ABOVE:
                return value > bound
            case Comparison.AT_LEAST:
                return value >= bound
            case Comparison.BELOW:
                return value < bound
            case Comparison.AT_MOST:
                return value <= bound


def _number(value: object) -> Decimal:
    """The value exactly. Raises ValueError for what is none, and for a float, which is hardly ever what it reads."""
    try:
        return Decimal(value if isinstance(value, str | int | Decimal) else "")
    except InvalidOperation:
        raise ValueError(
            f'{value!r} is no number to compare with; write a whole number, or a fraction as text: "0.05"'
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A condition without which an alert stays quiet (`only_if`), or under which it does (`unless`).

    >>> only_if(LENGTH, ">=", 20, "a handful says nothing").condition
    'shop:queue:sum >= 20'
    """

    signal: Signal
    comparison: Comparison
    bound: "Decimal | Alert"
    """An alert's only where the two are one fact: whoever overrides the alert's then overrides the guard's, too."""
    because: str
    forbids: bool = False
    where: tuple[tuple[str, str], ...] = ()

    @property
    def value(self) -> Decimal:
        """The number that the signal is compared with."""
        return self.bound.thresholds[0].value if isinstance(self.bound, Alert) else self.bound

    def at(self, environment: Environment) -> "Guard":
        """The guard with the number that holds in that environment."""
        if not isinstance(self.bound, Alert):
            return self
        return replace(self, bound=self.bound.thresholds_in(environment)[0].value)

    @property
    def selector(self) -> str:
        """The PromQL selector of the series that it looks at."""
        return self.signal.where(**dict(self.where))

    @property
    def condition(self) -> str:
        """The PromQL comparison."""
        return f"{self.selector} {self.comparison.value} {plain(self.value)}"


def only_if(signal: Signal, comparison: str, value: "str | int | Alert", because: str, **where: str) -> Guard:
    """A guard that must hold. `comparison` is one of `>`, `>=`, `<`, `<=`; `where` selects some of the series.

    The value is a number, or the alert on the same signal whose bound it is, of one threshold.

    >>> only_if(LENGTH, ">=", 20, "a handful says nothing").forbids
    False
    """
    return Guard(
        signal=signal,
        comparison=Comparison(comparison),
        bound=_bound_of(value, signal),
        because=because,
        where=tuple(where.items()),
    )


def unless(signal: Signal, comparison: str, value: "str | int | Alert", because: str, **where: str) -> Guard:
    """A guard that silences where it holds; a signal that is missing silences nothing. The value as in `only_if`.

    >>> unless(LENGTH, ">", 0, "it works itself off").forbids
    True
    >>> unless(LENGTH, ">", QUEUE_LONG, "the queue has an alert of its own").condition
    'shop:queue:sum > 100'
    """
    return Guard(
        signal=signal,
        comparison=Comparison(comparison),
        bound=_bound_of(value, signal),
        because=because,
        where=tuple(where.items()),
        forbids=True,
    )


def _bound_of(value: "str | int | Alert", signal: Signal) -> "Decimal | Alert":
    if not isinstance(value, Alert):
        return _number(value)
    if value.watches.name != signal.name or len(value.thresholds) > 1:
        raise ValueError(
            f"alert {value.name} has no one bound on {signal.name}; write a number, or an alert that has one"
        )
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Another way for the same alert to be true: a signal of its own past a bound of its own.

    >>> also = or_when(LENGTH, ">", 9, "so long")
    >>> [one.because for one in replace(QUEUE_LONG, or_else=(also,)).branches(QUEUE_LONG.thresholds[0])]
    ['100 are what we pack in a minute', 'so long']
    """

    watches: Signal
    comparison: Comparison
    value: Decimal
    guards: tuple[Guard, ...]
    because: str


def or_when(signal: Signal, comparison: str, value: str | int | Decimal, because: str, *guards: Guard) -> Branch:
    """Another way for an alert to be true, with guards of its own. `comparison` is one of `>`, `>=`, `<`, `<=`.

    >>> or_when(LENGTH, ">", 9, "so long", only_if(LENGTH, ">=", 2, "one is nothing")).comparison.words
    'above'
    """
    return Branch(
        watches=signal, comparison=Comparison(comparison), value=_number(value), guards=guards, because=because
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Where a signal stops being fine, for how long, who hears of it, and why there.

    >>> above("0.05", Severity.CRITICAL, Priority.P1, because="it was promised", lasting=minutes(2)).condition
    '> 0.05'
    >>> above(0.05, Severity.CRITICAL, Priority.P1, because="it was promised")
    Traceback (most recent call last):
    ValueError: 0.05 is no number to compare with; write a whole number, or a fraction as text: "0.05"
    """

    comparison: Comparison
    value: Decimal
    severity: Severity
    priority: Priority
    because: str
    lasting: timedelta = NONE
    keep_firing: timedelta = NONE
    respond_within: timedelta | None = None
    """Where the runbook asks for another response time than the priority's."""
    tier: str = ""
    """The word that tells this threshold from the alert's others."""

    def __post_init__(self) -> None:
        if not self.because:
            raise ValueError(
                f"threshold {self.comparison.value} {plain(self.value)} has no because; say why it is there"
            )

    @property
    def condition(self) -> str:
        """The right-hand side of the PromQL comparison."""
        return f"{self.comparison.value} {plain(self.value)}"


class _Bound(Protocol):
    def __call__(
        self,
        value: str | int,
        severity: Severity,
        priority: Priority,
        *,
        because: str,
        lasting: timedelta = NONE,
        keep_firing: timedelta = NONE,
        respond_within: timedelta | None = None,
        tier: str = "",
    ) -> Threshold:
        """A threshold at `value`, in the signal's unit; written as text where it has a fraction."""


def _thresholds_with(comparison: Comparison) -> _Bound:
    def bound(
        value: str | int,
        severity: Severity,
        priority: Priority,
        *,
        because: str = "",  # what lacks it is told by the threshold, in words
        lasting: timedelta = NONE,
        keep_firing: timedelta = NONE,
        respond_within: timedelta | None = None,
        tier: str = "",
    ) -> Threshold:
        return Threshold(
            comparison=comparison,
            value=_number(value),
            severity=severity,
            priority=priority,
            because=because,
            lasting=lasting,
            keep_firing=keep_firing,
            respond_within=respond_within,
            tier=tier,
        )

    return bound


above = _thresholds_with(Comparison.ABOVE)
at_least = _thresholds_with(Comparison.AT_LEAST)
below = _thresholds_with(Comparison.BELOW)
at_most = _thresholds_with(Comparison.AT_MOST)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to look at or to do, with the command for it where there is one.

    >>> Step("Start more packers.", "kubectl scale deployment/packer --replicas=10").language
    'bash'
    """

    text: str
    command: str = ""
    language: str = "bash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """What a person who was just woken needs to know.

    >>> QUEUE_LONG.runbook.impact
    'Parcels are late.'
    """

    meaning: str
    impact: str
    diagnosis: tuple[Step, ...]
    mitigation: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """A signal that is watched: thresholds, guards, and what to do about it.

    `summary` is one sentence in which `{threshold}` stands for the bound; `description` is one in which `{value}`
    stands for the value at hand and `{label_name}` for a label that the signal carries.

    >>> QUEUE_LONG.threshold_id(QUEUE_LONG.thresholds[0])
    'QueueLong'
    >>> Alert("queue long", **{**TEXTS, "watches": LENGTH})
    Traceback (most recent call last):
    ValueError: alert 'queue long' is not named in CamelCase with at most 40 characters; rename it
    """

    name: str
    watches: Signal
    thresholds: tuple[Threshold, ...]
    summary: str
    description: str
    runbook: Runbook
    guards: tuple[Guard, ...] = ()
    or_else: tuple[Branch, ...] = ()
    stays_while: Guard | None = None
    """What keeps it firing once it fires, though its bound is no longer passed: a second, nearer bound, often over a
    longer window, so that a steady fault at the bound is told once. It begins nothing."""
    hidden_by: tuple["Alert", ...] = ()
    """The alerts whose firing says the same thing louder: while one of them fires, and for as long as this one's window
    still holds what it told of, this one is not true. What had been told of it ends once the louder one has taken over and
    this one's own `keep_firing` is over, which does not know why the expression stopped being true."""
    serves: tuple[str, ...] = ()
    always: bool = False
    """True for the one alert that must always fire."""
    told_at_once: bool = False
    """True where the team's channels hear of it at any hour, though its priority is work for the working day."""
    own_incident: bool = False
    """True where this P1 asks for another act than the others do: it calls anew while one of those is being worked on, where
    the others are told as part of the incident that is open."""
    formerly: Former | None = None
    """The name that it had before, under which a team's changes still find it."""

    def __post_init__(self) -> None:
        if not _ALERT_NAME.match(self.name) or len(self.name) > 40:
            raise ValueError(f"alert {self.name!r} is not named in CamelCase with at most 40 characters; rename it")
        if not self.thresholds:
            raise ValueError(f"alert {self.name} has no threshold; say where its signal stops being fine")
        tiers = [threshold.tier for threshold in self.thresholds]
        if len(tiers) > 1 and (not all(tiers) or len(set(tiers)) != len(tiers)):
            raise ValueError(
                f"alert {self.name} has several thresholds that nothing tells apart; give each its own tier"
            )
        if self.or_else and len(self.thresholds) > 1:
            raise ValueError(f"alert {self.name} has both tiers and branches; split it into two alerts")
        if not self.summary.endswith(".") or not self.summary[:1].isupper() or "$" in self.summary:
            raise ValueError(f"alert {self.name} lacks a summary; write one sentence, capitalised, with a full stop")

    def __str__(self) -> str:
        return self.name

    @property
    def louder(self) -> tuple["Alert", ...]:
        """The alerts that hide it, those that hide them included, the nearest first."""
        found: dict[str, Alert] = {}
        waiting = list(self.hidden_by)
        while waiting:
            one = waiting.pop(0)
            if one.name not in found:
                found[one.name] = one
                waiting.extend(one.hidden_by)
        return tuple(found.values())

    def stricter(self, threshold: Threshold) -> tuple[Threshold, ...]:
        """Its tiers that lie farther out than this one, and say the same thing louder."""
        upward = threshold.comparison.upward
        return tuple(
            other
            for other in self.thresholds
            if other.tier != threshold.tier
            and (other.value > threshold.value if upward else other.value < threshold.value)
        )

    def threshold_id(self, threshold: Threshold) -> str:
        """The name by which an environment overrides that threshold; with several branches, only how long it lasts."""
        return f"{self.name}/{threshold.tier}" if threshold.tier else self.name

    def bound_id(self, threshold: Threshold, branch: Branch) -> str:
        """The name by which an environment overrides the bound of that branch of the threshold's."""
        return self._bound_id(threshold, branch.watches)

    def _bound_id(self, threshold: Threshold, watched: Signal) -> str:
        return f"{self.name}/{watched}" if self.or_else else self.threshold_id(threshold)

    def thresholds_in(self, environment: Environment) -> tuple[Threshold, ...]:
        """Its thresholds as that environment has them: overridden, and not paging where nobody is woken."""
        return tuple(self._threshold_in(threshold, environment) for threshold in self.thresholds)

    def _threshold_in(self, threshold: Threshold, environment: Environment) -> Threshold:
        names = (self.threshold_id(threshold), self._bound_id(threshold, self.watches))
        overrides = [override for override in environment.overrides if override.threshold in names]
        for override in overrides:
            threshold = replace(
                threshold,
                value=threshold.value if override.value is None else override.value,
                lasting=threshold.lasting if override.lasting is None else override.lasting,
                because="; ".join(one.because for one in overrides),
            )
        if threshold.priority.pages and not environment.pages:
            threshold = replace(threshold, priority=Priority.P3, severity=Severity.WARNING)
        return threshold

    def branches(self, threshold: Threshold, environment: Environment | None = None) -> tuple[Branch, ...]:
        """Every way for that threshold's rule to be true, the watched signal first.

        With an environment, of whose thresholds that one is, the others too are as that environment has them.
        """
        first = Branch(
            watches=self.watches,
            comparison=threshold.comparison,
            value=threshold.value,
            guards=self.guards,
            because=threshold.because,
        )
        if environment is None:
            return (first, *self.or_else)
        overrides = {override.threshold: override for override in environment.overrides}
        others = (_overridden(branch, overrides.get(f"{self}/{branch.watches}")) for branch in self.or_else)
        return tuple(_guarded(branch, environment) for branch in (first, *others))


def _overridden(branch: Branch, override: Override | None) -> Branch:
    if override is None or override.value is None:
        return branch
    return replace(branch, value=override.value, because=override.because)


def _guarded(branch: Branch, environment: Environment) -> Branch:
    guards = tuple(guard.at(environment) for guard in branch.guards)
    return branch if guards == branch.guards else replace(branch, guards=guards)
