"""Is a kill switch that does not work told at any traffic, and what began before it was pulled not taken for that?"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import outcomes, rollout
from rules.vocabulary import minutes, seconds
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

INEFFECTIVE = outcomes.kill_switch_ineffective
SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
KILLED, ROLLOUT = rollout.killed.name, rollout.rollout.name
PULLED = minutes(120)
END = minutes(180)
EVERY = seconds(30)


def told(
    promtool: Promtool, folder: Path, series: Mapping[str, str], expected: tuple[tuple[timedelta, timedelta], ...]
) -> None:
    fed = {KILLED: "0x239 1x121", ROLLOUT: "1x360"} | dict(series)
    play(promtool, folder, fed, {INEFFECTIVE: expected}, until=END, every=EVERY)


@pytest.mark.parametrize(
    ("per_hour", "after"), [(25, 930), (75, 930), (1200, 240)], ids=["at night", "at a rollout of 1 %", "by day"]
)
@pytest.mark.parametrize("off", ["the kill switch", "a rollout of 0 %"])
def test_customers_who_pay_as_ever_after_the_switch_was_pulled_are_told(
    per_hour: int, after: int, off: str, promtool: Promtool, tmp_path: Path
) -> None:
    """Few of them after twelve minutes, of which the last ten count, and three; many after two minutes, and three."""
    fed = {SUCCESS: " ".join(str(at * per_hour // 120) for at in range(361))}
    if off == "a rollout of 0 %":
        fed |= {KILLED: "0x360", ROLLOUT: "1x239 0x121"}

    told(promtool, tmp_path, fed, ((PULLED + seconds(after), END),))


@pytest.mark.parametrize(
    ("before", "under_way"),
    [(150, range(0, 22, 2)), (1, (8, 12))],
    ids=["one of 300 a minute, for ten minutes", "two of 2 a minute"],
)
def test_those_who_had_begun_before_the_switch_was_pulled_may_finish(
    before: int, under_way: tuple[int, ...], promtool: Promtool, tmp_path: Path
) -> None:
    """Asked by their bank who they are, they come back minutes later; half-minutes after the switch."""
    last = 240 * before
    after = [last + sum(one <= at for one in under_way) for at in range(120)]

    told(promtool, tmp_path, {SUCCESS: f"0+{before}x240 {' '.join(map(str, after))}"}, ())


def test_customers_who_pay_again_after_a_release_are_those_who_should(promtool: Promtool, tmp_path: Path) -> None:
    """Off for 25 minutes."""
    fed = {SUCCESS: "0+1x240 240x49 241+1x70", KILLED: "0x239 1x50 0x71"}

    told(promtool, tmp_path, fed, ())


def test_what_was_paid_before_the_switch_and_is_counted_by_an_exporter_that_comes_back_is_no_payment_after_it(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Two a minute; the exporter is away from minute 115 to 140, and counts within a minute what it has missed."""
    fed = {
        SUCCESS: "0+1x229 stale _x49 229 240x80",
        KILLED: "0x229 stale _x49 1x81",
        ROLLOUT: "1x229 stale _x49 1x81",
    }

    told(promtool, tmp_path, fed, ())
