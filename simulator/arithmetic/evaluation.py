"""What does each alert on payments do at every evaluation, by its definition's numbers?

The definitions give bounds, guards and durations; what their signals measure is said here a second time, in Python over
counts. Where this and Prometheus disagree, one of the two is wrong.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import repeat

from rules.catalog import catalog
from rules.index import Index
from rules.payments import budget, outcomes, rollout, silence, traffic
from rules.vocabulary import Alert, Branch, Comparison, Signal, Threshold, days, hours, minutes
from simulator.arithmetic.history import NO_RESULT, Column, History, delayed

_NO_TIME = timedelta(0)
_INDEX = Index(catalog())

__all__ = ["CORE", "MEASURES", "TRAFFIC", "Evaluation", "Firing"]

_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
}


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that an alert fired: from the evaluation at `begins` until the one at `ends`, in seconds."""

    begins: int
    ends: int


class Evaluation:
    """Every alert on payments, evaluated over one history; what several of them need is computed once."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._columns: dict[tuple[str, int], Column] = {}
        self._signals: dict[str, Column] = {}
        self._firings: dict[tuple[str, str], tuple[Firing, ...]] = {}

    def increase(self, result: str, window: timedelta) -> Column:
        """Attempts with that result, or with any (`""`), in the window before each evaluation."""
        key = (result, int(window.total_seconds()))
        if key not in self._columns:
            self._columns[key] = self.history.increase(*key) if result else self._sum(window)
        return self._columns[key]

    def _sum(self, window: timedelta) -> Column:
        return list(map(sum, zip(*(self.increase(result, window) for result in self.history.counts), strict=True)))

    def share(self, result: str, window: timedelta) -> Column:
        """Share of that result among all attempts in the window; no result where there was none."""
        pairs = zip(self.increase(result, window), self.increase("", window), strict=True)
        return [part / whole if whole > 0 else NO_RESULT for part, whole in pairs]

    def column(self, signal: Signal) -> Column:
        """The signal at each evaluation. Raises KeyError for a signal that is not measured here."""
        if signal.name not in self._signals:
            self._signals[signal.name] = MEASURES[signal](self)
        return self._signals[signal.name]

    def truth(self, branch: Branch) -> list[bool]:
        """At which evaluations the branch's condition held, all guards included."""
        holds = self._compared(branch.watches, branch.comparison, float(branch.value))
        for guard in branch.guards:
            if True not in holds:
                break
            guarded = self._compared(guard.signal, guard.comparison, float(guard.value))
            wanted = map(operator.not_, guarded) if guard.forbids else guarded
            holds = list(map(operator.and_, holds, wanted))
        return holds

    def _compared(self, signal: Signal, comparison: Comparison, bound: float) -> list[bool]:
        return list(map(_COMPARE[comparison], self.column(signal), repeat(bound)))

    def firings(self, alert: Alert, threshold: Threshold | None = None) -> tuple[Firing, ...]:
        """Every time that the alert fired at one of its thresholds, the first if none is given."""
        threshold = threshold or alert.thresholds[0]
        key = (alert.name, threshold.tier)
        if key not in self._firings:
            begins = [
                self._unless_superseded(self.truth(branch), alert, _INDEX.memory(branch))
                for branch in alert.branches(threshold)
            ]
            truth = begins[0]
            for other in begins[1:]:
                truth = list(map(operator.or_, truth, other))
            stays = None
            guard = alert.stays_while
            if guard and True in truth:
                there = self._compared(alert.watches, Comparison.AT_LEAST, 0)
                nearer = self._compared(guard.signal, guard.comparison, float(guard.value))
                stays = self._unless_superseded(list(map(operator.and_, there, nearer)), alert, _NO_TIME)
            self._firings[key] = self.episodes(truth, threshold.lasting, threshold.keep_firing, stays)
        return self._firings[key]

    def _unless_superseded(self, truth: list[bool], alert: Alert, memory: timedelta) -> list[bool]:
        """The condition, false while a louder alert fires, and after it as long as the window holds what it told of."""
        if True not in truth:
            return truth
        step = self.history.clock.evaluation
        for louder in alert.louder:
            if louder not in (*CORE, *TRAFFIC):
                continue
            kept = min(one.keep_firing for one in louder.thresholds)
            after = int(max(memory - kept, _NO_TIME).total_seconds())
            for firing in self.firings(louder):
                for index in range(firing.begins // step, min(len(truth), (firing.ends + after) // step)):
                    truth[index] = False
        return truth

    def episodes(
        self, truth: list[bool], lasting: timedelta, keep_firing: timedelta, stays: list[bool] | None = None
    ) -> tuple[Firing, ...]:
        """When a rule with that condition fires: `for` and `keep_firing_for` as Prometheus' rules/alerting.go.

        `stays` is a condition that holds it, once it fires.
        """
        if True not in truth:
            return ()
        step = self.history.clock.evaluation
        wait, keep = lasting.total_seconds(), keep_firing.total_seconds()
        found: list[Firing] = []
        pending: int | None = None
        fired: int | None = None
        false_since: int | None = None
        for now, begins, holds_on in zip(
            range(0, len(truth) * step, step), truth, stays or repeat(False), strict=False
        ):
            if begins or (fired is not None and holds_on):
                false_since = None
                pending = now if pending is None else pending
                if fired is None and now - pending >= wait:
                    fired = now
            elif fired is not None:
                false_since = now if false_since is None else false_since
                if now - false_since >= keep:
                    found.append(Firing(fired, now))
                    pending = fired = false_since = None
            else:
                pending = None
        if fired is not None:
            found.append(Firing(fired, len(truth) * step))
        return tuple(found)


CORE = (
    outcomes.complete_failure,
    silence.traffic_stopped,
    outcomes.kill_switch_ineffective,
    outcomes.degraded,
    outcomes.success_rate_low,
    budget.failures_per_hour,
    budget.burn_fast,
    budget.burn_slow,
)
"""The alerts that need nothing but counts of attempts, and the kill switch."""

TRAFFIC = (traffic.collapsed, traffic.fallen)
"""The alerts on customers who do not come: they need last week, and the flag's rollout where it changes."""

_FAILED = "technical_failure"
_SUCCEEDED = "success"
_DECLINED = "issuer_declined"

Measure = Callable[[Evaluation], Column]


def _increase(result: str, window: timedelta) -> Measure:
    return lambda evaluation: evaluation.increase(result, window)


def _share(result: str, window: timedelta) -> Measure:
    return lambda evaluation: evaluation.share(result, window)


def _burn(window: timedelta) -> Measure:
    allowed = float(budget.success.budget)
    return lambda evaluation: [share / allowed for share in evaluation.share(_FAILED, window)]


def _would_pay(history: History) -> History:
    """Those alone who paid, or would have if nothing of ours or Stripe's had failed."""
    return replace(
        history, counts={name: history.counts[name] for name in (_SUCCEEDED, _FAILED) if name in history.counts}
    )


def _expected(within: timedelta, window: timedelta, offset: timedelta) -> Measure:
    pace = within / window

    def measure(evaluation: Evaluation) -> Column:
        usual = _would_pay(evaluation.history)
        seconds = int(window.total_seconds()), int(offset.total_seconds())
        grown = zip(*(usual.increase(result, *seconds) for result in usual.counts), strict=True)
        return [pace * sum(both) for both in grown]

    return measure


def _least_of(one: Measure, other: Measure) -> Measure:
    """The lesser of the two, or the first alone where the other is not known."""

    def measure(evaluation: Evaluation) -> Column:
        pairs = zip(one(evaluation), other(evaluation), strict=True)
        return [least if not bound < least else bound for least, bound in pairs]

    return measure


def _in_past_weeks(within: timedelta) -> Measure:
    """Half as many again as around this time a week ago or two, whichever had more; more, where the rollout grew."""
    most = _most_of(*(_expected(1.5 * within, hours(2), ago - hours(1)) for ago in (days(7), days(14))))

    def measure(evaluation: Evaluation) -> Column:
        history = evaluation.history
        rollouts = (
            delayed(history.highest(history.rollout, window), offset // history.clock.evaluation)
            for window, offset in ((1800, 600), (7200, 6 * 86400 + 23 * 3600))
        )
        grown = [max(now / then, 1.0) if now == now and then > 0 else 1.0 for now, then in zip(*rollouts, strict=True)]
        return list(map(operator.mul, most(evaluation), grown))

    return measure


def _silent_lately(evaluation: Evaluation) -> Column:
    """Attempts in 10 minutes, unless payments are off, or nobody paid at this time of yesterday and of last week."""
    off = evaluation.column(rollout.switched_off_in_10m)
    closed = evaluation.column(rollout.closed_today)
    then = _most_of(*(_expected(minutes(30), minutes(30), ago - minutes(15)) for ago in (days(1), days(7))))(evaluation)
    in_a_day = _expected(days(1), days(1), _NO_TIME)(evaluation)
    nobody = [
        most <= 0 < lately and not due >= 20
        for most, lately, due in zip(then, in_a_day, evaluation.column(silence.expected_lately), strict=True)
    ]
    told = zip(evaluation.column(silence.attempts_10m), off, closed, nobody, strict=True)
    return [NO_RESULT if switched >= 1 or shut >= 1 or empty else attempts for attempts, switched, shut, empty in told]


def _left_of(expected: Signal, window: timedelta, offset: timedelta = _NO_TIME) -> Measure:
    """What was expected, of the share of the rollout that is left of that in the past."""

    def measure(evaluation: Evaluation) -> Column:
        history = evaluation.history
        lag = offset // timedelta(seconds=history.clock.evaluation)
        now = history.highest(history.rollout)
        then = delayed(history.highest(history.rollout, int(window.total_seconds())), lag)
        kept = [min(one / other, 1.0) if other > 0 else NO_RESULT for one, other in zip(now, then, strict=True)]
        return list(map(operator.mul, evaluation.column(expected), kept))

    return measure


def _pace(window: timedelta, offset: timedelta = _NO_TIME) -> Measure:
    """Attempts a minute."""

    def measure(evaluation: Evaluation) -> Column:
        lag = offset // timedelta(seconds=evaluation.history.clock.evaluation)
        return delayed([value / (window / minutes(1)) for value in evaluation.increase("", window)], lag)

    return measure


def _fewest(around: timedelta, until: timedelta) -> Measure:
    seconds = [int(one.total_seconds()) for one in (minutes(10), around, until)]
    return lambda evaluation: _would_pay(evaluation.history).fewest(*seconds)


def _most_of(*several: Measure) -> Measure:
    def measure(evaluation: Evaluation) -> Column:
        values = zip(*(one(evaluation) for one in several), strict=True)
        return [max((value for value in some if value == value), default=NO_RESULT) for some in values]

    return measure


def _a_week_ago(evaluation: Evaluation) -> Column:
    earlier, same, later = (
        _pace(minutes(30), offset)(evaluation)
        for offset in (days(7) + hours(1), days(7), days(7) - hours(1) - minutes(20))
    )
    return [min(1.5 * before, now, 1.5 * after) for before, now, after in zip(earlier, same, later, strict=True)]


def _to_come(evaluation: Evaluation) -> Column:
    """The lesser of last week's pace and of the past hour's, changed as last week's day changed it."""
    before, then, before_then = (
        _pace(*one)(evaluation)
        for one in (
            (hours(1), hours(1)),
            (minutes(30), days(7)),
            (hours(1), days(7) + hours(1)),
        )
    )
    least = evaluation.column(traffic.week_ago)
    told = zip(before, then, before_then, least, strict=True)
    return [
        min(recent * min(now / earlier, 1.5), week) if earlier > 0 and recent == recent else week
        for recent, now, earlier, week in told
    ]


def _as_share_of(expected: Signal, window: timedelta) -> Measure:
    def measure(evaluation: Evaluation) -> Column:
        pairs = zip(_pace(window)(evaluation), evaluation.column(expected), strict=True)
        return [came / due if due > 0 else NO_RESULT for came, due in pairs]

    return measure


_SUNDAY_FROM = timedelta(hours=6)
"""The hour of UTC at which Sunday begins, for all whose clocks are changed on it."""


def _at_this_time(evaluation: Evaluation) -> Column:
    yesterday, last_week = (_fewest(minutes(10), timedelta(minutes=-5) + ago)(evaluation) for ago in (days(1), days(7)))
    step = evaluation.history.clock.evaluation
    found: Column = []
    for index, (one, other) in enumerate(zip(yesterday, last_week, strict=True)):
        since_sunday = (index * step - _SUNDAY_FROM.total_seconds() + 4 * 86400) % (7 * 86400)
        found.append((one if one < other else other) * (since_sunday >= 86400))
    return found


def _rolled_back(evaluation: Evaluation) -> Column:
    history = evaluation.history
    pairs = zip(history.rolled_out(2400, min), history.rolled_out(10800, max), strict=True)
    return [least / most if most > 0 else NO_RESULT for least, most in pairs]


def _never(evaluation: Evaluation) -> Column:
    return [NO_RESULT] * evaluation.history.evaluations


def _unpaid(evaluation: Evaluation) -> Column:
    """What failed for whatever reason in 15 minutes, no payment of it tried twice."""
    failed = [result for result in evaluation.history.counts if result != _SUCCEEDED]
    return list(map(sum, zip(*(evaluation.increase(result, minutes(15)) for result in failed), strict=True)))


def _success_kept(evaluation: Evaluation) -> Column:
    """Successes against those before; where 15 minutes hold too few, the share of declines, if it is large.

    What cannot be told, for want of two samples in 2 minutes, gives way to what comes next.
    """
    before = evaluation.history.increase(_SUCCEEDED, int(minutes(30).total_seconds()), int(minutes(10).total_seconds()))
    declines = [
        evaluation.share(_DECLINED, window)
        if _DECLINED in evaluation.history.counts
        else [NO_RESULT] * evaluation.history.evaluations
        for window in (minutes(15), minutes(2))
    ]
    declined = [next((share for share in shares if share > 0.8), NO_RESULT) for shares in zip(*declines, strict=True)]
    told = zip(
        [value / 30 for value in before],
        evaluation.increase(_SUCCEEDED, minutes(2)),
        evaluation.increase(_SUCCEEDED, minutes(15)),
        declined,
        strict=True,
    )
    kept: Column = []
    for pace, now, lately, share in told:
        shares = [grown / (span * pace) for span, grown in ((2, now), (15, lately)) if span * pace >= 15]
        kept.append(next((one for one in (*shares, share) if one == one), NO_RESULT))
    return kept


def _since_switch(evaluation: Evaluation) -> Column:
    """Attempts in 10 minutes, where payments were off for 12, at least a twentieth of those of the hour before."""
    history = evaluation.history
    off_before = delayed(history.was_killed(), int(minutes(10).total_seconds()) // history.clock.evaluation)
    on = history.highest([1 - pulled for pulled in history.killed or [0] * history.scrapes], 720)
    before = map(sum, zip(*(history.increase(result, 3600, 900) for result in history.counts), strict=True))
    told = zip(evaluation.increase("", minutes(10)), before, on, off_before, strict=True)
    return [
        now if now >= hour / 120 and not was_on and known == known else NO_RESULT for now, hour, was_on, known in told
    ]


def _of_days_before(evaluation: Evaluation) -> Column:
    """Successes against the fewer of those of yesterday's and of last week's half-hour around this time."""
    half_hours = (
        evaluation.history.increase(
            _SUCCEEDED, int(minutes(30).total_seconds()), int((ago - minutes(15)).total_seconds())
        )
        for ago in (days(1), days(7))
    )
    usual = (
        min((count / 2 for count in both if count == count), default=NO_RESULT)
        for both in zip(*half_hours, strict=True)
    )
    lately = zip(evaluation.increase(_SUCCEEDED, minutes(15)), usual, strict=True)
    return [now / then if then >= 15 else NO_RESULT for now, then in lately]


def _counted_before(offset: timedelta) -> Measure:
    return lambda evaluation: evaluation.history.total_before(int(offset.total_seconds()))


MEASURES: Mapping[Signal, Measure] = {
    outcomes.attempts_2m: _increase("", minutes(2)),
    outcomes.known_attempts_2m: _increase("", minutes(2)),
    outcomes.attempts_since_switch: _since_switch,
    silence.attempts_5m: _increase("", minutes(5)),
    outcomes.attempts_15m: _increase("", minutes(15)),
    outcomes.success_ratio_2m: _share(_SUCCEEDED, minutes(2)),
    outcomes.success_ratio_15m: _share(_SUCCEEDED, minutes(15)),
    outcomes.success_ratio_4m: _share(_SUCCEEDED, minutes(4)),
    outcomes.failing_payments_4m: _increase(_FAILED, minutes(4)),
    outcomes.unpaid_payments_15m: _unpaid,
    outcomes.success_kept: _success_kept,
    outcomes.success_of_days_before: _of_days_before,
    outcomes.failures_5m: _increase(_FAILED, minutes(5)),
    outcomes.failure_ratio_5m: _share(_FAILED, minutes(5)),
    outcomes.failure_ratio_30m: _share(_FAILED, minutes(30)),
    budget.success_1m: _share(_SUCCEEDED, minutes(1)),
    outcomes.technical_success_5m: lambda evaluation: [1 - x for x in evaluation.share(_FAILED, minutes(5))],
    silence.most_weekly: _in_past_weeks(minutes(5)),
    silence.expected_recently: _least_of(_expected(minutes(5), minutes(30), minutes(10)), _in_past_weeks(minutes(5))),
    silence.expected_weekly: _expected(minutes(5), hours(1), days(7)),
    silence.expected_lately: _least_of(_expected(minutes(20), hours(2), minutes(20)), _in_past_weeks(minutes(20))),
    silence.expected_after_rollback: _left_of(silence.expected_recently, minutes(40)),
    silence.expected_lately_after_rollback: _left_of(silence.expected_lately, minutes(140)),
    silence.weekly_after_rollback: _left_of(silence.expected_weekly, hours(1), days(7)),
    silence.quietest_weekly: _most_of(
        _fewest(minutes(150), days(7) - minutes(75)), _fewest(minutes(150), days(14) - minutes(75))
    ),
    silence.fewest_at_this_time: _at_this_time,
    silence.silent_lately: _silent_lately,
    silence.attempts_10m: _increase("", minutes(10)),
    silence.attempts_20m: _increase("", minutes(20)),
    rollout.closed_today: lambda evaluation: evaluation.history.highest(evaluation.history.closed),
    budget.failures_1h: _increase(_FAILED, hours(1)),
    budget.failures_6h: _increase(_FAILED, hours(6)),
    budget.failures_1d: _increase(_FAILED, days(1)),
    budget.failures_3d: _increase(_FAILED, days(3)),
    budget.burn_5m: _burn(minutes(5)),
    budget.burn_30m: _burn(minutes(30)),
    budget.burn_1h: _burn(hours(1)),
    budget.burn_2h: _burn(hours(2)),
    budget.burn_6h: _burn(hours(6)),
    budget.burn_1d: _burn(days(1)),
    budget.burn_3d: _burn(days(3)),
    budget.history_1h: _counted_before(hours(1)),
    budget.history_6h: _counted_before(hours(6)),
    budget.history_1d: _counted_before(days(1)),
    budget.history_3d: _counted_before(days(3)),
    rollout.kill_switch: lambda evaluation: evaluation.history.was_killed(),
    rollout.switched_off_in_10m: lambda evaluation: evaluation.history.was_killed(600),
    rollout.switched_off_in_1h: lambda evaluation: evaluation.history.was_killed(3600),
    rollout.maintained_in_10m: _never,
    silence.recorded_untold: _never,
    rollout.maintained_in_1h: _never,
    traffic.week_ago: _a_week_ago,
    traffic.expected: _to_come,
    traffic.come_10m: _as_share_of(traffic.expected, minutes(10)),
    traffic.come_30m: _as_share_of(traffic.expected, minutes(30)),
    traffic.come_as_last_week: _as_share_of(traffic.week_ago, minutes(30)),
    traffic.rolled_back: _rolled_back,
}
"""What each signal measures: all attempts are customers', made with one method, and exported by one replica."""
