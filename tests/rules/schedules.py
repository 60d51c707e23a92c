"""Which random outages are tried out, and what does promtool say to each?"""

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from random import Random

from generators.rules import rule_file
from generators.text import as_yaml
from paymon.promtool import Promtool, TestFileResult
from rules.payments import monitoring, outcomes, rollout
from rules.vocabulary import Alert, Unit
from simulator.arithmetic import CORE, Clock, Evaluation, History, poisson
from tests.rules.outages import rules_of

PACES = (0, 0.1, 1, 3, 12, 125, 1000)
FAILING = (0, 0, 0.001, 0.01, 0.03, 0.07, 0.12, 0.2, 0.5, 1)
DECLINED = (0, 0.08, 0.2, 0.97)


def random_history(random: Random, hours: int, clock: Clock) -> History:
    """Counters under circumstances that change all of a sudden, some of them dire; a kill switch pulled once."""
    scrapes = hours * 3600 // clock.scrape
    drawn: dict[str, list[int]] = {"success": [0], "issuer_declined": [0], "technical_failure": [0]}
    while len(drawn["success"]) < scrapes:
        pace = random.choice(PACES) * random.uniform(0.5, 2) * clock.scrape / 60
        declined = random.choice(DECLINED)
        failing = random.choice(FAILING)
        length = 1 + scrapes // random.choice((12, 24, 48))
        for result, share in (
            ("success", (1 - failing) * (1 - declined)),
            ("issuer_declined", (1 - failing) * declined),
            ("technical_failure", failing),
        ):
            drawn[result] += poisson(random, pace * share, length)
    counts = {result: list(accumulate(numbers[:scrapes])) for result, numbers in drawn.items()}
    pulled, released = sorted(random.choices(range(scrapes), k=2))
    killed = [int(pulled <= scrape < released) for scrape in range(scrapes)]
    return History(counts, killed, clock)


def telling_history(random: Random, hours: int, clock: Clock, alerts: tuple[Alert, ...]) -> History:
    """One in which every alert fires, and no value lies on a bound, where the last digit of a float would decide."""
    while True:
        history = random_history(random, hours, clock)
        evaluation = Evaluation(history)
        if all(evaluation.firings(alert) for alert in alerts) and not _on_a_bound(evaluation, with_louder(alerts)):
            return history


def _on_a_bound(evaluation: Evaluation, alerts: tuple[Alert, ...]) -> bool:
    branches = [branch for alert in alerts for branch in alert.branches(alert.thresholds[0])]
    bounds = {(branch.watches, branch.value) for branch in branches}
    bounds |= {(guard.signal, guard.value) for branch in branches for guard in branch.guards}
    bounds |= {(alert.stays_while.signal, alert.stays_while.value) for alert in alerts if alert.stays_while}
    return any(
        abs(value - float(bound)) < float(bound) * 1e-9
        for signal, bound in bounds
        if signal.unit is not Unit.BOOLEAN
        for value in evaluation.column(signal)
    )


def with_louder(alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
    """The alerts and those that end them: without a louder one's rule, nothing would keep its quieter ones quiet."""
    louder = (other for alert in alerts for other in alert.louder if other in CORE)
    return tuple({alert.name: alert for alert in (*alerts, *louder)}.values())


def ask_promtool(tool: Promtool, history: History, alerts: tuple[Alert, ...], folder: Path) -> TestFileResult:
    """Whether the generated rules fire on these counters at exactly the evaluations at which arithmetic says so."""
    alerts = with_louder(alerts)
    groups = rules_of(alerts)
    for group in groups:
        (folder / f"{group.area.name}.yml").write_text(rule_file(group))
    clock, evaluation = history.clock, Evaluation(history)
    document = {
        "rule_files": [f"{group.area.name}.yml" for group in groups],
        "evaluation_interval": f"{clock.evaluation}s",
        "group_eval_order": [
            group.name for group in sorted(groups, key=lambda group: _READ_FIRST.index(group.area.name))
        ],
        "tests": [
            {
                "interval": f"{clock.phase}s",
                "input_series": [
                    {"series": name, "values": _at_scrapes(values, clock)} for name, values in _series(history).items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f'sum(count_over_time(ALERTS{{alertname="{alert.name}",alertstate="firing"}}'
                        f"[{(count - 1) * clock.evaluation + 2 * _AFTER}s]))",
                        "eval_time": f"{(begin + count - 1) * clock.evaluation + _AFTER}s",
                        "exp_samples": [{"labels": "{}", "value": count}] if fires else [],
                    }
                    for alert in alerts
                    for begin, count, fires in _stretches(alert, evaluation)
                ],
            }
        ],
    }
    test = folder / "test.yml"
    test.write_text(as_yaml(document))
    (result,) = tool.run_tests([test])
    return result


_READ_FIRST = ("monitoring", "rollout", "outcomes", "silence", "traffic", "budget")
"""The areas in an order in which no alert reads a value of the evaluation before."""

_AFTER = 7
"""Seconds after an evaluation at which promtool is asked about it."""


def _series(history: History) -> dict[str, Iterable[float]]:
    clock = history.clock
    ours = 'environment="production",job="payments-exporter",service="payments"'
    scrapes = range(history.scrapes)
    series: dict[str, Iterable[float]] = {
        f'{outcomes.attempts}{{{ours},payment_method="card",initiator="api",result="{result}"}}': values
        for result, values in history.counts.items()
    }
    series |= {
        f'{outcomes.distinct_attempts}{{{ours},initiator="api",result="{result}"}}': values
        for result, values in history.counts.items()
    }
    series[f"{rollout.killed}{{{ours}}}"] = history.killed or [0 for _ in scrapes]
    series[f"{rollout.rollout}{{{ours}}}"] = history.rollout or [1 for _ in scrapes]
    series[f"{rollout.closed}{{{ours}}}"] = history.closed or [0 for _ in scrapes]
    for source in (outcomes.attempts.source, rollout.killed.source):
        of_source = f'{{{ours},source="{source.value}"}}'
        series[f"{monitoring.watermark}{of_source}"] = [clock.phase + scrape * clock.scrape for scrape in scrapes]
        series[f"{monitoring.interval}{of_source}"] = [clock.scrape for _ in scrapes]
    return series


def _at_scrapes(values: Iterable[float], clock: Clock) -> str:
    """The values in promtool's notation, one step of which is the clock's phase; `_` where nothing is scraped."""
    gap = " _" * (clock.scrape // clock.phase - 1)
    return "_ " + f"{gap} ".join(map(str, values))


def _stretches(alert: Alert, evaluation: Evaluation) -> list[tuple[int, int, bool]]:
    """First evaluation and number of evaluations of every stretch of firing and of silence."""
    step, last = evaluation.history.clock.evaluation, evaluation.history.evaluations
    found, end = [], 0
    for firing in evaluation.firings(alert):
        begins, ends = firing.begins // step, firing.ends // step
        found += [(end, begins - end, False), (begins, ends - begins, True)]
        end = ends
    found.append((end, last - end, False))
    return [(begin, count, fires) for begin, count, fires in found if count]
