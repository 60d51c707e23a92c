"""How many counts are lost or doubled when the exporter is killed a thousand times?

`python -m benchmarks.kills [kills] [minutes]`. A process of its own samples the fake Stripe over HTTP as fast as it
can, is killed with SIGKILL at a random moment and started again, while a shop sells and events come late, doubled and
broken. At the end the counters are compared with the shop's books. It stops after ten minutes, or those that were said,
however many kills there were.
"""

import sys
import tempfile
from pathlib import Path

from tests.exporters.stripe.killing import kill_again_and_again

MINUTES = 10


def main() -> None:
    """Print what was lost and what was doubled."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else MINUTES
    with tempfile.TemporaryDirectory() as folder:
        outcome = kill_again_and_again(Path(folder), kills=wanted, seed=1, seconds=minutes * 60)
    print(
        f"{outcome.kills} kills at work in {outcome.seconds:.0f} s, {outcome.counted:,.0f} counted,"
        f" {outcome.counted_under_fire / outcome.counted:.2f} of them between kills"
    )
    print(f"lost {outcome.lost / outcome.counted:.6f} of them ({outcome.lost:g})")
    print(f"doubled {outcome.doubled / outcome.counted:.6f} of them ({outcome.doubled:g})")


if __name__ == "__main__":
    main()
