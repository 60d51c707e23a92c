"""Which situations are the dashboards drawn in, and what does each of their queries answer there?

The simulated world is sampled by the real exporter, and promtool evaluates the generated rules on what it exposed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from generators.dashboards import CLASSIC, dashboard_files
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments.organisation import PRODUCTION
from simulator.conditions import USUAL
from simulator.incidents import BUSY, Incident, incident
from tests.scenarios.asking import SHOWN, STEP, Series, ask
from tests.scenarios.series import Scrapes
from tests.scenarios.staging import Stage

__all__ = ["QUESTIONS", "SCENES", "Answers", "Board", "Scene", "answers", "boards", "opened", "queries", "with_values"]

Board = dict[str, Any]
"""A dashboard as Grafana imports it."""


BROKEN, SINCE_WHEN, HOW_BADLY = "Is it broken?", "Since when?", "How badly?"
WHOSE_FAULT, WHAT_CHANGED = "Whose fault is it?", "What changed?"
QUESTIONS = (BROKEN, SINCE_WHEN, HOW_BADLY, WHOSE_FAULT, WHAT_CHANGED)
"""What people ask within the first ten seconds."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One situation, and the words that it must put on the overview's tiles, by their titles."""

    name: str
    incident: Incident | None
    """None where nothing has been measured yet."""
    after: timedelta = timedelta(minutes=7)
    """How long after the incident began somebody looks."""
    says: dict[str, str] = field(default_factory=dict)
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Which panel of the overview answers each of the first questions, and a regular expression for what it says."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a dashboard's queries answer at the end of a scene, by panel and query."""

    now: int
    series: Mapping[str, list[Series] | str]
    """A text is Prometheus' refusal."""


VALUES = {
    "$__rate_interval": "4m",
    "$__range": "1h",
    "$environment": PRODUCTION.name,
    "$job": ".+",
    "$instance": ".+",
    "$payment_method": ".+",
}

_NOTHING_HAPPENS = Incident(
    name="all-well",
    title="All is well",
    phases=((timedelta(), USUAL),),
    watched_for=timedelta(minutes=10),
    setting=BUSY,
)

_NOTHING_CHANGED = ("Releases that run", r"1\.5\.0: 1\b")

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
        told={
            BROKEN: ("Payments succeed", r"OK\s+9\d"),
            SINCE_WHEN: ("Firing now, and since when", "none"),
            HOW_BADLY: ("Failures in 1 hour", r"OK\s+\d"),
            WHOSE_FAULT: ("Ours or Stripe's?", r"(.+: OK\n?){5}"),
            WHAT_CHANGED: _NOTHING_CHANGED,
        },
    ),
    Scene(
        "complete failure",
        incident("complete-failure"),
        says={"Payments succeed": "P1 FIRING", "Technical success": "P1 FIRING", "Failures in 1 hour": "P1 FIRING"},
        told={
            BROKEN: ("Payments succeed", "P1 FIRING"),
            SINCE_WHEN: ("Firing now, and since when", r"P1\s+PaymentsCompleteFailure\s+\d+ minutes ago"),
            HOW_BADLY: ("Payments succeed", r"\b0\s*%"),
            WHOSE_FAULT: ("Attempts by outcome", r"technical_failure: \d\d"),
            WHAT_CHANGED: _NOTHING_CHANGED,
        },
    ),
    Scene(
        "webhooks failing",
        incident("webhook-signatures"),
        says={"Webhooks that wait": "P2 FIRING"},
        told={
            BROKEN: ("Webhooks that wait", "P2 FIRING"),
            SINCE_WHEN: ("Firing now, and since when", r"P2\s+StripeWebhookSignatureFailures\s+\d+ minutes ago"),
            HOW_BADLY: ("Webhooks that wait", r"\d\s*mins"),
            WHOSE_FAULT: ("Ours or Stripe's?", r"the service reaches Stripe: OK\n(.+\n)?we accept webhooks: Failing"),
            WHAT_CHANGED: _NOTHING_CHANGED,
        },
    ),
    Scene(
        "database slow",
        incident("database-slow"),
        says={"API over 0.5 s": "PENDING", "Payments succeed": "OK"},
        told={
            BROKEN: ("API over 0.5 s", "PENDING"),
            SINCE_WHEN: ("Alerts: pending and firing", "P3 PaymentApiLatencyHigh: Pending"),
            HOW_BADLY: ("API over 0.5 s", r"100\s*%"),
            WHOSE_FAULT: ("Ours or Stripe's?", "the service answers in time: Failing"),
            WHAT_CHANGED: _NOTHING_CHANGED,
        },
    ),
    Scene(
        "exporter gone",
        incident("exporter-killed"),
        after=timedelta(minutes=13),
        says={"Attempts in 5 min": "P2 FIRING", "Webhooks that wait": "not known"},
        told={
            BROKEN: ("Attempts in 5 min", r"P2 FIRING\s+not counted"),
            SINCE_WHEN: ("Firing now, and since when", r"P3\s+PaymentExporterDown\s+\d+ minutes ago"),
            HOW_BADLY: ("Failures in 1 hour", "."),
            WHOSE_FAULT: ("Ours or Stripe's?", r"the exporter reads Stripe: (\n|$)"),
            WHAT_CHANGED: _NOTHING_CHANGED,
        },
    ),
    Scene(
        "nothing measured yet",
        None,
        says={"Payments succeed": "none counted", "Service's health": "not known", "Webhooks that wait": "not known"},
        told={
            BROKEN: ("Attempts in 5 min", r"P2 FIRING\s+not counted"),
            SINCE_WHEN: ("Firing now, and since when", r"P2\s+PaymentMetricsAbsent\s+an hour ago"),
            HOW_BADLY: ("Failures in 1 hour", "not counted"),
            WHOSE_FAULT: ("Ours or Stripe's?", "nothing to show"),
            WHAT_CHANGED: ("Releases that run", "No data"),
        },
    ),
)


def boards() -> dict[str, Board]:
    """The generated dashboards, by their uid."""
    files = dashboard_files(catalog())
    found = (json.loads(text) for path, text in files.items() if path.startswith(CLASSIC))
    return {board["uid"]: board for board in found}


def answers(
    scene: Scene, asking: Iterable[Board], stage: Stage, promtool: Promtool, folder: Path
) -> dict[str, Answers]:
    """What the queries of each dashboard answer, by its uid; those of collapsed rows are not asked.

    The scene is played up to the moment at which somebody looks, once for all dashboards.
    """
    if scene.incident is None:
        scrapes, now = Scrapes(0, 15), SHOWN
    else:
        past, scrapes = stage.play(replace(scene.incident, watched_for=scene.after))
        now = past.began + round(scene.after.total_seconds())
        now -= now % STEP
    asked = {
        (board["uid"], place): (with_values(target["expr"]), not target.get("range", False))
        for board in asking
        for place, target in queries(board)
    }
    series: dict[str, dict[str, list[Series]]] = {}
    for (uid, place), found in ask(asked, scrapes, now, promtool, folder).items():
        series.setdefault(uid, {})[place] = found
    return {uid: Answers(now, of_board) for uid, of_board in series.items()}


def queries(board: Board) -> Iterator[tuple[str, dict[str, Any]]]:
    """What Grafana asks to draw the board, by panel and query: nothing for what lies in a collapsed row."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['id']}/{target['refId']}", target


def with_values(expr: str, values: Mapping[str, str] = VALUES) -> str:
    """The expression with the variables' values in their places."""
    for variable, value in values.items():
        expr = expr.replace(variable, value)
    return expr


def opened(board: Board) -> Board:
    """The dashboard with its collapsed rows open."""
    panels: list[Board] = []
    below = 0
    for row in board["panels"]:
        inner = row.get("panels") or []
        for one in (row, *inner):
            place = {**one["gridPos"], "y": one["gridPos"]["y"] + below}
            panels.append(
                {**one, "gridPos": place, **({"panels": [], "collapsed": False} if one is row and inner else {})}
            )
        if inner:
            below += max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in inner) - row["gridPos"]["y"] - 1
    return {**board, "panels": panels}
