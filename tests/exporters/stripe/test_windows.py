"""Which days are in which window?"""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.stripe.counting.windows import DAY, HOUR, KEPT, windows


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_windows_in_the_middle_of_march() -> None:
    found = {window.name: window for window in windows(moment("2027-03-15T14:30:00"))}
    assert (found["24h"].start, found["24h"].end) == (moment("2027-03-14T15:00:00"), moment("2027-03-15T15:00:00"))
    assert (found["30d"].start, found["30d"].end) == (moment("2027-02-14T00:00:00"), moment("2027-03-16T00:00:00"))
    assert found["month_to_date"].start == moment("2027-03-01T00:00:00")
    assert (found["previous_month"].start, found["previous_month"].end) == (
        moment("2027-02-01T00:00:00"),
        moment("2027-03-01T00:00:00"),
    )


@settings(deadline=None)
@given(st.integers(0, 4_000_000_000))
def test_windows_are_whole_buckets_that_are_still_kept(now: int) -> None:
    for window in windows(now):
        assert window.start % window.width == 0
        assert window.end % window.width == 0
        assert window.start < window.end <= now + window.width
        assert window.start >= now - KEPT[window.width]
    lengths = {window.name: window.end - window.start for window in windows(now)}
    assert lengths["24h"] == 24 * HOUR
    assert lengths["30d"] == 30 * DAY
