"""At a few payments a minute: how soon is a complete failure told, and is a card tester or a batch ever taken for one?

    python -m benchmarks.little_traffic [DAYS]

Arithmetic on simulated counts; a year of false pages unless told. Each of a tester's cards is a payment of its own, and
so is each try of a customer, which is the harder case: Stripe's are often tries of one payment.
"""

import sys
from itertools import accumulate
from random import Random

from rules.payments import outcomes
from simulator.arithmetic import Clock, Evaluation, History, poisson, week_shape

YEAR = 364
TRIALS = 100
PACES = (1.25, 2.0, 3.0, 5.0, 8.0, 10.0, 12.5)
DECLINED = 0.08
QUARTER = 900
ALL_FAIL, ALL_ARE_DECLINED = "technical_failure", "issuer_declined"


def after(random: Random, per_minute: float, how: str) -> float:
    """Seconds from the moment from which nothing succeeds to the P1; attempts at random, an hour and more of past."""
    before, during = 70 * 4, 25 * 4
    pace = per_minute / 4
    drawn = {
        "success": [0, *poisson(random, pace * (1 - DECLINED), before), *[0] * during],
        "issuer_declined": [0, *poisson(random, pace * DECLINED, before + during)],
        "technical_failure": [0] * (1 + before + during),
    }
    for at, number in enumerate(poisson(random, pace * (1 - DECLINED), during)):
        drawn[how][1 + before + at] += number
    evaluation = Evaluation(History({result: list(accumulate(numbers)) for result, numbers in drawn.items()}))
    begun = before * Clock().scrape
    return min(
        (firing.begins - begun for firing in evaluation.firings(outcomes.complete_failure)), default=float("inf")
    )


def detection() -> list[str]:
    """Markdown: median, nine in ten, and the latest, by pace and kind of failure."""
    lines = ["| a minute | all fail technically: median | nine in ten | latest | all are declined: median | latest |"]
    lines.append("|---|---|---|---|---|---|")
    for per_minute in PACES:
        cells = []
        for how in (ALL_FAIL, ALL_ARE_DECLINED):
            found = sorted(after(Random(f"{per_minute} {trial}"), per_minute, how) for trial in range(TRIALS))
            cells.append([f"{found[TRIALS // 2]:g}", f"{found[TRIALS * 9 // 10]:g}", f"{found[-1]:g}"])
        tech, declined = cells
        lines.append(
            f"| {per_minute:g} | {' | '.join(tech)} | {declined[0]} | {declined[2]} |".replace(
                "inf", "not in 25 minutes"
            )
        )
    return lines


def with_testers(random: Random, per_minute: float, days: int) -> History:
    """Days and nights of customers; each day one who tries ten times, each week a card tester for an hour or two."""
    clock = Clock()
    each = QUARTER // clock.scrape
    drawn: dict[str, list[int]] = {"success": [0], "issuer_declined": [0], "technical_failure": [0]}
    for second in range(0, days * 86400, QUARTER):
        pace = per_minute / 60 * clock.scrape * week_shape(second)
        for result, share in (("success", 0.918), ("issuer_declined", 0.08), ("technical_failure", 0.002)):
            drawn[result] += poisson(random, pace * share, each)
    declined = drawn["issuer_declined"]
    for day in range(days):
        begins = random.randrange(day * 86400, (day + 1) * 86400 - 600) // clock.scrape
        for _ in range(10):
            declined[begins + random.randrange(12)] += 1
    for week in range(days // 7):
        begins = random.randrange(week * 604800, (week + 1) * 604800 - 7200) // clock.scrape
        times = random.choice((4, 10, 40))
        length = random.choice((3600, 7200)) // clock.scrape
        for at, number in enumerate(poisson(random, per_minute / 60 * clock.scrape * times, length)):
            declined[begins + at] += number
    return History({result: list(accumulate(numbers[:-1])) for result, numbers in drawn.items()}, clock=clock)


def false_pages(days: int) -> list[str]:
    """Markdown: P1 for nothing in so many days."""
    lines = ["| a minute | days | `PaymentsCompleteFailure` for a card tester, or a customer who tries ten times |"]
    lines.append("|---|---|---|")
    for per_minute in (2.0, 10.0):
        history = with_testers(Random(f"testers {per_minute}"), per_minute, days)
        lines.append(f"| {per_minute:g} | {days} | {len(Evaluation(history).firings(outcomes.complete_failure))} |")
    return lines


def main() -> None:
    """Print both tables."""
    print("\n".join((*detection(), "", *false_pages(int(sys.argv[1]) if len(sys.argv) > 1 else YEAR))))


if __name__ == "__main__":
    main()
