"""Whose attempts are evidence that customers cannot pay, and whose are not?"""

from pathlib import Path

from paymon.promtool import Promtool
from rules.payments import outcomes, rollout, silence
from rules.vocabulary import minutes
from tests.rules.playing import play


def of(result: str, initiator: str) -> str:
    """The attempts by card of that result and initiator."""
    return outcomes.attempts.where(result=result, payment_method="card", initiator=initiator)


def test_a_shop_whose_successes_nobody_claims_is_healthy_until_it_stops(promtool: Promtool, tmp_path: Path) -> None:
    """Forty successes that Stripe ended, and two declines by request, a minute; all stop at minute 60."""
    end = minutes(90)
    play(
        promtool,
        tmp_path,
        {of("success", "unknown"): "0+20x120 2400x60", of("issuer_declined", "api"): "0+1x120 120x60"},
        {outcomes.complete_failure: (), silence.traffic_stopped: ((minutes(65), end),)},
        until=end,
    )


def test_declines_that_nobody_claims_are_no_complete_failure_and_those_of_customers_are(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Thirty retries of old invoices a minute that nobody claims, beside one customer who is declined.

    From minute 60 on customers pay; from minute 105 on they are declined instead, and their successes are gone.
    """
    end = minutes(120)
    declined = "0+0.5x209 104.5+15x30"
    play(
        promtool,
        tmp_path,
        {
            of("issuer_declined", "unknown"): "0+15x240",
            of("success", "api"): "0x119 0+15x90 1350x29",
            of("issuer_declined", "api"): declined,
            outcomes.distinct_attempts.where(result="issuer_declined", initiator="api"): declined,
        },
        {outcomes.complete_failure: ((minutes(107), end),)},
        until=end,
    )


def test_declines_of_customers_where_nobody_paid_before_are_no_complete_failure(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Thirty a minute from minute 60 on, which may as well be a card tester's."""
    end = minutes(75)
    declined = "0x119 0+15x30"
    play(
        promtool,
        tmp_path,
        {
            of("issuer_declined", "api"): declined,
            outcomes.distinct_attempts.where(result="issuer_declined", initiator="api"): declined,
        },
        {outcomes.complete_failure: ()},
        until=end,
    )


def test_debits_that_settle_do_not_make_a_kill_switch_ineffective(promtool: Promtool, tmp_path: Path) -> None:
    """The switch is pulled at minute 10; bank debits of days ago go on to settle."""
    play(
        promtool,
        tmp_path,
        {of("success", "unknown"): "0+10x120", rollout.killed.name: "0x20 1x100"},
        {outcomes.kill_switch_ineffective: ()},
        until=minutes(60),
    )
