"""Do rows of samples say what their samples say, however they are written, cut and changed?"""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.rule_tests.courses import blank, constant, in_one_step, restarted, shifted, standing_still
from rules.promtool.rows import STALE, Row, Sample, notation, of_runs, part, rows, samples, slopes

SAMPLES = st.lists(st.one_of(st.integers(-3, 9).map(Decimal), st.none(), st.just(STALE)), max_size=30)
ROWS = st.lists(
    st.builds(
        Row, st.one_of(st.integers(-3, 9).map(Decimal), st.none()), st.integers(-2, 2).map(Decimal), st.integers(1, 6)
    ),
    min_size=1,
    max_size=6,
)
GROWING = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=6).map(
    lambda steps: [Decimal(n) for n in _added_up(steps)]
)
WINDOW = st.tuples(st.integers(-2, 30), st.integers(0, 12)).map(lambda it: (it[0], it[0] + it[1]))
MINUTE = timedelta(minutes=1)


def _added_up(steps: list[tuple[int, int]]) -> list[int]:
    found = [0]
    for step, count in steps:
        for _ in range(count):
            found.append(found[-1] + step)
    return found


def one_by_one(of: list[Row]) -> list[Sample]:
    return [
        row.first if row.first is None or row.first == STALE else row.first + index * row.step
        for row in of
        for index in range(row.length)
    ]


def test_samples_are_read_as_promtool_writes_them() -> None:
    assert samples("0+4x2 7x1 -1-0.5x1 _ _x2 stale 3") == (
        *(Decimal(n) for n in (0, 4, 8, 7, 7, -1)),
        Decimal("-1.5"),
        None,
        None,
        None,
        STALE,
        Decimal(3),
    )


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(ValueError, match="'five' is no value of a series; write one such as 1, 0\\+4x10, _x3 or stale"):
        samples("5 five")


@given(SAMPLES)
def test_notation_loses_no_sample(values: list[Sample]) -> None:
    assert list(samples(notation(map(Row, values)))) == values


def test_rows_are_written_as_one_word() -> None:
    values = [Decimal(n) for n in (5, 5, 5, 1, 2, 3, 4, 9)]
    assert notation(map(Row, [*values, None, None])) == "5x2 1+1x3 9 _x2"


def test_a_series_that_ends_is_marked_as_ended() -> None:
    one = Decimal(1)
    assert (
        of_runs([(None, 2), (one, 3), (one, 1), (None, 1), (None, 2), (Decimal("0.5"), 1)]) == "_x2 1x3 stale _x2 0.5"
    )


@given(ROWS)
def test_rows_are_joined_into_the_text_that_their_samples_give_one_by_one(of: list[Row]) -> None:
    assert notation(of) == notation(map(Row, one_by_one(of)))


@given(ROWS, st.integers(0, 40), st.integers(0, 40))
def test_a_part_has_the_samples_between_its_ends(of: list[Row], start: int, end: int) -> None:
    assert one_by_one([*part(tuple(of), start, end)]) == one_by_one(of)[start:end]


# ---- other courses


@given(ROWS)
def test_a_shifted_course_is_as_much_higher_everywhere(of: list[Row]) -> None:
    wanted = [value + 7 if isinstance(value, Decimal) else value for value in one_by_one(of)]
    assert list(samples(shifted(notation(of), 7))) == wanted


@given(ROWS)
def test_a_series_that_stands_still_has_its_first_sample_all_the_time(of: list[Row]) -> None:
    values = one_by_one(of)
    assert list(samples(standing_still(notation(of)))) == [values[0]] * len(values)
    assert list(samples(constant(3, notation(of)))) == [Decimal(3)] * len(values)


@given(GROWING)
def test_a_restarted_counter_grows_as_before_but_for_the_moment_at_which_it_starts(values: list[Decimal]) -> None:
    changed = [value for value in samples(restarted(notation(map(Row, values)))) if isinstance(value, Decimal)]
    place = len(values) - 3
    assert len(changed) == len(values)
    if place < 1:
        assert changed == values
    else:
        assert changed[:place] == [value + 1000 for value in values[:place]]
        assert changed[place:] == [value - values[place - 1] for value in values[place:]]


@pytest.mark.slow
@given(ROWS)
def test_what_is_no_growing_counter_is_not_restarted(of: list[Row]) -> None:
    values = one_by_one(of)
    if None in values or values != sorted(values, key=lambda value: value or 0):
        text = notation(of)
        assert restarted(text) == text
        assert in_one_step(text, MINUTE, ((MINUTE * 1.5, MINUTE * 4.5),)) == text


@given(GROWING, WINDOW, WINDOW)
def test_in_one_step_a_counter_grows_as_much_in_each_window(
    values: list[Decimal], one: tuple[int, int], other: tuple[int, int]
) -> None:
    text = notation(map(Row, values))
    half = MINUTE / 2
    windows = sorted([one, other])
    inside = [[n for n in range(len(values)) if start < n - 0.5 and n - 0.5 <= end] for start, end in windows]
    changed = samples(
        in_one_step(text, MINUTE, tuple((MINUTE * start + half, MINUTE * end + half) for start, end in windows))
    )
    if not all(inside) or set(inside[0]) & set(inside[1]):
        assert list(changed) == values
        return
    wanted = [Decimal(0)] * inside[0][0] + values[inside[0][0] :]
    for first, *others in inside:
        last = others[-1] if others else first
        wanted[first + 1 : last] = [values[last]] * (last - first - 1)
    assert list(changed) == wanted


def test_a_sample_on_a_window_s_edge_leaves_the_counter_as_it_is() -> None:
    assert in_one_step("0+1x9", MINUTE, ((MINUTE * 2, MINUTE * 6),)) == "0+1x9"


@given(ROWS, st.frozensets(WINDOW, max_size=3))
def test_blank_leaves_out_what_lies_in_a_window(of: list[Row], windows: frozenset[tuple[int, int]]) -> None:
    text = blank(notation(of), MINUTE, frozenset((MINUTE * start, MINUTE * end) for start, end in windows))
    wanted = [
        None if any(start < index <= end for start, end in windows) else value
        for index, value in enumerate(one_by_one(of))
    ]
    assert list(samples(text)) == wanted


def test_long_rows_are_not_gone_through_sample_by_sample() -> None:
    assert rows("0+4x900000000") == (Row(Decimal(0), Decimal(4), 900_000_001),)
    assert shifted("0+4x900000000", 1) == "1+4x900000000"


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("1 2", [1]),
        ("1x2 5", [0, 0, 4]),
        ("0+2x9", [2, 2]),
        ("9-2x1 _ _x3 stale 4", [-2, Decimal("-0.5")]),
        ("-1.5e2", []),
        (".5+.25x1", [Decimal("0.25")]),
        ("_x3", []),
    ],
)
def test_changes_are_read_as_promtool_reads_them(text: str, changes: list[Decimal]) -> None:
    assert list(slopes(rows(text))) == changes


@pytest.mark.parametrize("text", ["Inf", "NaN", "1x", "0+x3", "1e9999", "a", "1x9999999999"])
def test_what_no_example_can_mean_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match="is no value of a series; write one such as"):
        rows(text)
