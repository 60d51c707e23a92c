"""What is counted of a half-hour in which the exporter was replaced, again and again, or led by another replica?"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import cards, monitoring, outcomes, silence, traffic
from rules.vocabulary import matchers, minutes
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

NEVER = ()
WEEK = 7 * 24 * 60
NOON = WEEK + 12 * 60
"""On the eighth day, in minutes."""
END = NOON + 100
LAST_WEEK = (NOON - WEEK - 150, END - WEEK + 90)
CUSTOMERS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
GERMANY = cards.attempts_by_country.where(result="success", country="de")
REPLACED = (NOON + 2, NOON + 12, NOON + 22)
"""The last minute of each exporter; its successor is scraped two minutes later. Of five minutes either counts half."""
Spans = tuple[tuple[int, int], ...]


def counted(spans: Spans, total: Sequence[float], at_first: float = 0) -> str:
    """What one exporter shows from one minute to another, both included, and once more."""
    written, now = [], 0
    for since, until in spans:
        written += [f"_x{since - now}"] if since > now else []
        written += [f"{max(total[at] - at_first, 0):g}" for at in range(since, until + 1)] + ["stale"]
        now = until + 2
    return " ".join(written)


def of_exporters(
    spans: Sequence[Spans], series: Sequence[str], total: Sequence[float], name: str = "a", begins_anew: bool = False
) -> dict[str, str]:
    """Counters of several exporters, which go on where others left off, or begin at 0 and show that for a minute.

    Whoever counts says besides since when.
    """
    fed: dict[str, str] = {}
    for number, of in enumerate(spans):
        pod = {"instance": f"{name}{number}:9877", "pod": f"{name}{number}"}
        at_first = total[of[0][0] + 1] if begins_anew else 0
        fed |= {outcomes.having(one, **pod): counted(of, total, at_first) for one in series}
        fed[f"{monitoring.state_epoch}{matchers(**pod)}"] = counted(of, [0] * len(total))
    return fed


def one_after_the_other(lasts: Sequence[int], until: int) -> tuple[Spans, ...]:
    """Each begins two minutes after the one before; the first one has been there for hours."""
    begins = [last + 2 for last in lasts]
    first, *others = zip([0, *begins], (*lasts, until), strict=True)
    return ((first,), *((one,) for one in others))


def today(spans: tuple[Spans, ...]) -> tuple[Spans, ...]:
    """Where the first one has been there for hours only, and in the same hours of last week."""
    ((_, last),), *others = spans
    return ((LAST_WEEK, (NOON - 300, last)), *others)


def customers(a_minute: float, halved: int, end: int) -> list[float]:
    return [a_minute * (min(at, halved) + max(at - halved, 0) / 2) for at in range(end + 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "begins_anew"),
    [(2, False), (3, True)],
    ids=["twice, with the state of the last one", "three times, each with a state of its own"],
)
def test_an_exporter_that_is_replaced_misses_no_customers(
    times: int, begins_anew: bool, promtool: Promtool, tmp_path: Path
) -> None:
    """As many come as ever, 20 a minute."""
    spans = today(one_after_the_other(REPLACED[:times], END))
    fed = of_exporters(spans, (CUSTOMERS, GERMANY), customers(20, END, END), begins_anew=begins_anew)
    quiet = dict.fromkeys((traffic.fallen, traffic.collapsed, traffic.country_missing), NEVER)

    play(promtool, tmp_path, fed, quiet, until=minutes(END), every=minutes(4), scraped=minutes(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("two", "after"), [(False, 36), (True, 44)], ids=["alone", "beside another that counts the same"]
)
def test_half_of_the_customers_missing_is_told_in_time_though_the_exporter_is_replaced_twice(
    two: bool, after: int, promtool: Promtool, tmp_path: Path
) -> None:
    """Two see 100 and four times 50 of each 100 in five minutes, from minute 25 on: below 60 %.

    One alone sees 100, 25, 50, 25 and 50, from minute 20 on. Ten minutes later it is told, at an evaluation every four.
    """
    half = customers(20, NOON, END)
    fed = of_exporters(today(one_after_the_other(REPLACED[:2], END)), (CUSTOMERS,), half)
    if two:
        beside = one_after_the_other((NOON + 6,), END)
        fed |= of_exporters(today(beside), (CUSTOMERS,), half, name="b", begins_anew=True)
    told = {traffic.fallen: ((minutes(NOON + after), minutes(END)),), traffic.collapsed: NEVER}

    play(promtool, tmp_path, fed, told, until=minutes(END), every=minutes(4), scraped=minutes(1))


STOPS, UNTIL = 180, 215
THERE_AND_BACK = (((0, 152), (164, 170)), ((154, 162), (172, UNTIL)))


@pytest.mark.parametrize(
    "begins_anew", [False, True], ids=["with the state of the last", "each with a state of its own"]
)
@pytest.mark.parametrize(
    "spans",
    [
        pytest.param(one_after_the_other((), UNTIL), id="never"),
        pytest.param(one_after_the_other((162,), UNTIL), id="once"),
        pytest.param(one_after_the_other((162, 172), UNTIL), id="twice"),
        pytest.param(one_after_the_other((152, 162, 172), UNTIL), id="three times"),
        pytest.param(THERE_AND_BACK, id="another replica leads, and the first one again, and the other"),
        pytest.param((((0, UNTIL),), ((0, UNTIL),)), id="two that count the same"),
    ],
)
def test_traffic_that_stops_is_told_in_time_though_the_exporter_was_replaced_shortly_before(
    spans: tuple[Spans, ...], begins_anew: bool, promtool: Promtool, tmp_path: Path
) -> None:
    """Of 7 a minute 35 are expected in 5; after three hours nobody comes."""
    total = [7.0 * min(at, STOPS) for at in range(UNTIL + 1)]
    fed = of_exporters(spans, (CUSTOMERS,), total, begins_anew=begins_anew)
    told = {silence.traffic_stopped: ((minutes(STOPS + 6), minutes(UNTIL)),)}

    play(promtool, tmp_path, fed, told, until=minutes(UNTIL), every=minutes(1))


def test_two_that_count_the_same_make_no_quiet_shop_a_busy_one(promtool: Promtool, tmp_path: Path) -> None:
    """Of 2 a minute 10 are expected in 5, too few to tell by; counted two or three times, 20 and more."""
    total = [2.0 * min(at, STOPS) for at in range(UNTIL + 1)]
    spans = (*one_after_the_other((162, 172), UNTIL), *one_after_the_other((157,), UNTIL), ((150, 177),))
    fed = of_exporters(spans, (CUSTOMERS,), total)

    play(
        promtool,
        tmp_path,
        fed,
        {silence.traffic_stopped: NEVER},
        until=minutes(STOPS + 15),
        every=minutes(1),
    )
