"""Which values can an expression never take, so that one may divide by it?"""

from collections.abc import Callable
from enum import Enum

from rules.promql.expression import ABSENCES, Aggregation, Call, Expression, Number, Operation, Series, Subquery

__all__ = ["Sign", "sign_of"]


class Sign(Enum):
    """What is known of a value for certain."""

    ANY = "can be 0"
    NEVER_ZERO = "never 0"
    POSITIVE = "above 0"
    NEGATIVE = "below 0"


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_KEEP_THE_SIGN = frozenset(
    {"avg_over_time", "last_over_time", "max_over_time", "min_over_time", "sum_over_time", "quantile_over_time"}
    | {"label_replace", "label_join", "sort", "sort_desc", "vector"}
)
_POSITIVE_FUNCTIONS = ABSENCES | {"count_over_time", "exp", "present_over_time", "time"}


def sign_of(expression: Expression, sign_of_series: Callable[[str], Sign]) -> Sign:
    """What is known of every value that the expression gives; `sign_of_series` answers for the names that it reads."""
    match expression:
        case Number(value=value):
            return _of_number(value)
        case Series(name=name):
            return sign_of_series(name)
        case Subquery(of=inner):
            return sign_of(inner, sign_of_series)
        case Call() as call:
            return _of_call(call, sign_of_series)
        case Aggregation(operator="count" | "group"):
            return Sign.POSITIVE
        case Aggregation(operator="max" | "min" | "topk" | "bottomk", of=inner):
            return sign_of(inner, sign_of_series)
        case Aggregation(operator="sum" | "avg", of=inner):
            sign = sign_of(inner, sign_of_series)
            return Sign.ANY if sign is Sign.NEVER_ZERO else sign
        case Operation() as operation:
            return _of_operation(operation, sign_of_series)
        case _:
            return Sign.ANY


def _of_number(value: float) -> Sign:
    return Sign.POSITIVE if value > 0 else Sign.NEGATIVE if value < 0 else Sign.ANY


def _of_call(call: Call, sign_of_series: Callable[[str], Sign]) -> Sign:
    match call:
        case Call(function="clamp_min", arguments=(_, Number(value=value))) if value > 0:
            return Sign.POSITIVE
        case Call(function="clamp_max", arguments=(_, Number(value=value))) if value < 0:
            return Sign.NEGATIVE
        case Call(function="abs", arguments=(inner,)) if sign_of(inner, sign_of_series) is not Sign.ANY:
            return Sign.POSITIVE
        case Call(function=function, arguments=arguments) if function in _KEEP_THE_SIGN:
            return sign_of(arguments[1] if function == "quantile_over_time" else arguments[0], sign_of_series)
        case Call(function=function):
            return Sign.POSITIVE if function in _POSITIVE_FUNCTIONS else Sign.ANY


def _of_operation(operation: Operation, sign_of_series: Callable[[str], Sign]) -> Sign:
    match operation:
        case Operation(operator=operator, as_bool=False, left=left, right=Number(value=bound)) if operator in _MIRRORED:
            return _filtered(sign_of(left, sign_of_series), operator, bound)
        case Operation(operator=operator, as_bool=False, left=Number(value=bound), right=right) if (
            operator in _MIRRORED
        ):
            return _filtered(sign_of(right, sign_of_series), _MIRRORED[operator], bound)
    left_sign, right_sign = sign_of(operation.left, sign_of_series), sign_of(operation.right, sign_of_series)
    match operation.operator:
        case "and" | "unless":
            return left_sign
        case "or":
            known = Sign.ANY if Sign.ANY in (left_sign, right_sign) else Sign.NEVER_ZERO
            return left_sign if left_sign is right_sign else known
        case "*" | "/":
            return _product(left_sign, right_sign)
        case "+" if left_sign is right_sign and left_sign is not Sign.NEVER_ZERO:
            return left_sign
        case operator if operator in _MIRRORED and not operation.as_bool:
            return left_sign
        case _:
            return Sign.ANY


def _filtered(sign: Sign, operator: str, bound: float) -> Sign:
    if (operator == ">" and bound >= 0) or (operator in (">=", "==") and bound > 0):
        return Sign.POSITIVE
    if (operator == "<" and bound <= 0) or (operator in ("<=", "==") and bound < 0):
        return Sign.NEGATIVE
    if operator == "!=" and bound == 0 and sign is Sign.ANY:
        return Sign.NEVER_ZERO
    return sign


def _product(left: Sign, right: Sign) -> Sign:
    if Sign.ANY in (left, right):
        return Sign.ANY
    if Sign.NEVER_ZERO in (left, right):
        return Sign.NEVER_ZERO
    return Sign.POSITIVE if left is right else Sign.NEGATIVE
