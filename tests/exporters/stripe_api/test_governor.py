"""Does the exporter keep to its share of the account's reads, and does it wait when it should?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.model import ErrorClass, SampleError
from exporters.stripe_api.governor import Governor
from rules.vocabulary import Source
from tests.exporters.stripe_api.shop import START, Watched

MONTH = 30 * 86400
LEAST = {
    Source.STRIPE_EVENTS: 15.0,
    Source.STRIPE_WEBHOOKS: 120.0,
    Source.STRIPE_ACCOUNT: 300.0,
    Source.STRIPE_DISPUTES: 600.0,
}


def error(kind: ErrorClass) -> SampleError:
    return SampleError(kind, "Stripe, events", "it failed", "mend it")


@pytest.mark.parametrize(("transactions", "allowance"), [(0, 5_000), (20, 5_000), (100, 25_000), (10_000, 2_500_000)])
def test_the_allowance_is_a_share_of_what_stripe_allots(transactions: int, allowance: int) -> None:
    governor = Governor(0.5, lambda: 0.5)
    governor.base_on(transactions)
    assert governor.allowance == allowance


@settings(deadline=None)
@given(
    st.integers(0, 1_000_000),
    st.floats(0.01, 1),
    st.fixed_dictionaries({source: st.floats(1, 50) for source in LEAST}),
)
def test_a_months_plan_leaves_a_tenth_of_the_allowance(
    transactions: int, share: float, reads: dict[Source, float]
) -> None:
    governor = Governor(share, lambda: 0.5)
    governor.base_on(transactions)
    spent = sum(
        reads[source] * MONTH / governor.interval(source, reads[source], least, START)
        for source, least in LEAST.items()
    )
    assert spent <= 0.9 * governor.allowance * 1.000001


def test_a_busy_account_is_read_as_often_as_wished() -> None:
    governor = Governor(0.5, lambda: 0.5)
    governor.base_on(10_000)
    assert governor.interval(Source.STRIPE_EVENTS, 1.0, 15, START) == 15


def test_nothing_is_sent_once_the_allowance_is_spent_until_the_reads_are_a_month_old() -> None:
    governor = Governor(0.5, lambda: 0.5)
    for _ in range(5_000):
        governor.permit("events", START)
        governor.sent(START)
    with pytest.raises(SampleError, match=r"has spent its 5000 reads of the past 30 days; raise stripe.read_share"):
        governor.permit("events", START)
    governor.permit("events", START + MONTH + 1)


def test_what_was_spent_before_a_restart_counts(world: Watched) -> None:
    world.begun()
    for _ in range(5):
        world.clock.on(400)
        world.sample()
    before = world.about()["payments_exporter_stripe_reads_used_ratio",]
    world.restart()
    world.sample()
    assert world.about()["payments_exporter_stripe_reads_used_ratio",] >= before


def test_the_delay_doubles_with_each_failure_up_to_ten_minutes_and_ends_with_a_success() -> None:
    governor = Governor(0.5, lambda: 1.0)
    delays = []
    for _ in range(10):
        governor.failed("events", error(ErrorClass.TIMEOUT), START)
        delays.append(governor.retry_delay("events", START))
    assert delays == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    governor.succeeded("events")
    assert governor.retry_delay("events", START) is None


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_the_jitter_is_full(chance: float) -> None:
    governor = Governor(0.5, lambda: chance)
    governor.failed("events", error(ErrorClass.TIMEOUT), START)
    assert governor.retry_delay("events", START) == pytest.approx(5 * chance, abs=1e-5)


def test_one_endpoints_failure_does_not_hold_up_another() -> None:
    governor = Governor(0.5, lambda: 1.0)
    governor.failed("events", error(ErrorClass.RATE_LIMITED), START)
    with pytest.raises(SampleError):
        governor.permit("events", START + 4)
    governor.permit("events", START + 5)
    governor.permit("account", START)


def test_a_clock_that_jumps_back_does_not_hold_up_anything_for_long() -> None:
    governor = Governor(0.5, lambda: 1.0)
    governor.failed("events", error(ErrorClass.TIMEOUT), START)
    governor.permit("events", START - 86400)
    delay = governor.retry_delay("events", START - 86400)
    assert delay is not None
    assert delay <= 900


def test_every_request_is_counted_by_endpoint_and_code() -> None:
    governor = Governor(0.5, lambda: 1.0)
    for code in (200, 200, 404, 418, 502, 0, 302):
        governor.answered("events", code)
    counts = {
        reading.labels[1][1]: reading.value
        for reading in governor.readings(START)
        if reading.labels and reading.labels[0][1] == "events" and reading.value
    }
    assert counts == {"200": 2, "404": 1, "4xx": 1, "5xx": 1, "0": 2}
