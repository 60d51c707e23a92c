"""When must an alert fire, and when must it not? One threshold's cases, derived from its definition.

The recorded signals are the input, not raw metrics, so that every value is exact; what the signals make of raw metrics
is tested by their own examples. Each case is a timeline of phases. What ALERTS shows is read at the ends of phases.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

from generators.rule_tests.known import Known
from generators.rule_tests.rendering import rendered
from generators.rule_tests.text import Firing, Firings, Probe, TestGroup
from generators.rules import RECORDED_BY, AlertingRule, Conjunct
from rules.promtool.rows import MISSING, of_runs
from rules.promtool.series import Series
from rules.vocabulary import Comparison, Signal, Unit, plain, prometheus_duration

__all__ = ["alert_cases", "evaluation_step", "pace_of_waits", "wait_cases"]

EPSILON = Decimal("0.001")
"""How near to a bound the tests go, as a share of it; the bound itself is tried too, since what is fed is exact."""

_SECOND = timedelta(seconds=1)
_SLOWEST = timedelta(minutes=5) - _SECOND
"""A sample counts for 5 minutes."""
_STEPS = tuple(timedelta(minutes=n) for n in (4, 3, 2, 1))
_FEWEST_STEPS = 15
_ELSEWHERE = "elsewhere"
_FED = "fed"
Values = Mapping[Series, Decimal | None]


def evaluation_step(rules: Sequence[AlertingRule], interval: timedelta) -> timedelta:
    """The pace at which these thresholds are tested: `interval`, or slower where an alert waits for long.

    It divides every duration of the rules, is at most a fifteenth of the longest, so that a wait a tenth too short is
    still seen, and stays under the 5 minutes for which a sample counts. promtool takes as long as it has evaluations.
    """
    durations = _durations(rules)
    for step in _STEPS:
        divides = not any(duration % step for duration in durations) and not step % interval
        if durations and step * _FEWEST_STEPS <= max(durations) and divides:
            return step
    return interval


def pace_of_waits(rules: Sequence[AlertingRule], interval: timedelta) -> timedelta:
    """The slowest pace at which it shows that one of these thresholds waits, or is kept, an `interval` too short.

    Of every duration, an evaluation falls into its last `interval`.
    """
    durations, pace = _durations(rules), _SLOWEST
    while any(duration - (duration - timedelta.resolution) // pace * pace > interval for duration in durations):
        pace -= _SECOND
    return pace


def _durations(rules: Sequence[AlertingRule]) -> list[timedelta]:
    """How long they wait and are kept."""
    return [d for rule in rules for d in (rule.threshold.lasting, rule.threshold.keep_firing) if d]


def alert_cases(rules: Sequence[AlertingRule], step: timedelta, known: Known) -> Iterator[TestGroup]:
    """The test groups of one alert's thresholds in one environment, evaluated at that pace."""
    for rule in rules:
        yield from _threshold_cases(rule, rules, step, known)


def wait_cases(rules: Sequence[AlertingRule], pace: timedelta, known: Known) -> Iterator[TestGroup]:
    """That one alert's thresholds neither fire nor end too soon, in one environment, evaluated at that pace."""
    for rule in rules:
        tier = f"{rule.threshold.tier}: " if rule.threshold.tier else ""
        yield _Cases(rule, rules, _Branch.of(rule.branches[0], known), pace, tier).no_sooner()


def _threshold_cases(
    rule: AlertingRule, tiers: Sequence[AlertingRule], step: timedelta, known: Known
) -> Iterator[TestGroup]:
    if rule.alert.always:
        yield _always(rule, step, known)
        return
    branches = [_Branch.of(conjuncts, known) for conjuncts in rule.branches]
    for index, branch in enumerate(branches):
        where = " ".join(
            part for part in (rule.threshold.tier, f"branch {index + 1}" if len(branches) > 1 else "") if part
        )
        cases = _Cases(rule, tiers, branch, step, f"{where}: " if where else "")
        yield cases.bound_and_time()
        yield cases.guards()
        yield cases.ramp() if branch.watched.slope else cases.extra_label()
        for label in branch.watched.carried:
            yield cases.two_series(label)
        if branch.without_data is not None:
            yield cases.no_data()


@dataclass(frozen=True, slots=True)
class _Condition:
    """One comparison of an alert's expression, with values on either side of its bound."""

    series: Series
    text: str
    forbids: bool
    holding: tuple[Decimal, ...]
    """Values for which the comparison is true, the nearest to the bound last."""
    failing: tuple[Decimal, ...]
    slope: tuple[Decimal, ...]
    """Values on a straight line through the bound, as many before as past it."""
    carried: tuple[str, ...]
    other_values: Mapping[str, str]
    """For each carried label another value than that of `series`."""
    within: timedelta = timedelta(0)
    """How long a value that passes goes on to count."""
    strangers: tuple[Series, ...] = ()
    """The series with another value of one label by which it is picked: they must not count."""

    @property
    def favourable(self) -> Decimal | None:
        """A value with which the alert fires, as far as this condition goes; the nearest to what would forbid it."""
        if not self.forbids:
            return self.holding[0]
        return min(self.failing, key=lambda value: abs(value - self.holding[-1]), default=MISSING)

    @property
    def adverse(self) -> tuple[Decimal, ...]:
        """Values with which the alert must not fire."""
        return self.holding if self.forbids else self.failing

    @classmethod
    def of(cls, conjunct: Conjunct, known: Known, *, marked: bool) -> "_Condition":
        """The condition; `marked` puts a label on its series that tells it from what a record writes by itself."""
        signal = conjunct.signal
        assert signal is not None
        shown = Series(signal.name, conjunct.where)
        carried = tuple(sorted(known.expressions.labels(signal) - dict(conjunct.where).keys()))
        values = {label: _values_of(label, signal, known) for label in carried}
        first = {label: value for label, (value, _) in values.items()}
        series = known.scoped(shown).having(**dict(known.expressions.recorded_labels), **first)
        return cls(
            series.having(shard="fed") if marked else series,
            f"{shown} {conjunct.condition}",
            conjunct.forbids,
            *_around(conjunct.comparison, conjunct.value, signal.unit),
            carried,
            {label: second for label, (_, second) in values.items()},
            strangers=_strangers(series, conjunct.where),
        )

    @classmethod
    def that_fires(cls, conjunct: Conjunct, watched: "_Condition") -> "_Condition":
        """That an alert fires: 1, or no series at all. A label tells what is fed from what promtool records."""
        shown = Series("ALERTS", conjunct.where)
        series = shown.having(told=_FED, **{label: watched.series.label(label) for label in conjunct.on})
        within = f" within {prometheus_duration(conjunct.within)}" if conjunct.within else ""
        return cls(
            series,
            f"{shown} {conjunct.condition}{within}",
            conjunct.forbids,
            (Decimal(1),),
            (),
            (),
            conjunct.on,
            {label: watched.other_values[label] for label in conjunct.on},
            conjunct.within,
            _strangers(series, conjunct.where),
        )


@dataclass(frozen=True, slots=True)
class _Branch:
    """One way for an alert to be true."""

    watched: _Condition
    others: tuple[_Condition, ...]
    quieting: tuple[Series, ...]
    """Raw series, fed at 1, with which no record of the watched signal's or of a louder alert's says by itself what
    could fire."""
    without_data: bool | None
    """Whether the alert fires when there are no series at all; None where its signal is then missing too."""

    @classmethod
    def of(cls, conjuncts: tuple[Conjunct, ...], known: Known) -> "_Branch":
        """The branch of these comparisons, the watched signal first."""
        watched, *others = conjuncts
        signal = watched.signal
        assert signal is not None
        value = known.without_data(signal)
        first = _Condition.of(watched, known, marked=value is not None)
        louder = (known.alert(conjunct.where) for conjunct in others if conjunct.forbids and not conjunct.signal)
        speaking = (signal, *(one.watches for one in louder if one.watches.name != signal.name))
        return cls(
            first,
            tuple(
                _Condition.of(conjunct, known, marked=False)
                if conjunct.signal
                else _Condition.that_fires(conjunct, first)
                for conjunct in others
            ),
            tuple(
                dict.fromkeys(
                    known.scoped(series)
                    for one in speaking
                    if known.without_data(one) is not None
                    for series in known.absences(one)
                )
            ),
            None
            if value is None
            else watched.comparison.holds(value, watched.value)
            and all(one.forbids and one.signal is None for one in others),
        )

    @property
    def favourable(self) -> dict[Series, Decimal | None]:
        """Values with which the alert fires."""
        values: dict[Series, Decimal | None] = {one.series: one.favourable for one in (self.watched, *self.others)}
        return values | {series: Decimal(1) for series in self.quieting}


class _Timeline:
    """Series in phases, each of some evaluations."""

    def __init__(self) -> None:
        self._phases: list[tuple[int, Values]] = []
        self.length = 0

    def hold(self, evaluations: int, values: Values) -> int:
        """Add a phase in which only these series exist; gives the index of its last evaluation."""
        self._phases.append((evaluations, values))
        self.length += evaluations
        return self.length - 1

    @property
    def series(self) -> tuple[tuple[Series, str], ...]:
        """Every series with its samples, one for each evaluation."""
        names = dict.fromkeys(series for _, values in self._phases for series in values)
        found = ((name, [(values.get(name), count) for count, values in self._phases]) for name in names)
        return tuple((name, of_runs(runs)) for name, runs in found if any(value is not None for value, _ in runs))


class _Cases:
    """The cases of one branch of one threshold."""

    def __init__(
        self, rule: AlertingRule, tiers: Sequence[AlertingRule], branch: _Branch, step: timedelta, where: str
    ) -> None:
        self.rule, self.tiers, self.branch, self.step, self.where = rule, tiers, branch, step, where
        self.waiting = -(-rule.threshold.lasting // step)
        self.keeping = -(-rule.threshold.keep_firing // step)
        self.long_enough = self.waiting + 2
        self.values = branch.favourable
        self.asked = _asked_of(rule)

    def bound_and_time(self) -> TestGroup:
        """Up to the bound, past it for too short a time, past it for long enough, and back."""
        name = f"{self.where}the bound and the times"
        watched, lasting = self.branch.watched, self.rule.threshold.lasting
        line, probes = _Timeline(), []
        inside = self._inside
        line.hold(1, self._with(watched, inside))
        for value in watched.failing:
            last = line.hold(self.long_enough, self._with(watched, value))
            probes.append(self._probe(last, 0, f"at {plain(value)}, inside the bound"))
        if self.waiting:
            probes.append(self._waits(line))
            last = line.hold(1, self._with(watched, inside))
            probes.append(self._probe(last, 0, "inside again"))
            last = line.hold(self.waiting, self.values)
            probes.append(self._probe(last, 0, "past the bound, but the time counts anew"))
        fires = line.hold(1, self.values)
        probes.append(self._probe(fires, 1, f"past the bound for {prometheus_duration(lasting)}"))
        settled = line.hold(1 + max(-(-one.threshold.lasting // self.step) for one in self.tiers), self.values)
        if self.keeping:
            probes.append(self._keeps(line))
        last = line.hold(1, self._over(inside))
        probes.append(self._probe(last, 0, "recovered"))
        return self._group(name, line, probes, (self._everything_firing(settled),))

    def no_sooner(self) -> TestGroup:
        """Past the bound for too short a time, long enough, and back for too short a time."""
        line, probes = _Timeline(), []
        line.hold(1, self._with(self.branch.watched, self._inside))
        if self.waiting:
            probes.append(self._waits(line))
        probes.append(self._probe(line.hold(1, self.values), 1, "past the bound for long enough"))
        if self.keeping:
            probes.append(self._keeps(line))
        return self._group(f"{self.where}no sooner", line, probes)

    def _waits(self, line: _Timeline) -> Probe:
        last = line.hold(self.waiting, self.values)
        lasting = prometheus_duration(self.rule.threshold.lasting)
        return self._probe(last, 0, f"past the bound for less than {lasting}")

    def _keeps(self, line: _Timeline) -> Probe:
        last = line.hold(self.keeping, self._over(self._inside))
        keep = prometheus_duration(self.rule.threshold.keep_firing)
        return self._probe(last, 1, f"recovered for less than {keep}")

    def guards(self) -> TestGroup:
        """Past the bound all the time, with one condition after the other unmet or missing; then with none."""
        name = f"{self.where}each condition"
        branch, line, probes = self.branch, _Timeline(), []
        elsewhere = {
            one.series.having(**{label: _ELSEWHERE}): one.holding[0]
            for label in ("environment", "service")
            for one in (branch.watched, *branch.others)
        } | {other: one.holding[0] for one in branch.others for other in one.strangers}

        def silent(values: Values, what: str) -> None:
            last = line.hold(self.long_enough, elsewhere | dict(values))
            probes.append(self._probe(last, 0, what))

        for condition in branch.others:
            for value in condition.adverse:
                verdict = "met" if condition.forbids else "unmet"
                # A label more on what forbids: only the labels that both have in common may decide.
                series = condition.series.having(shard="y") if condition.forbids else condition.series
                silent(self.values | {series: value}, f"{verdict} at {plain(value)}: {condition.text}")
            if not condition.forbids:
                silent(self._with(condition, MISSING), f"missing: {condition.text}")
            if condition.within:
                last = line.hold(condition.within // self.step + self.waiting, elsewhere | self.values)
                probes.append(self._probe(last, 0, f"met not long ago: {condition.text}"))
                last = line.hold(1, elsewhere | self.values)
                probes.append(self._probe(last, 1, f"met longer ago: {condition.text}"))
                line.hold(self.keeping + 2, elsewhere | self._with(branch.watched, MISSING))
        silent(self._with(branch.watched, MISSING), f"missing: {branch.watched.text}")
        if branch.without_data is None:
            silent(
                dict.fromkeys(branch.quieting, Decimal(1)),
                "all missing here, all there in another environment and service",
            )
        nearest = {one.series: one.holding[-1] for one in (branch.watched, *branch.others) if not one.forbids}
        gone: Values = {one.series: MISSING for one in branch.others if one.forbids}
        values = elsewhere | self.values | nearest | dict(gone)
        if self.waiting:
            probes.append(self._probe(line.hold(self.waiting, values), 0, "every condition met, not for long"))
        probes.append(self._probe(line.hold(1, values), 1, "every condition met"))
        return self._group(name, line, probes)

    def ramp(self) -> TestGroup:
        """Steadily across the bound: the time counts from the crossing. A label more on each series changes nothing.

        It has another value on what guards, so that only the labels that both have in common may decide.
        """
        name = f"{self.where}a ramp, with a label more on every series"
        watched, line, probes = self.branch.watched, _Timeline(), []
        half = len(watched.slope) // 2
        for value in watched.slope:
            line.hold(1, self._labelled(self._with(watched, value)))
        line.hold(self.waiting + 1, self._labelled(self._with(watched, watched.slope[-1])))
        fires = half + self.waiting
        probes.append(self._probe(fires - 1, 0, "one evaluation before it is due"))
        probes.append(self._probe(fires, 1, "counted from the crossing"))
        probes.append(self._probe(fires, 1, "with its own labels", **self._own_labels))
        return self._group(name, line, probes)

    def extra_label(self) -> TestGroup:
        """A label more on every series, as another scrape configuration would add it, where there is no ramp."""
        name = f"{self.where}an extra label"
        line = _Timeline()
        last = line.hold(self.waiting + 1, self._labelled(self.values))
        probes = [
            self._probe(last, 1, "with a label more on every series"),
            self._probe(last, 1, "with its own labels", **self._own_labels),
        ]
        return self._group(name, line, probes)

    def two_series(self, label: str) -> TestGroup:
        """Each value of a label that the signal carries alerts on its own, with its own guards."""
        name = f"{self.where}two of {label}"
        branch, line, probes = self.branch, _Timeline(), []
        watched = branch.watched
        inside = watched.failing[0] if watched.failing else MISSING
        first = dict(self.values)
        second = {
            one.series.having(**{label: one.other_values[label]}): one.favourable
            for one in (watched, *branch.others)
            if label in one.carried
        }
        other_watched = watched.series.having(**{label: watched.other_values[label]})
        shared = [one for one in branch.others if label in one.carried and not one.forbids]
        if shared:
            lacking = {one.series: MISSING for one in shared}
            last = line.hold(self.long_enough, first | second | lacking | {other_watched: inside})
            probes.append(self._probe(last, 0, "one past the bound, only the other's guards met"))
        last = line.hold(self.waiting + 1, first | second | {other_watched: inside})
        probes.append(self._probe(last, 1, "one past the bound"))
        probes.append(self._probe(last, 1, "that one", **{label: watched.series.label(label)}))
        last = line.hold(self.waiting + 1, first | second)
        probes.append(self._probe(last, 2, "both past the bound"))
        louder = [one for one in branch.others if label in one.carried and one.forbids]
        if louder:
            others = {one.series.having(**{label: one.other_values[label]}): one.holding[0] for one in louder}
            last = line.hold(max(self.waiting, self.keeping) + 2, first | second | others)
            told = {label: watched.series.label(label)}
            probes.append(self._probe(last, 1, "both past the bound, a louder one on the other", **told))
        return self._group(name, line, probes)

    def no_data(self) -> TestGroup:
        """Nothing is scraped at all, of which this signal speaks."""
        name = f"{self.where}nothing there"
        fires = self.branch.without_data
        probes = [self._probe(self.waiting - 1, 0, "no series, not for long")] if self.waiting else []
        probes.append(self._probe(self.long_enough, 1 if fires else 0, "no series"))
        return self._group(name, _Timeline(), probes)

    @property
    def _inside(self) -> Decimal | None:
        """The watched signal's value inside the bound and nearest to it."""
        failing = self.branch.watched.failing
        return failing[-1] if failing else MISSING

    @property
    def _own_labels(self) -> dict[str, str]:
        """The labels that the rule gives, whatever its series carry."""
        return {label: value for label, value in self.rule.labels if label != "tier"}

    def _labelled(self, values: Values) -> Values:
        """The series with a label more, and without the labels of who has recorded them."""
        return {
            Series(one.name, tuple(pair for pair in one.labels if pair not in RECORDED_BY)).having(
                shard="x" if one == self.branch.watched.series else "y"
            ): value
            for one, value in values.items()
        }

    def _with(self, condition: _Condition, value: Decimal | None) -> dict[Series, Decimal | None]:
        return self.values | {condition.series: value}

    def _over(self, inside: Decimal | None) -> Values:
        """The watched signal inside the bound, and nothing there that would keep the alert firing."""
        guard = self.rule.alert.stays_while
        keeping = [one.series for one in self.branch.others if guard and one.series.name == guard.signal.name]
        return self._with(self.branch.watched, inside) | dict.fromkeys(keeping, MISSING)

    def _probe(self, evaluation: int, firing: int, what: str, **labels: str) -> Probe:
        asked = _asked_of(self.rule, **labels) if labels else self.asked
        return _firing_probe(asked, self.step * evaluation, firing, f"{self.where}{what}")

    def _everything_firing(self, evaluation: int) -> Firings:
        """All that fires of this alert with the favourable values: the strictest of its tiers that they pass."""
        watched = self.branch.watched
        value = watched.holding[0]
        passed = [one for one in self.tiers if one.threshold.comparison.holds(value, one.threshold.value)]
        tiers = {one.threshold.tier for one in passed}
        passed = [one for one in passed if tiers.isdisjoint(other.tier for other in one.alert.stricter(one.threshold))]
        return _firings(passed if len(self.tiers) > 1 else [self.rule], self.step * evaluation, watched.series, value)

    def _group(
        self, name: str, line: _Timeline, probes: Sequence[Probe], firings: tuple[Firings, ...] = ()
    ) -> TestGroup:
        return TestGroup(name, self.step, line.series, tuple(probes), firings)


def _always(rule: AlertingRule, step: timedelta, known: Known) -> TestGroup:
    """An alert that must fire whatever there is: nothing at all is the hardest case."""
    signal = rule.alert.watches
    probes = (
        _firing_probe(_asked_of(rule), step * 0, 1, "always: from the first evaluation"),
        _firing_probe(_asked_of(rule), step * 20, 1, "always: and on"),
    )
    series = Series(signal.name, known.expressions.recorded_labels)
    value = known.without_data(signal)
    return TestGroup("always", step, (), probes, (_firings([rule], step, series, value or Decimal(0)),))


def _asked_of(rule: AlertingRule, **labels: str) -> str:
    """How many of the rule's alerts fire, of those with these labels."""
    wanted = {"alertname": rule.alert.name, "alertstate": "firing"} | labels
    if rule.threshold.tier:
        wanted["tier"] = rule.threshold.tier
    if rule.alert.stays_while:
        wanted["told"] = ""
    return f"count({Series('ALERTS', tuple(wanted.items()))})"


def _firing_probe(asked: str, at: timedelta, firing: int, what: str) -> Probe:
    return Probe(f"{asked} # {what}", at, (((), str(firing)),) if firing else ())


def _firings(rules: Sequence[AlertingRule], at: timedelta, series: Series, value: Decimal) -> Firings:
    carried = dict(series.labels)
    firing = (
        Firing(
            tuple((carried | dict(rule.labels)).items()),
            tuple((name, rendered(text, value, carried)) for name, text in rule.annotations),
        )
        for rule in rules
    )
    return Firings(rules[0].alert.name, at, tuple(firing))


@lru_cache(maxsize=1024)
def _around(
    comparison: Comparison, bound: Decimal, unit: Unit
) -> tuple[tuple[Decimal, ...], tuple[Decimal, ...], tuple[Decimal, ...]]:
    """Values past the bound, values inside it, each the nearest last, and a line from inside to past.

    Whole numbers are met exactly; where windows estimate them, fractions occur too, and are tried as well.
    """
    towards = 1 if comparison.upward else -1
    past, inside = [], []
    if unit.whole:
        rounding = ROUND_FLOOR if comparison.upward else ROUND_CEILING
        nearest = bound.to_integral_value(rounding)
        candidates = [nearest + towards * step for step in (-1, 0, 1)]
        first = next(one for one in candidates if comparison.holds(one, bound))
        possible = _within(first - towards, unit) == first - towards
        if not possible:  # a bound that every value passes asks for presence
            past.append(first + towards)
        past.append(first)
        inside.append(first - towards)
    if not unit.whole or (unit is not Unit.BOOLEAN and bound):
        margin = abs(bound) * EPSILON or EPSILON
        past.append(bound + towards * margin)
        inside.append(bound - towards * margin)
        (past if comparison.holds(bound, bound) else inside).append(bound)
    past = list(dict.fromkeys(one for one in past if one == _within(one, unit)))
    inside = list(dict.fromkeys(one for one in inside if one == _within(one, unit)))
    slope: tuple[Decimal, ...] = ()
    if unit is not Unit.BOOLEAN and inside:
        pace = max(abs(bound) / 10, Decimal(1) if unit.whole or not bound else Decimal(0))
        slope = tuple(_within(bound + towards * pace * (step + Decimal("0.5")), unit) for step in range(-4, 4))
    return tuple(past), tuple(inside), slope


def _strangers(series: Series, where: tuple[tuple[str, str], ...]) -> tuple[Series, ...]:
    """The series of another environment and service are tried anyway."""
    others = {"alertstate": "pending"}
    labels = [label for label, _ in where if label not in ("environment", "service")]
    return tuple(series.having(**{label: others.get(label, _ELSEWHERE)}) for label in labels)


def _within(value: Decimal, unit: Unit) -> Decimal:
    if unit.lowest is not None:
        value = max(value, unit.lowest)
    return value if unit.highest is None else min(value, unit.highest)


def _values_of(label: str, signal: Signal, known: Known) -> tuple[str, str]:
    """Two values of a label that a signal carries."""
    for metric in known.index.metrics_read(signal):
        for declared in metric.labels:
            if declared.name == label:
                first, *others = declared.values or (declared.specimen,)
                return first, others[0] if others else f"{first}-2"
    return "example", "example-2"
