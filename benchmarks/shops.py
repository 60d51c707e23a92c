"""Is a healthy week of each kind of shop without a page, and is its outage paged for?

    python -m benchmarks.shops [DAYS [KIND ...]]

The same as tests/exporters/stripe/test_kinds_of_shops.py does with some hours: the exporter's own tally, the generated
rules in promtool, and counters that must equal the shop's books. A week of a kind takes two minutes of CPU.
"""

import sys
import tempfile
import time
from pathlib import Path

from paymon.promtool import Promtool
from tests.exporters.stripe.kinds import KINDS, Counted, Trade
from tests.exporters.stripe.shop import START
from tests.rules.kinds import failed_expectations

DAYS = 7
PER_MINUTE = 2.0
OUTAGE, WITHIN = 25, 20


def main() -> None:
    """Print a line for each kind; exit status 1 where one is not as it should be."""
    minutes = round(1440 * (float(sys.argv[1]) if len(sys.argv) > 1 else DAYS))
    tool = Promtool.find(version_prefix="3.5", timeout_seconds=3600)
    good = True
    for name in sys.argv[2:] or KINDS:
        kind = KINDS[name]
        began = time.perf_counter()
        trade = Trade(kind, PER_MINUTE, seed=5)
        counted = Counted(trade)
        read = []
        for minute in range(1, minutes + OUTAGE + 1):
            trade.broken = minute > minutes
            trade.until(START + 60 * minute)
            read.append(counted.read())
        with tempfile.TemporaryDirectory() as folder:
            told = failed_expectations(tool, Path(folder), read, healthy=minutes, within=WITHIN)
        trade.close()
        found = read[-1]
        for hour in range(1, 31):
            trade.until(START + 60 * (minutes + OUTAGE) + 3600 * hour)
            found = counted.read()
        truth = trade.shop.truth()
        wrong = {key for key in found.keys() | truth.keys() if found.get(key) != truth.get(key)}
        attempts = sum(value for key, value in truth.items() if key[0] == "payment_attempts_total")
        verdict = "as the books say" if not wrong else f"WRONG in {sorted(wrong)[:3]}"
        pages = "no page while well, one in time" if not told else f"PAGES: {told[0]}"
        good = good and not wrong and not told
        print(
            f"{name:42} {attempts:7,.0f} attempts  {verdict}; {pages}  ({time.perf_counter() - began:.0f} s)",
            flush=True,
        )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
