"""When something goes wrong in the world, which alerts fire, how soon, what do they say, and do they end?

The exporter is the real one, and so are Stripe's package, Postgres and HTTP; Prometheus' part is promtool's.
"""

import re
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments.organisation import PRODUCTION
from simulator.incidents import INCIDENTS, Incident, incident
from tests.scenarios.evaluation import Evaluated, evaluate
from tests.scenarios.staging import Past, Stage


def played(one: Incident, stage: Stage, promtool: Promtool, folder: Path) -> tuple[Past, Evaluated, int]:
    """What fired in an incident, and the second of the last evaluation."""
    past, scrapes = stage.play(one)
    every = int(one.every.total_seconds())
    until = (past.began + int(one.watched_for.total_seconds())) // every * every
    asked = one.fires[0].alert if one.fires else None
    return past, evaluate(promtool, scrapes, until, every, folder, asked), until


@pytest.mark.slow
@pytest.mark.parametrize("one", INCIDENTS, ids=lambda one: one.name)
def test_an_incident_brings_about_its_alerts_in_time_and_no_others(
    one: Incident, stage: Stage, newest: Promtool, tmp_path: Path
) -> None:
    past, evaluated, until = played(one, stage, newest, tmp_path)

    expected = {(fires.alert.name, fires.tier): fires for fires in one.fires}
    fired = {(firing.alert, dict(firing.labels).get("tier", "")) for firing in evaluated.firings}
    assert fired - {(alert.name, "") for alert in one.may_fire} == set(expected)
    for key, fires in expected.items():
        mine = [one for one in evaluated.firings if (one.alert, dict(one.labels).get("tier", "")) == key]
        first = mine[0].first - past.began
        assert 0 < first <= fires.within.total_seconds(), f"{key} fired after {first} s"
        lasts = any(firing.last == until for firing in mine)
        assert lasts == fires.lasts, f"{key} fired last at {mine[-1].last}, of {until}"

    if one.fires:
        assert evaluated.said
        labels, annotations = evaluated.said.labels, evaluated.said.annotations
        alert = one.fires[0].alert
        threshold = next(one for one in alert.thresholds_in(PRODUCTION) if one.tier == labels.get("tier", ""))
        assert labels["alertname"] == alert.name
        assert labels["priority"] == threshold.priority.value
        assert labels["severity"] == threshold.severity.value
        assert labels["team"] == "payments"
        assert labels["environment"] == "production"
        assert annotations["summary"][-1] == "."
        assert re.search(one.says, annotations["description"]), annotations["description"]
        assert annotations["runbook_url"].endswith(f"#{alert.name.lower()}")


@pytest.mark.slow
def test_the_oldest_prometheus_sees_the_same(stage: Stage, oldest: Promtool, newest: Promtool, tmp_path: Path) -> None:
    one = incident("complete-failure")
    past, scrapes = stage.play(one)
    until = past.began + int(one.watched_for.total_seconds())
    seen = []
    for promtool in (oldest, newest):
        folder = tmp_path / ".".join(map(str, promtool.version))
        folder.mkdir()
        seen.append(evaluate(promtool, scrapes, until // 60 * 60, 60, folder).firings)
    assert seen[0] == seen[1]
    assert seen[0]
