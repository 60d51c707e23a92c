"""How much faster than time itself does the simulated world go, alone and beside the exporter?"""

import tempfile
import time
from pathlib import Path

from simulator.incidents import DAY, incident
from simulator.postgres_server import installations, running
from simulator.shop import Shop
from simulator.world import prepare
from tests.scenarios.staging import EMPTY, HEALTHY, Stage

_MONTH = 30 * 86400
_BEGINS = 1_804_600_800.0


def main() -> None:
    """Print simulated seconds for each real one."""
    shop = Shop(_BEGINS, 1)
    began = time.perf_counter()
    for day in range(30):
        shop.advance(_BEGINS + (day + 1) * 86400)
        shop.records.clear()
    took = time.perf_counter() - began
    print(f"a month of the shop, one customer a minute: {_MONTH / took:,.0f} x real time ({took:.1f} s)")
    with running(installations()[0]) as server, tempfile.TemporaryDirectory() as folder:
        prepare(server, EMPTY)
        stage = Stage(server, Path(folder), Path(folder))
        began = time.perf_counter()
        stage.past(DAY)
        took = time.perf_counter() - began
        print(f"a healthy hour beside the exporter, after a sparse month: {HEALTHY.total_seconds() / took:,.0f} x")
        one = incident("webhooks-slow")
        began = time.perf_counter()
        stage.play(one)
        took = time.perf_counter() - began
        print(f"an incident beside the exporter: {one.watched_for.total_seconds() / took:,.0f} x")


if __name__ == "__main__":
    main()
