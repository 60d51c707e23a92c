"""How does one run the fake Stripe by itself? `python -m simulator.stripe --port 12111 --seed 1`"""

import argparse
import sys
import time

from simulator.serving import serving
from simulator.stripe.server import StripeServer
from simulator.stripe.traffic import Traffic
from simulator.stripe.world import FakeStripe

_KEY = "rk_test_everything"
_STEP = 0.2


def main() -> None:
    """Serve until interrupted, with a shop that has been selling for some hours."""
    parser = argparse.ArgumentParser(prog="python -m simulator.stripe", description="Serve a fake Stripe.")
    parser.add_argument("--port", type=int, default=12111, help="on 127.0.0.1; 0 for a free one (default: 12111)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same customers")
    parser.add_argument("--per-minute", type=float, default=20, help="attempts to pay in a minute (default: 20)")
    parser.add_argument("--hours", type=float, default=24, help="how long the shop has been selling (default: 24)")
    wanted = parser.parse_args()
    began = time.time()
    past = [began - wanted.hours * 3600]
    fake = FakeStripe(lambda: past[0])
    fake.add_endpoint(("*",))
    traffic = Traffic(fake, wanted.per_minute, wanted.seed)
    traffic.until(began)
    fake.clock = time.time
    with serving(StripeServer(fake).app, wanted.port) as port:
        sys.stdout.write(f"fake Stripe at http://127.0.0.1:{port}, key {_KEY}\n")
        sys.stdout.flush()
        try:
            while True:
                traffic.until(time.time())
                time.sleep(_STEP)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
