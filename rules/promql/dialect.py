"""What may be written so that every Prometheus from 2.42 on takes it, and reads it alike?

The parser that `expression` uses is lenient where Prometheus 2.42 is not, and refuses a raw string with a backslash, which
every Prometheus takes. Here is the difference, found by asking promtool 2.42 and 3.5 (`tests/rules/test_promql_dialect.py`
asks again).
"""

import re

__all__ = ["FUNCTIONS", "STRING", "NotInEveryPrometheus", "plain"]

_IN_EVERY_VERSION = """
    abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min cos
    cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv exp floor histogram_count
    histogram_fraction histogram_quantile histogram_sum hour idelta increase irate label_join label_replace last_over_time
    ln log10 log2 max_over_time min_over_time minute month pi predict_linear present_over_time quantile_over_time rad rate
    resets round scalar sgn sin sinh sort sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time
    timestamp vector year
"""
FUNCTIONS = frozenset(_IN_EVERY_VERSION.split())
"""What 2.42 and every later version know by the same name, without a feature flag."""

STRING = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`'
"""A string in any of PromQL's three quotes, as a regular expression without groups."""

_TEN_YEARS = 10 * 31536000
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_STRING_OR_COMMENT = re.compile(rf"({STRING})|#[^\n]*")
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_OFFSET = re.compile(r"\boffset\s+-?\s*([0-9]\w*)")
_PART = re.compile(r"([0-9]{1,12})(ms|[smhdwy])")
_DURATION = re.compile(rf"\s*(?:{_PART.pattern})+\s*")
_AS_NUMBER = re.compile(r"(?<![\w:.])(?:[0-9]+(?:ms|[smhdwy]))+(?![\w:.])")
_FILL = re.compile(r"\b(fill(?:_left|_right)?)\s*\(")
_QUOTED_NAME = re.compile(
    r'\{(?:[^{}]*,)?\s*""\s*[,}=!]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*"'
)


class NotInEveryPrometheus(ValueError):  # noqa: N818 -- says what is the matter
    """Something is written that some Prometheus from 2.42 on refuses, or reads otherwise; the text says what to do."""


def plain(expr: str) -> str:
    """The same expression for the parser: raw strings in double quotes. Raises NotInEveryPrometheus."""
    bare = _STRING_OR_COMMENT.sub(lambda found: '""' if found[1] else "", expr)
    _refuse_odd_durations(bare)
    if found := _FILL.search(bare):
        raise NotInEveryPrometheus(f"{found[1]}() is not in every Prometheus from 2.42 on; write `or`")
    if _QUOTED_NAME.search(bare):
        raise NotInEveryPrometheus("a name in quotes needs Prometheus 3; write it without")
    return _STRING_OR_COMMENT.sub(_in_double_quotes, expr) if "`" in expr else expr


def _refuse_odd_durations(bare: str) -> None:
    written = [part for inside in _BRACKETS.findall(bare) for part in inside.split(":") if part.strip()]
    for duration in (*written, *_OFFSET.findall(bare)):
        if not _DURATION.fullmatch(duration):
            raise NotInEveryPrometheus(
                f"duration {duration.strip()} has no unit; write one such as {duration.strip()}s"
                if duration.strip().isdigit()
                else f"duration {duration.strip()} is none that 2.42 reads; write a plain one such as 5m"
            )
        if _seconds(duration) > _TEN_YEARS:
            raise NotInEveryPrometheus(f"duration {duration.strip()} is longer than ten years")
    elsewhere = _OFFSET.sub(" ", _BRACKETS.sub(" ", bare))
    if found := _AS_NUMBER.search(elsewhere):
        raise NotInEveryPrometheus(
            f"{found[0]} as a number needs Prometheus 3; write its seconds, {_seconds(found[0]):g}"
        )


def _seconds(duration: str) -> float:
    return sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(duration))


def _in_double_quotes(found: re.Match[str]) -> str:
    text = found[0]
    if not text.startswith("`"):
        return text
    return '"' + text[1:-1].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
