"""Is any fault told later, at the priority that it is due, than before the edges of the alerts were mended?"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.first_tellings import FAULTS, MEASURED, Fault, first_tellings, in_time, present
from paymon.promtool import Promtool
from tests.versions import in_matrix

pytestmark = pytest.mark.by_turns

SAMPLE = ("all of 12 a minute fail", "an order is charged twice")
LATER_IN_THE_RULE = 30
"""Seconds: what waited as long in Alertmanager waits for one evaluation in the rule, where it can still be undone."""


@pytest.mark.parametrize(
    "fault", [one for one in FAULTS if in_matrix() or one.name in SAMPLE], ids=lambda one: one.name
)
def test_a_fault_is_told_when_it_was_measured_to_be(fault: Fault, promtool: Promtool, tmp_path: Path) -> None:
    """To the evaluation, which a sample at the edge of a window may be in one of the versions."""
    _, now = MEASURED[fault.name]

    played = fault if now is None else replace(fault, lasts=timedelta(seconds=now + 60))
    told = in_time(fault, first_tellings(promtool, present(), played, tmp_path))

    if now is None:
        assert told is None
    else:
        assert told is not None
        assert abs(told - now) <= 30


def test_no_fault_is_told_later() -> None:
    later = {
        name
        for name, (before, now) in MEASURED.items()
        if before is not None and (now is None or now > before + LATER_IN_THE_RULE)
    }

    assert {fault.name for fault in FAULTS} == set(MEASURED)
    assert later == set()
