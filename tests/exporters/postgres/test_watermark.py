"""Is every row counted once, in whatever order rows become visible?"""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.postgres.connection import Row
from exporters.postgres.watermark import NEW_ROWS, PAGE, Page, Tail

LATE = timedelta(seconds=120)

# A schedule: how much time passes before each sample, and how many ids are taken meanwhile, each with how much later
# it is committed (None: never, it was rolled back).
samples = st.lists(
    st.tuples(
        st.floats(min_value=1, max_value=300),
        st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=119)), max_size=12),
    ),
    min_size=1,
    max_size=30,
)


def of(rows: list[int]) -> Page:
    async def page(after: Row | None) -> tuple[Row, ...]:
        return tuple((key,) for key in sorted(rows) if after is None or key > after[0])[:PAGE]

    return page


def new(tail: Tail, rows: list[int], now: float) -> list[int]:
    return [row[0] for row, is_new in asyncio.run(tail.read(of(rows), now)) if is_new]


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(before=st.integers(min_value=0, max_value=5), schedule=samples)
def test_every_row_is_new_exactly_once_if_it_commits_in_time(
    before: int, schedule: list[tuple[float, list[float | None]]]
) -> None:
    visible_from = dict.fromkeys(range(before), 0.0)
    tail = Tail(LATE, width=1)
    tail.start(tuple((key,) for key in sorted(visible_from, reverse=True)), 0.0)
    now, counted = 0.0, []
    for passed, taken in schedule:
        for delay in taken:
            key = len(visible_from)
            visible_from[key] = float("inf") if delay is None else now + delay
        now += passed
        counted += new(tail, [key for key, since in visible_from.items() if since <= now], now)
    now += 10_000
    counted += new(tail, [key for key, since in visible_from.items() if since <= now], now)
    committed = [key for key, since in visible_from.items() if since <= now and key >= before]
    assert sorted(counted) == committed


def test_a_row_later_than_the_setting_allows_is_not_found() -> None:
    tail = Tail(LATE, width=1)
    tail.start((), 0)
    assert new(tail, [2], 0) == [2]
    assert new(tail, [2], 120) == []
    assert new(tail, [1, 2], 135) == []


def test_a_row_that_commits_while_the_exporter_is_away_is_found_however_long_that_is() -> None:
    tail = Tail(LATE, width=1)
    tail.start((), 0)
    assert new(tail, [2], 0) == [2]
    assert new(tail, [1, 2, 3], 10_000) == [1, 3]


def test_what_was_settled_is_not_read_again() -> None:
    tail = Tail(LATE, width=1)
    tail.start((), 0)
    assert new(tail, [1, 2, 3], 0) == [1, 2, 3]
    assert new(tail, [1, 2, 3], 121) == []
    assert tail.settled == (3,)
    assert len(tail) == 0
    assert asyncio.run(tail.read(of([1, 2, 3, 4]), 135)) == (((4,), True),)


def test_a_failed_read_counts_nothing_and_the_next_one_everything() -> None:
    tail = Tail(LATE, width=1)
    tail.start((), 0)
    rows = [(key,) for key in range(PAGE + 1)]

    async def breaks(after: Row | None) -> tuple[Row, ...]:
        if after is None:
            return tuple(rows[:PAGE])
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(tail.read(breaks, 10))
    assert len(new(tail, list(range(PAGE + 1)), 20)) == PAGE + 1


def test_a_full_page_at_the_start_leaves_the_rest_of_the_table_alone() -> None:
    tail = Tail(LATE, width=1)
    tail.start(tuple((key,) for key in range(5000, 5000 - PAGE, -1)), 0)
    assert tail.settled == (5000 - PAGE + 1,)
    assert new(tail, list(range(5001)), 10) == []


def test_one_read_takes_so_many_new_rows_and_the_next_goes_on() -> None:
    tail = Tail(LATE, width=1)
    tail.start((), 0)
    rows = list(range(NEW_ROWS + PAGE + 5))
    assert len(new(tail, rows, 1)) == NEW_ROWS
    assert tail.behind
    assert len(new(tail, rows, 2)) == PAGE + 5
    assert not tail.behind


def test_however_many_rows_commit_late_none_is_left_out() -> None:
    tail = Tail(LATE, width=1)
    tail.start((), 0)
    late = list(range(NEW_ROWS + 2 * PAGE))
    assert new(tail, [1_000_000], 0) == [1_000_000]
    counted = new(tail, [*late, 1_000_000], 60)
    for now in (125, 190, 400):
        counted += new(tail, [*late, 1_000_000], now)
    assert sorted(counted) == late
