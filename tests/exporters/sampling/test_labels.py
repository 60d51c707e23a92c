"""Is a label bounded, whatever comes, and is the rest counted?"""

from exporters.sampling.labels import LabelOverflow
from rules.vocabulary import OTHER, Label

METHOD = Label("payment_method", ("card", OTHER))
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
