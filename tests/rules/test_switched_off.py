"""What do the alerts make of payments that are off on purpose, come back, or are off by mistake?"""

from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import arrival, completion, outcomes, rollout, silence, webhooks
from rules.vocabulary import minutes
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
FAILURE = outcomes.attempts.where(result="technical_failure", payment_method="card", initiator="api")
ABANDONED = outcomes.attempts.where(result="abandoned", payment_method="card", initiator="api")
RENEWAL_DECLINED = outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="automatic")
COMPLETED = silence.last_completed.name
KILLED = rollout.killed.name
ROLLOUT = rollout.rollout.name
EXPECTED = rollout.expected.name

HOUR = minutes(60)


@pytest.mark.parametrize("first_after", [0, 1, 2, 4, 10], ids=lambda evaluations: f"{30 * evaluations} s after release")
@pytest.mark.parametrize("switch", ["kill switch", "rollout of 0 %"])
def test_a_release_pages_nobody_however_slowly_customers_come_back(
    first_after: int, switch: str, promtool: Promtool, tmp_path: Path
) -> None:
    """Ten payments a minute, off from minute 60 to minute 70."""
    off = 20 + first_after
    play(
        promtool,
        tmp_path,
        {
            SUCCESS: f"0+5x120 600x{off} 605+5x60",
            COMPLETED: f"0+30x120 3600x{off} {3630 + 30 * off}+30x60",
            KILLED: "0x119 1x20 0x70" if switch == "kill switch" else "0x220",
            ROLLOUT: "1x119 0x20 1x70" if switch != "kill switch" else "1x220",
        },
        {silence.traffic_stopped: (), completion.processing_lag_high: (), outcomes.complete_failure: ()},
        until=minutes(95),
    )


def test_customers_who_never_come_back_are_missed_ten_minutes_after_the_release(
    promtool: Promtool, tmp_path: Path
) -> None:
    """125 a minute; the switch is pulled for five minutes, and the checkout stays closed."""
    end = HOUR + minutes(28)
    play(
        promtool,
        tmp_path,
        {SUCCESS: "0+62x120 7440x90", KILLED: "0x119 1x10 0x90", ROLLOUT: "1x220"},
        {silence.traffic_stopped: ((HOUR + minutes(16), end),)},
        until=end,
    )


def test_what_was_abandoned_before_the_switch_is_no_failure_after_it(promtool: Promtool, tmp_path: Path) -> None:
    """Two customers a minute leave, and are given up an hour later, when payments are off."""
    play(
        promtool,
        tmp_path,
        {SUCCESS: "0+5x120 600x100", ABANDONED: "0+1x220", KILLED: "0x119 1x100", ROLLOUT: "1x220"},
        {outcomes.complete_failure: (), outcomes.kill_switch_ineffective: (), silence.traffic_stopped: ()},
        until=minutes(100),
    )


def test_customers_who_are_given_up_after_the_switch_are_nothing_that_stripe_tells_of(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Twenty pay and four leave each minute until payments are off; of each payment come three webhooks."""
    play(
        promtool,
        tmp_path,
        {
            SUCCESS: "0+10x120 1200x120",
            ABANDONED: "0+2x240",
            webhooks.delivery_delay.counted(event_type="other"): "0+30x121 3630x119",
            webhooks.events.where(outcome="processed"): "0+30x121 3630x119",
            KILLED: "0x119 1x120",
        },
        {arrival.silent: ()},
        until=minutes(115),
    )


def test_a_night_in_which_stripe_retries_old_invoices_is_no_complete_failure(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Sixty declined renewals within ten minutes, and one customer in an hour."""
    play(
        promtool,
        tmp_path,
        {SUCCESS: "0x60 1x160", RENEWAL_DECLINED: "0x120 3+3x20 63x80"},
        {outcomes.complete_failure: ()},
        until=minutes(100),
    )


def test_the_failures_for_which_the_switch_was_pulled_page_no_second_time(promtool: Promtool, tmp_path: Path) -> None:
    """Two a minute, all of them failing for twelve minutes, off for ten, then all is well."""
    play(
        promtool,
        tmp_path,
        {
            SUCCESS: "0+1x120 120x45 121+1x60",
            FAILURE: "0x120 1+1x23 24x80",
            KILLED: "0x144 1x20 0x60",
            ROLLOUT: "1x230",
        },
        {outcomes.complete_failure: ()},
        until=minutes(105),
    )


def test_a_release_after_which_everything_fails_pages_as_soon_as_ever(promtool: Promtool, tmp_path: Path) -> None:
    """125 a minute, off for ten minutes, and then no payment succeeds."""
    end = HOUR + minutes(20)
    play(
        promtool,
        tmp_path,
        {
            SUCCESS: "0+62x120 7440x90",
            FAILURE: "0x140 62+62x60",
            KILLED: "0x119 1x20 0x70",
            ROLLOUT: "1x220",
        },
        {outcomes.complete_failure: ((HOUR + minutes(11), end),)},
        until=end,
    )


def test_a_rollout_of_nothing_that_was_not_planned_is_drift(promtool: Promtool, tmp_path: Path) -> None:
    play(
        promtool,
        tmp_path,
        {ROLLOUT: "1x19 0x60", EXPECTED: "1x80", KILLED: "0x80"},
        {rollout.rollout_drift: ((minutes(20), minutes(35)),)},
        until=minutes(35),
    )


@pytest.mark.parametrize(
    "series",
    [
        {ROLLOUT: "1x80", EXPECTED: "1x19 0x60", KILLED: "0x19 1x60"},
        {ROLLOUT: "1x19 0x60", EXPECTED: "1x80", KILLED: "0x19 1x60"},
        {ROLLOUT: "1x19 0x60", EXPECTED: "1x19 0x60", KILLED: "0x80"},
    ],
    ids=["the switch is pulled, and the plan says 0", "the switch is pulled", "the plan says 0, too"],
)
def test_switched_off_on_purpose_is_no_drift(series: dict[str, str], promtool: Promtool, tmp_path: Path) -> None:
    play(promtool, tmp_path, series, {rollout.rollout_drift: ()}, until=minutes(35))
