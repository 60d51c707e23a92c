"""By how much does each series grow because of a fact?

Pure, but for the count of values that no allow-list names. A series is written `metric|value|value`, its label values
in the order of the metric's labels: that is how it is kept, too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from exporters.sampling.model import Reading
from exporters.stripe.counting import windows
from exporters.stripe.counting.facts import (
    AttemptEnded,
    CardUsed,
    DisputeClosed,
    DisputeOpened,
    Fact,
    MoneyTaken,
    PayoutEnded,
    RefundEnded,
    RefundMade,
    WarningReceived,
)
from rules.payments import account, cards, declines, disputes, outcomes
from rules.vocabulary import OTHER, Counter, Gauge, Label

__all__ = ["COUNTERS", "WINDOWED", "Bucket", "Tally", "counter_readings", "counter_series", "series", "window_readings"]

COUNTERS: tuple[Counter, ...] = (
    outcomes.attempts,
    outcomes.successes,
    outcomes.distinct_attempts,
    outcomes.intents,
    declines.failures,
    declines.declines,
    declines.attempts_by_currency,
    cards.attempts_by_network,
    cards.attempts_by_country,
    cards.attempts_by_authentication,
    declines.failed_amount,
    declines.amount,
    account.payouts,
    disputes.opened,
    disputes.closed,
    disputes.warnings,
    disputes.refunds,
    disputes.refunded,
)
"""Every counter that events move."""

WINDOWED: tuple[Gauge, ...] = (
    outcomes.window_attempts,
    disputes.charges,
    disputes.window_disputes,
    disputes.window_warnings,
    disputes.window_refunds,
)
"""Every gauge that is added up from buckets; its labels are the window and one more."""

Bucket = tuple[int, int, str]
"""Width and start in seconds, and the series without its window."""

Bounded = Callable[[Label, str], str]
"""Gives a value that the label has: the one given, or `other`."""


def series(metric: Counter | Gauge, *values: str) -> str:
    """How a series is written down."""
    return "|".join((metric.name, *values))


@dataclass(slots=True)
class Tally:
    """What some facts add to counters and buckets."""

    bounded: Bounded
    live: bool
    """False for what happened before the counters began: it goes into buckets only."""
    counters: dict[str, int] = field(default_factory=dict)
    buckets: dict[Bucket, int] = field(default_factory=dict)
    _attempts: dict[tuple[object, ...], tuple[str, ...]] = field(default_factory=dict, init=False)
    """The series of each kind of attempt: many attempts are of few kinds."""

    def add(self, fact: Fact, at: int, network: str = OTHER) -> None:
        """Count one fact of that second; `network` is the charge's where the fact names a charge of another event."""
        match fact:
            case AttemptEnded():
                self._attempt(fact, at)
            case MoneyTaken():
                self._fill(disputes.charges, at, self.bounded(cards.NETWORK, fact.network))
                self._grow(declines.amount, self.bounded(declines.CURRENCY, fact.currency), by=fact.amount)
            case DisputeOpened():
                self._grow(disputes.opened, self.bounded(disputes.REASON, fact.reason))
                self._fill(disputes.window_disputes, at, network)
            case DisputeClosed():
                self._grow(disputes.closed, _known(disputes.closed.label("outcome"), fact.outcome))
            case RefundMade():
                self._grow(disputes.refunds, "created")
                self._grow(disputes.refunded, self.bounded(declines.CURRENCY, fact.currency), by=fact.amount)
                self._fill(disputes.window_refunds, at, network)
            case RefundEnded():
                self._grow(disputes.refunds, fact.result)
            case WarningReceived():
                self._grow(disputes.warnings)
                self._fill(disputes.window_warnings, at, network)
            case PayoutEnded():
                self._grow(account.payouts, fact.result)

    def outcome(self, outcome: str) -> None:
        """Count one payment, retries folded."""
        self._grow(outcomes.intents, outcome)

    def move(self, metric: Gauge, at: int, network: str, before: str = OTHER) -> None:
        """Move one that was counted without knowing its charge's network to where it belongs."""
        self._fill(metric, at, before, by=-1)
        self._fill(metric, at, network)

    def reads(self, at: int, count: int) -> None:
        """Note requests that were sent to Stripe."""
        self._into(windows.DAY, at, READS, count)

    def _attempt(self, fact: AttemptEnded, at: int) -> None:
        method = self.bounded(outcomes.PAYMENT_METHOD, fact.method)
        currency = self.bounded(declines.CURRENCY, fact.currency)
        code = self._code(fact) if fact.failure else ""
        if self.live:
            kind = (fact.result, fact.failure, code, method, fact.initiator, currency, fact.card, fact.again)
            found = self._attempts.get(kind)
            if found is None:
                found = self._attempts[kind] = _series_of_attempts(*kind)
            for key in found:
                self.counters[key] = self.counters.get(key, 0) + 1
            if fact.failure:
                self._grow(declines.failed_amount, currency, by=fact.amount)
        self._fill(outcomes.window_attempts, at, fact.result)

    def _code(self, fact: AttemptEnded) -> str:
        known = next((code for code in fact.codes if code in declines.DECLINE_CODE.values), None)
        return known or self.bounded(declines.DECLINE_CODE, fact.codes[0] if fact.codes else OTHER)

    def _grow(self, metric: Counter, *values: str, by: int = 1) -> None:
        if self.live:
            key = "|".join((metric.name, *values))
            self.counters[key] = self.counters.get(key, 0) + by

    def _fill(self, metric: Gauge, at: int, value: str, by: int = 1) -> None:
        key = series(metric, value)
        self._into(windows.HOUR, at, key, by)
        self._into(windows.DAY, at, key, by)

    def _into(self, width: int, at: int, key: str, by: int) -> None:
        bucket = (width, at - at % width, key)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + by


READS = "reads"
"""The series of buckets in which the requests sent to Stripe are kept."""


def _series_of_attempts(
    result: str, failure: str, code: str, method: str, initiator: str, currency: str, card: CardUsed | None, again: bool
) -> tuple[str, ...]:
    """Every counter that grows by one with such an attempt."""
    found = [
        series(outcomes.attempts, result, method, initiator),
        series(declines.attempts_by_currency, result, currency),
    ]
    if not again:
        found.append(series(outcomes.distinct_attempts, result, initiator))
    if card:
        found += (
            series(cards.attempts_by_network, result, _known(cards.NETWORK, card.network)),
            series(cards.attempts_by_country, result, _known(cards.COUNTRY, card.country)),
            series(cards.attempts_by_authentication, result, _known(cards.AUTHENTICATION, card.authentication)),
        )
    if result == "success":
        found.append(series(outcomes.successes, method, initiator))
    if failure:
        found += (series(declines.failures, failure), series(declines.declines, code))
    return tuple(found)


def _known(label: Label, value: str) -> str:
    return value if value in label.values else OTHER


CounterSeries = tuple[tuple[Counter, tuple[tuple[str, str], ...], str], ...]
"""Every series of every counter: its metric, its labels and how it is written down."""


def counter_series(values: Callable[[Label], tuple[str, ...]]) -> CounterSeries:
    """Every series of every counter, given the values of each label."""
    found = []
    for metric in COUNTERS:
        names = [label.name for label in metric.labels]
        for chosen in product(*map(values, metric.labels)):
            found.append((metric, tuple(zip(names, chosen, strict=True)), series(metric, *chosen)))
    return tuple(found)


def counter_readings(every: CounterSeries, totals: Mapping[str, int]) -> tuple[Reading, ...]:
    """Every series of every counter, 0 where nothing was counted."""
    return tuple(Reading(metric, labels, float(totals.get(key, 0))) for metric, labels, key in every)


def window_readings(name: str, sums: Mapping[str, int]) -> Iterable[Reading]:
    """Every series of every windowed gauge in the window of that name."""
    for metric in WINDOWED:
        window, other = metric.labels
        for value in other.values:
            count = sums.get(series(metric, value), 0)
            yield Reading(metric, ((window.name, name), (other.name, value)), float(count))
