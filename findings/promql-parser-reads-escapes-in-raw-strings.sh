#!/usr/bin/env bash
# promql-parser 0.12.0 (Python): a raw string, between backticks, has no escapes in PromQL, and Prometheus (2.42 and 3.5,
# `promtool check rules`) takes any backslash in one; it is how regular expressions are written without doubling them. This
# parser gives its value as it stands, and yet refuses it where a backslash and the next character are no known escape:
#
#     x{a=~`b\.c`}     -> ValueError: unknown escape sequence '.'
#     x{a=~`b\d`}      -> ValueError: unknown escape sequence 'd'
#     x{a=~`b\n`}      -> parses; the value has a backslash and an n
#
# `offset 0s`, which Prometheus 3 takes, is refused too ("duration must be greater than 0"). Fails if one of these changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'promql-parser==0.12.0'
"$folder/venv/bin/python" - <<'PYTHON'
from promql_parser import parse


def answer(expression: str) -> str:
    try:
        tree = parse(expression)
    except ValueError as error:
        return f"ValueError: {error}"
    return f"parses: {[one.value for one in tree.matchers.matchers]}"


SEEN = {
    r"x{a=~`b\.c`}": "ValueError: unknown escape sequence '.'",
    r"x{a=~`b\d`}": "ValueError: unknown escape sequence 'd'",
    r"x{a=~`b\n`}": r"parses: ['b\\n']",
    r'x{a=~"b\\.c"}': r"parses: ['b\\.c']",
    "x offset 0s": "ValueError: duration must be greater than 0",
}
for expression, seen in SEEN.items():
    got = answer(expression)
    print(f"{expression:15} -> {got}")
    assert got == seen, "the behaviour has changed"
PYTHON
