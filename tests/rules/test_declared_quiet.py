"""Does nobody page for customers who are missing on a declared day or in declared maintenance, and for no longer?"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import completion, outcomes, rollout, silence
from rules.vocabulary import minutes, seconds
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

STOPPED, LAG = silence.traffic_stopped, completion.processing_lag_high
SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
CLOSED, MAINTENANCE = rollout.closed.name, rollout.maintenance.name
NEVER = ()
GONE = minutes(120)
END = minutes(180)

SHOP: Mapping[str, str] = {
    SUCCESS: "0+10x240 2400x119",
    silence.last_completed.name: "0+30x240 7200x119",
    rollout.killed.name: "0x360",
    rollout.rollout.name: "1x360",
}
"""A shop round the clock in its first week: 20 customers a minute for two hours, then nobody. One value every 30 s."""


def told(
    promtool: Promtool, folder: Path, declared: Mapping[str, str], stopped: tuple[tuple[timedelta, timedelta], ...]
) -> None:
    play(promtool, folder, {**SHOP, **declared}, {STOPPED: stopped, LAG: NEVER}, until=END)


@pytest.mark.parametrize(
    "declared", [{}, {CLOSED: "0x360", MAINTENANCE: "0x360"}], ids=["nothing ever declared", "neither declared"]
)
def test_customers_who_are_gone_page_where_nothing_was_declared(
    declared: Mapping[str, str], promtool: Promtool, tmp_path: Path
) -> None:
    told(promtool, tmp_path, declared, ((GONE + seconds(330), END),))


@pytest.mark.parametrize(
    "declared",
    [{CLOSED: "0x200 1x159"}, {MAINTENANCE: "0x230 1x129"}],
    ids=["the day is declared closed", "maintenance is declared"],
)
def test_customers_who_are_kept_out_on_purpose_page_nobody(
    declared: Mapping[str, str], promtool: Promtool, tmp_path: Path
) -> None:
    told(promtool, tmp_path, declared, NEVER)


def test_customers_who_do_not_come_back_after_maintenance_page_ten_minutes_after_it(
    promtool: Promtool, tmp_path: Path
) -> None:
    """It ends half an hour after they were gone, at minute 150."""
    told(promtool, tmp_path, {MAINTENANCE: "0x230 1x69 0x60"}, ((minutes(161), END),))


def test_a_declaration_that_nobody_can_read_any_more_keeps_nobody_quiet(promtool: Promtool, tmp_path: Path) -> None:
    """The exporter serves it no longer from minute 105 on, and it was declared up to then."""
    declared = dict.fromkeys((CLOSED, MAINTENANCE), "1x210 stale")

    told(promtool, tmp_path, declared, ((GONE + seconds(330), END),))
