"""Is each payment whose amount the database has otherwise than Stripe found, and no other?"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporters.postgres import PostgresSettings
from exporters.sampling.reconciling import Received
from rules.payments import amounts as metrics
from rules.payments import database as metrics_of_database
from rules.payments.organisation import SERVICE
from rules.vocabulary import Source
from tests.exporters.postgres.asking import Seen, asking
from tests.exporters.postgres.test_reconciliation import HOUR, Known
from tests.postgres import NOW, PaymentsDatabase

DECIMALS = {
    **dict.fromkeys(("jpy", "krw", "clp", "mga", "xof"), 0),
    **dict.fromkeys(("eur", "usd", "gbp"), 2),
    **dict.fromkeys(("isk", "ugx", "huf", "twd"), 2),
    **dict.fromkeys(("kwd", "bhd", "tnd"), 3),
}
"""With how many decimals Stripe counts (its page on currencies): ISK and UGX have none, and are sent as if they had
two; HUF and TWD lack them in payouts alone."""

MINOR = {"amount": "amount", "currency": "currency", "unit": "minor"}
MAJOR = MINOR | {"unit": "major"}


def shown(currency: str) -> str:
    """The label of a currency: that of the example's allow-list."""
    return currency if currency in SERVICE.currencies else "other"


def at_stripe(whole: str, currency: str) -> int:
    """An amount as Stripe counts it."""
    return int(Decimal(whole).scaleb(DECIMALS[currency]))


@dataclass(slots=True)
class Sides:
    """Stripe's side and the database's, payment by payment; all succeeded two hours ago."""

    database: PaymentsDatabase
    stripe: Known
    columns: dict[str, str] | None = None

    def payment(
        self, took: Received | None, *rows: tuple[Any, str | None], status: str = "completed", **more: Any
    ) -> str:
        """One that took so much at Stripe, with such amounts and currencies in its rows."""
        id_ = f"pi_{len(self.stripe.succeeded)}"
        self.stripe.succeeded[id_] = more.pop("succeeded", 2 * HOUR)
        if took is not None:
            self.stripe.took[id_] = took
        for amount, currency in rows:
            columns = {"ago": 2 * HOUR, "completed_ago": 2 * HOUR, **more}
            self.database.payment(status, payment_intent_id=id_, amount=amount, currency=currency, **columns)
        return id_

    def compared(self, **settings: Any) -> Seen:
        payments = {"amounts": self.columns} if self.columns else {}

        async def once() -> Seen:
            async with asking(self.database.dsn, stripe=self.stripe, payments=payments, **settings) as exporter:
                return await exporter.sample(NOW, Source.RECONCILIATION)

        return asyncio.run(once())

    def results(self, **settings: Any) -> dict[str, float]:
        """How many payments there are of each result, without zeros."""
        seen = self.compared(**settings)
        found = {result: seen.value(metrics.compared, result=result) for result in metrics.RESULT.values}
        return {result: value for result, value in found.items() if value}

    def difference(self, currency: str) -> float | None:
        return self.compared().value(metrics.difference, currency=currency)


@pytest.fixture
def sides(payments_database: PaymentsDatabase) -> Sides:
    """A table whose amounts may be of any number of decimals, and of which any may be NULL."""
    payments_database.execute(
        "ALTER TABLE payments ALTER amount TYPE numeric, ALTER amount DROP NOT NULL, ALTER currency DROP NOT NULL"
    )
    return Sides(payments_database, Known(), MINOR)


def usd(amount: int, *, refunded: bool = False) -> Received:
    return Received(amount, "usd", refunded)


def test_nothing_is_compared_until_the_columns_are_named(sides: Sides) -> None:
    sides.payment(usd(1000), (1, "usd"))
    sides.columns = None
    seen = sides.compared()
    assert not [one for one in seen.snapshot.readings if one.metric in (metrics.compared, metrics.difference)]
    sides.columns = MINOR
    assert sides.results() == {"amount": 1}


@pytest.mark.parametrize(
    ("named", "lacking"),
    [({"amount": "amount", "unit": "minor"}, "currency"), ({"amount": "amount", "currency": "currency"}, "unit")],
)
def test_half_named_columns_are_refused_by_name(named: dict[str, str], lacking: str) -> None:
    with pytest.raises(ValidationError) as told:
        PostgresSettings.model_validate({"dsn": "host=x", "payments": {"amounts": named}})
    assert [one["loc"] for one in told.value.errors()] == [("payments", "amounts", lacking)]


@pytest.mark.parametrize("columns", [MINOR, MAJOR], ids=["minor", "major"])
def test_an_amount_in_the_column_s_unit_is_that_of_stripe_and_a_smallest_unit_more_is_not(
    sides: Sides, columns: dict[str, str]
) -> None:
    sides.columns = columns
    for currency, decimals in DECIMALS.items():
        took = Received(at_stripe("1230", currency), currency, refunded=False)
        right = Decimal(took.amount) if columns is MINOR else Decimal(1230)
        smallest = Decimal(1) if columns is MINOR else Decimal(1).scaleb(-decimals)
        sides.payment(took, (right, currency.upper()))
        sides.payment(took, (right + smallest, f"{currency} "))
    assert sides.results() == {"equal": len(DECIMALS), "amount": len(DECIMALS)}
    off = Counter(map(shown, DECIMALS))
    assert {currency: sides.difference(currency) for currency in off} == off


def test_whole_units_in_a_column_of_smallest_ones_differ_but_where_there_are_no_decimals(sides: Sides) -> None:
    for currency in ("eur", "kwd", "jpy", "isk"):
        sides.payment(Received(at_stripe("10", currency), currency, refunded=False), (10, currency))
    assert sides.results() == {"equal": 1, "amount": 3}
    assert sides.difference("eur") == 990
    assert sides.difference("other") == (10_000 - 10) + (1000 - 10)


@pytest.mark.parametrize("kind", ["numeric(12,2)", "double precision", "real"])
def test_a_column_of_decimals_is_compared_exactly(sides: Sides, kind: str) -> None:
    sides.database.execute(f"ALTER TABLE payments ALTER amount TYPE {kind}")
    sides.columns = MAJOR
    for whole in ("10.10", "0.29", "1.15", "1999.99"):
        sides.payment(usd(at_stripe(whole, "usd")), (Decimal(whole), "usd"))
    assert sides.results() == {"equal": 4}
    sides.payment(usd(1011), (Decimal("10.10"), "usd"))
    assert sides.results() == {"equal": 4, "amount": 1}


def test_what_one_row_has_too_much_does_not_make_up_for_what_another_has_too_little(sides: Sides) -> None:
    sides.payment(usd(1000), (1100, "usd"))
    sides.payment(usd(1000), (900, "usd"))
    assert sides.results() == {"amount": 2}
    assert sides.difference("usd") == 200


def test_a_negative_amount_differs_by_all_of_both(sides: Sides) -> None:
    sides.payment(usd(1000), (-1000, "usd"))
    assert (sides.results(), sides.difference("usd")) == ({"amount": 1}, 2000)


def test_another_currency_is_a_difference_of_no_amount(sides: Sides) -> None:
    sides.payment(usd(1000), (1000, "eur"))
    assert (sides.results(), sides.difference("usd")) == ({"currency": 1}, 0)


@pytest.mark.parametrize("row", [(None, "usd"), (1000, None), (Decimal("NaN"), "usd"), (Decimal("Infinity"), "usd")])
def test_an_amount_that_the_database_does_not_know_is_not_judged(sides: Sides, row: tuple[Any, Any]) -> None:
    sides.payment(usd(1000), row)
    assert (sides.results(), sides.difference("usd")) == ({"unknown": 1}, 0)


def test_an_amount_that_stripe_s_side_does_not_know_is_not_judged(sides: Sides) -> None:
    sides.payment(None, (1, "usd"))
    assert sides.results() == {"unknown": 1}


def test_what_was_paid_back_by_either_side_s_word_is_counted_apart(sides: Sides) -> None:
    sides.payment(usd(1000, refunded=True), (600, "usd"))
    sides.payment(usd(1000), (0, "usd"), status="refunded")
    assert sides.results() == {"refunded": 2}


def test_a_payment_of_several_rows_is_counted_apart(sides: Sides) -> None:
    sides.payment(usd(1000), (400, "usd"), (600, "usd"))
    assert sides.results() == {"several": 1}


def test_what_the_database_has_not_completed_is_no_matter_of_amounts(sides: Sides) -> None:
    sides.payment(usd(1000), (1, "usd"), status="processing")
    sides.payment(usd(1000))
    assert sides.results() == {}


def test_a_payment_that_was_begun_weeks_before_it_succeeded_is_compared(sides: Sides) -> None:
    sides.payment(usd(1000), (999, "usd"), ago=40 * 24 * HOUR)
    assert sides.results() == {"amount": 1}


def test_only_the_closed_window_is_compared(sides: Sides) -> None:
    for succeeded in (899, 901, 24 * HOUR - 1, 24 * HOUR + 1):
        sides.payment(usd(1000), (1, "usd"), succeeded=succeeded)
    assert sides.results() == {"amount": 2}
    assert sides.results(reconciliation={"grace": 890}) == {"amount": 3}


def test_a_young_exporter_says_nothing_rather_than_that_all_are_equal(sides: Sides) -> None:
    sides.payment(usd(1000), (1, "usd"), succeeded=300)
    sides.stripe.since = 600
    seen = sides.compared()
    assert seen.value(metrics.compared, result="equal") is None
    assert seen.snapshot.catching_up


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            MINOR | {"amount": "total"},
            "public.payments has no column total; set postgres.payments.amounts.amount to what the table calls it",
        ),
        (
            MINOR | {"amount": "status"},
            "public.payments.status (postgres.payments.amounts.amount) is of type text, not a number",
        ),
        (
            MINOR | {"currency": "user_id"},
            "public.payments.user_id (postgres.payments.amounts.currency) is of type bigint, not of letters",
        ),
    ],
)
def test_a_column_of_another_kind_is_told_and_gives_no_number(
    sides: Sides, columns: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    sides.payment(usd(1000), (1, "usd"))
    sides.columns = columns
    seen = sides.compared()
    assert seen.value(metrics.compared, result="equal") is None
    assert seen.value(metrics_of_database.missing, side="database") == 0
    assert any(said in record.getMessage() for record in caplog.records)


took = st.one_of(
    st.none(),
    st.builds(
        Received,
        st.integers(0, 10**12),
        st.sampled_from(sorted(DECIMALS)),
        refunded=st.booleans(),
    ),
)
amounts = st.one_of(st.none(), st.decimals(-(10**9), 10**9, places=3))
rows = st.lists(st.tuples(amounts, st.one_of(st.none(), st.sampled_from(sorted(DECIMALS)))), max_size=2)


@pytest.mark.slow
def test_results_and_differences_are_those_of_a_count_by_hand(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """In portions of three, over two hours, with amounts that are often right."""
    monkeypatch.setattr("exporters.postgres.amounts.PORTION", 3)

    @settings(max_examples=20, deadline=None)
    @given(st.sampled_from([MINOR, MAJOR]), st.lists(st.tuples(took, rows, st.booleans()), max_size=8))
    def holds(columns: dict[str, str], payments: list[tuple[Received | None, list[Any], bool]]) -> None:
        sides.database.execute("DELETE FROM payments")
        sides.stripe.succeeded.clear()
        sides.stripe.took.clear()
        sides.columns = columns
        expected: Counter[str] = Counter()
        off: Counter[str] = Counter()
        for place, (one, there, right) in enumerate(payments):
            unit = Decimal(1) if one is None or columns is MINOR else Decimal(10) ** DECIMALS[one.currency]
            if one is not None and there and right:
                there[0] = (one.amount / unit, one.currency)
            sides.payment(one, *there, succeeded=HOUR + 1000 * place)
            if not there:
                continue
            [(amount, currency), *more] = there
            if more:
                expected["several"] += 1
            elif one is None or amount is None or currency is None:
                expected["unknown"] += 1
            elif one.refunded:
                expected["refunded"] += 1
            elif currency != one.currency:
                expected["currency"] += 1
            elif amount * unit != one.amount:
                expected["amount"] += 1
                off[shown(one.currency)] += abs(amount * unit - one.amount)
            else:
                expected["equal"] += 1
        seen = sides.compared()
        assert {r: seen.value(metrics.compared, result=r) for r in metrics.RESULT.values} == {
            r: expected[r] for r in metrics.RESULT.values
        }
        for currency, difference in off.items():
            assert seen.value(metrics.difference, currency=currency) == pytest.approx(float(difference), rel=1e-12)

    holds()
