"""Which situations are the dashboards drawn in, and what does each of their queries answer there?

The simulated world is sampled by the real exporter, and promtool evaluates the generated rules on what it exposed: it
is asked every query of a dashboard, told to expect nothing, and says what it got instead.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from generators.dashboards import CLASSIC, dashboard_files
from generators.rules import rule_groups
from generators.text import as_yaml
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments.organisation import PRODUCTION
from simulator.conditions import USUAL
from simulator.incidents import BUSY, Incident, incident
from tests.scenarios.evaluation import of_the_watchers, rule_files
from tests.scenarios.series import Scrapes
from tests.scenarios.staging import Stage

__all__ = ["SCENES", "Answers", "Scene", "answers", "ask", "boards"]

STEP = 60
"""Seconds between two points of a curve, and between two evaluations of the rules."""
SHOWN = 3600
"""Seconds that a dashboard shows."""

_SAMPLE = re.compile(r"\{(?P<labels>(?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*)\}\s+(?P<value>[^\s,]+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Scene:
    """One situation, and the words that it must put on the overview's tiles, by their titles."""

    name: str
    incident: Incident | None
    """None where nothing has been measured yet."""
    after: timedelta = timedelta(minutes=7)
    """How long after the incident began somebody looks."""
    says: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a dashboard's queries answer at the end of a scene, by panel and query."""

    now: int
    series: dict[str, list[dict[str, Any]]]


_NOTHING_HAPPENS = Incident(
    name="all-well",
    title="All is well",
    phases=((timedelta(), USUAL),),
    watched_for=timedelta(minutes=10),
    setting=BUSY,
)

SCENES = (
    Scene(
        "all well",
        _NOTHING_HAPPENS,
        says={
            "Payments succeed": "OK",
            "Attempts in 5 min": "OK",
            "Webhooks that wait": "OK",
            "Kill switch": "watched",
        },
    ),
    Scene(
        "complete failure",
        incident("complete-failure"),
        says={"Payments succeed": "P1 FIRING", "Technical success": "P1 FIRING", "Failures in 1 hour": "P1 FIRING"},
    ),
    Scene("webhooks failing", incident("webhook-signatures"), says={"Webhooks that wait": "P2 FIRING"}),
    Scene("database slow", incident("database-slow"), says={"API over 0.5 s": "PENDING", "Payments succeed": "OK"}),
    Scene(
        "exporter gone",
        incident("exporter-killed"),
        says={"Payments succeed": "P2 FIRING", "Attempts in 5 min": "PENDING", "Webhooks that wait": "not known"},
    ),
    Scene(
        "nothing measured yet",
        None,
        says={"Payments succeed": "none counted", "Service's health": "not known", "Webhooks that wait": "not known"},
    ),
)


def boards() -> dict[str, dict[str, Any]]:
    """The generated dashboards, by their uid."""
    files = dashboard_files(catalog())
    found = (json.loads(text) for path, text in files.items() if path.startswith(CLASSIC))
    return {board["uid"]: board for board in found}


def answers(
    scene: Scene, board: dict[str, Any], stage: Stage, promtool: Promtool, folder: Path, *, collapsed: bool
) -> Answers:
    """What the dashboard's queries answer; those of collapsed rows only where asked for."""
    if scene.incident is None:
        scrapes, now = Scrapes(0, 15), SHOWN
    else:
        past, scrapes = stage.play(scene.incident)
        now = past.began + round(scene.after.total_seconds())
        now -= now % STEP
    asked = {
        place: (_without_variables(target["expr"]), not target.get("range", False))
        for place, target in _targets(board, collapsed=collapsed)
    }
    return Answers(now, ask(asked, scrapes, now, promtool, folder))


def _targets(board: dict[str, Any], *, collapsed: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in board["panels"]:
        for panel in (row, *(row.get("panels", ()) if collapsed else ())):
            for target in panel.get("targets", ()):
                yield f"{panel['id']}/{target['refId']}", target


def _without_variables(expr: str) -> str:
    for variable, value in (
        ("$__rate_interval", "4m"),
        ("$__range", "1h"),
        ("$environment", PRODUCTION.name),
        ("$job", ".+"),
        ("$instance", ".+"),
        ("$payment_method", ".+"),
    ):
        expr = expr.replace(variable, value)
    return expr


def ask(
    asked: dict[str, tuple[str, bool]], scrapes: Scrapes, now: int, promtool: Promtool, folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """The answers to PromQL, by place: over the hour that is shown, or only at `now`, in seconds of the history."""
    for name, text in rule_files().items():
        (folder / name).write_text(text)
    moments = range(max(0, now - SHOWN), now + 1, STEP)
    questions = {(expr, at) for expr, only_now in asked.values() for at in ((now,) if only_now else moments)}
    document = {
        "rule_files": sorted(rule_files()),
        "evaluation_interval": f"{STEP}s",
        "group_eval_order": [group.name for group in rule_groups(catalog(), PRODUCTION)],
        "tests": [
            {
                "interval": f"{scrapes.every}s",
                "input_series": [*scrapes.input_series(_names()), *of_the_watchers(now // scrapes.every + 1)],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": f"{at}s", "exp_samples": []} for expr, at in sorted(questions)
                ],
            }
        ],
    }
    path = folder / "scene.yml"
    path.write_text(as_yaml(document))
    (result,) = promtool.run_tests([path])
    errors = [failure.raw for failure in result.failures if failure.error]
    assert not errors, "\n".join(errors)
    got = {(failure.expr, _seconds(failure.eval_time or "")): failure.got or "" for failure in result.failures}
    assert got, result.raw[-2000:]
    return {place: _curves(expr, (now,) if only_now else moments, got) for place, (expr, only_now) in asked.items()}


def _names() -> frozenset[str]:
    return frozenset(name for metric in catalog().metrics for name in metric.series_names) | {"up"}


def _curves(expr: str, moments: Any, got: dict[tuple[str | None, int], str]) -> list[dict[str, Any]]:
    found: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
    for at in moments:
        for sample in _SAMPLE.finditer(got.get((expr, at), "")):
            labels = tuple(sorted(_LABEL.findall(sample["labels"])))
            found.setdefault(labels, []).append((at, sample["value"]))
    return [{"labels": dict(labels), "points": points} for labels, points in found.items()]


def _seconds(duration: str) -> int:
    parts = re.findall(r"(\d+)([hms])", duration)
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)
