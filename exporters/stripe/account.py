"""May the account charge, is it paid out, and what does Stripe want to know of it?"""

from datetime import timedelta

from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Reading, reading
from exporters.stripe.reading.answers import Account, Balance
from exporters.stripe.reading.asking import Asked, Asking, Shared
from rules.payments import account, declines
from rules.vocabulary import Source

__all__ = ["AccountSampler"]

_BALANCE_EVERY = 4
"""Samples of the account for each sample of its balance, which moves slowly: or as much time, where some failed."""


class AccountSampler(Asking):
    """The sampler of the account and its balance.

    Money in currencies that no allow-list names is added up under `other`, where only its presence means anything.
    """

    endpoints = ("account", "balance")
    least = timedelta(minutes=5)

    def __init__(self, shared: Shared, overflow: LabelOverflow) -> None:
        super().__init__(shared)
        self._overflow = overflow
        self._balance: tuple[Reading, ...] | None = None
        self._balance_at = 0.0
        self._samples = 0
        self.untold: tuple[str, ...] = ()
        """Optional fields that the account's latest answer lacks: what they would say is not known."""

    @property
    def source(self) -> Source:
        return Source.STRIPE_ACCOUNT

    async def read(self, asked: Asked) -> tuple[Reading, ...]:
        """Capabilities, requirements and balance."""
        found = await asked.if_permitted(asked.one("account", Account))
        if self._balance_is_due(asked.here):
            balance = await asked.if_permitted(asked.one("balance", Balance))
            self._balance = self._money(balance) if balance else None
            self._balance_at = asked.here
        self._samples += 1
        standing = _standing(found) if found else {}
        self.untold = tuple(field for field, one in standing.items() if one is None)
        return (*(one for one in standing.values() if one is not None), *(self._balance or ()))

    def _balance_is_due(self, here: float) -> bool:
        is_old = abs(here - self._balance_at) > _BALANCE_EVERY * self.usual_interval.total_seconds()
        return self._balance is None or is_old or self._samples % _BALANCE_EVERY == 0

    def _money(self, balance: Balance) -> tuple[Reading, ...]:
        states = {"available": balance.available, "pending": balance.pending}
        sums = {(currency, state): 0 for currency in self._overflow.values(declines.CURRENCY) for state in states}
        for state, amounts in states.items():
            for money in amounts:
                sums[self._overflow.bounded(declines.CURRENCY, money.currency), state] += money.amount
        return tuple(
            reading(account.balance, amount, currency=currency, state=state)
            for (currency, state), amount in sums.items()
        )


def _standing(found: Account) -> dict[str, Reading | None]:
    """What it may do and what is wanted of it, by the field that says so; None where Stripe does not."""
    capabilities = {name: getattr(found, name) for name in account.capability.label("capability").values}
    requirements = {
        name: getattr(found.requirements, name, None) for name in account.requirements.label("state").values
    }
    return {
        **{
            name: None if able is None else reading(account.capability, able, capability=name)
            for name, able in capabilities.items()
        },
        **{
            f"requirements.{name}": None if wanted is None else reading(account.requirements, len(wanted), state=name)
            for name, wanted in requirements.items()
        },
    }
