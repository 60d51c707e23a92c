"""On which course of raw series does an alert fire, by promtool's word?"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from generators.rules import Expressions, rule_file
from generators.text import as_yaml
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments import monitoring
from rules.promtool.series import Series
from rules.vocabulary import Alert, Source, prometheus_duration
from tests.rules.outages import rules_of

EXPRESSIONS = Expressions(catalog(), catalog().organisation.environment("production"))


def of_production(selector: str) -> str:
    """The series as production scrapes it."""
    series = Series.parse(selector)
    return str(series.having(**dict(EXPRESSIONS.scraped_labels(series.name))))


def play(
    promtool: Promtool,
    folder: Path,
    series: Mapping[str, str],
    expected: Mapping[Alert, tuple[tuple[timedelta, timedelta], ...]],
    until: timedelta,
    every: timedelta = timedelta(seconds=30),
    last_read: Mapping[Source, timedelta] | None = None,
    without: tuple[Source, ...] = (),
    never_pending: tuple[Alert, ...] = (),
    scraped: timedelta | None = None,
) -> None:
    """Assert for each alert that it fires from one moment to another, both included, and at no other evaluation.

    What happens shortly before and after is left open: records of another group may be an evaluation late, and versions
    of Prometheus differ on samples at a window's edge. `series` have a value every `scraped`, or else every `every`;
    every source is as fresh as can be, but for those that were `last_read` at some moment, and those that are not there
    at all. What the alerts of `never_pending` ask for holds at no evaluation. Played in two orders: each group before
    those whose records it reads, and after them.
    """
    step = scraped or every
    groups = rules_of(tuple(expected))
    for group in groups:
        (folder / f"{group.area.name}.yml").write_text(rule_file(group))
    steps = until // step
    fed = {of_production(name): values for name, values in series.items()}
    for source in Source:
        if source in without:
            continue
        read = (last_read or {}).get(source, until) // step
        of_source = f'{{source="{source.value}"}}'
        fed[of_production(f"{monitoring.watermark}{of_source}")] = (
            f"0+{step.total_seconds():g}x{read} {step.total_seconds() * read:g}x{steps - read}"
        )
        fed[of_production(f"{monitoring.interval}{of_source}")] = f"{step.total_seconds():g}x{steps}"
    probes = [
        {
            "expr": f'sum(count_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}'
            f"[{prometheus_duration(end - begin + timedelta(seconds=every.seconds // 2))}]))",
            "eval_time": prometheus_duration(end),
            "exp_samples": [{"labels": "{}", "value": (end - begin) // every + 1}] if fires else [],
        }
        for alert, spans in expected.items()
        for begin, end, fires in _stretches(spans, until, every)
    ]
    probes += [
        {
            "expr": f'count_over_time(ALERTS{{alertname="{alert.name}"}}[{prometheus_duration(until)}])',
            "eval_time": prometheus_duration(until),
            "exp_samples": [],
        }
        for alert in never_pending
    ]
    names = [group.name for group in groups]
    for number, order in enumerate((names, names[::-1])):
        document = {
            "rule_files": [f"{group.area.name}.yml" for group in groups],
            "evaluation_interval": prometheus_duration(every),
            "group_eval_order": order,
            "tests": [
                {
                    "interval": prometheus_duration(step),
                    "input_series": [{"series": name, "values": values} for name, values in fed.items()],
                    "promql_expr_test": probes,
                }
            ],
        }
        test = folder / f"test-{number}.yml"
        test.write_text(as_yaml(document))
        (result,) = promtool.run_tests([test])
        assert result.passed, "\n".join(failure.raw for failure in result.failures[:5])


def _stretches(
    spans: tuple[tuple[timedelta, timedelta], ...], until: timedelta, every: timedelta
) -> Iterator[tuple[timedelta, timedelta, bool]]:
    """First and last evaluation of each stretch of firing and of silence."""
    quiet_from = timedelta(0)
    for begin, end in spans:
        yield quiet_from, begin - 3 * every, False
        yield begin, end, True
        quiet_from = end + 2 * every
    if quiet_from <= until:
        yield quiet_from, until, False
