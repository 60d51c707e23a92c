"""How much may fail in a month, and how fast is that being used up?"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

__all__ = ["BurnRate", "Objective"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRate:
    """One pair of windows in which the budget must not burn faster than `factor` times even spending.

    >>> BurnRate(long=hours(1), short=minutes(5), factor=Decimal("14.4"), least_failures=5).short
    datetime.timedelta(seconds=300)
    """

    long: timedelta
    short: timedelta
    factor: Decimal
    least_failures: int
    """Failures in the long window below which the ratio is noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A promise about the share of good events over a period (SLO).

    >>> Objective(
    ...     name="orders", target=Decimal("0.998"), period=days(30), burn_rates=(), because="it was promised"
    ... ).budget
    Decimal('0.002')
    """

    name: str
    target: Decimal
    period: timedelta
    burn_rates: tuple[BurnRate, ...]
    because: str
    serves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(f"objective {self.name} is {self.target}; a target lies between 0 and 1")

    @property
    def budget(self) -> Decimal:
        """The share that may fail."""
        return 1 - self.target
