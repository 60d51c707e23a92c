"""What is there to say of a replay: how often each alert fired, for how long, how nervously, and who was told?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from paymon.backtest.machine import Episode, episodes
from paymon.backtest.notifications import Firing, Notification, notifications, pages
from paymon.backtest.replay import History, Replay, Replayed
from paymon.backtest.ruleset import AlertRule
from rules.vocabulary import Catalog

__all__ = ["AlertSummary", "Summary", "Swept", "summary", "swept"]

_FLAP = 1800.0
"""An alert that fires again within so many seconds after it ended is nervous."""
_WEEK = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class AlertSummary:
    """One rule's course."""

    rule: AlertRule
    firings: tuple[Episode, ...]
    pending_only: int
    firing_seconds: float
    longest_seconds: float
    flaps: int
    pages: int
    """Messages that woke somebody because of it."""
    told: int
    """Messages in which it was news to anybody."""


@dataclass(frozen=True, slots=True)
class Summary:
    """All rules' courses, and the messages that came of them."""

    history: History
    alerts: tuple[AlertSummary, ...]
    sent: tuple[Notification, ...]
    recorded: int
    expanded: int
    doubts: tuple[str, ...]

    @property
    def pages(self) -> tuple[Notification, ...]:
        return pages(self.sent)

    @property
    def weeks(self) -> float:
        return max((self.history.end - self.history.start) / _WEEK, 1e-9)


def summary(replay: Replay, replayed: Sequence[Replayed], catalog: Catalog) -> Summary:
    """What is to be said of a replay."""
    end = replay.history.end
    sent = notifications(catalog, _firings(replayed), end)
    woken = pages(sent)
    found = tuple(_of(one, end, sent, woken) for one in replayed)
    recorded = replay.recorded()
    return Summary(
        replay.history,
        found,
        sent,
        len(recorded),
        len(replay.ruleset.records) - len(recorded),
        tuple(replay.doubts),
    )


def _firings(replayed: Sequence[Replayed]) -> list[Firing]:
    return [
        Firing(dict(one.identity), one.fired, float("inf") if one.ended is None else one.ended)
        for alert in replayed
        for one in alert.episodes
        if one.fired is not None
    ]


def _of(replayed: Replayed, end: float, sent: Sequence[Notification], woken: Sequence[Notification]) -> AlertSummary:
    lengths = [(end if one.ended is None else one.ended) - (one.fired or 0) for one in replayed.firings]
    by_instance: dict[object, list[Episode]] = {}
    for one in replayed.firings:
        by_instance.setdefault(one.identity, []).append(one)
    flaps = sum(
        (after.fired or 0) - (before.ended or end) < _FLAP
        for courses in by_instance.values()
        for before, after in pairwise(courses)
    )
    name = replayed.rule.name
    return AlertSummary(
        replayed.rule,
        replayed.firings,
        len(replayed.episodes) - len(replayed.firings),
        sum(lengths),
        max(lengths, default=0.0),
        flaps,
        sum(name in one.news for one in woken),
        sum(name in one.news for one in sent),
    )


@dataclass(frozen=True, slots=True)
class Swept:
    """An alert with another bound."""

    bound: float
    present: bool
    """True for the bound that is defined."""
    firings: int
    firing_seconds: float
    told: int
    """Messages about this alert alone, as no other hides it or shares a message with it."""


def swept(replay: Replay, rule: AlertRule, catalog: Catalog, steps: int = 12) -> tuple[Swept, ...]:
    """The rule with bounds from a quarter to four times the present one, and with it, in ascending order.

    Only what the first branch watches is compared with them; other branches and guards stay.
    """
    watched = next(one for one in rule.branches[0] if one.watched)
    present = float(watched.bound)
    if present == 0:
        bounds = [float(index) for index in range(steps + 1)]
    else:
        bounds = sorted({present, *(present * 4 ** (2 * index / steps - 1) for index in range(steps + 1))})
        if watched.unit == "RATIO" and 0 < present < 1:
            bounds = [one for one in bounds if one <= 1]
    bounds = _distinct(bounds, present)
    upward = watched.comparison.startswith(">")
    loosest = min(bounds) if upward else max(bounds)
    held = replay.held_at(replace(rule, branches=rule.branches[:1]), format(loosest, ".12g"))
    others = replay.held_at(replace(rule, branches=rule.branches[1:]), None)
    found = []
    for bound in bounds:
        stricter = {
            identity: {moment: value for moment, value in values.items() if _past(value, watched.comparison, bound)}
            for identity, values in held.items()
        }
        for identity, values in others.items():
            stricter.setdefault(identity, {}).update(values)
        courses = episodes(replay.history.evaluations, stricter, rule.timing)
        replayed = Replayed(rule, courses, stricter)
        sent = notifications(catalog, _firings([replayed]), replay.history.end)
        found.append(
            Swept(
                bound,
                bound == present,
                len(replayed.firings),
                sum(
                    (replay.history.end if one.ended is None else one.ended) - (one.fired or 0)
                    for one in replayed.firings
                ),
                sum(rule.name in one.news for one in sent),
            )
        )
    return tuple(found)


def _distinct(bounds: Sequence[float], present: float) -> list[float]:
    kept: list[float] = []
    for one in bounds:
        if kept and abs(one - kept[-1]) <= 1e-9 * max(abs(one), 1e-12):
            kept[-1] = present if present in (one, kept[-1]) else one
        else:
            kept.append(one)
    return kept


def _past(value: float, comparison: str, bound: float) -> bool:
    return {">": value > bound, ">=": value >= bound, "<": value < bound, "<=": value <= bound}[comparison]
