"""Do two PromQL texts mean the same, though a server has written one of them anew?"""

from dataclasses import replace

from rules.promql import Aggregation, Call, Expression, Operation, Series, Subquery, parse

__all__ = ["same_expression"]


def same_expression(one: str, other: str) -> bool:
    """Whether both are the same but for spaces, parentheses and the order of matchers and labels."""
    try:
        return _ordered(parse(one)) == _ordered(parse(other))
    except ValueError:
        return " ".join(one.split()) == " ".join(other.split())


def _ordered(tree: Expression) -> Expression:
    match tree:
        case Series(matchers=matchers):
            return replace(tree, matchers=tuple(sorted(matchers)))
        case Subquery(of=inner):
            return replace(tree, of=_ordered(inner))
        case Call(arguments=arguments):
            return replace(tree, arguments=tuple(map(_ordered, arguments)))
        case Aggregation(of=inner, by=by, without=without):
            return replace(tree, of=_ordered(inner), by=frozenset() if by is without is None else by)
        case Operation(left=left, right=right):
            return replace(tree, left=_ordered(left), right=_ordered(right))
        case _:
            return tree
