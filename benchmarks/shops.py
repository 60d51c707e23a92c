"""Is a healthy week of each kind of shop without a page, and is its outage paged for?

    python -m benchmarks.shops [DAYS [KIND ...]]

The shops are those of tests/exporters/stripe/test_kinds_of_shops.py, counted by the exporter's own tally, whose
counters must equal the shop's books. What would have fired is the backtest's answer, every 30 s of all that time; with
`--promtool` it is promtool's, every minute, which takes four times as long.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from paymon.backtest.as_data import as_data
from paymon.backtest.folder import past_in
from paymon.backtest.replay import History, Replay
from paymon.backtest.ruleset import Ruleset
from paymon.live.access import Access
from paymon.live.prometheus import Prometheus
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments import monitoring
from rules.vocabulary import Source
from tests.exporters.stripe.kinds import KINDS, Counted, Trade
from tests.exporters.stripe.shop import START
from tests.rules.kinds import PAGES, failed_expectations
from tests.rules.playing import of_production

DAYS = 7
PER_MINUTE = 2.0
OUTAGE, WITHIN = 25, 20

Minutes = Sequence[Mapping[tuple[str, ...], float]]
"""The counters of each minute, by name and label values."""


def main() -> None:
    """Print a line for each kind; exit status 1 where one is not as it should be."""
    arguments = [one for one in sys.argv[1:] if one != "--promtool"]
    healthy = round(1440 * (float(arguments[0]) if arguments else DAYS))
    good = True
    for name in arguments[1:] or KINDS:
        began = time.perf_counter()
        trade = Trade(KINDS[name], PER_MINUTE, seed=5)
        read = []
        with closing(Counted(trade)) as counted:
            for minute in range(1, healthy + OUTAGE + 1):
                trade.broken = minute > healthy
                trade.until(START + 60 * minute)
                read.append(counted.read())
            told = _told(read, healthy, "--promtool" in sys.argv)
            trade.close()
            found = read[-1]
            for hour in range(1, 31):
                trade.until(START + 60 * (healthy + OUTAGE) + 3600 * hour)
                found = counted.read()
        truth = trade.shop.truth()
        wrong = {key for key in found.keys() | truth.keys() if found.get(key) != truth.get(key)}
        attempts = sum(value for key, value in truth.items() if key[0] == "payment_attempts_total")
        verdict = "as the books say" if not wrong else f"WRONG in {sorted(wrong)[:3]}"
        good = good and not wrong and "NOT" not in told
        print(
            f"{name:42} {attempts:7,.0f} attempts  {verdict}; {told}  ({time.perf_counter() - began:.0f} s)", flush=True
        )
    sys.exit(0 if good else 1)


def _told(read: Minutes, healthy: int, by_promtool: bool) -> str:
    """What was paged for, in words that hold NOT where that is not as it should be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if by_promtool:
            tool = Promtool.find(version_prefix="3.5", timeout_seconds=3600)
            told = failed_expectations(tool, folder, read, healthy=healthy, within=WITHIN)
            return f"NOT as expected: {told[0]}" if told else "no page while well, one in time"
        (folder / "past.openmetrics").write_text("".join(_openmetrics(read)))
        pages = _pages(folder, len(read))
    falsely = [f"{name} in minute {minute:.0f}" for minute, name in pages if minute <= healthy]
    if falsely:
        return f"NOT well: {', '.join(falsely[:3])}"
    if not pages or pages[0][0] > healthy + WITHIN:
        return f"NOT paged for within {WITHIN} minutes"
    return f"no page while well, {pages[0][1]} after {pages[0][0] - healthy:.1f} minutes of its outage"


def _pages(folder: Path, minutes: int) -> list[tuple[float, str]]:
    """In which minute each alert fired that wakes somebody, the first one first."""
    definitions = catalog()
    rules = Ruleset.from_data(as_data(definitions, definitions.organisation.environment("production")))
    wanted = [rule for rule in rules.alerts if rule.name in {alert.name for alert in PAGES}]
    with past_in(folder) as past:
        history = History(START, START + 60 * minutes, rules.interval)
        replay = Replay(lambda: Prometheus(Access(url=past.url, timeout_seconds=600)), rules, history)
        found = replay.run(wanted)
    if replay.doubts:
        raise SystemExit("\n".join(replay.doubts))
    fired = [(one.rule.name, episode.fired) for one in found for episode in one.firings]
    return sorted(((moment - START) / 60, name) for name, moment in fired if moment is not None)


def _openmetrics(read: Minutes) -> Iterator[str]:
    labels = {metric.name: [label.name for label in metric.labels] for metric in catalog().metrics}
    for key in sorted({key for found in read for key in found if key[0] in labels}):
        pairs = ",".join(f'{name}="{value}"' for name, value in zip(labels[key[0]], key[1:], strict=True))
        series = of_production(f"{key[0]}{{{pairs}}}")
        yield from (
            f"{series} {found.get(key, 0):.0f} {START + 60 * number:.0f}\n" for number, found in enumerate(read, 1)
        )
    for source in Source:
        watermark = of_production(f'{monitoring.watermark}{{source="{source.value}"}}')
        interval = of_production(f'{monitoring.interval}{{source="{source.value}"}}')
        for number in range(1, len(read) + 1):
            yield f"{watermark} {START + 60 * number:.0f} {START + 60 * number:.0f}\n"
            yield f"{interval} 60 {START + 60 * number:.0f}\n"
    yield "# EOF\n"


if __name__ == "__main__":
    main()
