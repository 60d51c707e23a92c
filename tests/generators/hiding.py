"""What is told, and of what is the end told, where one alert hides another: a real Prometheus and a real Alertmanager?

Each course runs in an environment of its own, so hundreds share one Prometheus and one Alertmanager, with time `SPEED`
times faster. The alerts' rules and the routing are the generated ones. The signals that they read are scraped from a
page, on which each is what it would be if its window were full of the fault: past its bound from the fault's beginning
until its window, which its name tells, is over. What signals make of raw series is other tests' business.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import yaml

from generators.alertmanager import alertmanager_files
from generators.rules import AlertingRule, Conjunct, Expressions, groups_text, rule_groups
from paymon.demo.shortening import shortened_routing, shortened_rules
from paymon.programs import find
from rules.catalog import catalog
from rules.vocabulary import Alert, Comparison
from tests.servers import alertmanager, prometheus

__all__ = ["GROUP_INTERVAL", "PAIRS", "SPEED", "Course", "Pair", "Told", "world"]

SPEED = 60
GROUP_INTERVAL = 300 / SPEED
EVALUATION = 30 / SPEED
FARTHEST = 7200
"""Seconds of production: what looks farther back looks only so far here, rules and signals alike."""

_PATIENCE = 300
"""Seconds in which whatever is waited for comes, even on a machine that does ten things at once."""

CATALOG = catalog()
PRODUCTION = CATALOG.organisation.environment("production")
EXPRESSIONS = Expressions(CATALOG, PRODUCTION)
RULES = {
    rule: group.name
    for group in rule_groups(CATALOG, PRODUCTION)
    for rule in group.rules
    if isinstance(rule, AlertingRule)
}


class Pair(NamedTuple):
    """A rule, and the rule of the alert that hides it."""

    hidden: AlertingRule
    louder: AlertingRule

    def __str__(self) -> str:
        tier = f"/{self.hidden.threshold.tier}" if self.hidden.threshold.tier else ""
        return f"{self.hidden.alert}{tier} < {self.louder.alert}"


def _of(alert: Alert) -> AlertingRule:
    return next(rule for rule in RULES if rule.alert.name == alert.name)


PAIRS = tuple(Pair(rule, _of(louder)) for rule in RULES for louder in rule.alert.louder)


class Told(NamedTuple):
    """A change that a receiver was told of."""

    alert: str
    status: str
    at: float
    """The second on the course's clock."""


def _window(conjunct: Conjunct) -> float:
    """Seconds, on the fast clock, for which a fault stays in what is compared: by the signal's name."""
    name = conjunct.signal.name if conjunct.signal else ""
    told = re.search(r"(\d+)([mhd])$", name)
    if not told or (":increase" in name and conjunct.comparison in (Comparison.BELOW, Comparison.AT_MOST)):
        return 0.0  # where something is missing, the first that comes is the end of it
    return min(int(told[1]) * {"m": 60, "h": 3600, "d": 86400}[told[2]], FARTHEST) / SPEED


def _holds(comparison: Comparison, value: float, bound: float) -> bool:
    return {
        Comparison.ABOVE: value > bound,
        Comparison.AT_LEAST: value >= bound,
        Comparison.BELOW: value < bound,
        Comparison.AT_MOST: value <= bound,
    }[comparison]


@dataclass
class _Fault:
    """Whether something is wrong that a rule watches for, and since when."""

    rule: AlertingRule
    branch: int
    broken: bool = False
    mended: float = float("-inf")

    @property
    def window(self) -> float:
        """Seconds after its end for which something of it can still be seen."""
        return max(_window(conjunct) for conjuncts in self.rule.branches for conjunct in conjuncts)

    @property
    def waits(self) -> float:
        """Seconds for which the rule has to hold."""
        return self.rule.threshold.lasting.total_seconds() / SPEED

    @property
    def keeps(self) -> float:
        """Seconds for which the rule fires on."""
        return self.rule.threshold.keep_firing.total_seconds() / SPEED

    @cached_property
    def _reads(self) -> tuple[tuple[Conjunct, bool | None, float], ...]:
        """Each of its comparisons; whether it holds, or None where the fault decides; and how long it still does."""
        stays = self.rule.alert.stays_while
        staying = len(self.rule.branches) - 1 if stays else None
        played = self.rule.branches[self.branch][0].signal
        nearer = stays.signal.name if stays else None
        found: list[tuple[Conjunct, bool | None, float]] = []
        for number, conjuncts in enumerate(self.rule.branches):
            for conjunct in conjuncts:
                if conjunct.signal is None or (number == staying and conjunct.watched):
                    continue
                if conjunct.forbids:
                    found.append((conjunct, False, 0))
                elif not (conjunct.watched or conjunct.signal.name == nearer or _window(conjunct)):
                    found.append((conjunct, True, 0))  # no fault decides it: a history, or that a source is fresh
                elif number in (self.branch, staying) or conjunct.signal is played:
                    found.append((conjunct, None, _window(conjunct)))
                elif conjunct.watched:
                    found.append((conjunct, False, 0))
        return tuple(found)

    def wanted(self, now: float) -> Iterator[tuple[Conjunct, bool]]:
        """Each of its comparisons, and whether it holds."""
        for conjunct, always, window in self._reads:
            yield conjunct, (self.broken or now < self.mended + window) if always is None else always


@dataclass
class Course:
    """One environment: its two faults, what its people were told, and in which order."""

    name: str
    pair: Pair
    phase: float
    """The share of a group interval that is waited before things change."""
    branch: int
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[Told] = field(default_factory=list)
    _pages: dict[tuple[bool, ...], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.pair.hidden.branches) - bool(self.pair.hidden.alert.stays_while)
        self.hidden = _Fault(self.pair.hidden, self.branch % count)
        self.louder = _Fault(self.pair.louder, 0)

    def breaks(self, *faults: _Fault) -> float:
        """From now on it is wrong. The moment."""
        for fault in faults:
            fault.broken = True
        return time.monotonic()

    def mends(self, *faults: _Fault) -> float:
        """From now on only windows still hold it. The moment."""
        now = time.monotonic()
        for fault in faults:
            fault.broken, fault.mended = False, now
        return now

    async def until_told(self, fault: _Fault, status: str, times: int = 1) -> float:
        """Wait until people have been told that so many times. The moment."""
        name = fault.rule.alert.name
        async with asyncio.timeout(_PATIENCE):
            while True:
                found = [one.at for one in self.told if (one.alert, one.status) == (name, status)]
                if len(found) >= times:
                    return found[times - 1]
                self.heard.clear()
                await self.heard.wait()

    async def until_drained(self, fault: _Fault) -> None:
        """Let its windows, and all that it could still have been told after them, pass."""
        late = fault.window + fault.waits + fault.keeps + GROUP_INTERVAL
        await asyncio.sleep(max(0.0, fault.mended + late - time.monotonic()))

    async def a_while(self) -> None:
        """Let the phase of the group interval pass."""
        await asyncio.sleep(self.phase * GROUP_INTERVAL)

    def statuses(self, fault: _Fault) -> list[str]:
        """What people were told of it, in order."""
        return [one.status for one in self.told if one.alert == fault.rule.alert.name]

    def story(self) -> str:
        """What people were told, in order, in minutes of production since the first."""
        first = self.told[0].at if self.told else 0.0
        return ", ".join(f"{one.alert} {one.status} {(one.at - first) * SPEED / 60:.1f}" for one in self.told)

    def page(self, now: float) -> list[str]:
        """Its signals, a line each."""
        faults = sorted((self.louder, self.hidden), key=lambda one: not one.broken)
        conditions = [condition for fault in faults for condition in fault.wanted(now)]
        situation = (faults[0] is self.louder, *(holds for _, holds in conditions))
        if situation not in self._pages:
            wanted: dict[str, list[tuple[Conjunct, bool]]] = {}
            for conjunct, holds in conditions:
                wanted.setdefault(self._series(conjunct), []).append((conjunct, holds))
            self._pages[situation] = [f"{series} {_value(all_of)}" for series, all_of in wanted.items()]
        return self._pages[situation]

    def _series(self, conjunct: Conjunct) -> str:
        assert conjunct.signal is not None
        labels = dict.fromkeys(EXPRESSIONS.labels(conjunct.signal), "x")
        labels |= dict(conjunct.where)
        labels |= dict(EXPRESSIONS.recorded_labels) | {"environment": self.name}
        return conjunct.signal.name + "{" + ",".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}"


def _value(conditions: list[tuple[Conjunct, bool]]) -> float:
    """A value with which they are as wanted: all of them, or as many of the first as can be."""
    bounds = {float(conjunct.value) for conjunct, _ in conditions}
    candidates = [bound + by * max(abs(bound) / 100, 0.001) for bound in bounds for by in (-1, 0, 1)]

    def kept(value: float) -> list[bool]:
        return [_holds(one.comparison, value, float(one.value)) == holds for one, holds in conditions]

    return max(candidates, key=kept)


class _World:
    """The page that Prometheus scrapes, and the address at which Alertmanager delivers."""

    def __init__(self, courses: list[Course], loop: asyncio.AbstractEventLoop) -> None:
        self.courses = {course.name: course for course in courses}
        self.loop = loop
        self._last: dict[tuple[str, str, str, str], str] = {}

    def page(self) -> bytes:
        """What is scraped. With a timestamp of its own, a sample counts on where a busy machine misses a scrape."""
        now, moment = time.monotonic(), int(time.time() * 1000)
        return "".join(f"{line} {moment}\n" for course in self.courses.values() for line in course.page(now)).encode()

    def deliver(self, receiver: str, message: dict[str, list[dict[str, dict[str, str]]]]) -> None:
        """Note what is news: repetitions are none."""
        if receiver == "payments-stakeholders":
            return
        for alert in message["alerts"]:
            labels, status = alert["labels"], str(alert["status"])
            course = self.courses.get(labels["environment"])
            key = (receiver, labels["environment"], labels["alertname"], labels.get("tier", ""))
            if course is None or self._last.get(key, "resolved") == status:
                continue
            self._last[key] = status
            course.told.append(Told(labels["alertname"], status, time.monotonic()))
            self.loop.call_soon_threadsafe(course.heard.set)


@contextmanager
def _serving(world: _World) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(world.page())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            world.deliver(self.path.strip("/"), json.loads(body))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Who hung up, on a busy machine, comes again."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _rules(course: Course, fast: dict[Pair, str]) -> str:
    if course.pair not in fast:
        groups = [
            group.__class__(group.area, group.name, group.interval, rules)
            for group in rule_groups(CATALOG, PRODUCTION)
            if (rules := tuple(rule for rule in group.rules if rule in course.pair))
        ]
        text = re.sub(r"\[(\d+[hd][\dhms]*)\]", _no_farther, groups_text(groups))
        fast[course.pair] = shortened_rules(text, SPEED, 0.01)
    return fast[course.pair].replace("production", course.name)


def _no_farther(found: re.Match[str]) -> str:
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    seconds = sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([dhms])", found[1]))
    return f"[{min(seconds, FARTHEST)}s]"


@asynccontextmanager
async def world(
    courses: list[Course], prometheus_version: str, alertmanager_version: str, folder: Path
) -> AsyncIterator[None]:
    """Prometheus and Alertmanager with the rules of all these courses, and their signals, until the block is left."""
    one = _World(courses, asyncio.get_running_loop())
    with ExitStack() as stack:
        port = stack.enter_context(_serving(one))
        routing = alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"]
        fast_routing = shortened_routing(routing, SPEED, f"http://127.0.0.1:{port}")
        (folder / "alertmanager.yml").write_text(fast_routing.text)
        program = find("alertmanager", alertmanager_version)
        listening = stack.enter_context(alertmanager(program, folder / "alertmanager.yml")).removeprefix("http://")
        fast: dict[Pair, str] = {}
        (folder / "rules").mkdir()
        for course in courses:
            (folder / "rules" / f"{course.name}.yml").write_text(_rules(course, fast))
        config = {
            "global": {"evaluation_interval": f"{EVALUATION * 1000:.0f}ms"},
            "rule_files": [str(folder / "rules" / "*.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [listening]}]}]},
            "scrape_configs": [
                {
                    "job_name": "signals",
                    "honor_labels": True,
                    "scrape_interval": f"{EVALUATION * 1000:.0f}ms",
                    "scrape_timeout": f"{EVALUATION * 1000:.0f}ms",
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                }
            ],
        }
        stack.enter_context(
            prometheus(
                find("prometheus", prometheus_version),
                yaml.safe_dump(config),
                folder / "prometheus",
                "--rules.alert.resend-delay=5s",
            )
        )
        yield
