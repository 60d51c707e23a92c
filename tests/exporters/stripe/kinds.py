"""Kinds of shops that take payments in their own way, each with its own outage; their books are the ground truth.

The books are kept by `tests.exporters.stripe.shop` from what each payment does, and know nothing of events.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from exporters.sampling.labels import LabelOverflow
from exporters.stripe.counting.ledger import Ledger, Page
from exporters.stripe.counting.marks import Pass
from exporters.stripe.events import read_page
from exporters.stripe.storage.sqlite import open_memory
from simulator.stripe import Cause, FakeStripe, Payment
from tests.exporters.stripe.shop import START, Clock, Shop, values

__all__ = ["KINDS", "Counted", "Trade"]

DAY = 86400.0
_DECLINED = 0.08
_PAGE = 100


class Trade:
    """A shop of some kind while it trades: `broken` is whether its own way of paying fails at the moment."""

    def __init__(self, kind: "Kind", per_minute: float, seed: int) -> None:
        self.clock = Clock()
        self.shop = Shop(FakeStripe(self.clock))
        self.chance = Random(seed)
        self.broken = False
        self._kind = kind
        self._per_minute = per_minute
        self._agenda: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._planned = 0
        self._open = True
        self.after(0, self._next)
        self.after(2 * 3600, self._night)

    def after(self, seconds: float, act: Callable[..., object], *arguments: Any) -> None:
        """Let that happen so much later."""
        self._planned += 1
        heapq.heappush(self._agenda, (self.clock.now + seconds, self._planned, act, arguments))

    def until(self, now: float) -> None:
        """Let everything happen up to that moment."""
        while self._agenda and self._agenda[0][0] <= now:
            at, _, act, arguments = heapq.heappop(self._agenda)
            self.clock.now = max(at, self.clock.now)
            act(*arguments)
        self.clock.now = max(now, self.clock.now)

    def close(self) -> None:
        """No more customers come; what has begun goes on."""
        self._open = False

    def end(self, failing: str = "issuer is down") -> str:
        """How an attempt ends."""
        if self.broken:
            return failing
        return "no money" if self.chance.random() < _DECLINED else "success"

    def again(self, end: str, payment: Payment, pay: Callable[[Payment], object]) -> None:
        """Half of those who are declined try once more."""
        if end == "no money" and self.chance.random() < 0.5:
            self.after(self.chance.uniform(10, 90), pay, payment)

    def _next(self) -> None:
        if self._open:
            self._kind(self)
            self.after(self.chance.expovariate(self._per_minute / 60), self._next)

    def _night(self) -> None:
        if self._open:
            night = _NIGHTS.get(self._kind)
            if night:
                night(self)
            self.after(DAY, self._night)


Kind = Callable[[Trade], object]


def _with_3d_secure(trade: Trade) -> None:
    """A card with 3-D Secure on every payment: asked by a request, ended by Stripe; three in a hundred leave."""
    asked = trade.shop.ask()
    if trade.chance.random() > 0.03:
        trade.after(trade.chance.uniform(5, 60), _authenticated, trade, asked)


def _authenticated(trade: Trade, asked: Payment) -> None:
    trade.shop.pay(
        trade.end("3-D Secure"),
        after=asked,
        cause=Cause.AUTHENTICATED,
        authentication=trade.chance.choice(("challenge", "frictionless")),
    )


def _by_redirect(trade: Trade) -> None:
    """Redirects only: nothing tells of a request when the customer comes back."""
    asked = trade.shop.ask(method="ideal", action="redirect_to_url")
    trade.after(trade.chance.uniform(10, 120), _came_back, trade, asked)


def _came_back(trade: Trade, asked: Payment) -> None:
    trade.shop.pay(
        trade.end(), after=asked, method="ideal", network="", cause=Cause.UNSAID, initiator="api", label="other"
    )


def _held(trade: Trade, after: Payment | None = None) -> None:
    """Manual capture: authorized now, captured hours later, or let go."""
    end = trade.end()
    payment = trade.shop.pay(end, after=after, capture=False)
    trade.again(end, payment, lambda before: _held(trade, before))
    if end == "success":
        happens = trade.chance.random()
        if happens < 0.9:
            trade.after(trade.chance.uniform(1, 12) * 3600, trade.shop.capture, payment)
        else:
            trade.after(trade.chance.uniform(1, 12) * 3600, trade.shop.release, payment)


def _held_and_sent_in_parts(trade: Trade) -> None:
    """Multicapture on an old API version, where letting the rest go makes a refund."""
    trade.shop.fake.use_version("2024-06-20")
    end = trade.end()
    payment = trade.shop.pay(end, capture=False)
    if end == "success":
        parts = trade.chance.choice(((1200, 800), (500, 500, 600), (700,)))
        trade.after(trade.chance.uniform(1, 12) * 3600, trade.shop.capture, payment, *parts)


def _signs_up(trade: Trade, after: Payment | None = None) -> None:
    """A customer subscribes by a request."""
    end = trade.end()
    payment = trade.shop.pay(end, after=after)
    trade.again(end, payment, lambda before: _signs_up(trade, before))


def _subscriptions(key: Cause) -> Kind:
    def kind(trade: Trade) -> None:
        """Subscriptions: as many renewals as customers; a third are declined, and retried without success."""
        _signs_up(trade)
        trade.after(trade.chance.uniform(0, 1800), renew, trade)  # somebody else's, who did not come just now

    def renew(trade: Trade) -> None:
        end = "no money" if trade.chance.random() < 0.33 else "success"
        payment = trade.shop.pay(end, cause=key)
        if end == "no money":
            trade.after(5 * 3600, trade.shop.pay, "no money", payment)

    return kind


_with_dunning, _with_dunning_without_keys = _subscriptions(Cause.INVOICE), _subscriptions(Cause.UNSAID)


def _later(trade: Trade) -> None:
    """Bank debits that settle half a day later, and some cards."""
    if trade.chance.random() < 0.5:
        _signs_up(trade)
    else:
        begun = trade.shop.fake.process()
        trade.after(DAY / 2, lambda: trade.shop.settle(begun, trade.end()))


def _marketplace(trade: Trade, after: Payment | None = None) -> None:
    """Cards of many countries and networks, refunds and disputes."""
    end, chance = trade.end(), trade.chance
    payment = trade.shop.pay(
        end,
        after=after,
        network=chance.choice(("visa", "visa", "mastercard", "amex")),
        country=chance.choice(("US", "US", "GB", "DE", "FR")),
    )
    trade.again(end, payment, lambda before: _marketplace(trade, before))
    if end == "success" and chance.random() < 0.02:
        trade.after(chance.uniform(0, DAY / 2), trade.shop.refund, payment, 500)
    if end == "success" and chance.random() < 0.005:
        trade.after(chance.uniform(0, DAY / 2), chance.choice((trade.shop.appeal, trade.shop.be_asked_about)), payment)


def _with_a_nightly_batch(trade: Trade) -> None:
    """Few customers, and at night hundreds of renewals at once, most of old invoices."""
    _signs_up(trade)


def _batch(trade: Trade) -> None:
    for number in range(400):
        end = "success" if number % 4 == 0 else "no money"
        trade.after(number / 8, _renewed, trade, end)


def _renewed(trade: Trade, end: str) -> None:
    trade.shop.pay(end, cause=Cause.INVOICE)


KINDS: dict[str, Kind] = {
    "3-D Secure on every payment": _with_3d_secure,
    "redirects only": _by_redirect,
    "manual capture": _held,
    "multicapture": _held_and_sent_in_parts,
    "subscriptions with dunning": _with_dunning,
    "subscriptions with dunning, without keys": _with_dunning_without_keys,
    "delayed methods": _later,
    "marketplace": _marketplace,
    "a nightly batch of renewals": _with_a_nightly_batch,
}

_NIGHTS: dict[Kind, Callable[[Trade], object]] = {_with_a_nightly_batch: _batch}


class Counted:
    """What the exporter's own tally makes of a trade's events, minute by minute."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._ledger = Ledger(open_memory(), LabelOverflow(), trade.clock)
        self._ledger.begin(int(START), backfilled=False)
        self._read = 0

    def close(self) -> None:
        """Let go of what was counted."""
        self._ledger.close()

    def read(self) -> dict[tuple[str, ...], float]:
        """The counters once everything that has happened is read."""
        fake, now = self._trade.shop.fake, int(self._trade.clock())
        end = fake.last_event + 1
        for first in range(self._read, end, _PAGE):
            events = [fake.event(number) for number in range(first, min(first + _PAGE, end))]
            self._ledger.record(read_page(events)[0], True, lambda marks: marks)
        self._read = end
        self._ledger.record(_NOTHING, True, lambda marks: marks.done("deep", Pass(marks.settled, top=now)))
        found = values(self._ledger.readings(now))
        return {key: value for key, value in found.items() if key[0].endswith("_total")}


_NOTHING = Page(())
