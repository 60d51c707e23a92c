"""How many events did counters count, whatever became of their replicas?"""

from hypothesis import given
from hypothesis import strategies as st

from generators.rules import Expressions
from paymon.gate.counting import counted, counted_by_each
from paymon.live.prometheus import Course
from rules.catalog import catalog
from rules.payments import declines, latency, outcomes

GRID = tuple(float(60 * index) for index in range(8))


def course(values: list[float | None], **labels: str) -> Course:
    pairs = [(moment, value) for moment, value in zip(GRID, values, strict=True) if value is not None]
    return Course(labels, tuple(moment for moment, _ in pairs), tuple(value for _, value in pairs))


def test_growth_is_added_up_over_labels() -> None:
    cards = course([5, 5, 6, 7, 7, 7, 8, 9], method="card", instance="a")
    links = course([0, 0, 0, 1, 1, 1, 1, 1], method="link", instance="a")
    assert counted([cards, links], GRID) == [0, 0, 1, 3, 3, 3, 4, 5]


def test_a_restart_that_forgets_counts_from_nothing() -> None:
    assert counted([course([100, 103, 0, 2, 2, 4, 4, 4], instance="a")], GRID) == [0, 3, 3, 5, 5, 7, 7, 7]


def test_replicas_that_export_the_same_count_once() -> None:
    one = course([10, 12, 14, 16, 18, 20, 22, 24], instance="a")
    late = course([10, 10, 12, 14, 16, 18, 20, 22], instance="b")
    assert counted([one, late], GRID) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_a_replica_that_takes_over_goes_on_where_the_other_ended() -> None:
    first = course([10, 12, 14, None, None, None, None, None], pod="a")
    second = course([None, None, None, None, 15, 17, 19, 21], pod="b")
    assert counted([first, second], GRID) == [0, 2, 4, 4, 5, 7, 9, 11]


def test_a_gap_loses_nothing_that_the_counter_still_knows() -> None:
    assert counted([course([1, 2, None, None, None, 9, 9, 9])], GRID) == [0, 1, 1, 1, 1, 8, 8, 8]


def test_a_series_that_appears_later_began_at_nothing() -> None:
    known = course([4, 4, 4, 4, 4, 4, 4, 4], result="success")
    new = course([None, None, 2, 3, 3, 3, 3, 3], result="technical_failure")
    assert counted([known, new], GRID) == [0, 0, 2, 3, 3, 3, 3, 3]


def test_what_each_instance_counts_by_itself_is_added_up() -> None:
    first = course([3, 5, 7, 9, 11, 13, 15, 17], __name__="requests", instance="a", pod="a")
    second = course([90, 91, 92, 0, 1, 2, 3, 4], __name__="requests", instance="b", pod="b")
    new = course([None, None, None, None, 6, 7, 8, 9], __name__="requests", instance="c", pod="c")
    assert counted([first, second, new], GRID, {"requests"}) == [0, 3, 6, 8, 17, 21, 25, 29]
    assert counted([first, second], GRID, {"others"}) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_replicas_that_several_jobs_reach_count_once() -> None:
    one = course([10, 12, 14, 16, 18, 20, 22, 24], instance="a", job="exporter")
    other = course([10, 12, 14, 16, 18, 20, 22, 24], instance="b", job="exporter-2")
    assert counted([one, other], GRID) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_failures_that_appear_when_the_first_one_happens_all_count() -> None:
    requests = course([100, 110, 120, 130, 140, 150, 160, 170], status="2xx")
    failures = course([None, None, 7, 8, 8, 8, 8, 8], status="5xx")
    assert counted([failures], GRID, beside=[requests]) == [0, 0, 7, 8, 8, 8, 8, 8]


def test_only_the_exporters_replicas_count_the_same() -> None:
    found = catalog()
    by_each = counted_by_each(Expressions(found, found.organisation.environments[0]))
    assert latency.api_request_duration.count in by_each
    assert not by_each & {outcomes.attempts.name, declines.failures.name}


def test_no_counter_is_no_count() -> None:
    assert counted([], GRID) is None
    assert counted([Course({}, (1e9,), (3.0,))], GRID) is None


@given(
    growth=st.lists(st.integers(0, 50), min_size=8, max_size=8),
    handover=st.integers(1, 7),
    gaps=st.sets(st.integers(1, 6)),
)
def test_whichever_replica_exports_a_counter_that_is_kept_every_event_counts_once(
    growth: list[int], handover: int, gaps: set[int]
) -> None:
    values = [sum(growth[: index + 1]) for index in range(8)]
    first = [value if index < handover and index not in gaps else None for index, value in enumerate(values)]
    second = [value if index >= handover and index not in gaps else None for index, value in enumerate(values)]
    found = counted([course(list(first), instance="a"), course(list(second), instance="b")], GRID)
    assert found is not None
    assert found[-1] == values[-1] - values[0]
