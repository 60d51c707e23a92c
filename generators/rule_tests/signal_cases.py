"""What does a signal read from raw series? Its example, and what must follow from the example.

An example says what comes out for some series. From it follow, without another number written by hand: what another
replica of the source changes, a label more, a restart of the source, no traffic, a child that has no series yet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property, partial
from itertools import islice

from generators.rule_tests.courses import (
    Window,
    blank,
    constant,
    halved,
    in_one_step,
    restarted,
    shifted,
    standing_still,
    still_inside,
    thinned,
)
from generators.rule_tests.known import OTHERS, Known
from generators.rule_tests.text import Probe, TestGroup
from rules.promql import (
    Aggregation,
    Call,
    Expression,
    Number,
    Operation,
    Selector,
    is_scalar,
    selectors,
)
from rules.promql import Series as Selected
from rules.promtool.rows import Row, count_of, notation, rows
from rules.promtool.series import Series, labels_of
from rules.vocabulary import Counter, Example, Histogram, Signal, Source, Unit, plain

__all__ = ["nothing_there", "signal_cases"]

_GROWING = frozenset({"rate", "increase", "irate"})
_ADDITIVE = (Unit.COUNT, Unit.EVENTS_PER_SECOND, Unit.PER_MINUTE, Unit.MINOR_UNITS, Unit.MONEY)
_DECIMALS = 9
_LOUD = 1000
_NOTHING = timedelta(0)
_ZERO = Call("vector", (Number(0),))
_SECOND = timedelta(seconds=1)
Fed = tuple[tuple[Series, str], ...]
Result = tuple[Mapping[str, str], Decimal]


def signal_cases(signal: Signal, known: Known) -> Iterator[TestGroup]:
    """The test groups of one signal; each reads it at its example's moment."""
    compared: set[Series] = set()
    for number, example in enumerate(signal.also, 2):
        other = _Case.of(signal, known, example)
        name = f"example {number}"
        if other.has_branches:
            yield other.more_around(f"{name}, ", other.in_company(), other.telling - compared)
            compared |= other.telling
        else:
            yield other.example(name)
    case = _Case.of(signal, known, signal.example)
    yield case.example()
    yield case.more_around()
    yield from case.replica()
    yield from case.former_names()
    if case.only_growth:
        yield case.restart()
        yield case.uneven_growth()
        yield case.no_traffic()
    if case.says_0_of_its_windows:
        yield case.long_ago()
    yield from case.nothing_to_divide_by()
    yield from case.missing_numerators()
    yield from case.missing_parts()
    yield from _there(signal, known)
    if known.asks_for_jobs(signal):
        yield TestGroup(f"{signal}: no series", signal.example.every, (), (_probe(signal, known, [], "nothing there"),))


def _there(signal: Signal, known: Known) -> Iterator[TestGroup]:
    """What a signal misses is there, and it says nothing; of several, each is missed."""
    missed = known.absences(signal)
    if not missed or not _is_absence(known.tree(signal)):
        return
    every = signal.example.every
    there = notation([Row(Decimal(1), length=signal.example.at // every + 1)])
    fed = tuple((known.scoped(series), there) for series in missed)
    yield TestGroup(f"{signal}: what it misses is there", every, fed, (_probe(signal, known, [], "it is there"),))
    for one in missed if len(missed) > 1 else ():
        others = tuple((series, values) for series, values in fed if series != known.scoped(one))
        probe = _probe(signal, known, [(dict(one.labels), Decimal(1))], f"{one} is not there")
        yield TestGroup(f"{signal}: without {one}", every, others, (probe,))


def nothing_there(signals: Sequence[Signal], known: Known) -> TestGroup:
    """No series but those of another environment, service and job that would be read here: only absence speaks."""
    fed: dict[Series, str] = {}
    probes = []
    for signal in signals:
        if known.asks_for_jobs(signal):
            continue
        value = known.without_data(signal)
        gives: list[Result] = [] if value is None else [({}, value)]
        probes.append(_probe(signal, known, gives, "nothing there"))
        for text, values in signal.example.series:
            here = known.scoped(Series.parse(text))
            for other in known.of_others(here) if _read_by(known.reads(signal), here) else ():
                fed.setdefault(other, values)
    return TestGroup("nothing there", signals[0].example.every, tuple(fed.items()), tuple(probes))


@dataclass(frozen=True, eq=False)
class _Case:
    """A signal, the series of its example, and what they give."""

    signal: Signal
    known: Known
    every: timedelta
    fed: Fed
    gives: Sequence[Result]

    @classmethod
    def of(cls, signal: Signal, known: Known, example: Example) -> "_Case":
        """The case of one example."""
        fed = tuple((known.scoped(Series.parse(series)), values) for series, values in example.series)
        gives = [(labels_of(labels), Decimal(value)) for labels, value in example.gives]
        return cls(signal, known, example.every, fed, gives)

    def example(self, name: str = "example") -> TestGroup:
        """The example itself."""
        return self._group(name, self.fed, self._reading(name, self.gives))

    @cached_property
    def leanings(self) -> Mapping[str, int]:
        """For each gauge of which the largest (smallest) value counts, -1 (1): the way in which more do not matter."""
        return _leanings(self.signal, self.known)

    @property
    def has_branches(self) -> bool:
        """Whether another example may be read by other selectors, so that others have to be left aside there, too."""
        return any(
            isinstance(one, Operation) and one.operator in ("and", "or", "unless")
            for inner in self.known.index.signals_read(self.signal)
            for one in self.known.nodes(inner)
        )

    def more_around(self, which: str = "", company: Fed = (), of: Set[Series] | None = None) -> TestGroup:
        """Series of other environments, services and jobs, or with another value of a label asked for, do not matter.

        They have values that would show: larger ones where the largest counts. What nobody reads here has no likes
        there: only two mistakes together would read those. Nor does a label more on every series change a value; it may
        come out. The `company` is fed too, or instead of the series of the same name.

        Where `of` is given, only those series have others beside them: of a further example, what no earlier one fed.
        Where it gives nothing, others record what it reads all the same: that would show as a result.
        """
        name = f"{which}others, a label more"
        leanings = self.leanings
        reads = self.known.reads(self.signal)
        fed: dict[Series, str] = {}
        for series, values in self.fed:
            loud = shifted(values, _LOUD * -leanings.get(series.name, -1))
            fed[series] = values if _read_by(reads, series) else loud
            if (of is not None and series not in of) or series in self._more_replicas or not _read_by(reads, series):
                continue
            for other in self.known.of_others(series, reader=self.signal):
                fed[other] = loud
            if series.name not in leanings and not (self.known.is_counter(series.name) and self.only_growth):
                fed |= {
                    other: shifted(values, -_LOUD) for other in self.known.of_others(series, OTHERS[1], self.signal)
                }
            for other in self._not_asked_for(series):
                fed.setdefault(other, loud)
        there = notation([Row(Decimal(1), length=max(count_of(rows(values)) for _, values in self.fed))])
        recorded = shifted(there, _LOUD if which else 0)
        for series in (
            (*self._recorded(), *self.known.absences(self.signal)) if of is None or of or not self.gives else ()
        ):
            for other in self.known.of_others(series, reader=self.signal):
                fed[other] = recorded
        fed |= dict(company)
        extra = {"shard": "x"} if self.known.carries(self.signal, "shard") else {}
        gives = [(dict(labels) | extra, value) for labels, value in self.gives]
        labelled = tuple(
            (series.having(**{"shard": "x"} | dict(series.labels)), values) for series, values in fed.items()
        )
        return self._group(name, labelled, self._reading(name, gives))

    def _recorded(self) -> Iterator[Series]:
        """A series of each signal that this one reads, with the labels that it asks for, as others would record it."""
        for inner in self.known.index.signals_read(self.signal)[:-1]:
            labels = dict(labels_of(inner.example.gives[0][0]))
            reads = [one.matchers for one in self._own_reads if one.name == inner.name] or [()]
            for one in reads:
                asked = {label: value for label, operator, value in one if operator == "="}
                yield Series(inner.name, tuple((labels | asked).items()))

    def replica(self) -> Iterator[TestGroup]:
        """Every series a second time, from another instance and pod.

        What our exporter serves, each replica serves alike, and it counts once. What applications count, each counts
        for itself: counts double, shares stay. Where both kinds meet, nothing follows. One more replica that lags
        behind, with far smaller values, is not seen where the largest counts, and the other way round. Nor is one whose
        counters stand still, where the one that has grown most counts.
        """
        metrics = self.known.index.metrics_read(self.signal)
        if not metrics:
            return
        exported = {metric.source.exported for metric in metrics}
        growing = all(isinstance(metric, Counter | Histogram) for metric in metrics)
        if exported == {True}:
            factor = 1
        elif exported == {False} and growing and Source.APPLICATION in {metric.source for metric in metrics}:
            factor = 2 if self.signal.unit in _ADDITIVE else 1
        else:
            return
        leanings = self.leanings
        copies = tuple((self._replica_of(series, 2), values) for series, values in self.fed)
        lagging = tuple(
            (self._replica_of(series, 3), shifted(values, _LOUD * leanings[series.name]))
            for series, values in self.fed
            if series.name in leanings
        )
        standing = tuple(
            (self._replica_of(series, 4), standing_still(values))
            for series, values in self.fed
            if exported == {True} and self._largest_counts(series.name)
        )
        gives = [(labels, value * factor) for labels, value in self.gives]
        name = "a second replica"
        yield self._group(name, self.fed + copies + lagging + standing, self._reading(name, gives))

    def in_company(self) -> Fed:
        """Counters shared out among two series that are read alike, and replicas that lag behind, beside what is fed.

        What no replica changes in the signal's example may be read by another branch in another example.
        """
        leanings, fed = self.leanings, dict[Series, str]()
        for series, values in self.fed:
            if series not in self.telling:
                continue
            if series.name in leanings:
                fed[self._replica_of(series, 3)] = shifted(values, _LOUD * leanings[series.name])
            other = self._beside(series, fed)
            if other:
                values = halved(values)
                fed |= dict.fromkeys((series, other), values)
            if self._largest_counts(series.name):
                fed[self._replica_of(series, 4)] = halved(values)
        return tuple(fed.items())

    @property
    def _own_reads(self) -> tuple[Selector, ...]:
        """What the signal's own expression reads, metrics and signals."""
        return self.known.own_reads(self.signal)

    @cached_property
    def _more_replicas(self) -> frozenset[Series]:
        """The series that differ from one before them in nothing but instance and pod."""
        found, seen = set[Series](), set[Series]()
        for series, _ in self.fed:
            alike = series.having(instance="", pod="")
            alike = Series(alike.name, tuple(sorted(alike.labels)))
            if alike in seen:
                found.add(series)
            seen.add(alike)
        return frozenset(found)

    @cached_property
    def telling(self) -> frozenset[Series]:
        """The series each of which the signal itself reads somewhere where none of those before it is read."""
        found, read = set[Series](), set[Selector]()
        for series, _ in self.fed:
            by = {one for one in self._own_reads if series.selected_by(one.name, one.matchers)}
            if not by <= read:
                found.add(series)
                read |= by
        return frozenset(found)

    def former_names(self) -> Iterator[TestGroup]:
        """Where a metric had another name: who still exports that one alone, and who exports both, reads as before."""
        former = {new: old for old, new in self.known.former_series_names.items()}
        if not former.keys() & {series.name for series, _ in self.fed}:
            return
        renamed = tuple((Series(former.get(one.name, one.name), one.labels), values) for one, values in self.fed)
        yield self._group("former names", renamed, self._reading("former names", self.gives))
        both = tuple(dict((*self.fed, *renamed)).items())
        yield self._group("former names too", both, self._reading("former names too", self.gives))

    def _replica_of(self, series: Series, number: int) -> Series:
        """Another instance and pod; of another job where several reach the source and the series names none."""
        jobs = self.known.expressions.index.jobs(series.name, self.known.expressions.environment)
        place = {"instance": f"{series.label('instance')}-{number}", "pod": f"{series.label('pod')}-{number}"}
        free = len(jobs) > 1 and "job" not in dict(series.labels) and not self.known.asks_for_jobs(self.signal)
        return series.having(**place, **({"job": jobs[1]} if free else {}))

    @cached_property
    def only_growth(self) -> bool:
        """Whether every counter is read for its growth only, so that its absolute value cannot matter."""
        reads = [one for one in self.known.reads(self.signal) if self.known.is_counter(one.name)]
        return bool(reads) and all(_GROWING & set(one.calls) for one in reads)

    def restart(self) -> TestGroup:
        """Every counter starts again at 0 inside the window: what it had counted before is not lost."""
        name = "a counter that starts again"
        fed = self._counters_changed(restarted)
        return self._group(name, fed, self._reading(name, self.gives))

    def uneven_growth(self) -> TestGroup:
        """When inside the window a counter grows does not matter, nor what was before: only how much it grows.

        Windows inside of a subquery are many; what is read in them stays as it is. Nor does it matter whether one
        series counts, or two, each a half. Where the example has five samples in each window, they are a little further
        apart, such that one more lies just before it: a rate is as much smaller, a share the same.
        """
        name = "growth in one step"
        usual, every = self.signal.example.every, self._further_apart
        factor = Decimal(usual // _SECOND) / (every // _SECOND) if self.signal.unit in _ADDITIVE else 1
        read = [one for one in self.known.reads(self.signal) if one.range and self.known.is_counter(one.name)]
        fed: dict[Series, str] = {}
        for series, values in self.fed:
            windows = () if self._in_a_subquery(series) else tuple(sorted(self._windows(read, series)))
            changed = in_one_step(values, every, windows) if windows else values
            other = self._beside(series, fed)
            if other:
                fed |= dict.fromkeys((series, other), halved(changed))
            else:
                fed[series] = changed
        gives = [(labels, value * factor) for labels, value in self.gives]
        return TestGroup(f"{self.signal}: {name}", every, tuple(fed.items()), tuple(self._reading(name, gives)))

    @property
    def _further_apart(self) -> timedelta:
        """How far apart the samples of `Example.over` may be, in whole seconds, and a window still holds five of them.

        A tenth more of a window then reaches one more.
        """
        example, reads = self.signal.example, self.known.reads(self.signal)
        five = example.at * 2 == example.every * 21
        fits = five and all(one.range == one.reach == example.every * 5 for one in reads)
        return example.every * 25 // 24 // _SECOND * _SECOND if fits else example.every

    def _beside(self, series: Series, fed: Mapping[Series, str]) -> Series | None:
        """The counter with a new value of a label that is not carried on, read wherever it is read itself.

        Where it has none and is added up, a label of a team's own, such as its targets add to every series.
        """
        if not self.known.is_counter(series.name):
            return None
        reads = [one for one in self.known.reads(self.signal) if one.name == series.name]
        others = [
            series.having(**{label.name: value})
            for label in self.known.metrics[series.name].labels
            if label.name not in self.known.expressions.labels(self.signal) | {"le"}
            for value in label.values
        ]
        added_up = all(one.calls[:1] and one.calls[0] in _GROWING and "sum" in one.calls for one in reads)
        if added_up and not self.known.carries(self.signal, "shard"):
            others.append(series.having(shard="y"))
        there = {*fed, *dict(self.fed)}
        return next((one for one in others if one not in there and _alike(reads, one, series)), None)

    def no_traffic(self) -> TestGroup:
        """Counters that stand still: nothing, or 0, and never a number that is none.

        A count that is 0 where its own series are missing is asked without them.
        """
        name = "no traffic"
        numerators = _numerators(self.known.tree(self.signal)) if self.says_0_of_its_windows else ()
        fed = tuple(
            one
            for one in self._counters_changed(partial(constant, 7))
            if not any(_read_by(selectors(part), one[0]) for part in numerators)
        )
        of_counters = all(self.known.is_counter(one.name) for one in self.known.reads(self.signal))
        nothing_else = [self._nothing(f"{self.signal} != 0", f"{name}: 0 if anything")]
        return self._group(name, fed, nothing_else if of_counters else self._finite(name))

    @property
    def says_0_of_its_windows(self) -> bool:
        """Whether it says 0 where some of its series are in its window, so that it says nothing where none is."""
        tree = self.known.tree(self.signal)
        return (
            bool(_numerators(tree))
            and self.known.value(tree) is None
            and not any(isinstance(one, Operation) and one.operator == "/" for one in self.known.nodes(self.signal))
            and all(one.range for one in self.known.reads(self.signal))
            and not any(self._in_a_subquery(series) for series, _ in self.fed)
        )

    def long_ago(self) -> TestGroup:
        """Every series ended before the first window began, but for those that are not asked for.

        Samples are so close that a window that is a tenth too long holds two of them.
        """
        name = f"{self.signal}: series that ended before"
        reads, at = self.known.reads(self.signal), self.signal.example.at
        every = max(min(one.range for one in reads if one.range) // 30 // _SECOND * _SECOND, _SECOND)
        fed: dict[Series, str] = {}
        for series, _ in self.fed:
            begins = min((start for start, _ in self._windows(reads, series)), default=_NOTHING)
            fed[series] = _growing((begins - _SECOND) // every + 1)
            for other in self._not_asked_for(series):
                fed.setdefault(other, _growing(at // every + 1))
        there = tuple((series, values) for series, values in fed.items() if values)
        return TestGroup(name, every, there, (self._nothing(str(self.signal), "series that ended before"),))

    def _in_a_subquery(self, series: Series) -> bool:
        return any(
            one.range and one.reach > one.range + (one.offset or _NOTHING)
            for one in self.known.reads(self.signal)
            if series.selected_by(one.name, one.matchers)
        )

    def nothing_to_divide_by(self) -> Iterator[TestGroup]:
        """A denominator of 0 gives no infinite number and none that is none."""
        divisors = [
            selector
            for signal in self.known.index.signals_read(self.signal)
            for one in self.known.nodes(signal)
            if isinstance(one, Operation) and one.operator == "/"
            for selector in selectors(one.right)
        ]
        if not divisors:
            return
        name = "nothing to divide by"
        fed = tuple(
            (series, constant(0, values) if _read_by(divisors, series) else values) for series, values in self.fed
        )
        yield self._group(name, fed, self._finite(name))
        every = self.signal.example.every
        windows = sorted({window for series, _ in self.fed for window in self._windows(divisors, series)})
        for number, window in enumerate(windows, 1) if len(windows) > 1 else ():
            name = f"nothing to divide by in window {number}"
            still = tuple(
                (series, still_inside(values, every, window) if self.known.is_counter(series.name) else values)
                for series, values in self.fed
            )
            yield self._group(name, still, self._finite(name))

    def missing_numerators(self) -> Iterator[TestGroup]:
        """A numerator whose series do not exist yet counts as 0, where `or 0 * ...` or `or vector(0)` says so.

        Of the others there are two samples in a window, the oldest, so that it has to reach back all the way.
        Of several shares that are added up or compared, each may lack its series in its own window, and takes none of
        the others away.
        """
        numerators = _numerators(self.known.tree(self.signal))
        if not numerators:
            return
        name = "a numerator without series"
        fed = tuple(one for one in self.fed if all(one in self._without(part) for part in numerators))
        gives = [(labels, Decimal(0)) for labels, _ in self.gives]
        every, reads = self.signal.example.every, self.known.reads(self.signal)
        few = tuple(
            (series, thinned(values, every, self._windows(reads, series)))
            if self.known.is_counter(series.name) and not self._in_a_subquery(series)
            else (series, values)
            for series, values in fed
        )
        yield self._group(name, few, self._reading(name, gives))
        blanked = dict.fromkeys(map(self._blank_in_its_windows, numerators))
        for number, without in enumerate(blanked, 1) if len(numerators) > 1 else ():
            name = f"numerator {number} without series in its window"
            yield self._group(name, without, [self._count(name)])

    def missing_parts(self) -> Iterator[TestGroup]:
        """A part that stands in for itself when its series are missing (`or vector(0)`) takes nothing else away."""
        if _numerators(self.known.tree(self.signal)):
            return
        parts = [
            one.left
            for one in self.known.nodes(self.signal)
            if isinstance(one, Operation) and one.operator == "or" and self.known.value(one.right) is not None
        ]
        for number, part in enumerate(parts, 1):
            name = f"part {number} without series"
            yield self._group(name, self._without(part), [self._count(name)])

    def _largest_counts(self, name: str) -> bool:
        """Whether of a counter's replicas the one that has grown most counts, wherever it is read."""
        if not self.known.is_counter(name) or not self.known.metrics[name].source.exported:
            return False
        calls = [one.calls for one in self.known.reads(self.signal) if one.name == name]
        return all(len(one) > 1 and one[0] in _GROWING and one[1] == "max" for one in calls)

    def _not_asked_for(self, series: Series) -> Iterator[Series]:
        """The series with other values of labels, such that no selector of the signal takes it."""
        metric = self.known.metrics[series.name]
        reads = [one for one in self.known.reads(self.signal) if one.name == series.name]
        asked = {label for one in reads for label, _, _ in one.matchers}
        fed = dict(self.fed)
        if series.label("le") and not _read_by(reads, series.having(le="+Inf")):
            yield series.having(le="+Inf")
        for label in metric.labels:
            others = (series.having(**{label.name: value}) for value in label.values if label.name in asked)
            strangers = (other for other in others if other not in fed and not _read_by(reads, other))
            yield from islice(strangers, 1)

    def _counters_changed(self, change: Callable[[str], str]) -> Fed:
        return tuple(
            (series, change(values) if self.known.is_counter(series.name) else values) for series, values in self.fed
        )

    def _without(self, part: Expression) -> Fed:
        read = selectors(part)
        return tuple((series, values) for series, values in self.fed if not _read_by(read, series))

    def _blank_in_its_windows(self, part: Expression) -> Fed:
        """The series, without those of their samples that the part reads."""
        read = selectors(part)
        return tuple(
            (series, blank(values, self.signal.example.every, self._windows(read, series)))
            for series, values in self.fed
        )

    def _windows(self, read: Iterable[Selector], series: Series) -> frozenset[Window]:
        """Where those selectors that take the series look for its samples."""
        at = self.signal.example.at
        return frozenset(
            (at - (one.offset or _NOTHING) - (one.range or _NOTHING), at - (one.offset or _NOTHING))
            for one in read
            if series.selected_by(one.name, one.matchers)
        )

    def _count(self, case: str) -> Probe:
        """As many results as the example gives."""
        expr = f"count({self.signal}) # {case}"
        return Probe(expr, self.signal.example.at, (((), str(len(self.gives))),))

    def _reading(self, case: str, gives: Sequence[Result]) -> list[Probe]:
        return [_probe(self.signal, self.known, gives, case)]

    def _finite(self, case: str) -> list[Probe]:
        return [
            self._nothing(f"{self.signal} != {self.signal}", f"{case}: no NaN"),
            self._nothing(f"abs({self.signal}) == Inf", f"{case}: not infinite"),
        ]

    def _nothing(self, expr: str, what: str) -> Probe:
        return Probe(f"{expr} # {what}", self.signal.example.at, ())

    def _group(self, name: str, fed: Fed, probes: Sequence[Probe]) -> TestGroup:
        return TestGroup(f"{self.signal}: {name}", self.every, fed, tuple(probes))


def _probe(signal: Signal, known: Known, gives: Sequence[Result], case: str) -> Probe:
    """The signal's whole answer, to nine decimals, or nine digits of what is 1 and more."""
    if not gives:
        return Probe(f"{signal} # {case}", signal.example.at, ())
    recorded = known.expressions.recorded_labels
    largest = max(abs(value) for _, value in gives)
    decimals = _DECIMALS - max(0, largest.adjusted() if largest else 0)
    scale = Decimal(10) ** decimals
    answer = tuple(
        (tuple(sorted((*recorded, *labels.items()))), plain(round(value * scale) / scale)) for labels, value in gives
    )
    return Probe(f"round({signal} * 1e{decimals}) / 1e{decimals} # {case}", signal.example.at, answer)


def _leanings(signal: Signal, known: Known) -> Mapping[str, int]:
    found: dict[str, list[int]] = {}
    for inner in known.index.signals_read(signal):
        for one in known.nodes(inner):
            if isinstance(one, Aggregation) and one.operator in ("max", "min"):
                name, sign = _rises_with(one.of)
                found.setdefault(name, []).append(-sign if one.operator == "max" else sign)
    reads = [one.name for one in known.reads(signal) if not one.of_absence]
    return {
        name: ways[0]
        for name, ways in found.items()
        if len(set(ways)) == 1 and len(ways) == reads.count(name) and not known.is_counter(name)
    }


def _growing(samples: int) -> str:
    return notation([Row(Decimal(0), Decimal(1), samples)] if samples > 0 else [])


def _is_absence(expression: Expression) -> bool:
    """Whether it is an absence, or one of several."""
    match expression:
        case Operation(operator="or", left=left, right=right):
            return _is_absence(left) and _is_absence(right)
        case _:
            return isinstance(expression, Call)


def _read_by(read: Iterable[Selector], series: Series) -> bool:
    return any(series.selected_by(one.name, one.matchers) for one in read)


def _alike(read: Iterable[Selector], one: Series, other: Series) -> bool:
    return all(one.selected_by(by.name, by.matchers) == other.selected_by(by.name, by.matchers) for by in read)


def _rises_with(expression: Expression) -> tuple[str, int]:
    """The series with which it rises (1) or falls (-1), no name where that is not plain to see."""
    match expression:
        case Selected(name=name):
            return name, 1
        case Operation(operator="-", left=Selected(name=name), right=right) if is_scalar(right):
            return name, 1
        case Operation(operator="-", left=left, right=Selected(name=name)) if is_scalar(left):
            return name, -1
        case _:
            return "", 1


def _numerators(expression: Expression) -> tuple[Expression, ...]:
    """The part that counts as 0 where it has no series, of every addend; none where one of them has no such part."""
    match expression:
        case Operation(operator="/" | "*", left=Number(), right=inner) | Operation(operator="/" | "*", left=inner):
            return _numerators(inner)
        case Operation(operator="+" | "-", left=left, right=right):
            found = _numerators(left), _numerators(right)
            return (*found[0], *found[1]) if all(found) else ()
        case Operation(operator="or", left=part, right=right) if right == _ZERO or _is_zero_times(right):
            return (part,)
        case _:
            return ()


def _is_zero_times(expression: Expression) -> bool:
    return (
        isinstance(expression, Operation)
        and expression.operator == "*"
        and isinstance(expression.left, Number)
        and expression.left.value == 0
        and bool(selectors(expression.right))
        and not any(one.of_absence for one in selectors(expression.right))
    )
