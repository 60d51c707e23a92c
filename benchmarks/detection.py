"""How soon does each outage page, and how often does nothing page at all?

    python -m benchmarks.detection [--write] [DAYS]

`--write` puts these tables and those of benchmarks/false_pages.py into docs/detection.md.
"""

import sys
from itertools import accumulate
from pathlib import Path
from random import Random

from benchmarks import edges, false_pages, fewer_customers, first_tellings, other_seeds
from rules.payments import budget, outcomes
from rules.vocabulary import Alert, days, hours
from simulator.arithmetic import CORE, Evaluation, History, evenly_spaced, poisson

DOCUMENT = Path(__file__).parents[1] / "docs" / "detection.md"
SHARES = (1.0, 0.5, 0.2, 0.12, 0.07, 0.05, 0.03)
PACES = (125.0, 12.5, 1.25)
COLUMNS = (
    outcomes.complete_failure,
    outcomes.degraded,
    outcomes.success_rate_low,
    budget.failures_per_hour,
    budget.burn_fast,
    budget.burn_slow,
)
HEALTHY = int(days(4).total_seconds())
FAILING = int(hours(6).total_seconds())
TRIALS = 300


def detected(per_minute: float, during: float, share: float) -> dict[Alert, int | None]:
    """Seconds from the fault to each alert's first firing: evenly spaced attempts, four healthy days before."""
    history = evenly_spaced(
        lambda second: per_minute if second < HEALTHY else during,
        lambda second: 0.0 if second < HEALTHY else share,
        HEALTHY + FAILING,
    )
    evaluation = Evaluation(history)
    return {
        alert: min((firing.begins - HEALTHY for firing in evaluation.firings(alert)), default=None) for alert in CORE
    }


def detection_table() -> list[str]:
    """Markdown: seconds to each alert, by pace and by share of attempts that fail."""
    heads = ("fault", *(f"{alert.name} ({alert.thresholds[0].priority.value})" for alert in COLUMNS))
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for per_minute in PACES:
        for share in SHARES:
            seconds = detected(per_minute, per_minute, share)
            cells = [_spoken(seconds[alert]) for alert in COLUMNS]
            lines.append(f"| {share:.0%} of {per_minute:g} a minute fail | {' | '.join(cells)} |")
    return lines


def stopped_line() -> str:
    """How soon traffic that stops is noticed."""
    seconds = detected(PACES[0], 0, 0)
    fired = ", ".join(
        f"`{alert.name}` after {_spoken(after)} s" for alert, after in seconds.items() if after is not None
    )
    return f"When traffic of {PACES[0]:g} a minute stops: {fired}; nothing else fires."


def chance_table() -> list[str]:
    """Markdown: how often some page fires within 15 and 30 minutes where attempts come at random."""
    lines = ["| a minute | failing | paged within 15 minutes | within 30 minutes |", "|---|---|---|---|"]
    for per_minute in (1.25, 2.5, 5.0, 12.5):
        for share in (0.5, 1.0):
            found = [_first_page(Random(f"{false_pages.SEED} {trial}"), per_minute, share) for trial in range(TRIALS)]
            within = [sum(after <= limit for after in found) / TRIALS for limit in (15 * 60, 30 * 60)]
            lines.append(f"| {per_minute:g} | {share:.0%} | {within[0]:.0%} | {within[1]:.0%} |")
    return lines


def _first_page(random: Random, per_minute: float, share: float) -> float:
    healthy, failing = 65 * 4, 31 * 4
    drawn = {
        "success": [
            0,
            *poisson(random, per_minute / 4, healthy),
            *poisson(random, per_minute / 4 * (1 - share), failing),
        ],
        "technical_failure": [0, *[0] * healthy, *poisson(random, per_minute / 4 * share, failing)],
    }
    evaluation = Evaluation(History({result: list(accumulate(numbers)) for result, numbers in drawn.items()}))
    pages = (alert for alert in CORE if alert.thresholds[0].priority.pages)
    begun = healthy / 4 * 60
    return min((firing.begins - begun for alert in pages for firing in evaluation.firings(alert)), default=float("inf"))


def _spoken(seconds: int | None) -> str:
    return "-" if seconds is None else str(seconds)


def document(days_simulated: int) -> str:
    """The whole of docs/detection.md."""
    counted = list(false_pages.tallies(days_simulated))
    parts = (
        f"<!-- Written by `python -m benchmarks.detection --write {days_simulated}`; run that, do not edit this. -->",
        "# Detection and false pages",
        _INTRODUCTION.format(seed=false_pages.SEED, days=days_simulated),
        "## What failed at the edges",
        _EDGES,
        "\n".join(edges.edge_table()),
        "## No fault is told later",
        _NO_LATER,
        "\n".join(first_tellings.kept_table()),
        _LATER,
        "## How soon",
        _HOW_SOON,
        *("\n".join(detection_table()), stopped_line()),
        "Customers do not come evenly. Where attempts come at random, in this share of "
        f"{TRIALS} outages some P1 or P2 fires in time:",
        "\n".join(chance_table()),
        _LIMITS,
        "## How often for nothing",
        _FOR_NOTHING,
        "\n".join(false_pages.false_page_table(counted)),
        _SETTLED,
        "## By another chance",
        _ANOTHER,
        "\n".join(other_seeds.table()),
        "## Customers who do not come",
        _FEWER,
        "\n".join(fewer_customers.detection_table()),
        _FOR_NO_REASON,
        "\n".join(fewer_customers.false_alarm_table(false_pages.MONTH)),
        "## Burn rates without and with their floor",
        _TIERS,
        "\n".join(false_pages.tier_table(counted)),
        _FLOORS,
    )
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """\
Made by arithmetic on simulated counts (`simulator/arithmetic`): scrapes every 15 s, evaluations every 30 s, Poisson
arrivals around a day in which noon has nine times the traffic of night, and weekends with three quarters of it. Seed
{seed}, {days} days for every line of the tables of false pages, in worlds of 30 days. The same arithmetic fires at the
very evaluations at which promtool 2.42 and 3.5 do: `tests/rules/test_false_pages.py`."""

_EDGES = """\
What the alerts missed, or told for nothing, where a case lay at the edge of what they had been written for."""

_NO_LATER = """\
Seconds from a fault to when people hear of it at the priority that it is due, or a more urgent one: the first firing by
promtool, on the same raw series, and Alertmanager's `group_wait`, which was 30 s for all but P1 and is 1 s. Before is
revision 8451dfa (`python -m benchmarks.first_tellings 8451dfa`); `tests/rules/test_never_later.py` holds it. A dash:
not within the time that was played."""

_LATER = """\
Later by decision, and why:

- **All payments are declined, at 8 a minute at random:** a median of 810 s (100 outages), before 330 (60). At 5 a
  minute and below 870 as before, at 1.25 a minute 900 or, often, no P1; at 10 a minute 150 as before. A card tester
  looks the same, and paged ([why](decisions/0042-few-payments-a-minute.md)). Where all fail for technical reasons it
  is 240 s at 2 to 8 a minute, where it was 870, and 360 at 8.
- **A stop or a lag within 75 minutes of opening or closing:** up to twice the time, 600 s for a stop. A shop that
  closes paged each evening ([40](decisions/0040-opening-hours-are-read-off-last-week.md))."""

_ANOTHER = """\
Firings in healthy worlds of a month each with other random numbers: those of the table above, the shops of the next
chapter at 10 a minute, and those that close (`benchmarks/shop_hours.py`) at 1.25 to 1,000 a minute. In the first eight
days nobody knows yet when a shop closes: at most one page a day."""

_HOW_SOON = """\
Seconds from the moment of the fault to the first firing, after four healthy days, with attempts evenly spaced. A dash:
not within six hours."""

_LIMITS = """\
What is promised, and tested: at 1.25 attempts a minute or more, evenly spaced, with half of them failing, a P1 or P2
within 15 minutes. It needs an hour of history, and traffic in the hour before of at most about five times the present:
after a busier hour, few failures are too small a share of it."""

_FOR_NOTHING = """\
Firings in 30 days while nothing is wrong: technical failures within the objective of 99.8 %. The runbook's own rules
count every failure, declines included; its second one is given as the share of time during which it is true."""

_SETTLED = """\
`PaymentFailuresPerHourHigh` keeps the runbook's 50 an hour, and asks for 3 times the error budget as well. At 125
attempts a minute 50 an hour are 3.3 times the budget, so the second condition changes nothing there. From 139 a minute
on it decides: at 1,000 a minute the objective itself allows 120 failures an hour.

`PaymentErrorBudgetBurnSlow` fires at 0.2 %, about twice a day from 12.5 attempts a minute on: that is the
budget's very edge. It pages nobody."""

_FEWER = """\
What is to be expected comes from last week and from the hours before
([how](decisions/0043-what-traffic-is-to-be-expected.md)). Seconds from the moment at which only so many customers are
left, on a Thursday at noon:"""

_FOR_NO_REASON = """\
Firings in 30 days, P2 / P3, after nine days of history; one world for each cell. Without these alerts a fall by 95 %
was nobody's business:"""

_TIERS = """\
A burn rate compares shares. On a quiet night one failure is a large share, so each tier also asks for a number of
failures in its long window. Firings in 30 days, without → with that floor, declines at 8 %:"""

_FLOORS = """\
A floor has to be rare by chance. Where `floor` failures just suffice for a factor, `floor / factor` are expected at
0.2 %. In the tier of 1 hour 5 are as rare as one hour in 32,000 (Poisson). In the tier of 6 hours 5 would be one window
in 600, and page somebody every few months near one attempt a minute; 10 are one in 99,000. The price: where 5 % of 1.25
attempts a minute fail, the page comes after 2 hours 40 minutes."""


def main() -> None:
    """Print the tables of detection, or write docs/detection.md."""
    arguments = sys.argv[1:]
    if "--write" not in arguments:
        print("\n".join((*detection_table(), "", stopped_line(), "", *chance_table())))
        return
    numbers = [argument for argument in arguments if argument.isdigit()]
    text = document(int(numbers[0]) if numbers else false_pages.MONTH)
    beside = DOCUMENT.with_suffix(".md.new")
    beside.write_text(text)
    beside.replace(DOCUMENT)


if __name__ == "__main__":
    main()
