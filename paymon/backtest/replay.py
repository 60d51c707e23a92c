"""When would each alert have fired on what a server remembers?

Each condition is asked for by range queries over long stretches, never rule by rule and interval by interval. What the
server records is read as it stands; what it does not, or records by another expression, is expanded down to raw series.
A rule's cheapest condition is asked first, and the rest only where that one held; of a recorded series it is enough to
ask for the extremes of each hour.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from threading import Event

from paymon.backtest.machine import Episode, Identity, episodes
from paymon.backtest.ruleset import AlertRule, Condition, Louder, Ruleset
from paymon.live.prometheus import Prometheus, PrometheusError, RefusedError

__all__ = ["History", "Replay", "Replayed"]

_WORKERS = 2
"""Queries at once: half of what a small server lets run, and as many as two cores need."""
_CHEAP = timedelta(minutes=15)
"""Expressions that look no further back cost about the same."""
_LOOKBACK = 900.0
"""Seconds for which a sample may be seen after it was taken, and some more; Prometheus has 300."""
_JOIN = 600.0
"""Stretches less than so many seconds apart are asked for together."""
_COARSE = 3600.0
_NEVER_CARRIED = ("__name__",)


@dataclass(frozen=True, slots=True)
class History:
    """What is replayed: from `start` to `end` in Unix seconds, evaluated every `step`."""

    start: float
    end: float
    step: float

    @property
    def evaluations(self) -> tuple[float, ...]:
        """The moments of evaluation: multiples of the step."""
        return _multiples(self.step, self.start, self.end)


@lru_cache(maxsize=8)
def _multiples(step: float, start: float, end: float) -> tuple[float, ...]:
    return tuple(index * step for index in range(int(-(-start // step)), int(end // step) + 1))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one rule; `held` are the moments at which its condition held, with the watched values."""

    rule: AlertRule
    episodes: tuple[Episode, ...]
    held: Mapping[Identity, Mapping[float, float]]

    @property
    def firings(self) -> tuple[Episode, ...]:
        return tuple(one for one in self.episodes if one.fired is not None)


_Span = tuple[float, float]
_Held = Mapping[Identity, Mapping[float, float]]


@dataclass(frozen=True, slots=True)
class _Answers:
    """When each branch of a rule held, and what keeps it firing, whatever louder alerts did."""

    rule: AlertRule
    branches: tuple[_Held, ...]
    stays: _Held


def _not_quieted(
    held: _Held, quieting: Sequence[Louder], louder: Mapping[tuple[str, str], Sequence[Episode]]
) -> Iterator[tuple[Identity, float, float]]:
    """What held while no louder alert fired, nor had fired within its time."""
    for identity, values in held.items():
        labels = dict(identity)
        spans = [
            (episode.fired, float("inf") if episode.ended is None else episode.ended + one.within)
            for one in quieting
            for episode in louder[one.alert, one.tier]
            if episode.fired is not None
            and all(dict(episode.identity).get(label) == labels.get(label) for label in one.on)
        ]
        for moment, value in values.items():
            if not any(begin <= moment < end for begin, end in spans):
                yield identity, moment, value


def _joined(spans: Iterable[_Span], within: float) -> Iterator[_Span]:
    """The spans, ascending, those made one that begin at most so many seconds after the end of the one before."""
    current: _Span | None = None
    for start, end in spans:
        if current is not None and start - current[1] <= within:
            current = (current[0], max(end, current[1]))
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current


@dataclass(slots=True)
class Replay:
    """A replay of rules on what a server remembers. `clients` makes one for each query that runs at once."""

    clients: Callable[[], Prometheus]
    ruleset: Ruleset
    history: History
    doubts: list[str] = field(default_factory=list)
    """What the server warned of, and what it could not evaluate, each once."""
    refused: set[str] = field(default_factory=set)
    """The names of alerts that could not be evaluated: what became of them nobody knows."""
    unlike: frozenset[str] = frozenset()
    """Records that other definitions, with which this is compared, have by another expression."""
    _recorded: frozenset[str] | None = None
    _cancelled: Event = field(default_factory=Event)

    def recorded(self) -> frozenset[str]:
        """The recorded series that the server has had for all that time, by our own expressions."""
        if self._recorded is None:
            with self.clients() as client:
                self._recorded = frozenset(self._find_recorded(client))
        return self._recorded

    def run(
        self, alerts: Sequence[AlertRule] | None = None, progress: Callable[[int, int], object] | None = None
    ) -> tuple[Replayed, ...]:
        """What became of each of the rules, by default of all, in their order. Raises PrometheusError."""
        wanted = [one for one in (self.ruleset.alerts if alerts is None else alerts) if not one.always]
        recorded = self.recorded()
        found: dict[str, _Answers] = {}
        with ThreadPoolExecutor(_WORKERS) as pool:
            asked = self._with_louder(wanted)
            waiting = {pool.submit(self._one, rule, recorded): rule for rule in asked}
            try:
                for done, future in enumerate(as_completed(waiting), 1):
                    found[waiting[future].id] = future.result()
                    if progress is not None:
                        progress(done, len(asked))
            except BaseException:
                self._cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        done_already: dict[str, Replayed] = {}
        return tuple(self._replayed(found[rule.id], found, done_already) for rule in wanted)

    def _with_louder(self, wanted: Sequence[AlertRule]) -> list[AlertRule]:
        """The rules, and those whose alerts keep some of them quiet."""
        named = {one.alert for rule in wanted for branch in rule.louder for one in branch}
        more = [rule for rule in self.ruleset.alerts if rule.name in named and rule not in wanted]
        return [*wanted, *more]

    def _replayed(self, answers: "_Answers", of_all: Mapping[str, "_Answers"], done: dict[str, Replayed]) -> Replayed:
        """What became of a rule, after what became of the louder ones; none of them waits for another in a circle."""
        rule = answers.rule
        if rule.id in done:
            return done[rule.id]
        louder = {
            (one.alert, one.tier): [
                episode
                for other in of_all.values()
                if other.rule.name == one.alert and one.tier in ("", other.rule.tier)
                for episode in self._replayed(other, of_all, done).firings
            ]
            for branch in rule.louder
            for one in branch
        }
        held: dict[Identity, dict[float, float]] = {}
        for number, branch in enumerate(answers.branches):
            quieting = rule.louder[number] if number < len(rule.louder) else ()
            for identity, moment, value in _not_quieted(branch, quieting, louder):
                held.setdefault(identity, {}).setdefault(moment, value)
        stays: dict[Identity, list[float]] = {}
        now = tuple(replace(one, within=0.0) for branch in rule.louder[:1] for one in branch)
        for identity, moment, _ in _not_quieted(answers.stays, now, louder):
            stays.setdefault(identity, []).append(moment)
        found = episodes(self.history.evaluations, held, rule.timing, stays=stays)
        done[rule.id] = Replayed(rule, found, held)
        return done[rule.id]

    def held_at(self, rule: AlertRule, bound: str | None) -> Mapping[Identity, Mapping[float, float]]:
        """When the condition would have held, and the values, with that bound on what it watches, None for its own."""
        recorded = self.recorded()
        with self.clients() as client:
            held = self._held(client, rule, recorded, bound)
            self._doubt(client.doubts)
            return held

    def _doubt(self, doubts: Iterable[str]) -> None:
        self.doubts += (one for one in doubts if one not in self.doubts)

    def _one(self, rule: AlertRule, recorded: frozenset[str]) -> "_Answers":
        branches: tuple[Mapping[Identity, Mapping[float, float]], ...] = ()
        stays: Mapping[Identity, Mapping[float, float]] = {}
        with self.clients() as client:
            client.is_cancelled = self._cancelled.is_set
            try:
                branches = tuple(
                    self._held(client, replace(rule, branches=(branch,)), recorded, None) for branch in rule.branches
                )
                if rule.stays:
                    stays = self._held(client, replace(rule, branches=(rule.stays,)), recorded, None)
            except RefusedError as error:
                client.doubts.append(f"{rule.id} cannot be evaluated: {error.cause}")
                self.refused.add(rule.name)
            self._doubt(client.doubts)
        return _Answers(rule, branches, stays)

    def _held(
        self, client: Prometheus, rule: AlertRule, recorded: frozenset[str], bound: str | None
    ) -> Mapping[Identity, Mapping[float, float]]:
        found: dict[Identity, dict[float, float]] = {}
        for branch in rule.branches:
            text = self.ruleset.branch_text(branch, recorded, bound)
            for start, end in self._stretches(client, branch, recorded, bound):
                for course in client.range(text, start, end, self.history.step):
                    labels = ((k, v) for k, v in course.labels.items() if k not in _NEVER_CARRIED)
                    identity = frozenset({**dict(labels), **rule.labels, "alertname": rule.name}.items())
                    values = found.setdefault(identity, {})
                    for moment, value in zip(course.moments, course.values, strict=True):
                        values.setdefault(moment, value)
        return found

    def _stretches(
        self,
        client: Prometheus,
        branch: tuple[Condition, ...],
        recorded: frozenset[str],
        bound: str | None,
    ) -> Sequence[_Span]:
        """Where the branch may have held: where each of its conditions did, asked for one after the other.

        Most never hold, so that the others need not be asked at all.
        """
        moments = self.history.evaluations
        spans: Sequence[_Span] = [(moments[0], moments[-1])] if moments else []
        for one in self._in_order(branch, recorded):
            its_bound = bound if one.watched else None
            if one.series in recorded:
                spans = list(self._hours(client, one, spans, recorded, its_bound))
            else:
                spans = list(self._moments(client, one, spans, recorded, its_bound))
        return spans

    def _in_order(self, branch: tuple[Condition, ...], recorded: frozenset[str]) -> Sequence[Condition]:
        """The conditions that are asked for alone: recorded ones, what looks back least, and what is watched."""
        needed = [one for one in branch if not one.forbids and (one.watched or one.guard)]
        alone = [one for one in needed if one.series in recorded]
        others = [one for one in needed if one.series not in recorded]
        if len(others) + len(alone) < len(branch):
            alone += sorted(others, key=lambda one: (max(self.ruleset.reach(one, recorded), _CHEAP), not one.watched))[
                :1
            ]
        return alone

    def _hours(
        self,
        client: Prometheus,
        condition: Condition,
        spans: Sequence[_Span],
        recorded: frozenset[str],
        bound: str | None,
    ) -> Iterator[_Span]:
        """Those parts of the spans, some of an hour, in which a recorded series was past the bound at any time."""
        step = self.history.step
        whole = step * max(_COARSE // step, 1)
        series, text = self.ruleset.series_text(condition, recorded), bound or condition.bound
        extreme = "max_over_time" if condition.comparison.startswith(">") else "min_over_time"
        query = f"count({extreme}({series}[{whole + _LOOKBACK:.0f}s]) {condition.comparison} {text})"
        for start, end in spans:
            last = start + whole * ((end - start) // whole)
            courses = client.range(query, start + whole - step, last + whole - step, whole)
            held = sorted({moment for course in courses for moment in course.moments})
            hours = ((moment - whole + step, min(moment, end)) for moment in held)
            yield from _joined(hours, step)

    def _moments(
        self,
        client: Prometheus,
        condition: Condition,
        spans: Sequence[_Span],
        recorded: frozenset[str],
        bound: str | None,
    ) -> Iterator[_Span]:
        """Those parts of the spans in which a condition held, with what lies shortly between."""
        query = f"count({self.ruleset.text(condition, recorded, bound)})"
        for start, end in spans:
            courses = client.range(query, start, end, self.history.step)
            held = sorted({moment for course in courses for moment in course.moments})
            yield from _joined(((moment, moment) for moment in held), _JOIN)

    def _find_recorded(self, client: Prometheus) -> Iterator[str]:
        """Those that were there soon after the beginning, by our expression where the server says by which.

        What is recorded by another expression is not ours, nor is what reads it; so is what is unlike, where the server
        does not say. One that seldom has a value is not found, and expanded, which costs time and changes nothing.
        """
        loaded = tuple(self._loaded(client))
        otherwise = {name for name, query in loaded if not self.ruleset.is_same_record(name, query)}
        other = self.ruleset.with_readers(otherwise | (self.unlike - {name for name, _ in loaded}))
        start, end = self.history.start, self.history.end
        step = max(_COARSE, (end - start) / 2000)
        courses = [
            course
            for selector in self.ruleset.there(self.ruleset.records)
            for course in client.range(f"count by (__name__) ({selector})", start, end, step)
        ]
        there = {course.labels.get("__name__", ""): course for course in courses}
        seen = {moment for course in courses for moment in course.moments}
        if len(seen) < (end - start) // step - 1:
            return  # for some of the time nobody evaluated the rules
        for name, course in there.items():
            if name in self.ruleset.records and name not in other and course.moments[0] <= start + 2 * step:
                yield name

    @staticmethod
    def _loaded(client: Prometheus) -> Iterator[tuple[str, str]]:

        try:
            groups = client.rules()
        except PrometheusError:  # VictoriaMetrics without vmalert behind it has no rules to tell of
            return
        for group in groups:
            for rule in group.get("rules", ()):
                if rule.get("type") == "recording":
                    yield rule.get("name", ""), rule.get("query", "")
