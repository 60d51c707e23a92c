"""What is said where this machine's clock and the server's differ? By real servers; only our own clock is another."""

import time

import pytest

from paymon.gate.going_back import step_back
from paymon.gate.judging import Decision, Weight, judge
from paymon.live.access import Access
from paymon.live.prometheus import Prometheus
from paymon.now.seeing import look_around, look_closely
from rules.catalog import catalog
from rules.vocabulary import minutes
from tests.paymon.live import stories
from tests.paymon.live.conftest import Live
from tests.paymon.live.test_gate import told

CATALOG = catalog()


def asking(live: Live, ahead: float) -> Prometheus:
    """A client on a machine whose clock is so many seconds ahead."""
    return Prometheus(Access(url=live.url), clock=lambda: time.time() + ahead)


@pytest.mark.parametrize(
    ("ahead", "words"), [(3600, "clock is 3600 s ahead of that of"), (-120, "clock is 120 s behind that of")]
)
def test_clocks_that_differ_are_told(live: Live, ahead: float, words: str) -> None:
    with asking(live, ahead) as prometheus:
        assert not prometheus.clock_doubts
        prometheus.query("vector(1)", live.end)
        said = "; ".join(prometheus.clock_doubts)
    assert words in said
    assert "NTP" in said


@pytest.mark.parametrize("ahead", [0, 20, -20])
def test_clocks_that_differ_by_some_seconds_agree(live: Live, ahead: float) -> None:
    with asking(live, ahead) as prometheus:
        prometheus.query("vector(1)", live.end)
        assert prometheus.clock_doubts == ()


def test_a_stage_cannot_be_judged_by_a_wrong_clock_though_all_else_is_well(live: Live) -> None:
    story = stories.PRODUCTION
    assert CATALOG.rollout is not None
    stage = CATALOG.rollout.stage(1)
    for ahead, decision in ((0, Decision.PASS), (300, Decision.CANNOT_JUDGE)):
        with asking(live, ahead) as prometheus:
            seen = judge(prometheus, CATALOG, story.environment, stage, live.end - 600)
        assert seen.decision is decision
        assert ("ahead of that of" in told(seen, Weight.FOREIGN)) == bool(ahead)


def test_a_step_back_a_check_and_the_status_cannot_be_judged_either(live: Live) -> None:
    environment = stories.PRODUCTION.environment
    with asking(live, -300) as prometheus:
        back = step_back(prometheus, CATALOG, environment, 0, live.end - 60)
        close = look_closely(prometheus, CATALOG, environment, minutes(15), live.end - 600)
        wide = look_around(prometheus, CATALOG, environment, live.end - 600)
    assert "behind that of" in told(back, Weight.FOREIGN)
    # The flag stands elsewhere, which alone would fail the step: by another clock that may have been long ago.
    assert (back.decision, "the flag stands at" in told(back, Weight.FAILED)) == (Decision.CANNOT_JUDGE, True)
    assert close.unknown
    assert any("behind that of" in doubt for doubt in close.doubts)
    assert any("behind that of" in doubt for doubt in wide.doubts)
