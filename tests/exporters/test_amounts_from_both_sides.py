"""Does a release that stores amounts wrongly wake somebody, and does a week without one not?

A fake Stripe over HTTP, a real Postgres, the exporter between them, and the rule as promtool sees it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import amounts as metrics
from rules.vocabulary import Source, hours, minutes
from simulator.stripe import Payment
from tests.exporters.postgres.asking import Asked, asking
from tests.exporters.stripe.shop import HOUR, Watched, watched
from tests.postgres import NOW, PaymentsDatabase, payments_database, postgres
from tests.rules.playing import play

__all__ = ["payments_database", "postgres"]

PRICES = {"eur": "19.99", "jpy": "1230", "kwd": "5.120", "isk": "500", "usd": "7.50"}
DECIMALS = {"eur": 2, "jpy": 0, "kwd": 3, "isk": 2, "usd": 2}


@dataclass(slots=True)
class Service:
    """A payments service that stores in a table what Stripe took, as the unit of its release has it."""

    world: Watched
    database: PaymentsDatabase
    stored: Callable[[int, str], object]
    sold: int = 0

    def an_hour(self) -> None:
        """Sell one thing in each currency: in one go, in part of what was authorized, or with a refund later on."""
        for currency, price in PRICES.items():
            took = int(Decimal(price).scaleb(DECIMALS[currency]))
            match self.sold % 4:
                case 0:
                    paid = self.world.fake.capture(self.world.fake.pay(3 * took, currency, capture=False), took)
                case 1:
                    paid = self.world.fake.pay(took, currency)
                    self.world.fake.refund(paid, took // 2)
                case _:
                    paid = self.world.fake.pay(took, currency)
            self._store(paid, took, currency)
            self.sold += 1
        self.world.fake.process(999, "eur")
        self.world.shop.pay("no money")
        self.world.clock.on(HOUR)

    def _store(self, paid: Payment, took: int, currency: str) -> None:
        ago = NOW - self.world.clock.now
        self.database.payment(
            payment_intent_id=paid.intent, amount=self.stored(took, currency), currency=currency,
            ago=ago, completed_ago=ago,
        )  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as one:
        yield one.begun()


async def looked_at(service: Service, exporter: Asked, times: int, every: int) -> list[float]:
    """How many payments differ, looked at so many times, each after so many hours of business."""
    found = []
    for _ in range(times):
        for _ in range(every):
            service.an_hour()
        await service.world.sampler(Source.STRIPE_EVENTS).sample(service.world.ours())
        seen = await exporter.sample(service.world.clock.now, Source.RECONCILIATION)
        differ = [seen.value(metrics.compared, result=result) for result in metrics.DIFFERENT]
        found.append(sum(value for value in differ if value is not None))
        assert seen.value(metrics.compared, result="unknown") == 0
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whole_units_after_a_release_are_told_of_and_a_healthy_week_is_not(
    world: Watched, payments_database: PaymentsDatabase, promtool: Promtool, tmp_path: Path
) -> None:
    service = Service(world, payments_database, lambda took, _: took)
    columns = {"amount": "amount", "currency": "currency", "unit": "minor"}
    payments_database.execute("ALTER TABLE payments ALTER amount TYPE numeric")

    async def story() -> tuple[list[float], list[float], list[float]]:
        async with asking(
            payments_database.dsn, stripe=world.stripe.history, payments={"amounts": columns}
        ) as exporter:
            healthy = await looked_at(service, exporter, 7 * 2, every=12)
            service.stored = lambda took, currency: Decimal(took).scaleb(-DECIMALS[currency])
            first_hour = await looked_at(service, exporter, 1, every=1)
            return healthy, first_hour, await looked_at(service, exporter, 2, every=4)

    healthy, first_hour, later = world.runner.run(story())
    assert healthy == [0] * len(healthy)
    assert first_hour[0] > 0
    # Yen have no decimals to lose, a quarter of the payments is refunded.
    assert first_hour[0] <= 4
    assert later[0] > 9

    every = minutes(4)
    until = hours(4) - every
    course = " ".join(f"{value:g}x{hours(1) // every - 1}" for value in (*healthy[-2:], *later))
    play(
        promtool,
        tmp_path,
        {metrics.compared.where(result="amount"): course},
        {metrics.amounts_differ: ((hours(2) + minutes(12), until),)},
        until=until,
        every=every,
    )
