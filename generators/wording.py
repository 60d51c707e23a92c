"""How does a value read to a person, in a text and in a template of Prometheus?"""

from datetime import timedelta
from decimal import Decimal

from rules.vocabulary import Comparison, Unit, plain, spoken_duration

__all__ = ["spoken_bound", "spoken_value", "value_template"]


def spoken_value(value: Decimal, unit: Unit) -> str:
    """A bound in words: `95 %`, `5 minutes`, `14.4 times the budget`."""
    match unit:
        case Unit.RATIO | Unit.EXCESS | Unit.BUDGETS_LEFT | Unit.SHARE_OF_COUNTED:
            return f"{plain(value * 100)} %"
        case Unit.SECONDS if value > 0:
            return spoken_duration(timedelta(seconds=int(value)))
        case Unit.SECONDS:
            return f"{plain(value)} seconds"
        case Unit.BUDGETS:
            return f"{plain(value)} times the budget"
        case Unit.INTERVALS:
            return f"{plain(value)} intervals"
        case Unit.PER_MINUTE:
            return f"{plain(value)} a minute"
        case _:
            return plain(value)


def spoken_bound(comparison: Comparison, value: Decimal, unit: Unit) -> str:
    """What is past a bound, in words: `below 95 %`; `yes` or `no` where it is one; `known` where any number will do."""
    if unit is Unit.BOOLEAN:
        return "yes" if comparison.holds(Decimal(1), value) else "no"
    if comparison is Comparison.AT_LEAST and value == unit.lowest:
        return "known"
    return f"{comparison.words} {spoken_value(value, unit)}"


def value_template(unit: Unit) -> str:
    """The template by which an alert's annotation shows the value at hand, understood by Prometheus 2.42 to 3.x."""
    match unit:
        case Unit.RATIO | Unit.EXCESS | Unit.BUDGETS_LEFT | Unit.SHARE_OF_COUNTED:
            return "{{ $value | humanizePercentage }}"
        case Unit.SECONDS:
            return "{{ $value | humanizeDuration }}"
        case Unit.BYTES:
            return "{{ $value | humanize1024 }}B"
        case Unit.COUNT | Unit.BOOLEAN:
            return '{{ $value | printf "%.0f" }}'
        case _:
            return '{{ $value | printf "%.1f" }}'
