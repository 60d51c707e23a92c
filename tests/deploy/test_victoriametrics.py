"""Do the rules find the same outages in VictoriaMetrics as in Prometheus?"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from generators.rules import AlertingRule, Expressions, RecordingRule, RuleGroup, rule_file
from paymon.programs import find
from rules.catalog import catalog
from rules.payments import outcomes, scraping, silence
from rules.promql import selectors
from tests.rules.outages import BEGINS, EVERY, INCIDENTS, WATCHED, Incident, rules_of
from tests.servers import free_port, running, wait_until_ready

SLACK = 60
"""Seconds by which vmalert's replay, which extrapolates rates in a way of its own, may be later than promtool."""


@pytest.mark.slow
@pytest.mark.parametrize("incident", [INCIDENTS[0], INCIDENTS[3], INCIDENTS[8]], ids=lambda incident: incident.name)
def test_a_replay_through_vmalert_fires_the_same_alerts_in_time(incident: Incident, tmp_path: Path) -> None:
    ends = incident.ends + SLACK
    start = int(time.time()) // 60 * 60 - ends - 3600
    with _victoria(tmp_path) as url:
        lines = [
            f"{series} {value} {(start + index * EVERY) * 1000}"
            for series, values in incident.series(start).items()
            for index, value in enumerate(values)
        ]
        assert httpx.post(f"{url}/api/v1/import/prometheus", content="\n".join(lines)).status_code == 204
        httpx.get(f"{url}/internal/force_flush")
        for stage, groups in enumerate(_stages()):
            files = []
            for group in groups:
                files.append(tmp_path / f"{stage}-{group.area.name}.yml")
                files[-1].write_text(rule_file(group))
            _replay(files, url, start, start + ends)
            httpx.get(f"{url}/internal/force_flush")
        first = {alert: _first_firing(url, alert.name, start, start + ends) for alert in WATCHED}

    for alert, within in incident.fires_within:
        moment = first[alert]
        assert moment is not None, f"{alert} never fired"
        assert start + BEGINS < moment <= start + BEGINS + within + SLACK
    assert [alert.name for alert in incident.stays_quiet if first[alert] is not None] == []


def test_a_counter_that_is_minutes_old_promises_no_more_than_it_counted(tmp_path: Path) -> None:
    """40 attempts a minute for 13 minutes: three minutes of the half-hour that ended 10 minutes ago."""
    production = catalog().organisation.environment("production")
    expressions = Expressions(catalog(), production)
    ours = 'environment="production",job="payments-exporter",service="payments"'
    attempts = f'{outcomes.attempts}{{{ours},payment_method="card",initiator="api",result="success"}}'
    now = int(time.time()) // 15 * 15
    counted = [f"{attempts} {10 * index} {(now - 13 * 60 + 15 * index) * 1000}" for index in range(13 * 4 + 1)]
    numbers = [f"{name} {value} {now * 1000}" for name, value in (("a", 10), ("b", 3), ("c", 2))]

    with _victoria(tmp_path) as url:
        assert httpx.post(f"{url}/api/v1/import/prometheus", content="\n".join(counted + numbers)).status_code == 204
        httpx.get(f"{url}/internal/force_flush")
        expected = _value(url, expressions.scoped(expressions.expanded(silence.expected_recently.expr)), now + 1)
        in_an_hour = _value(url, expressions.recorded(scraping.attempts_1h), now + 1)
        left = _value(url, "a - (b + c)", now + 1)

    assert 3 * 40 / 6 - 2 <= expected <= 3 * 40 / 6 + 2
    assert in_an_hour == pytest.approx(13 * 40, rel=0.02)
    assert left == 5


def _value(url: str, query: str, at: int) -> float:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query, "time": at, "nocache": 1}, timeout=100).json()
    (result,) = answer["data"]["result"]
    return float(result["value"][1])


@contextmanager
def _victoria(folder: Path) -> Iterator[str]:
    """A VictoriaMetrics of its own: the address at which it answers."""
    port = free_port()
    log = folder / "victoria.log"
    command = (
        find("victoria-metrics"),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-search.latencyOffset=0s",
        "-retentionPeriod=10d",
    )
    with running(command, log) as server:
        wait_until_ready(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}"


def _stages() -> Iterator[list[RuleGroup]]:
    """The rules in rounds, each of which reads only what the rounds before have recorded.

    A replay runs each rule over the whole time at once, so what a rule reads must be complete, and flushed, before.
    """
    left = {(group.name, rule): group for group in rules_of(WATCHED) for rule in group.rules}
    while left:
        waiting = {_written(rule) for _, rule in left}
        ready = [(name, rule) for name, rule in left if not (waiting - {_written(rule)}).intersection(_read(rule.expr))]
        groups = {left[key].name: left[key] for key in ready}
        yield [
            replace(group, rules=tuple(rule for name, rule in ready if name == group.name)) for group in groups.values()
        ]
        for key in ready:
            del left[key]


def _written(rule: RecordingRule | AlertingRule) -> str:
    return rule.signal.name if isinstance(rule, RecordingRule) else rule.alert.name


def _read(expr: str) -> Iterator[str]:
    """The names of the series that it reads, and of the alerts that quiet it."""
    for selector in selectors(expr):
        yield selector.name
        yield from (value for label, _, value in selector.matchers if label == "alertname")


def _replay(files: list[Path], url: str, start: int, end: int) -> None:
    replay = subprocess.run(
        (
            find("vmalert"),
            *(f"-rule={path}" for path in files),
            f"-datasource.url={url}",
            f"-remoteWrite.url={url}",
            f"-replay.timeFrom={datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M:%SZ}",
            f"-replay.timeTo={datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "-replay.rulesDelay=1ms",
            "-replay.disableProgressBar",
            "-remoteWrite.flushInterval=100ms",
            "-evaluationInterval=30s",
            "-httpListenAddr=127.0.0.1:0",
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert replay.returncode == 0, replay.stderr


def _first_firing(url: str, name: str, start: int, end: int) -> int | None:
    answer = httpx.get(
        f"{url}/api/v1/query_range",
        params={
            "query": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "start": start,
            "end": end,
            "step": 30,
            "nocache": 1,
        },
        timeout=300,
    ).json()
    assert answer["status"] == "success"
    results = answer["data"]["result"]
    return int(results[0]["values"][0][0]) if results else None
