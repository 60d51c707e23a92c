"""Are the incidents what they say they are?"""

from datetime import timedelta

import pytest

from simulator.conditions import USUAL
from simulator.incidents import INCIDENTS, Incident, UnknownIncidentError, incident


def test_each_has_a_name_of_its_own() -> None:
    assert len({one.name for one in INCIDENTS}) == len(INCIDENTS)


def test_one_is_found_by_its_name_and_a_stranger_is_told_all_of_them() -> None:
    assert incident("quiet-night").title == "A night with hardly a customer"
    with pytest.raises(UnknownIncidentError, match="no incident 'fire'; there are complete-failure, 20-percent-fail"):
        incident("fire")


@pytest.mark.parametrize("one", INCIDENTS, ids=lambda one: one.name)
def test_each_begins_at_once_and_is_watched_until_after_its_last_alert(one: Incident) -> None:
    moments = [since for since, _ in one.phases]
    assert moments[0] == timedelta(0)
    assert moments == sorted(moments)
    assert all(fires.within <= one.watched_for for fires in one.fires)
    assert bool(one.says) == bool(one.fires)


def test_conditions_change_with_the_phases() -> None:
    one = incident("traffic-stops")
    assert one.conditions(timedelta(minutes=11)).traffic == 0
    assert one.conditions(timedelta(minutes=12)) == USUAL


@pytest.mark.parametrize(
    "name",
    [
        "issuer-declines",
        "quiet-night",
        "two-declines-at-night",
        "kill-switch",
        "clocks-go-back",
        "exporter-clock-wrong",
    ],
)
def test_what_is_nobodys_emergency_wakes_nobody(name: str) -> None:
    assert not incident(name).pages


@pytest.mark.parametrize("name", ["complete-failure", "traffic-stops", "kill-switch-ineffective", "duplicate-charges"])
def test_what_is_an_emergency_wakes_somebody(name: str) -> None:
    assert incident(name).pages
