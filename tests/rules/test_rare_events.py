"""Is an event that happens once a month told of, whatever becomes of the pod that counts it?"""

from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import account, disputes, monitoring
from rules.vocabulary import hours, minutes
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

EVERY = minutes(4)
"""Between two samples, and between two evaluations: more than five minutes would make every record a stale one."""
Spans = tuple[tuple[timedelta, timedelta], ...]
NEVER: Spans = ()
FOR_A_DAY: Spans = ((hours(30), hours(54) - 2 * EVERY),)
FOR_AN_HOUR: Spans = ((hours(5), hours(6) - 2 * EVERY),)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pods", "fires"),
    [
        pytest.param({"a": "3x449 4x600"}, FOR_A_DAY, id="one pod counts it"),
        pytest.param({"a": "0x449 1x600"}, FOR_A_DAY, id="it is the first ever"),
        pytest.param({"a": "3x447 stale", "b": "_x450 4x600"}, FOR_A_DAY, id="the pod is replaced meanwhile"),
        pytest.param({"a": "3x447 stale", "b": "_x450 3x600"}, NEVER, id="the pod is replaced, and nothing happens"),
        pytest.param({"a": "3x1050", "b": "_x450 3x600"}, NEVER, id="another replica starts, and nothing happens"),
        pytest.param({"a": "3x1050", "b": "_x450 0x600"}, NEVER, id="another replica starts with a state of its own"),
        pytest.param({"a": "3x300 stale _x29 3x720"}, NEVER, id="nobody scrapes for two hours"),
        pytest.param({"a": "3x299 0x149 1x600"}, FOR_A_DAY, id="the state was lost"),
        pytest.param({"a": "3x297 stale", "b": "_x300 0x149 1x600"}, FOR_A_DAY, id="the state was lost with its pod"),
    ],
)
def test_an_event_is_told_of_for_a_day(pods: dict[str, str], fires: Spans, promtool: Promtool, tmp_path: Path) -> None:
    fed = {
        f'{counter}{{result="failed",instance="{pod}"}}': values
        for counter in (disputes.refunds, account.payouts)
        for pod, values in pods.items()
    }
    # StripePayoutFailed waits for one evaluation, in which StripePayoutsDisabled may yet explain it.
    waited = tuple((begin + EVERY, end) for begin, end in fires)
    expected = {disputes.refunds_failing: fires, account.payout_failed: waited}
    play(promtool, tmp_path, fed, expected, until=hours(56), every=EVERY)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pods", "fires"),
    [
        pytest.param({"a": "0x74 1x100"}, FOR_AN_HOUR, id="one pod meets it"),
        pytest.param(
            {"a": "0x72 stale", "b": "_x75 1x100"}, FOR_AN_HOUR, id="a new pod meets it before its first scrape"
        ),
        pytest.param({"a": "0x72 stale", "b": "_x75 0x100"}, NEVER, id="a new pod meets none"),
        pytest.param({"a": "0x24 3x49 1x100"}, ((minutes(100), minutes(152)), *FOR_AN_HOUR), id="it starts again"),
    ],
)
def test_an_event_that_cannot_be_understood_is_told_of_for_an_hour(
    pods: dict[str, str], fires: Spans, promtool: Promtool, tmp_path: Path
) -> None:
    fed = {f'{monitoring.parse_errors}{{instance="{pod}"}}': values for pod, values in pods.items()}
    play(promtool, tmp_path, fed, {monitoring.events_not_understood: fires}, until=hours(9), every=EVERY)
