"""What does a PromQL expression read, and which labels come out?"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import promql_parser as foreign

from rules.promql.dialect import FUNCTIONS, STRING, plain

__all__ = [
    "ABSENCES",
    "Aggregation",
    "Call",
    "Expression",
    "Number",
    "Operation",
    "PromqlError",
    "Selector",
    "Series",
    "Subquery",
    "Text",
    "expanded",
    "is_scalar",
    "labels_carried",
    "parse",
    "parts",
    "read",
    "selectors",
    "walk",
    "with_matchers",
]

NOTHING = timedelta(0)

ABSENCES = frozenset({"absent", "absent_over_time"})
"""The functions that have a value where their argument has none."""

_LONGEST = 5000
_DEEPEST = 100
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_MAKE_OR_DROP_LABELS = frozenset(
    ABSENCES | {"histogram_fraction", "histogram_quantile", "label_join", "label_replace", "scalar", "vector"}
)
_NEWER_AGGREGATIONS = frozenset({"limitk", "limit_ratio"})
_WORDS = re.compile(rf"{STRING}|([A-Za-z_:][A-Za-z0-9_:]*)(\{{)?")
_NAMES_A_JOB = re.compile(rf"(?:[^\"'`}}]|{STRING})*?\bjob\s*(?:=|!)")
"""From behind the opening brace of a selector on: one of its matchers is for `job`."""
_JOB = re.compile(r',?\bjob=~?"[^"$]*"')
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")


class PromqlError(ValueError):
    """An expression that Prometheus would refuse, or read differently from one version to the next."""

    def __init__(self, expr: str, message: str) -> None:
        shown = expr if len(expr) <= 200 else f"{expr[:200]}..."
        super().__init__(f"{shown!r} is no expression for a rule: {message}")
        self.expr = expr
        self.message = message


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string, as an argument of a function."""

    value: str


@dataclass(frozen=True, slots=True)
class Series:
    """The series of one name that match; over a range where there is one."""

    name: str
    """Empty where the selector names no series."""
    matchers: tuple[tuple[str, str, str], ...]
    range: timedelta | None
    offset: timedelta | None
    at: str = ""
    """What stands behind `@`, where it does."""


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression that is evaluated again and again over a range."""

    of: "Expression"
    range: timedelta
    step: timedelta | None
    offset: timedelta | None
    at: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A function of its arguments."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Many series into fewer; `by` and `without` are None where not written."""

    operator: str
    of: "Expression"
    parameter: "Expression | None"
    by: frozenset[str] | None
    without: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """Two sides and an operator; `on` and `ignoring` are None where not written."""

    operator: str
    left: "Expression"
    right: "Expression"
    on: frozenset[str] | None = None
    ignoring: frozenset[str] | None = None
    many: str = ""
    """The side that `group_left` or `group_right` lets have many series."""
    copied: frozenset[str] = frozenset()
    """The labels that `group_left` or `group_right` takes over from the other side."""
    as_bool: bool = False


Expression = Number | Text | Series | Subquery | Call | Aggregation | Operation


_OPERATORS = ((foreign.MatchOp.Equal, "="), (foreign.MatchOp.Re, "=~"), (foreign.MatchOp.NotEqual, "!="))

_REMEMBERED = 20_000
"""Trees never change, and one run asks for the same ones again: checks, rules, tests and pages read them all."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One place where an expression reads series, with everything that is done to them there."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""
    range: timedelta | None
    offset: timedelta | None
    """Its own, and that of the subqueries around it."""
    calls: tuple[str, ...]
    """The functions and aggregations around it, innermost first."""
    reach: timedelta
    """How far before the moment of evaluation it looks altogether, enclosing subqueries included."""
    forbids: bool = False
    """Whether it stands behind an `unless`: its series take others away, and where they are missing nothing is."""

    @property
    def of_absence(self) -> bool:
        """Whether it asks if there are such series at all, so that their values come out nowhere."""
        return not ABSENCES.isdisjoint(self.calls)


@lru_cache(maxsize=_REMEMBERED)
def parse(expr: str) -> Expression:
    """The expression as a tree, without its parentheses.

    Raises PromqlError for what is no PromQL, for what gives no instant vector, and for what some Prometheus from
    2.42 to 3.x refuses. Not everything: promtool has the last word.
    """
    if len(expr) > _LONGEST:
        raise PromqlError(expr, f"it is longer than {_LONGEST} characters; record a part of it")
    result = read(expr)
    for one in walk(result):
        match one:
            case Call(function=word) if word not in FUNCTIONS:
                raise PromqlError(expr, f"{word}() is not in every Prometheus from 2.42 on; do without it")
            case Aggregation(operator=word) if word in _NEWER_AGGREGATIONS:
                raise PromqlError(expr, f"{word}() is not in every Prometheus from 2.42 on; do without it")
    match result:
        case Series(range=None):
            pass
        case Series() | Subquery():
            raise PromqlError(expr, "it gives a range of samples; put it into a function such as rate()")
        case _ if is_scalar(result):
            raise PromqlError(expr, "it gives one number without labels; write vector() around it")
        case Text():
            raise PromqlError(expr, "it is a string")
    return result


def read(expr: str) -> Expression:
    """The expression as a tree, whatever it gives and whichever functions it calls.

    For expressions that others have written; ours go through `parse`. Raises PromqlError.
    """
    try:
        return _converted(foreign.parse(plain(expr)), expr)
    except PromqlError:
        raise
    except ValueError as error:
        raise PromqlError(expr, str(error)) from None


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything inside it, in the order of the text, each before its parts."""
    left = [expression]
    while left:
        one = left.pop()
        yield one
        left.extend(reversed(parts(one)))


def selectors(expr: str | Expression) -> tuple[Selector, ...]:
    """Every place where series are read, in the order of the text. Raises PromqlError as `parse` does."""
    return _selectors_of(expr) if isinstance(expr, str) else _collected(expr)


@lru_cache(maxsize=_REMEMBERED)
def _selectors_of(expr: str) -> tuple[Selector, ...]:
    return _collected(parse(expr))


def _collected(expression: Expression) -> tuple[Selector, ...]:
    found: list[Selector] = []
    _collect(expression, (), NOTHING, found, forbids=False)
    return tuple(found)


def with_matchers(expr: str, of: Callable[[str], str]) -> str:
    """The text with matchers of one's own first in every selector: those that `of` gives for its name, none if empty.

    A selector that says itself which job it means keeps that, and gets none of one's own.
    """

    def add(found: re.Match[str]) -> str:
        name = found[1]
        matchers = of(name) if name else ""
        if found[2] and _NAMES_A_JOB.match(expr, found.end()):
            matchers = _JOB.sub("", matchers).strip(",")
        if not matchers:
            return found[0]
        return f"{name}{{{matchers}," if found[2] else f"{name}{{{matchers}}}"

    return _WORDS.sub(add, expr)


def expanded(expr: str, of: Callable[[str], str | None]) -> str:
    """The text with each name of a series, where it stands by itself, replaced by what `of` gives, None to keep it."""

    def expand(found: re.Match[str]) -> str:
        inner = of(found[1]) if found[1] and not found[2] else None
        return found[0] if inner is None else f"({inner})"

    return _WORDS.sub(expand, expr)


def labels_carried(expr: str | Expression, labels_of: Callable[[str], frozenset[str]]) -> frozenset[str]:
    """The labels that the resulting series can carry, given those of every series that is read.

    Labels that `labels_of` never mentions come out only where the expression itself makes them (`label_replace`,
    `count_values`). Raises PromqlError as `parse` does.
    """
    match parse(expr) if isinstance(expr, str) else expr:
        case Series(name=name):
            return labels_of(name)
        case Subquery(of=inner):
            return labels_carried(inner, labels_of)
        case Call() as call:
            return _labels_of_call(call, labels_of)
        case Aggregation() as aggregation:
            inner_labels = labels_carried(aggregation.of, labels_of)
            match aggregation:
                case Aggregation(operator="topk" | "bottomk"):
                    return inner_labels
                case Aggregation(by=frozenset() as by):
                    kept = inner_labels & by
                case Aggregation(without=frozenset() as without):
                    kept = inner_labels - without
                case _:
                    kept = frozenset()
            match aggregation:
                case Aggregation(operator="count_values", parameter=Text(value=label)):
                    return kept | {label}
            return kept
        case Operation() as operation:
            return _labels_of_operation(operation, labels_of)
        case _:
            return frozenset()


def _labels_of_call(call: Call, labels_of: Callable[[str], frozenset[str]]) -> frozenset[str]:
    if call.function not in _MAKE_OR_DROP_LABELS:
        return frozenset().union(*(labels_carried(argument, labels_of) for argument in call.arguments))
    match call:
        case Call(function="absent" | "absent_over_time", arguments=(Series() as series,)):
            return frozenset(label for label, operator, _ in series.matchers if operator == "=") & labels_of(
                series.name
            )
        case Call(function="histogram_quantile" | "histogram_fraction"):
            return labels_carried(call.arguments[-1], labels_of) - {"le"}
        case Call(function="label_replace", arguments=(inner, Text(value=label), Text(value=""), *_)):
            return labels_carried(inner, labels_of) - {label}
        case Call(function="label_replace" | "label_join", arguments=(inner, Text(value=label), *_)):
            return labels_carried(inner, labels_of) | {label}
        case _:
            return frozenset()


def _labels_of_operation(operation: Operation, labels_of: Callable[[str], frozenset[str]]) -> frozenset[str]:
    left = labels_carried(operation.left, labels_of)
    right = labels_carried(operation.right, labels_of)
    match operation:
        case Operation(operator="and" | "unless"):
            return left
        case Operation(operator="or"):
            return left | right
        case Operation() if is_scalar(operation.left) or is_scalar(operation.right):
            return left | right
        case Operation(many="left", copied=copied):
            return (left - copied) | (right & copied)
        case Operation(many="right", copied=copied):
            return (right - copied) | (left & copied)
        case Operation(on=frozenset() as on):
            return left & right & on
        case Operation(ignoring=frozenset() as ignoring):
            return (left & right) - ignoring
        case _:
            return left & right


def is_scalar(expression: Expression) -> bool:
    """Whether it gives one number rather than series."""
    match expression:
        case Number() | Call(function="time" | "scalar" | "pi"):
            return True
        case Operation(left=left, right=right):
            return is_scalar(left) and is_scalar(right)
        case _:
            return False


def parts(expression: Expression) -> tuple[Expression, ...]:
    """What the expression is made of, in the order of the text."""
    match expression:
        case Subquery(of=inner):
            return (inner,)
        case Call(arguments=arguments):
            return arguments
        case Aggregation(of=inner, parameter=parameter):
            return (inner,) if parameter is None else (parameter, inner)
        case Operation(left=left, right=right):
            return (left, right)
        case _:
            return ()


def _collect(
    expression: Expression,
    calls: tuple[str, ...],
    within: timedelta,
    found: list[Selector],
    *,
    forbids: bool,
    moved: timedelta | None = None,
) -> None:
    """`within` and `moved` are the ranges and the offset of the subqueries around it."""
    match expression:
        case Series(name=name, matchers=matchers, range=range_, offset=offset):
            offset = _moved_by(offset, moved)
            back = within + (range_ or NOTHING) + (offset or NOTHING)
            found.append(Selector(name, matchers, range_, offset, calls, back, forbids))
            return
        case Subquery(range=span, offset=offset):
            within += span
            moved = _moved_by(offset, moved)
        case Call(function=function):
            calls = (function, *calls)
        case Aggregation(operator=operator):
            calls = (operator, *calls)
        case Operation(operator="unless", left=left, right=right):
            _collect(left, calls, within, found, forbids=forbids, moved=moved)
            _collect(right, calls, within, found, forbids=True, moved=moved)
            return
    for part in parts(expression):
        _collect(part, calls, within, found, forbids=forbids, moved=moved)


def _moved_by(offset: timedelta | None, moved: timedelta | None) -> timedelta | None:
    return offset if moved is None else moved + (offset or NOTHING)


def _converted(tree: foreign.Expr, expr: str, depth: int = 0) -> Expression:
    if depth > _DEEPEST:
        raise PromqlError(expr, f"it is nested more than {_DEEPEST} levels deep; record a part of it")
    depth += 1
    match tree:
        case foreign.ParenExpr():
            return _converted(tree.expr, expr, depth)
        case foreign.NumberLiteral():
            return Number(tree.val)
        case foreign.StringLiteral():
            return Text(tree.val)
        case foreign.VectorSelector():
            return _series(tree, None, expr)
        case foreign.MatrixSelector():
            return _series(tree.vector_selector, tree.range, expr)
        case foreign.SubqueryExpr():
            inner = _converted(tree.expr, expr, depth)
            return Subquery(inner, tree.range or NOTHING, tree.step, tree.offset, _moment(tree.at))
        case foreign.UnaryExpr():
            return Operation("*", Number(-1.0), _converted(tree.expr, expr, depth))
        case foreign.Call():
            return Call(tree.func.name, tuple(_converted(argument, expr, depth) for argument in tree.args))
        case foreign.AggregateExpr():
            return _aggregation(tree, expr, depth)
        case foreign.BinaryExpr():
            return _operation(tree, expr, depth)
        case _:
            raise PromqlError(expr, f"{type(tree).__name__} is unknown here")


def _series(tree: foreign.VectorSelector, range_: timedelta | None, expr: str) -> Series:
    if tree.matchers.or_matchers:
        raise PromqlError(expr, "only VictoriaMetrics knows `or` between matchers; use a regular expression")
    name = tree.name or ""
    matchers = []
    for matcher in tree.matchers.matchers:
        if matcher.name == "__name__" and matcher.op == foreign.MatchOp.Equal:
            name = matcher.value
        else:
            matchers.append((matcher.name, _matcher_operator(matcher), matcher.value))
    for one in (name, *(label for label, _, _ in matchers)):
        if one and not _NAME.match(one):
            raise PromqlError(expr, f"name {one!r} needs Prometheus 3; use letters, digits and underscores")
    return Series(name, tuple(matchers), range_, tree.offset, _moment(tree.at))


def _moment(at: foreign.AtModifier | None) -> str:
    return "" if at is None else str(at).removeprefix("@").strip()


def _matcher_operator(matcher: foreign.Matcher) -> str:
    operator = matcher.op
    return next((text for known, text in _OPERATORS if operator == known), "!~")


def _aggregation(tree: foreign.AggregateExpr, expr: str, depth: int) -> Aggregation:
    operator = str(tree.op)
    by = without = None
    if tree.modifier is not None:
        labels = frozenset(tree.modifier.labels)
        by, without = (labels, None) if tree.modifier.type == foreign.AggModifierType.By else (None, labels)
    parameter = None if tree.param is None else _converted(tree.param, expr, depth)
    return Aggregation(operator, _converted(tree.expr, expr, depth), parameter, by, without)


def _operation(tree: foreign.BinaryExpr, expr: str, depth: int) -> Operation:
    operator, left, right = str(tree.op), _converted(tree.lhs, expr, depth), _converted(tree.rhs, expr, depth)
    modifier = tree.modifier
    if modifier is None:
        return Operation(operator, left, right)
    on = ignoring = None
    if modifier.matching is not None:
        labels = frozenset(modifier.matching.labels)
        included = modifier.matching.type == foreign.LabelModifierType.Include
        on, ignoring = (labels, None) if included else (None, labels)
    many = ""
    if operator not in _SET_OPERATORS:
        if modifier.card == foreign.VectorMatchCardinality.ManyToOne:
            many = "left"
        elif modifier.card == foreign.VectorMatchCardinality.OneToMany:
            many = "right"
    copied = frozenset(modifier.group_labels or ())
    return Operation(operator, left, right, on, ignoring, many, copied, bool(modifier.return_bool))
