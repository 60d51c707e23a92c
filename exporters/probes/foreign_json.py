"""What can be read from somebody else's JSON, however wrong the rest of it is?"""

import json
import math
from dataclasses import dataclass

__all__ = ["Document", "NotJsonError", "number_in", "parse", "value_at"]


class NotJsonError(ValueError):
    """The bytes are no JSON, not even nearly."""


@dataclass(frozen=True, slots=True)
class Document:
    """What the bytes say; `valid` is False where NaN or Infinity, which JSON does not have, were read as null."""

    value: object
    valid: bool


def parse(body: bytes) -> Document:
    """Read UTF-8 JSON, with or without a byte order mark.

    Raises NotJsonError, also for JSON nested or with numbers longer than Python reads.
    """
    strange: list[str] = []
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=strange.append)
    except (ValueError, RecursionError):
        raise NotJsonError from None
    return Document(value, valid=not strange)


def value_at(value: object, pointer: str) -> object:
    """What a JSON pointer (RFC 6901) leads to; None where it leads nowhere, as where it leads to null."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        match value:
            case dict():
                value = value.get(key)
            case list() if key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            case _:
                return None
    return value


def number_in(value: object, lowest: float = 0, highest: float = math.inf) -> float | None:
    """A finite number between the two, ends included; None for everything else, text and truth values included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and lowest <= found <= highest else None
