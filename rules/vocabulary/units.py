"""What does a number measure, and which values can it take?"""

from decimal import Decimal
from enum import Enum
from functools import cached_property

__all__ = ["Unit"]


class Unit(Enum):
    """What a metric or a signal measures, in Prometheus' base units.

    >>> Unit.RATIO.highest, Unit.COUNT.whole, Unit.SECONDS.lowest
    (Decimal('1'), True, None)
    """

    SECONDS = "seconds"
    RATIO = "ratio"
    COUNT = "count"
    EVENTS_PER_SECOND = "events per second"
    PER_MINUTE = "per minute"
    BUDGETS = "error budgets"
    BUDGETS_LEFT = "share of the error budget"
    EXCESS = "difference of ratios"
    SHARE_OF_COUNTED = "share of what was counted"
    INTERVALS = "intervals"
    BYTES = "bytes"
    MINOR_UNITS = "minor units of a currency"
    MONEY = "whole units of a currency"
    TIMESTAMP = "seconds since 1970"
    BOOLEAN = "0 or 1"
    DEVIATIONS = "standard deviations"

    @cached_property
    def lowest(self) -> Decimal | None:
        """The smallest value that can occur, None where there is none."""
        if self is Unit.EXCESS:
            return Decimal(-1)
        signed = (Unit.BUDGETS_LEFT, Unit.DEVIATIONS, Unit.MINOR_UNITS, Unit.MONEY, Unit.SECONDS)
        return None if self in signed else Decimal(0)

    @cached_property
    def highest(self) -> Decimal | None:
        """The largest value that can occur, None where there is none."""
        return Decimal(1) if self in (Unit.RATIO, Unit.BOOLEAN, Unit.EXCESS, Unit.BUDGETS_LEFT) else None

    @property
    def whole(self) -> bool:
        """True where only whole numbers occur, so that a boundary can be met exactly."""
        return self in (Unit.BOOLEAN, Unit.COUNT)
