"""Is what docs/incidents.md says of each kind of incident what the definitions and the tests say?"""

import re
from pathlib import Path

import pytest

from rules.catalog import catalog
from simulator.incidents import incident

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "incidents.md").read_text().splitlines()
    if line.startswith("| ") and "`" in line
]
PRIORITIES = {
    alert.name: {threshold.priority.value for threshold in alert.thresholds}
    for area in catalog().areas
    for alert in area.alerts
}
TESTS = {
    name: path.read_text()
    for path in (ROOT / "tests" / "rules").glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
}


def test_at_least_a_dozen_kinds_are_told_of() -> None:
    assert len(ROWS) >= 12


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_is_told_by_an_alert_of_that_priority_in_what_plays_it(row: list[str]) -> None:
    _, told_by, priority, after, played_by = row
    alert = told_by.strip("`")
    assert priority in PRIORITIES[alert]
    name = re.findall(r"`(.+)`", played_by)[0]
    if played_by.startswith("incident "):
        fires = [one for one in incident(name).fires if one.alert.name == alert]
        assert fires, f"{name} does not bring about {alert}"
        assert after == f"{-(-fires[0].within.total_seconds() // 60):g} minutes"
    else:
        assert name in TESTS
