"""Which rollouts have the live servers of the tests seen? Each is an environment of its own: one server holds all."""

import math
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from paymon.programs import find
from rules.payments import database, declines, latency, monitoring, outcomes, rollout, webhooks
from rules.payments.organisation import ORGANISATION
from rules.vocabulary import Environment
from tests.servers import free_port, prometheus, running, wait_until_ready
from tests.versions import PROMETHEUS

EVERY = 30
"""Seconds from one sample to the next."""
SERVERS = (*PROMETHEUS, "victoria-metrics")

Values = Callable[[float], float | None]


@dataclass(frozen=True)
class Story:
    """A rollout as it went; moments are in seconds from the stage's beginning, `ends` is the last sample."""

    name: str
    percent: float = 1
    percent_before: float = 0
    per_minute: float = 1.25
    per_minute_before: float = 0
    pace: Callable[[float], float] | None = None
    """Attempts a minute at that moment, where they change more than once."""
    fails: Callable[[float], float] = lambda at: 0.0
    """The share of attempts that fails for technical reasons at that moment."""
    api_fails: float = 0.0
    instances: int = 1
    """Of the application; each counts the requests that it answered, and shows 5xx from its first one on."""
    unscraped_at_first: int = 0
    """Of these, how many nobody scraped for the quarter of an hour before the stage and five minutes of it."""
    never_scraped: int = 0
    """Of the others, how many Prometheus knows and cannot scrape."""
    declined: float = 0.05
    abandoned: float = 0.05
    planned: float | None = None
    """What is declared, in percent; as the flag, where nobody says otherwise."""
    begins_before_end: float = 7200
    before: float = 5400
    without: frozenset[str] = frozenset()
    """Metrics that nobody exports."""
    old_sources: frozenset[str] = frozenset()
    changed: Mapping[str, Values] = field(default_factory=dict)
    """Metrics with other values than where all is well, by name."""
    scraped: Callable[[float], bool] = lambda at: True
    killed_at: float = math.inf
    hangs_at: float = math.inf
    """When the exporter stops counting payments; what it has counted stays on its page."""
    fired: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """When alerts fired, by name."""

    @property
    def environment(self) -> Environment:
        return Environment(name=self.name, pages=True)

    def series(self, end: float) -> Iterator[tuple[str, list[tuple[float, float]]]]:
        """Every series with its samples; `end` is the last one's moment."""
        begins = end - self.begins_before_end
        moments = [begins + at for at in range(-int(self.before), int(self.begins_before_end) + 1, EVERY)]
        moments = [moment for moment in moments if self.scraped(moment - begins)]
        for series, value in self.values(end - self.begins_before_end):
            name = series.split("{")[0]
            if name in self.without:
                continue
            changed = self.changed.get(name)
            samples = []
            for moment in moments:
                found = changed(moment - begins) if changed else value(moment - begins)
                if found is not None:
                    samples.append((moment, found))
            yield series, samples

    def values(self, begins: float) -> Iterator[tuple[str, Values]]:
        """Every series with what it is at each moment; `begins` is the stage's beginning in Unix seconds."""
        count = _Counts(self)

        def share(at: float) -> float:
            return (self.percent if at >= 0 else self.percent_before) / 100

        planned = self.percent if self.planned is None else self.planned
        ours, exporter = f'environment="{self.name}",service="payments"', ORGANISATION.jobs.exporter[0]
        target = f'{ours},job="{exporter}",instance="10.0.0.1:9000"'
        for result in ("success", "issuer_declined", "technical_failure", "abandoned"):
            labels = f'{target},initiator="api",payment_method="card",result="{result}"'
            yield f"{outcomes.attempts}{{{labels}}}", self._until_it_hangs(count.of(result))
        yield f'{declines.failures}{{{target},class="authentication"}}', lambda at: 0
        for number in range(self.instances):
            application = f'{ours},job="{ORGANISATION.jobs.application[0]}",instance="10.0.{number}.2:8080"'
            requests = latency.api_request_duration.count
            refused = self.unscraped_at_first <= number < self.unscraped_at_first + self.never_scraped
            yield f"{monitoring.target_up}{{{application}}}", _always(0 if refused else 1)
            if refused:
                continue
            good, bad = self._part(count.good_requests, number), self._part(count.bad_requests, number)
            yield f'{requests}{{{application},status_class="2xx"}}', good
            yield f'{requests}{{{application},status_class="5xx"}}', _from_the_first(bad)
        yield f"{rollout.rollout}{{{target}}}", share
        yield f"{rollout.killed}{{{target}}}", lambda at: float(at >= self.killed_at)
        yield f"{rollout.expected}{{{target}}}", lambda at: planned / 100
        yield f"{monitoring.target_up}{{{target}}}", lambda at: 1
        yield (
            f'{monitoring.watermark}{{{target},source="stripe_events"}}',
            self._until_it_hangs(lambda at: begins + at - 10),
        )
        rules = f'{ours},job="paymon",instance="rules"'
        yield f'{monitoring.source_age}{{{rules},source="stripe_events"}}', lambda at: 0.7
        for source in ("postgres", "flag", "stripe_webhooks", "reconciliation"):
            old = 50.0 if source in self.old_sources else 0.7
            yield f'{monitoring.source_age}{{{rules},source="{source}"}}', _always(old)
        yield f"{database.duplicates}{{{target}}}", lambda at: 0
        yield f"{database.new_double_charges}{{{rules}}}", lambda at: 0
        yield f'{database.missing}{{{target},side="database"}}', lambda at: 0
        yield f'{database.gap}{{{rules},side="database"}}', lambda at: 0
        yield f'{webhooks.events}{{{application},outcome="invalid_signature"}}', lambda at: 0
        yield f"{webhooks.invalid_ratio}{{{rules}}}", lambda at: 0
        yield f"{webhooks.invalid_signatures}{{{rules}}}", lambda at: 0
        yield f"{rollout.kill_switch}{{{rules}}}", lambda at: float(at >= self.killed_at or share(at) == 0)
        alert = f'{ours},team="payments",alertstate="firing"'
        yield f'ALERTS{{{alert},alertname="{monitoring.watchdog}",priority="none"}}', lambda at: 1
        for name, (first, last) in self.fired.items():
            priority = "P1" if name == "PaymentsTrafficStopped" else "P2"
            yield (
                f'ALERTS{{{alert},alertname="{name}",priority="{priority}"}}',
                _between(first, last),
            )

    def _until_it_hangs(self, values: Values) -> Values:
        return lambda at: values(min(at, self.hangs_at))

    def _part(self, so_far: Callable[[float], int], number: int) -> Values:
        """What one of the instances has counted."""
        unscraped = number < self.unscraped_at_first

        def value(at: float) -> float | None:
            return None if unscraped and -900 <= at < 300 else (so_far(at) + number) // self.instances

        return value


def _from_the_first(values: Values) -> Values:
    return lambda at: values(at) or None


def _always(value: float) -> Values:
    return lambda at: value


def _between(first: float, last: float) -> Values:
    return lambda at: 1 if first <= at <= last else None


class _Counts:
    """Attempts so far, as even as a clock, and what became of each."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._seen: dict[float, dict[str, int]] = {}
        self._next = -story.before
        self._due = {"attempts": 0.0, "technical_failure": 0.0, "issuer_declined": 0.0, "abandoned": 0.0}
        self._so_far = dict.fromkeys(("success", "issuer_declined", "technical_failure", "abandoned"), 0)

    def of(self, result: str) -> Values:
        return lambda at: self._at(at)[result]

    def requests(self, at: float) -> int:
        return 2 * sum(self._at(at).values())

    def good_requests(self, at: float) -> int:
        return self.requests(at) - self.bad_requests(at)

    def bad_requests(self, at: float) -> int:
        return math.floor(self.requests(at) * self._story.api_fails)

    def _at(self, at: float) -> dict[str, int]:
        while self._next <= at + 1e-6:
            story, begun = self._story, self._next >= 0
            per_minute = story.per_minute if begun else story.per_minute_before
            self._due["attempts"] += (story.pace(self._next) if story.pace else per_minute) / 60 * EVERY
            while self._due["attempts"] >= 1:
                self._due["attempts"] -= 1
                shares = {
                    "technical_failure": story.fails(self._next) if begun else 0.0,
                    "issuer_declined": story.declined,
                    "abandoned": story.abandoned,
                }
                for result, share in shares.items():
                    self._due[result] += share
                result = next((name for name in shares if self._due[name] >= 1), "success")
                if result != "success":
                    self._due[result] -= 1
                self._so_far[result] += 1
            self._seen[round(self._next)] = dict(self._so_far)
            self._next += EVERY
        return self._seen[round(at)]


@contextmanager
def server(kind: str, stories: Sequence[Story], end: float, folder: Path) -> Iterator[str]:
    """The address of a server of that kind that has seen the stories, which all end at that moment."""
    found = [pair for story in stories for pair in story.series(end)]
    with serving(kind, found, folder) as url:
        yield url


@contextmanager
def serving(kind: str, found: Iterable[tuple[str, Sequence[tuple[float, float]]]], folder: Path) -> Iterator[str]:
    """The address of a server of that kind with those series."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "victoria-metrics":
        with victoria(folder) as url:
            lines = [f"{series} {value} {moment * 1000:.0f}" for series, samples in found for moment, value in samples]
            for start in range(0, len(lines), 200_000):
                body = "\n".join(lines[start : start + 200_000])
                assert httpx.post(f"{url}/api/v1/import/prometheus", content=body, timeout=60).status_code == 204
            httpx.get(f"{url}/internal/force_flush", timeout=60)
            yield url
        return
    lines = [f"{series} {value:.15g} {moment:.3f}" for series, samples in found for moment, value in samples]
    text = "\n".join([*lines, "# EOF", ""])
    source = folder / "past.openmetrics"
    source.write_text(text)
    command = (find("promtool", kind), "tsdb", "create-blocks-from", "openmetrics", source, folder / "server" / "data")
    subprocess.run(
        (*command[:3], "--max-block-duration=1000h", *command[3:]), check=True, capture_output=True, timeout=300
    )
    source.unlink()
    options = () if kind == "2.42" else ("--log.level=warn",)
    with prometheus(find("prometheus", kind), "global: {}\n", folder / "server", *options) as url:
        yield url


@contextmanager
def victoria(folder: Path) -> Iterator[str]:
    """The address of an empty VictoriaMetrics."""
    port, log = free_port(), folder / "victoria.log"
    command = (
        find("victoria-metrics"),
        f"-storageDataPath={folder / 'victoria'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-search.latencyOffset=0s",
        "-retentionPeriod=2y",
    )
    url = f"http://127.0.0.1:{port}"
    with running(command, log) as process:
        wait_until_ready(f"{url}/health", process, log)
        yield url


def soon() -> float:
    """A moment a few minutes ahead, on a whole minute: what ends then is fresh for as long as a test takes."""
    return math.floor(time.time() / 60) * 60 + 600


def at_stage(percent: float, **changes: object) -> Story:
    """A story of that percentage that is as one expects, but for the changes."""
    return replace(Story(f"stage{percent:g}", percent=percent, per_minute=1.25 * percent), **changes)  # type: ignore[arg-type]
