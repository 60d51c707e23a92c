"""What could somebody have written by mistake instead of a PromQL expression?

Each mutant differs from the expression in one place, and in one way.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from rules.promql import (
    Aggregation,
    Call,
    Expression,
    Number,
    Operation,
    Series,
    Subquery,
    walk,
    written,
)

__all__ = ["Change", "changes"]

_COMPARISONS = {
    "<": (">", "<="),
    "<=": (">=", "<"),
    ">": ("<", ">="),
    ">=": ("<=", ">"),
    "==": ("!=", ">="),
    "!=": ("==", ">"),
}
"""For each comparison its opposite, and the one a little looser or tighter."""
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "^": "*", "atan2": "/"}
_SETS = ("and", "or", "unless")
_OVER_A_RANGE = ("rate", "increase", "irate", "delta", "deriv")
_OVER_TIME = ("max_over_time", "min_over_time", "avg_over_time", "sum_over_time", "last_over_time")
_ALSO_OVER_TIME = frozenset({"count_over_time", "present_over_time", "stddev_over_time", "stdvar_over_time"})
_AGGREGATIONS = ("max", "min", "avg", "sum")
_ALSO_AGGREGATIONS = frozenset({"count", "group", "stddev", "stdvar"})
_CLAMPS = {"clamp_min": "clamp_max", "clamp_max": "clamp_min", "clamp": "clamp"}
_OPPOSITES = {"topk": "bottomk", "bottomk": "topk", "absent": "", "floor": "ceil", "ceil": "floor"}
_SHARES = (0.9, 0.99, 1.01, 1.1)
_SPANS = (0.5, 0.9, 1.1, 2.0)
_TOLD_WHOLE = frozenset({"guard", "branch", "and, or, unless", "on, ignoring"})
_ALTERNATIVES = re.compile(r"[^|()\[\]\\]+(?:\|[^|()\[\]\\]+)+\Z")


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the kind, what it did, and the whole expression that came of it."""

    operator: str
    what: str
    expression: Expression


def changes(expression: Expression) -> Iterator[Change]:
    """Every mutant of an expression, each once, in the order of the text.

    A few are such as no Prometheus loads, where series and numbers took each other's place; promtool finds those.
    """
    seen = {written(expression)}
    for change in _everywhere(expression):
        text = written(change.expression)
        if text in seen:
            continue
        seen.add(text)
        yield change


def _everywhere(expression: Expression, around: str = "", place: str = "") -> Iterator[Change]:
    """The changes of the expression and of its parts; what is changed is told with the series that it is about.

    And with the place, where that is behind `0 *`: the values there do not matter, only which series there are.
    """
    name = next((one.name for one in walk(expression) if isinstance(one, Series) and one.name), around)
    for change in _here(expression):
        told = change.what if change.operator in _TOLD_WHOLE or not name else f"{name}: {change.what}"
        yield replace(change, what=f"{place}{told}")
    nothing = _is_nothing(expression)
    for part, rebuilt in _parts(expression):
        inner = "in 0 * ...: " if nothing and not isinstance(part, Number) else place
        for change in _everywhere(part, name, inner):
            yield replace(change, expression=rebuilt(change.expression))


def _is_nothing(expression: Expression) -> bool:
    """Whether it is 0 times something, so that only which series there are matters."""
    return isinstance(expression, Operation) and expression.operator == "*" and expression.left == Number(0)


def _parts(expression: Expression) -> Iterator[tuple[Expression, Callable[[Expression], Expression]]]:
    match expression:
        case Subquery(of=inner) | Aggregation(of=inner, parameter=None):
            yield inner, lambda part: replace(expression, of=part)
        case Aggregation(of=inner, parameter=parameter) if parameter is not None:
            yield parameter, lambda part: replace(expression, parameter=part)
            yield inner, lambda part: replace(expression, of=part)
        case Call(arguments=arguments):
            for place, argument in enumerate(arguments):
                before, after = arguments[:place], arguments[place + 1 :]

                def rebuilt(
                    part: Expression, before: tuple[Expression, ...] = before, after: tuple[Expression, ...] = after
                ) -> Expression:
                    return replace(expression, arguments=(*before, part, *after))

                yield argument, rebuilt
        case Operation(left=left, right=right):
            yield left, lambda part: replace(expression, left=part)
            yield right, lambda part: replace(expression, right=part)


def _here(expression: Expression) -> Iterator[Change]:
    match expression:
        case Number(value=value):
            yield from _of_number(value)
        case Series():
            yield from _of_series(expression)
        case Subquery():
            yield from _of_spans(expression)
        case Call():
            yield from _of_call(expression)
        case Aggregation():
            yield from _of_aggregation(expression)
        case Operation():
            yield from _of_operation(expression)


def _of_number(value: float) -> Iterator[Change]:
    if value == 0:
        for other in (-1.0, 1.0):
            yield Change("number", f"0 is {other:g}", Number(other))
        return
    for share in _SHARES:
        other = float(f"{value * share:.12g}")
        yield Change("number", f"{value:g} is {other:.12g}", Number(other))


def _of_series(series: Series) -> Iterator[Change]:
    for place, (label, operator, value) in enumerate(series.matchers):
        before, after = series.matchers[:place], series.matchers[place + 1 :]
        fewer = (*before, *after)
        if series.name or fewer:
            yield Change("matcher", f'{label}{operator}"{value}" is dropped', replace(series, matchers=fewer))
        if operator in ("=~", "!~") and _ALTERNATIVES.match(value):
            words = value.split("|")
            for word in words:
                left = "|".join(one for one in words if one != word)
                changed = replace(series, matchers=(*before, (label, operator, left), *after))
                yield Change("matcher", f"{label}{operator} lacks {word}", changed)
    yield from _of_spans(series)


def _of_spans(one: Series | Subquery) -> Iterator[Change]:
    if one.range:
        for span in _spans(one.range):
            yield Change("window", f"{_spoken(one.range)} is {_spoken(span)}", replace(one, range=span))
    if one.offset:
        yield Change("offset", f"{_spoken(one.offset)} is dropped", replace(one, offset=None))
        for span in _spans(one.offset):
            yield Change("offset", f"{_spoken(one.offset)} is {_spoken(span)}", replace(one, offset=span))


def _spans(span: timedelta) -> Iterator[timedelta]:
    for share in _SPANS:
        other = timedelta(seconds=round(span.total_seconds() * share))
        if other and other != span:
            yield other


def _spoken(span: timedelta) -> str:
    return written(Series("", (), span, None)).strip("{}[]")


def _of_call(call: Call) -> Iterator[Change]:
    name = call.function
    for family, more in ((_OVER_A_RANGE, frozenset({"idelta"})), (_OVER_TIME, _ALSO_OVER_TIME)):
        if name in family or name in more:
            for other in family:
                if other != name:
                    yield Change("function", f"{name} is {other}", replace(call, function=other))
    if name in _CLAMPS:
        yield Change("clamp", f"{name} is dropped", call.arguments[0])
        if name != "clamp":
            other = _CLAMPS[name]
            yield Change("clamp", f"{name} is {other}", replace(call, function=other))
    if name in ("abs", "round", "floor", "ceil", "sgn"):
        yield Change("function", f"{name} is dropped", call.arguments[0])


def _of_aggregation(aggregation: Aggregation) -> Iterator[Change]:
    name = aggregation.operator
    if name in _AGGREGATIONS or name in _ALSO_AGGREGATIONS:
        for other in _AGGREGATIONS:
            if other != name:
                yield Change("aggregation", f"{name} is {other}", replace(aggregation, operator=other))
    if name in _OPPOSITES:
        other = _OPPOSITES[name]
        yield Change("aggregation", f"{name} is {other}", replace(aggregation, operator=other))
    by, without = aggregation.by, aggregation.without
    for word, labels in (("by", by), ("without", without)):
        if labels is None:
            continue
        yield Change(
            "aggregation's labels",
            f"{word} ({', '.join(sorted(labels))}) is {'without' if word == 'by' else 'by'}",
            replace(aggregation, by=without, without=by),
        )
        if labels:
            yield Change("aggregation's labels", f"{word} is dropped", replace(aggregation, by=None, without=None))
        for label in sorted(labels):
            fewer = labels - {label}
            changed = replace(aggregation, by=fewer) if word == "by" else replace(aggregation, without=fewer)
            yield Change("aggregation's labels", f"{word} lacks {label}", changed)


def _of_operation(operation: Operation) -> Iterator[Change]:
    word, left, right = operation.operator, operation.left, operation.right
    if word in _COMPARISONS:
        yield from _of_comparison(operation)
    elif word in ("+", "-") and _is_nothing(right):
        pass  # what 0 is added to is what 0 is taken from
    elif word in _ARITHMETIC:
        other = _ARITHMETIC[word]
        yield Change("arithmetic", f"{word} is {other}", replace(operation, operator=other))
    else:
        for other in _SETS:
            if other != word:
                yield Change(
                    "and, or, unless", f"{word} is {other} before {_short(right)}", replace(operation, operator=other)
                )
        kind = "branch" if word == "or" else "guard"
        yield Change(kind, f"dropped: {word} {_short(right)}", left)
        yield Change(kind, f"dropped: {_short(left)}", right)
    yield from _of_matching(operation)


def _of_comparison(operation: Operation) -> Iterator[Change]:
    word = operation.operator
    opposite, near = _COMPARISONS[word]
    yield Change("comparison", f"{word} is {opposite}", replace(operation, operator=opposite))
    yield Change("comparison", f"{word} is {near}", replace(operation, operator=near))
    number_first = isinstance(operation.left, Number)
    yield Change("comparison", f"{word} is dropped", operation.right if number_first else operation.left)
    bool_ = "bool is dropped" if operation.as_bool else f"{word} is {word} bool"
    yield Change("comparison", bool_, replace(operation, as_bool=not operation.as_bool))


def _of_matching(operation: Operation) -> Iterator[Change]:
    """Other ways to match; none that changes nothing, since both sides have the same labels and no others."""
    on, ignoring, joined = operation.on, operation.ignoring, _short(operation.right)
    left, right = _labels(operation.left), _labels(operation.right)
    if left == right == frozenset():
        return  # there is nothing to match by
    for word, labels in (("on", on), ("ignoring", ignoring)):
        if labels is None:
            continue
        other = "ignoring" if word == "on" else "on"
        turned = replace(operation, on=ignoring, ignoring=on)
        yield Change("on, ignoring", f"{word} ({', '.join(sorted(labels))}) is {other} before {joined}", turned)
        if not operation.many and (on is None or not left == right == on):
            dropped = replace(operation, on=None, ignoring=None)
            yield Change("on, ignoring", f"{word} is dropped before {joined}", dropped)
        for label in sorted(labels):
            fewer = labels - {label}
            changed = replace(operation, on=fewer) if word == "on" else replace(operation, ignoring=fewer)
            yield Change("on, ignoring", f"{word} lacks {label} before {joined}", changed)
    if operation.many:
        dropped = replace(operation, many="", copied=frozenset())
        yield Change("on, ignoring", f"group_{operation.many} is dropped before {joined}", dropped)
        for label in sorted(operation.copied):
            changed = replace(operation, copied=operation.copied - {label})
            yield Change("on, ignoring", f"group_{operation.many} lacks {label} before {joined}", changed)


def _labels(expression: Expression) -> frozenset[str] | None:
    """The labels that its series can have at most, None where the expression alone does not tell."""
    match expression:
        case Number() | Call(function="vector"):
            return frozenset()
        case Aggregation(operator=operator, by=by, without=None) if operator in {*_AGGREGATIONS, *_ALSO_AGGREGATIONS}:
            return by or frozenset()
        case Call(function="clamp_min" | "clamp_max" | "clamp" | "abs" | "day_of_week", arguments=(of, *_)):
            return _labels(of)
        case Call(function=function, arguments=(Subquery(of=of),)) if function in _OVER_TIME:
            return _labels(of)
        case Operation(left=Number(), right=one) | Operation(left=one, right=Number()):
            return _labels(one)
        case Operation(operator="and" | "unless", left=left):
            return _labels(left)
        case (
            Operation(operator="or", left=left, right=right) | Operation(left=left, right=right, on=None, ignoring=None)
        ):
            return _labels(left) if _labels(left) == _labels(right) else None
        case Operation(on=on, many=""):
            return on
        case _:
            return None


def _short(expression: Expression) -> str:
    text = written(expression)
    return text if len(text) <= 60 else f"{text[:57]}..."
