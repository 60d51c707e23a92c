"""How many of Stripe's events are counted in a second, beside merely parsing their JSON, and in how much memory?

`python -m benchmarks.stripe_events [events]`, 200,000 unless told otherwise. Every page is parsed, read, and recorded
in the SQLite state, as many pages in one durable transaction as the sampler puts there while it catches up; the
yardstick is `json.loads` of the same pages. CPU time is given beside wall time, which a busy machine or a slow disk
lengthens.
"""

import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from exporters.sampling.labels import LabelOverflow
from exporters.stripe.counting.ledger import Ledger, Page
from exporters.stripe.counting.marks import LATEST, Pass
from exporters.stripe.events import PAGES_TOGETHER, read_page
from exporters.stripe.storage.sqlite import open_sqlite
from simulator.stripe import FakeStripe
from simulator.stripe.traffic import Traffic

START = 1_799_971_200.0
PAGE = 100
PER_MINUTE = 1000.0
TRANSACTIONS_BETWEEN_MARKS = 2


def main() -> None:
    """Print events per second as a share of json.loads, and resident memory on the way."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    now = [START]
    fake = FakeStripe(lambda: now[0])
    traffic = Traffic(fake, PER_MINUTE, seed=1)
    parse, count = Stopwatch(), Stopwatch()
    sizes: list[int] = []
    done = 0
    read: list[tuple[Page, str, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_sqlite(
            Path(folder) / "state.sqlite3",
            2**34,
            lambda: now[0],
            lambda database: Ledger(database, LabelOverflow(), lambda: now[0]),
        )
        ledger.begin(int(START) - 1, False)
        while done < wanted:
            while fake.last_event + 1 < done + PAGE:
                now[0] += 2
                traffic.until(now[0])
            body = json.dumps({"data": [fake.event(number) for number in range(done, done + PAGE)]}).encode()
            gc.freeze()  # the fake Stripe's rows would be looked through again and again, and are nobody's here
            raw = parse.time(lambda body=body: json.loads(body))  # type: ignore[misc]
            count.time(lambda raw=raw: read.append(read_page(raw["data"])))  # type: ignore[misc]
            done += PAGE
            if len(read) == PAGES_TOGETHER or done >= wanted:
                count.time(lambda done=done: record(ledger, read, now[0], done))  # type: ignore[misc]
                read.clear()
            if done % (wanted // 10) < PAGE:
                sizes.append(resident())
        state = ledger.size()
        ledger.close()
    print(f"{done:,} events in pages of {PAGE}, {PAGES_TOGETHER} of them one durable transaction")
    print(f"json.loads alone          {done / parse.cpu:9,.0f} events/s of CPU   {done / parse.wall:9,.0f} events/s")
    print(f"facts, tally and state    {done / count.cpu:9,.0f} events/s of CPU   {done / count.wall:9,.0f} events/s")
    for name, taken in (
        ("counting", (count.cpu, count.wall)),
        ("both", (parse.cpu + count.cpu, parse.wall + count.wall)),
    ):
        shares = f"{parse.cpu / taken[0]:.2f} of its rate in CPU time, {parse.wall / taken[1]:.2f} in wall time"
        print(f"{name} against json.loads: {shares}")
    print(f"resident memory in MiB at each tenth: {' '.join(f'{size / 2**20:.0f}' for size in sizes)}")
    print(f"last tenth against the first: {sizes[-1] / sizes[0]:.2f}; this includes the fake Stripe's own rows")
    print(f"state {state / 2**20:.1f} MiB, {state / done:.0f} bytes an event")


def record(ledger: Ledger, read: list[tuple[Page, str, int]], now: float, done: int) -> None:
    """Count pages as the sampler does, with the marks moved every few transactions."""
    page, (_, cursor, reached) = Page.of([page for page, _, _ in read]), read[-1]
    walk = Pass(int(START), top=int(now), cursor=cursor, reached=reached)
    if done // PAGE // PAGES_TOGETHER % TRANSACTIONS_BETWEEN_MARKS:
        ledger.record(page, True, lambda marks: marks.under_way("head", walk))
    else:
        ledger.record(page, True, lambda marks: marks.done("deep", Pass(int(START), top=int(now) + LATEST)))


class Stopwatch:
    """CPU and wall time that something took in all."""

    def __init__(self) -> None:
        self.cpu = 0.0
        self.wall = 0.0

    def time(self, work: Callable[[], object]) -> dict[str, list[object]]:
        """Do it, and add what it took."""
        cpu, wall = time.process_time(), time.perf_counter()
        found = work()
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall
        return found  # type: ignore[return-value]


def resident() -> int:
    """Bytes of memory that the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
