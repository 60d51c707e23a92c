"""How are durations written for Prometheus and for people?"""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.vocabulary import days, hours, minutes, prometheus_duration, seconds, spoken_duration


@pytest.mark.parametrize(
    ("duration", "prometheus", "spoken"),
    [
        (seconds(0), "0s", "at once"),
        (seconds(1), "1s", "1 second"),
        (seconds(90), "1m30s", "1 minute 30 seconds"),
        (minutes(5), "5m", "5 minutes"),
        (hours(1) + seconds(5), "1h5s", "1 hour 5 seconds"),
        (days(15), "15d", "15 days"),
        (days(1) + hours(2) + minutes(3) + seconds(4), "1d2h3m4s", "1 day 2 hours 3 minutes 4 seconds"),
    ],
)
def test_a_duration_is_written_in_its_largest_units(duration: timedelta, prometheus: str, spoken: str) -> None:
    assert prometheus_duration(duration) == prometheus
    assert spoken_duration(duration) == spoken


@given(st.integers(0, 10**8))
def test_prometheus_reads_back_what_was_written(count: int) -> None:
    size = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    written = prometheus_duration(seconds(count))
    assert sum(int(n) * size[unit] for n, unit in re.findall(r"(\d+)([dhms])", written)) == count


@pytest.mark.parametrize(
    ("duration", "shown"),
    [(timedelta(milliseconds=1500), "0:00:01.500000"), (timedelta(seconds=-1), "-1 day, 23:59:59")],
)
def test_fractions_and_the_past_are_refused(duration: timedelta, shown: str) -> None:
    for write in (prometheus_duration, spoken_duration):
        with pytest.raises(ValueError) as raised:
            write(duration)
        assert str(raised.value) == (
            f"{shown} is not a whole, non-negative number of seconds; use seconds(), minutes() or hours()"
        )
