"""Is a payment's outcome the same, in whatever order its steps are seen?"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.stripe.counting.facts import IntentStep
from exporters.stripe.counting.intents import HOUR, Intent, decided, with_steps

LATE = 900


def step(kind: str) -> IntentStep:
    return IntentStep("pi_1", kind, "card", "api", "usd")


def told(*steps: tuple[int, str]) -> Intent:
    """An intent with those steps."""
    return with_steps(Intent(), [(at, step(kind)) for at, kind in steps])


def test_a_success_within_the_hour_makes_up_for_a_failure() -> None:
    assert decided(told((100, "F"), (100 + HOUR, "S")), 10**6).outcome == "succeeded"


def test_a_success_after_the_hour_does_not() -> None:
    assert decided(told((100, "F"), (101 + HOUR, "S")), 10**6).outcome == "failed"


def test_nothing_is_decided_before_it_is_certain() -> None:
    failed = told((100, "F"))
    assert failed.due == 100 + HOUR
    assert decided(failed, 99 + HOUR).outcome == ""
    assert decided(failed, 100 + HOUR).outcome == "failed"


def test_a_success_need_not_wait_where_nothing_older_can_appear_any_more() -> None:
    assert told((10_000, "S")).due == 10_000 - HOUR


def test_a_customer_who_never_came_back_abandoned_the_attempt() -> None:
    decision = decided(told((100, "A")), 100 + HOUR)
    ((at, ended),) = decision.abandoned
    assert (at, ended.result, ended.failure) == (100, "abandoned", "")
    assert decision.outcome == ""
    assert decided(decision.intent, 10**6).abandoned == ()


def test_a_cancellation_ends_the_wait() -> None:
    decision = decided(told((100, "A"), (200, "C")), 200)
    assert len(decision.abandoned) == 1
    assert decision.outcome == "canceled"


def test_an_answer_whether_good_or_bad_is_no_abandonment() -> None:
    for kind in "FSP":
        assert decided(told((100, "A"), (160, kind)), 10**6).abandoned == ()


def test_a_customer_who_is_asked_again_abandoned_once() -> None:
    decision = decided(told((100, "A"), (200, "A")), 10**6)
    assert [at for at, _ in decision.abandoned] == [200]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 20_000), st.sampled_from("APFS")), min_size=1, max_size=8, unique_by=lambda s: s[0]
    ),
    st.integers(0, 2**32),
)
def test_the_decisions_do_not_depend_on_the_order_in_which_steps_are_seen(
    steps: list[tuple[int, str]], seed: int
) -> None:
    chance = random.Random(seed)
    seen_at = {one: one[0] + chance.randint(0, LATE) for one in steps}
    at_once = decided(told(*steps), 10**6)
    expected = (at_once.outcome, [at for at, _ in at_once.abandoned])

    outcome, abandoned, intent = "", [], Intent()
    for now in sorted({*seen_at.values(), *range(0, 30_000, 700)}):
        seen = [(at, step(kind)) for (at, kind), moment in seen_at.items() if moment == now]
        decision = decided(with_steps(intent, seen), now - LATE - 1)
        intent = decision.intent
        outcome = outcome or decision.outcome
        abandoned += [at for at, _ in decision.abandoned]
    assert (outcome, sorted(abandoned)) == expected
