"""At a few payments a minute: is a complete failure told in time, and one customer or a card tester no failure?"""

from pathlib import Path
from random import Random
from statistics import median

import pytest

from benchmarks.little_traffic import ALL_FAIL, after, with_testers
from paymon.promtool import Promtool
from rules.payments import outcomes
from rules.vocabulary import minutes, seconds
from simulator.arithmetic import Evaluation
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

P1 = outcomes.complete_failure
HOUR = minutes(60)


def ended(result: str) -> str:
    """The counter of customers' attempts with that result."""
    return outcomes.attempts.where(result=result, payment_method="card", initiator="api")


def distinct(result: str) -> str:
    """The same, each payment once."""
    return outcomes.distinct_attempts.where(result=result, initiator="api")


@pytest.mark.parametrize("per_minute", [2.0, 5.0, 10.0])
def test_where_all_fail_technically_half_of_the_outages_are_told_within_300_seconds(per_minute: float) -> None:
    told = [after(Random(f"{per_minute} {trial}"), per_minute, ALL_FAIL) for trial in range(40)]

    assert median(told) <= 300


@pytest.mark.slow
def test_half_a_year_with_card_testers_and_customers_who_try_ten_times_has_no_complete_failure() -> None:
    evaluation = Evaluation(with_testers(Random("testers 2.0"), 2.0, 182))

    assert evaluation.firings(P1) == ()


@pytest.mark.parametrize("result", ["issuer_declined", "technical_failure"])
def test_one_customer_who_tries_ten_times_is_one_payment(result: str, promtool: Promtool, tmp_path: Path) -> None:
    """At night: a customer every ten minutes, and one who tries twice a minute, in vain."""
    fed = {
        ended("success"): "0x19 1x19 2x19 3x19 4x19 5x19 6x120",
        ended(result): "0x121 1+1x19 20x100",
        distinct("success"): "0x19 1x19 2x19 3x19 4x19 5x19 6x120",
        distinct(result): "0x121 1x120",
    }

    play(promtool, tmp_path, fed, {P1: ()}, until=minutes(110))


def test_two_payments_a_minute_that_all_fail_are_a_complete_failure_after_four_minutes(
    promtool: Promtool, tmp_path: Path
) -> None:
    fed = {name("success"): "0+1x120 120x120" for name in (ended, distinct)}
    fed |= {name("technical_failure"): "0x120 1+1x119" for name in (ended, distinct)}
    until = HOUR + minutes(40)

    play(promtool, tmp_path, fed, {P1: ((HOUR + seconds(270), until),)}, until=until)


def test_where_nobody_counts_payments_once_a_failure_of_all_is_told_as_before(
    promtool: Promtool, tmp_path: Path
) -> None:
    """An exporter of before has no such counter: what is not known holds nothing back."""
    fed = {ended("success"): "0+5x120 600x120", ended("technical_failure"): "0x120 5+5x119"}
    until = HOUR + minutes(40)

    play(promtool, tmp_path, fed, {P1: ((HOUR + minutes(3), until),)}, until=until)
