"""Does every alert fire on raw series alone, and would its own test notice a record that is broken?"""

import random
from itertools import chain

import pytest

from paymon.mutation.running import failing
from paymon.mutation.sharing import as_they_are
from paymon.promtool import Promtool
from rules.catalog import catalog
from tests.stated.broken_records import broken_records, harmless, stale_entries, unnoticed
from tests.stated.courses import stated, suites, values_in_promtool_s_notation
from tests.versions import PROMETHEUS, in_matrix

SEED, DRAWN = 15, 10


def test_every_alert_has_a_course_and_every_tier_of_it_is_told() -> None:
    told = {
        (alert, level.split()[0], level.split()[1])
        for alert, ways in stated().items()
        for way in ways
        for level in chain.from_iterable(way.then.values())
        if level != "nobody"
    }
    environment = catalog().organisation.environment("production")
    assert told == {
        (alert.name, threshold.priority.value, threshold.severity.value)
        for alert in catalog().alerts
        for threshold in alert.thresholds_in(environment)
    }


@pytest.mark.slow
def test_nothing_that_rules_record_is_given() -> None:
    recorded = {rule.name for some in suites().values() for rule in some[0].rules if rule.kind == "record"}
    for way in chain.from_iterable(stated().values()):
        assert not recorded & {series.partition("{")[0] for series in way.series}


@pytest.mark.slow
@pytest.mark.parametrize("version", PROMETHEUS if in_matrix() else PROMETHEUS[-1:])
def test_raw_series_alone_tell_whom_they_should_through_all_records(version: str) -> None:
    every = [suite for some in suites().values() for suite in some]
    said = failing(Promtool.find(version_prefix=version), [as_they_are(suite) for suite in every], 2)
    assert [text for text in said if text] == []


def test_what_is_excused_of_a_record_is_said_of_one_that_is_there_and_is_asked_so() -> None:
    assert stale_entries() == []


@pytest.mark.slow
def test_a_broken_record_fails_the_test_of_each_alert_that_reads_it() -> None:
    """Some of them, drawn by chance; `python -m tests.stated.broken_records` tries all."""
    tool = Promtool.find(version_prefix=PROMETHEUS[-1])
    for broken in random.Random(SEED).sample(list(broken_records()), DRAWN):
        left = unnoticed(tool, broken)
        assert set(left) <= harmless(broken), f"{broken}: {left}"


def test_series_are_written_as_promtool_reads_them() -> None:
    assert values_in_promtool_s_notation("30/min", 60, 5) == "0.0+30.0x5"
    assert values_in_promtool_s_notation("20/min for 2m, then 0.5/min", 60, 5) == "0.0+20.0x2 40.5+0.5x2"
    assert values_in_promtool_s_notation("20/min for 2m, then 2/min", 30, 6) == "0.0+10.0x4 41.0+1.0x1"
    assert values_in_promtool_s_notation("0.4 + 0.001/min", 60, 3) == "0.4+0.001x3"
    assert values_in_promtool_s_notation("0s ago for 2m, then stays", 60, 5) == "0.0+60.0x2 120.0+0.0x2"
    assert values_in_promtool_s_notation("1d ahead", 60, 2) == "86400.0+60.0x2"
    assert values_in_promtool_s_notation("1 for 2m, then none for 1m, then 0", 60, 4) == "1.0+0.0x2 _x1 0.0+0.0x0"
    assert values_in_promtool_s_notation("1 for 9m, then 0", 60, 4) == "1.0+0.0x4"
