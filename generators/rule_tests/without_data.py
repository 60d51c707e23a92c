"""What does an expression say when there are no series at all?"""

from collections.abc import Callable
from decimal import Decimal

from rules.promql import ABSENCES, Aggregation, Call, Expression, Number, Operation, Series

__all__ = ["value_without_data"]


def value_without_data(expression: Expression, of_signal: Callable[[str], Decimal | None]) -> Decimal | None:
    """The value that it has where nothing is scraped, None where it then says nothing.

    `of_signal` answers the same for the series of a name. Only what is built on `vector()` and `absent()` has a value;
    of functions and operators those are known that such an expression needs.
    """
    match expression:
        case Number(value=number):
            return Decimal(repr(number))
        case Series(name=name):
            return of_signal(name)
        case Call(function=function, arguments=(inner,)) if function in ABSENCES:
            return Decimal(1) if value_without_data(inner, of_signal) is None else None
        case Call(function="vector", arguments=(inner,)):
            return value_without_data(inner, of_signal)
        case Aggregation(operator="sum" | "min" | "max" | "avg", of=inner):
            return value_without_data(inner, of_signal)
        case Operation(operator="or", left=left, right=right):
            value = value_without_data(left, of_signal)
            return value_without_data(right, of_signal) if value is None else value
        case Operation(operator=operator, left=left, right=right):
            one, other = value_without_data(left, of_signal), value_without_data(right, of_signal)
            if one is None or other is None:
                return None
            match operator:
                case "+":
                    return one + other
                case "-":
                    return one - other
                case "*":
                    return one * other
                case _:
                    return None
        case _:
            return None
