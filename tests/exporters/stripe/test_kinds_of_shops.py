"""Is every kind of shop counted right, left alone while it is well, and paged for while it is not?

Some hours of each kind go through the exporter's own tally, and from there through the generated rules in promtool; the
way of paying breaks for the last 20 minutes. `python -m benchmarks shops` does the same with a week.
"""

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from simulator.stripe import Cause
from tests.exporters.stripe.kinds import KINDS, Counted, Trade
from tests.exporters.stripe.shop import START
from tests.promtools import remembering
from tests.rules.kinds import failed_expectations

MINUTES = 4 * 60
OUTAGE = 20
PER_MINUTE = 4
WITHIN = 16
"""Minutes: at so little traffic, a quarter of an hour holds enough attempts to be sure."""


def succeeded(before: Counter[tuple[str, ...]], after: Counter[tuple[str, ...]]) -> float:
    """The share of customers' attempts in between that succeeded, by the shop's books.

    Where nobody can tell who paid, a success is taken for a customer's, and a decline for nobody's.
    """
    ended: Counter[str] = Counter()
    for (name, *labels), count in (after - before).items():
        if name == "payment_attempts_total":
            result, _, initiator = labels
            if initiator == "api" or (initiator, result) == ("unknown", "success"):
                ended[result] += count
    return ended["success"] / ended.total()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_shop_is_counted_as_its_books_say_and_paged_for_when_it_breaks(
    kind: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    promtool = remembering(pytestconfig, "3.5")  # which rules fire when is compared with 2.42 elsewhere
    trade = Trade(KINDS[kind], PER_MINUTE, seed=11)
    minutes, books = [], []
    with closing(Counted(trade)) as counted:
        for minute in range(1, MINUTES + OUTAGE + 1):
            trade.broken = minute > MINUTES
            trade.until(START + 60 * minute)
            minutes.append(counted.read())
            books.append(Counter(trade.shop.books))

        share = succeeded(books[MINUTES - 16], books[MINUTES - 1])
        told = failed_expectations(promtool, tmp_path, minutes, healthy=MINUTES, within=WITHIN, share=share)
        assert told == [], "\n".join(told)

        trade.close()
        for hour in range(1, 31):
            trade.until(START + 60 * (MINUTES + OUTAGE) + 3600 * hour)
            found = counted.read()
    assert found == trade.shop.truth()


def test_the_share_that_succeeds_is_what_a_person_would_compute() -> None:
    """Of 100 customers with 3-D Secure 90 pay, 6 are declined and 4 leave; 30 renewals, 20 of them declined."""
    trade = Trade(lambda _: None, 1, seed=1)
    for number in range(100):
        asked = trade.shop.ask()
        if number < 96:
            end = "success" if number < 90 else "3-D Secure"
            trade.shop.pay(end, after=asked, cause=Cause.AUTHENTICATED)
    for number in range(30):
        trade.shop.pay("success" if number < 10 else "no money", cause=Cause.INVOICE)
    trade.close()
    trade.until(START + 7200)
    with closing(Counted(trade)) as counted:
        found = counted.read()
    by = {(key[1], key[3]): value for key, value in found.items() if key[0] == "payment_attempts_total"}
    assert by == {
        ("success", "api"): 90,
        ("issuer_declined", "api"): 6,
        ("abandoned", "api"): 4,
        ("success", "automatic"): 10,
        ("issuer_declined", "automatic"): 20,
    }
    assert by["success", "api"] / (by["success", "api"] + by["issuer_declined", "api"]) == 0.9375
