"""Is a label bounded, whatever comes, and is the rest counted?"""

from exporters.configuration.allowlists import AllowLists
from exporters.sampling.labels import LabelOverflow
from rules.vocabulary import CURRENCIES, OTHER, Label

METHOD = Label("payment_method", ("card", OTHER))
CURRENCY = Label("currency", (CURRENCIES, OTHER))
OURS = Label("queue", bounded_by="settings")


def counts(overflow: LabelOverflow) -> dict[str, float]:
    return {dict(one.labels)["label"]: one.value for one in overflow.readings()}


def test_ten_thousand_strange_values_are_one_series_and_ten_thousand_counts() -> None:
    overflow = LabelOverflow()
    found = {overflow.bounded(METHOD, f"method-{number}") for number in range(10_000)}
    assert found == {OTHER}
    assert counts(overflow)["payment_method"] == 10_000


def test_a_known_value_passes_uncounted_and_every_label_starts_at_zero() -> None:
    overflow = LabelOverflow()
    assert overflow.bounded(METHOD, "card") == "card"
    assert set(counts(overflow).values()) == {0}


def test_a_label_that_a_setting_bounds_is_counted_as_custom() -> None:
    overflow = LabelOverflow()
    assert overflow.bounded(OURS, "a", ("a",)) == "a"
    assert overflow.bounded(OURS, "b", ("a",)) == OTHER
    assert counts(overflow)["custom"] == 1


def test_other_allow_lists_decide_from_the_next_value_on_and_what_was_counted_stays() -> None:
    overflow = LabelOverflow(AllowLists(currencies=("usd", "eur")))
    assert [overflow.bounded(CURRENCY, one) for one in ("usd", "eur", "sek")] == ["usd", "eur", OTHER]
    overflow.allow(AllowLists(currencies=("usd", "sek")))
    assert [overflow.bounded(CURRENCY, one) for one in ("usd", "eur", "sek")] == ["usd", OTHER, "sek"]
    assert set(overflow.values(CURRENCY)) == {"usd", "sek", OTHER}
    assert counts(overflow)["currency"] == 2
