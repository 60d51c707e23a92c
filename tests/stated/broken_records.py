"""Does a record that is broken fail the test of each alert that reads it? Which records, and how broken.

    python -m tests.stated.broken_records                  every record in every alert's way: ten minutes of CPU
    python -m tests.stated.broken_records PaymentsStuck    of some alerts

Exit status: 0 what the tests do not notice does no harm, 1 something else is not noticed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain

import click

from paymon.mutation.mutants import Mutant, mutants_of
from paymon.mutation.relations import Rule
from paymon.mutation.running import examine
from paymon.mutation.sharing import scope_of
from paymon.promtool import Promtool
from rules.promql import Number, Operation, written
from rules.vocabulary import minutes
from tests.stated import alerts
from tests.stated.courses import suites

__all__ = ["Broken", "broken_records", "harmless", "stale_entries", "unnoticed"]

_OFF = frozenset({"0.9 times", "0.99 times", "1.01 times", "1.1 times"})
_LARGER = frozenset({"1.01 times", "1.1 times"})
_IN_PARTS = frozenset(
    {
        "payments:customer_attempts:fewest_weekly",
        "payments:error_budget_burn:rate3d",
        "payments_health:attempts:per_minute15m",
    }
)
"""Compared with 1, and yet no yes or no and no count of whole things."""
_WHETHER_THERE = frozenset(
    {
        ("PaymentExporterStale", "payments_exporter:events_age:intervals"),
        ("PaymentApplicationMetricGone", "payments_application:series:count"),
        ("PaymentLabelsUnread", "payments_monitoring:heartbeat:constant"),
        ("PaymentSourceMissing", "paymon_source_expected"),
    }
)
"""Records of which an alert asks only whether they are there."""


@dataclass(frozen=True)
class Broken:
    """A record in an alert's way."""

    alert: str
    rule: Rule

    @property
    def mutants(self) -> tuple[Mutant, ...]:
        """It never records; it is 1 % too small, or too large."""
        never = [one for one in mutants_of(self.rule, minutes(1)) if one.operator == "never"]
        return (*never, *(self._times(factor) for factor in (0.99, 1.01)))

    @property
    def further_off(self) -> tuple[Mutant, ...]:
        """It is 10 % too small, or too large."""
        return tuple(self._times(factor) for factor in (0.9, 1.1))

    def _times(self, factor: float) -> Mutant:
        assert not isinstance(self.rule.expression, str)
        expr = written(Operation("*", self.rule.expression, Number(factor)))
        return Mutant(self.rule, "off", f"{factor} times", {**self.rule.data, "expr": expr})

    def __str__(self) -> str:
        source = (self.rule.data.get("labels") or {}).get("source")
        return f"{self.alert}: {self.rule.name}" + (f" of {source}" if source else "")


def broken_records() -> Iterator[Broken]:
    """Every record in every alert's way."""
    for alert, some in suites().items():
        yield from (Broken(alert, rule) for rule in some[0].rules if rule.kind == "record")


def unnoticed(tool: Promtool, broken: Broken) -> list[str]:
    """What the alert's own test does not notice. Raises PromtoolError and FailingError.

    What is 10 % off is only tried where 1 % is not noticed.
    """
    left = _unnoticed(tool, broken, broken.mutants)
    if any(what.endswith("times") for what in left):
        left += _unnoticed(tool, broken, broken.further_off)
    return left


def _unnoticed(tool: Promtool, broken: Broken, mutants: Sequence[Mutant]) -> list[str]:
    scopes = [scope for suite in suites()[broken.alert] if (scope := scope_of(broken.rule, suite))]
    return [mutant.what for mutant, noticed_by in examine(tool, scopes, mutants) if noticed_by is None]


def harmless(broken: Broken) -> frozenset[str]:
    """By how much the record may be off, and the alert is the same: what is above 0 is so 10 % smaller, too."""
    if (broken.alert, broken.rule.name) in _WHETHER_THERE:
        return _OFF
    bounds = _bounds(broken.rule.name, chain.from_iterable(alerts.stated("production").values()))
    if bounds == {"0"}:
        return _OFF
    return _LARGER if bounds == {"1"} and broken.rule.name not in _IN_PARTS else frozenset()


def stale_entries() -> list[str]:
    """What the lists above say of records that is not so, or of none that is in an alert's way."""
    table = alerts.stated("production")
    asked = {(one.alert, one.rule.name) for one in broken_records()}
    compared_with_1 = {name for _, name in asked if _bounds(name, chain.from_iterable(table.values())) == {"1"}}
    lines = {
        (alert, record): [line for tier, some in table.items() if tier.split("/")[0] == alert for line in some]
        for alert, record in _WHETHER_THERE & asked
    }
    only_there = {entry for entry, some in lines.items() if not _bounds(entry[1], some)}
    return [*sorted(_IN_PARTS - compared_with_1), *(f"{a}: {r}" for a, r in sorted(_WHETHER_THERE - only_there))]


def _bounds(record: str, lines: Iterable[str]) -> set[str]:
    """What it is compared with in those lines of the table."""
    bound = re.compile(rf"(?<!\S){re.escape(record)} [<>]=? (\S+)$")
    return {found[1].removesuffix("s") for line in lines if (found := bound.search(line))}


@click.command()
@click.argument("chosen", metavar="[ALERT]...", nargs=-1)
def main(chosen: tuple[str, ...]) -> None:
    """Break every record in an alert's way, one at a time, and say what the alert's own test does not notice."""
    some = [one for one in broken_records() if not chosen or one.alert in chosen]
    harm = False
    with ThreadPoolExecutor(2) as pool:
        for broken, left in zip(some, pool.map(partial(unnoticed, Promtool.find()), some), strict=True):
            bad = set(left) - harmless(broken)
            harm = harm or bool(bad)
            click.echo(f"{broken}: {', '.join(sorted(bad)) or 'whatever does harm is noticed'}")
    raise SystemExit(harm)


if __name__ == "__main__":
    main()
