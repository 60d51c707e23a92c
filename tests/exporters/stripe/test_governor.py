"""Does the exporter keep to its share of the account's reads, and does it wait when it should?"""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sampling.model import ErrorClass, SampleError
from exporters.stripe.reading.governor import Governor
from rules.payments import account
from rules.vocabulary import Source
from tests.exporters.stripe.shop import START, Watched, counters

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


def spend(governor: Governor) -> int:
    """Send requests until one is refused; gives their number."""
    for sent in range(10_000):
        try:
            governor.permit("events", START)
        except SampleError:
            return sent
        governor.sent(START)
    raise AssertionError("nothing was refused")


def ratio(governor: Governor, now: float) -> float:
    """What the metric of spent reads says."""
    return next(one.value for one in governor.readings(now) if one.metric is account.reads_used)


def test_once_the_allowance_is_spent_a_trickle_is_left_until_the_reads_are_a_month_old() -> None:
    governor = Governor(0.5, lambda: 0.5)
    sent = spend(governor)
    assert 10 <= sent - 5_000 <= 11
    with pytest.raises(SampleError, match=r"has spent its 5000 reads of the past 30 days, and goes on with 167 a day"):
        governor.permit("events", START)
    assert ratio(governor, START) == sent / 5_000
    for _ in range(20):
        governor.permit("events", START + MONTH + 1)
        governor.sent(START + MONTH + 1)


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(st.floats(0.01, 1), st.integers(0, 100_000), st.lists(st.floats(1, 3 * 3600), min_size=50, max_size=200))
def test_the_trickle_is_a_thirtieth_of_the_least_share_each_day_however_much_was_spent(
    share: float, transactions: int, pauses: list[float]
) -> None:
    governor = Governor(share, lambda: 0.5)
    governor.base_on(transactions)
    governor.remember({int(START) // 86400 * 86400: 500 * 10_000_000})
    each = MONTH / (share * 10_000)
    now, sent, latest = START, 0, 0.0
    for pause in pauses:
        now += pause
        try:
            governor.permit("events", now)
        except SampleError:
            assert now - latest < each * 1.000001
            continue
        governor.sent(now)
        sent, latest = sent + 1, now
    assert sent <= (now - START) / each + 12
    assert ratio(governor, now) > 1


def test_a_clock_that_jumps_back_does_not_stop_the_trickle() -> None:
    governor = Governor(0.5, lambda: 0.5)
    spend(governor)
    governor.remember({(int(START) // 86400 - 1) * 86400: 5_000})
    governor.permit("events", START - 86400)


def test_on_the_trickle_a_source_is_still_measured_by_the_interval_that_it_should_keep() -> None:
    governor = Governor(0.5, lambda: 0.5)
    governor.base_on(100_000)
    fresh = governor.interval(Source.STRIPE_EVENTS, 1.0, 15, START)
    governor.remember({int(START) // 86400 * 86400: 26_000_000})
    assert governor.exhausted(START)
    assert governor.interval(Source.STRIPE_EVENTS, 1.0, 15, START) == 2 * fresh < 60


def test_payments_that_become_fewer_do_not_blind_the_exporter(world: Watched) -> None:
    world.begun().shop.pay()
    world.sample()
    world.stop()
    yesterday = int(START) - 86400
    with sqlite3.connect(world.settings.state.path) as connection:
        connection.execute("INSERT INTO paymon_buckets VALUES (86400, ?, 'reads', 20000)", (yesterday,))
    connection.close()
    world.start()
    world.clock.on(3600)
    world.sample()
    world.clock.on(900)
    world.shop.pay()
    assert counters(world.sample())["payment_success_total", "card", "api"] == 2
    assert world.sampler(Source.STRIPE_EVENTS).interval.total_seconds() < 1800
    assert world.about()["payments_exporter_stripe_reads_used_ratio",] > 4


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
