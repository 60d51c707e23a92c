"""How often would healthy days page somebody: by our rules, by the runbook's own, and by burn rates without floors?

    python -m benchmarks.false_pages [DAYS]

Nothing is measured here but arithmetic on simulated counts; tests/rules/test_false_pages.py holds it against promtool.
"""

import operator
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from rules.payments import budget
from rules.vocabulary import Branch, BurnRate, Unit, minutes, plain, spoken_duration
from simulator.arithmetic import CORE, Evaluation, Mix, weeks_of_traffic

SEED = 1
MONTH = 30
PACES = (0.125, 1.25, 12.5, 125.0, 1000.0)
DECLINED = (0.08, 0.2)
TECHNICAL = (0.001, 0.002)

_LOW_BY_RUNBOOK = "runbook, success < 95 %"
_COUNT_BY_RUNBOOK = "runbook, > 50 an hour"


@dataclass
class Tally:
    """What was counted at one pace and mix of healthy traffic, in so many days."""

    per_minute: float
    mix: Mix
    days: int
    firings: Counter[str] = field(default_factory=Counter)
    evaluations: int = 0
    too_many_an_hour: int = 0
    unguarded: Counter[BurnRate] = field(default_factory=Counter)
    guarded: Counter[BurnRate] = field(default_factory=Counter)

    def monthly(self, count: int) -> str:
        """So many in all days, as so many in 30 of them."""
        return f"{count * MONTH / self.days:.2f}".rstrip("0").rstrip(".")


def tallies(days: int, seed: int = SEED) -> Iterator[Tally]:
    """Count, pace by pace and mix by mix, in worlds of 30 days each."""
    for per_minute in PACES:
        for declined in DECLINED:
            for technical in TECHNICAL:
                yield tally(per_minute, Mix(declined, technical), days, seed)


def tally(per_minute: float, mix: Mix, days: int, seed: int = SEED) -> Tally:
    """Count what fires in `days` healthy days."""
    found = Tally(per_minute, mix, days)
    for month in range(days // MONTH):
        evaluation = Evaluation(weeks_of_traffic(Random(f"{seed} {month}"), per_minute, mix, MONTH))
        for alert in CORE:
            found.firings[alert.name] += len(evaluation.firings(alert))
        _runbook(evaluation, found)
        for tier, branch in tiers():
            for guards, counter in ((True, found.guarded), (False, found.unguarded)):
                truth = evaluation.truth(branch if guards else _without_floor(branch))
                counter[tier] += len(evaluation.episodes(truth, minutes(0), minutes(5)))
    return found


def tiers() -> tuple[tuple[BurnRate, Branch], ...]:
    """Every burn rate of the objective, and the branch of an alert that watches it."""
    branches = [
        branch for alert in (budget.burn_fast, budget.burn_slow) for branch in alert.branches(alert.thresholds[0])
    ]
    return tuple(zip(budget.success.burn_rates, branches, strict=True))


def _without_floor(branch: Branch) -> Branch:
    counts = [guard for guard in branch.guards if guard.signal.unit is Unit.COUNT and guard.value > 0]
    return replace(branch, guards=tuple(guard for guard in branch.guards if guard not in counts))


def _runbook(evaluation: Evaluation, found: Tally) -> None:
    """The runbook's own two rules, repaired only so far that they add up series, and declines are failures."""
    low = [share < 0.95 for share in evaluation.share("success", minutes(5))]
    found.firings[_LOW_BY_RUNBOOK] += len(evaluation.episodes(low, minutes(5), minutes(0)))
    attempts, successes = (evaluation.increase(result, minutes(60)) for result in ("", "success"))
    many = [failed > 50 for failed in map(operator.sub, attempts, successes)]
    found.firings[_COUNT_BY_RUNBOOK] += len(evaluation.episodes(many, minutes(0), minutes(0)))
    found.too_many_an_hour += sum(many)
    found.evaluations += len(many)


def false_page_table(counted: list[Tally]) -> list[str]:
    """Markdown: firings in 30 days of every alert, and of the runbook's rules."""
    names = [alert.name for alert in CORE]
    titles = [f"{alert.name} ({alert.thresholds[0].priority.value})" for alert in CORE]
    lines = _head("a minute", "declined", "technical", *titles, _LOW_BY_RUNBOOK, f"{_COUNT_BY_RUNBOOK}, of the time")
    for one in counted:
        cells = [f"{one.per_minute:g}", f"{one.mix.declined:.0%}", f"{one.mix.technical:.1%}"]
        cells += [one.monthly(one.firings[name]) for name in (*names, _LOW_BY_RUNBOOK)]
        lines.append(_row(*cells, f"{one.too_many_an_hour / one.evaluations:.0%}"))
    return lines


def tier_table(counted: list[Tally]) -> list[str]:
    """Markdown: firings in 30 days of every burn rate, without and with its floor of failures."""
    heads = [
        f"{spoken_duration(rate.long)}, factor {plain(rate.factor)}, floor {rate.least_failures}" for rate, _ in tiers()
    ]
    lines = _head("a minute", "technical", *heads)
    for one in counted:
        if one.mix.declined == DECLINED[0]:
            pairs = [f"{one.monthly(one.unguarded[rate])} → {one.monthly(one.guarded[rate])}" for rate, _ in tiers()]
            lines.append(_row(f"{one.per_minute:g}", f"{one.mix.technical:.1%}", *pairs))
    return lines


def _head(*cells: str) -> list[str]:
    return [_row(*cells), "|" + "---|" * len(cells)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print both tables for so many days, 30 unless told."""
    counted = list(tallies(int(sys.argv[1]) if len(sys.argv) > 1 else MONTH))
    print("\n".join((*false_page_table(counted), "", *tier_table(counted))))


if __name__ == "__main__":
    main()
