"""What does Prometheus make of a template in an annotation?"""

import re
from collections.abc import Mapping
from decimal import Decimal

__all__ = ["rendered"]

_TEMPLATE = re.compile(r"\{\{ (?:\$labels\.(\w+)|\$value \| (\w+)(?: \"(%\.\df)\")?) \}\}")


def rendered(template: str, value: Decimal, labels: Mapping[str, str]) -> str:
    """The text with `{{ $labels.x }}` and `{{ $value | function }}` filled in, as Prometheus 2.42 to 3.x would.

    The functions are those of generators/wording.py (Prometheus' template reference, "Numbers").
    Raises ValueError for anything else in double braces.
    """

    def fill(found: re.Match[str]) -> str:
        label, function, form = found.groups()
        if label:
            return labels.get(label, "")
        match function:
            case "humanizePercentage":
                return f"{float(value) * 100:.4g}%"
            case "humanizeDuration":
                return _duration(float(value))
            case "humanize1024":
                return _binary(float(value))
            case "printf" if form:
                return str(form % float(value))
            case _:
                raise ValueError(f"template {found[0]} is not known here; teach it to this module")

    text = _TEMPLATE.sub(fill, template)
    if "{{" in text:
        raise ValueError(f"template {text!r} is not known here; use what generators/wording.py offers")
    return text


def _duration(seconds: float) -> str:
    if seconds == 0:
        return "0s"
    if abs(seconds) < 1:
        for prefix in ("m", "u", "n"):
            seconds *= 1000
            if abs(seconds) >= 1:
                return f"{seconds:.4g}{prefix}s"
        return f"{seconds:.4g}ns"
    sign, size = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, left = divmod(int(size), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {left}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {left}s"
    if minutes:
        return f"{sign}{minutes}m {left}s"
    return f"{sign}{size:.4g}s"


def _binary(value: float) -> str:
    if abs(value) <= 1:
        return f"{value:.4g}"
    prefixes = ["", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"]
    while abs(value) >= 1024 and len(prefixes) > 1:
        value /= 1024
        prefixes.pop(0)
    return f"{value:.4g}{prefixes[0]}"
