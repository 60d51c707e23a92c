"""What does a PromQL expression read, which labels come out, and which values can it take?"""

from rules.promql.either import with_either
from rules.promql.expression import (
    ABSENCES,
    Aggregation,
    Call,
    Expression,
    Number,
    Operation,
    PromqlError,
    Selector,
    Series,
    Subquery,
    Text,
    expanded,
    is_scalar,
    labels_carried,
    parse,
    parts,
    read,
    selectors,
    walk,
    with_matchers,
)
from rules.promql.reduced import reduced
from rules.promql.signs import Sign, sign_of
from rules.promql.text import written

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
    "Sign",
    "Subquery",
    "Text",
    "expanded",
    "is_scalar",
    "labels_carried",
    "parse",
    "parts",
    "read",
    "reduced",
    "selectors",
    "sign_of",
    "walk",
    "with_either",
    "with_matchers",
    "written",
]
