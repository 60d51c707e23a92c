"""What is left of an expression where nobody exports some of the series that it reads?"""

from collections.abc import Callable
from dataclasses import replace

from rules.promql.expression import Aggregation, Call, Expression, Operation, Series, Subquery

__all__ = ["reduced"]


def reduced(expression: Expression, missing: Callable[[str], bool]) -> Expression | None:
    """The expression with as many results and the same ones, which no longer names the series that are missing.

    What these would take away (`unless`) stays, and what stands in for them (`or`) takes their place. None where nothing
    is left to show, and where the expression asks whether they are missing (`absent`).
    """
    match expression:
        case Series(name=name):
            return None if missing(name) else expression
        case Subquery(of=inner) | Aggregation(of=inner):
            left = reduced(inner, missing)
            return None if left is None else replace(expression, of=left)
        case Call(arguments=arguments):
            given = tuple(left for one in arguments if (left := reduced(one, missing)) is not None)
            return replace(expression, arguments=given) if len(given) == len(arguments) else None
        case Operation(operator=operator):
            left, right = reduced(expression.left, missing), reduced(expression.right, missing)
            if left is not None and right is not None:
                return replace(expression, left=left, right=right)
            if operator == "or":
                return right if left is None else left
            return left if operator == "unless" else None
        case _:
            return expression
