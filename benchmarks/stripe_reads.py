"""How many of the account's reads does the exporter use, from no payment a month to a million?

A real run of all four samplers against the fake Stripe over HTTP, each sampled when its own interval is over, in
simulated time. A shop of that size has been selling for 30 days before the first start, the largest for one day: that
is past enough to show the cost, and makes the allowance that the exporter gives itself smaller than it would be.
"""

import asyncio
import heapq
import tempfile
from pathlib import Path

from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Sampler
from exporters.stripe import samplers
from exporters.stripe.settings import StripeSettings
from simulator.serving import serving
from simulator.stripe import FakeStripe, StripeServer
from simulator.stripe.traffic import Traffic

START = 1_799_971_200.0
MONTH = 30 * 86400
SIZES = ((0, 6 * 3600), (100, 6 * 3600), (10_000, 2 * 3600), (1_000_000, 1800))
"""Payments a month, and the simulated seconds that are run once the past has been read."""


def main() -> None:
    """Print reads a day beside the allotment."""
    print("payments a month   past   poll   reads/day   a month   of the exporter's allowance   of Stripe's allotment")
    for payments, seconds in SIZES:
        print(asyncio.run(measured(payments, seconds)))


async def measured(payments: int, seconds: float) -> str:
    """One line of the table."""
    now = [START]

    def clock() -> float:
        return now[0]

    async def pause(_: float) -> None:
        """Nobody waits."""

    fake = FakeStripe(clock)
    fake.add_endpoint()
    past = 86400 if payments > 100_000 else MONTH
    now[0] = START - past
    traffic = Traffic(fake, payments / MONTH * 60, seed=1) if payments else None
    now[0] = START
    if traffic:
        traffic.until(START)
    server = StripeServer(fake)
    with tempfile.TemporaryDirectory() as folder, serving(server.app) as port:
        settings = StripeSettings.model_validate(
            {
                "api_key": "rk_test_everything",
                "api_url": f"http://127.0.0.1:{port}",
                "state": {"path": Path(folder) / "state.sqlite3"},
            }
        )
        stripe = samplers(settings, clock, LabelOverflow(), pause=pause)
        await run(stripe.samplers, now, traffic, 900)
        first = sum(server.reads.values())
        await run(stripe.samplers, now, traffic, seconds)
        steady = (sum(server.reads.values()) - first) / seconds * 86400
        poll = stripe.samplers[0].interval.total_seconds()
        for sampler in stripe.samplers:
            await sampler.close()
    allotted = max(10_000, 500 * payments)
    month = steady * 30
    return (
        f"{payments:16,} {first:6,} {poll:5.0f}s {steady:11,.0f} {month:9,.0f}"
        f" {month / (settings.read_share * allotted):30.3f} {month / allotted:22.3f}"
    )


async def run(wanted: tuple[Sampler, ...], now: list[float], traffic: Traffic | None, seconds: float) -> None:
    """Sample each source whenever its interval is over, for that much simulated time."""
    end = now[0] + seconds
    queue = [(now[0], number) for number in range(len(wanted))]
    while queue and queue[0][0] < end:
        moment, number = heapq.heappop(queue)
        now[0] = max(now[0], moment)
        if traffic:
            traffic.until(now[0])
        await wanted[number].sample(now[0])
        heapq.heappush(queue, (now[0] + wanted[number].interval.total_seconds(), number))
    now[0] = end


if __name__ == "__main__":
    main()
