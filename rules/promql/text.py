"""How is a PromQL expression written, so that it reads as the same tree again?"""

import json
import math
from datetime import timedelta
from functools import lru_cache

from rules.promql.expression import Aggregation, Call, Expression, Number, Operation, Series, Subquery, Text

__all__ = ["written"]

_BINDS = {"or": 1, "and": 2, "unless": 2, "==": 3, "!=": 3, "<=": 3, "<": 3, ">=": 3, ">": 3}
_BINDS |= {"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "atan2": 5, "^": 6}
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def written(expression: Expression) -> str:
    """The expression in PromQL, on one line. `read(written(tree)) == tree`, and parentheses stand only where needed."""
    match expression:
        case Number(value=value):
            return _number(value)
        case Text(value=value):
            return _quoted(value)
        case Series():
            return _series(expression)
        case Subquery(of=inner, range=span, step=step, offset=offset, at=at):
            of = written(inner) if isinstance(inner, Series | Call | Aggregation) else f"({written(inner)})"
            pace = _duration(step) if step else ""
            return f"{of}[{_duration(span)}:{pace}]{_moved(offset, at)}"
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(written, arguments))})"
        case Aggregation(operator=operator, of=inner, parameter=parameter, by=by, without=without):
            labels = (
                f" by ({_list(by)})"
                if by is not None
                else f" without ({_list(without)})"
                if without is not None
                else ""
            )
            given = "" if parameter is None else f"{written(parameter)}, "
            return f"{operator}{labels}{' ' if labels else ''}({given}{written(inner)})"
        case Operation(operator=operator, left=left, right=right):
            power = operator == "^"  # alone in binding from the right
            one, other = _side(left, operator, tighter=power), _side(right, operator, tighter=not power)
            return f"{one} {_sign(expression)} {other}"


def _side(expression: Expression, operator: str, *, tighter: bool) -> str:
    text = written(expression)
    if isinstance(expression, Number) and text.startswith("-") and operator == "^":
        return f"({text})"
    if not isinstance(expression, Operation):
        return text
    own, outer = _BINDS[expression.operator], _BINDS[operator]
    return f"({text})" if own < outer or (own == outer and tighter) else text


def _sign(operation: Operation) -> str:
    words = [operation.operator]
    if operation.as_bool:
        words.append("bool")
    if operation.on is not None:
        words.append(f"on ({_list(operation.on)})")
    elif operation.ignoring is not None:
        words.append(f"ignoring ({_list(operation.ignoring)})")
    if operation.many:
        words.append(f"group_{operation.many} ({_list(operation.copied)})")
    return " ".join(words)


@lru_cache(maxsize=4096)
def _series(series: Series) -> str:
    matchers = ",".join(f"{label}{operator}{_quoted(value)}" for label, operator, value in series.matchers)
    span = f"[{_duration(series.range)}]" if series.range else ""
    return f"{series.name}{f'{{{matchers}}}' if matchers or not series.name else ''}{span}{_moved(series.offset, series.at)}"


def _moved(offset: timedelta | None, at: str) -> str:
    return (f" @ {at}" if at else "") + (f" offset {_duration(offset)}" if offset else "")


def _list(labels: frozenset[str] | None) -> str:
    return ", ".join(sorted(labels or ()))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _duration(span: timedelta) -> str:
    left = span // timedelta(milliseconds=1)
    sign, left = ("-", -left) if left < 0 else ("", left)
    words = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count}{unit}")
    return sign + ("".join(words) or "0s")
