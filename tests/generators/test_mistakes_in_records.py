"""Do the tests that follow from an example notice the mistakes for which each kind of them was made?"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest

from paymon.mutation.project import generated_files
from paymon.mutation.relations import RuleSource, read_suite
from paymon.mutation.running import examine
from paymon.mutation.survey import Subject, subjects
from paymon.promtool import Promtool


@lru_cache(maxsize=1)
def every_subject() -> Sequence[Subject]:
    sources: dict[Path, RuleSource] = {}
    suites = [read_suite(path, sources) for path in generated_files("production")[1]]
    return subjects([rule for source in sources.values() for rule in source.rules], suites)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("record", "mistake"),
    [
        # The same growth, shared out among two series.
        ("payments:abandoned:increase1h", "aggregation: payment_attempts_total: sum is max"),
        # Series that ended before the window.
        ("payments:abandoned:increase1h", "window: in 0 * ...: payment_attempts_total: 1h is 2h"),
        # No numerator, and of the denominator the oldest samples of the window alone.
        ("payment_method:technical_failure:ratio_rate5m", "window: in 0 * ...: payment_attempts_total: 5m is 2m30s"),
        # Series that ended before the window, but for such as are not asked for; and what stands still.
        ("payments:abandoned:increase1h", 'matcher: in 0 * ...: payment_attempts_total: initiator="api" is dropped'),
        ("payments:abandoned:increase1h", "window: in 0 * ...: payment_attempts_total: 1h is 1h6m"),
        ("payments:abandoned:increase1h", "arithmetic: payment_attempts_total: * is /"),
        # A share whose own series are missing.
        ("payment_network:failure_gap:ratio_rate1d", "branch: dropped: or vector(0)"),
        # What says nothing, while it is switched off.
        ("payments_health:stripe_reachable:min", "comparison: payments:kill_switch:engaged_in10m: >= is dropped"),
        # Another pace before the day that is compared.
        ("payments:authentication_failure_excess:ratio30m", "offset: payment_attempts_total: 30m is 33m"),
        # A sample just before the window.
        ("payments:technical_failure:ratio_rate5m", "window: payment_attempts_total: 5m is 5m30s"),
        # A counter that is kept: larger earlier than the hour before the window, smaller late in it.
        ("stripe:failed_refunds:increase1d", "window: stripe_refunds_total: 1h is 1h6m"),
        ("stripe:failed_refunds:increase1d", "window: stripe_refunds_total: 1h is 54m"),
        ("stripe:failed_refunds:increase1d", "comparison: stripe_refunds_total: < is <="),
        # A denominator that stands still in one window of two.
        ("payments:authentication_failure_excess:ratio30m", "comparison: payment_attempts_total: > is >="),
        # An example on either side of a bound inside of the expression.
        ("payments:customer_success:of_before", "number: payment_attempts_total: 15 is 15.15"),
        ("payments:customer_success:of_before", "number: payment_attempts_total: 15 is 14.85"),
        # Each of several pasts is the least once.
        ("payment_country:attempts_expected:per_minute", "number: payment_attempts_by_country_total: 1.5 is 1.485"),
        ("payments:attempts_a_week_ago:least_per_minute", "offset: payment_attempts_total: 6d22h40m is dropped"),
        # Another replica in a branch that only a further example takes.
        ("payments:customer_success:of_before", "aggregation's labels: payment_attempts_total: without lacks instance"),
        ("payments:customer_success:of_before", "aggregation: payment_attempts_total: max is avg"),
        # Growth shared out among two series that differ in a label of a team's own.
        ("payments:failed_intents:increase1h", "aggregation: payment_intents_total: sum is max"),
        # What another environment records, under the labels that are asked for.
        (
            "payments_db:since_completed_unseen:seconds",
            'matcher: payments_exporter:source_age:intervals: environment="production" is dropped',
        ),
    ],
)
def test_a_mistake_is_noticed_wherever_in_the_record_it_is(record: str, mistake: str) -> None:
    (subject,) = (one for one in every_subject() if one.rule.name == record)
    mutants = [one for one in subject.mutants if f"{one.operator}: {one.what}" == mistake]
    assert mutants, f"there is no such mistake any more: {mistake}"
    survivors = [one for one, noticed_by in examine(Promtool.find(), subject.scopes, mutants) if noticed_by is None]
    assert not survivors
