#!/usr/bin/env bash
# promql-parser 0.12.0 (Python): `str(parse(...))` is not always the expression that was parsed. Whoever rewrites rules through
# it changes what they mean, without an error; `.prettify()` writes all of these right but the moment of `@`:
#
#     x[5m:]                  -> x{}[5m]              a subquery becomes a range, and reads raw samples
#     sum(x)[5m:]             -> sum(x{})[5m]         the same; this one no longer parses
#     x[1500ms]               -> x{}[1s]              milliseconds are cut off
#     x @ -1                  -> x{} @ 0.000          a time before 1970 becomes 1970 (by prettify, too)
#     x{a="b\\n"}             -> x{a="b\n"}           a backslash and an n become a line feed: values are not escaped
#     x{a=~"b\\.c"}           -> x{a=~"b\.c"}         the same; this one no longer parses
#     sum by ("a.b") (x)      -> sum by (a.b)(x{})    a name that needs quotes loses them, and no longer parses
#
# Fails if one of these changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'promql-parser==0.12.0'
"$folder/venv/bin/python" - <<'PYTHON'
from promql_parser import parse

SEEN = (  # expression, its text, whether that parses, prettified
    ("x[5m:]", "x{}[5m]", True, "x[5m:]"),
    ("sum(x)[5m:]", "sum(x{})[5m]", False, "sum(x)[5m:]"),
    ("x[1500ms]", "x{}[1s]", True, "x[1s500ms]"),
    ("x @ -1", "x{} @ 0.000", True, "x @ 0.000"),
    (r'x{a="b\\n"}', r'x{a="b\n"}', True, r'x{a="b\\n"}'),
    (r'x{a=~"b\\.c"}', r'x{a=~"b\.c"}', False, r'x{a=~"b\\.c"}'),
    ('sum by ("a.b") (x)', "sum by (a.b)(x{})", False, 'sum by ("a.b") (x)'),
)


def parses(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


for expression, *expected in SEEN:
    text, pretty = str(parse(expression)), parse(expression).prettify()
    print(f"{expression:20} -> {text:20} prettified {pretty}")
    assert [text, parses(text), pretty] == expected, "the behaviour has changed"


def value(expression: str) -> str:
    return parse(expression).matchers.matchers[0].value


once, twice = value(r'x{a="b\\n"}'), value(str(parse(r'x{a="b\\n"}')))
print(f"the label's value, read once and read from the text: {once!r}, {twice!r}")
assert (once, twice) == ("b\\n", "b\n"), "the behaviour has changed"
assert type(parse("x[5m:]")) is not type(parse(str(parse("x[5m:]")))), "the behaviour has changed"
PYTHON
