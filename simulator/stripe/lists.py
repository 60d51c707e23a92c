"""How does Stripe page through a list, filter it, and refuse a request that makes no sense? (Stripe, "Pagination")"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from rules.payments.webhooks import EVENT_TYPES
from simulator.stripe.ids import token
from simulator.stripe.shapes import Json, error
from simulator.stripe.world import FakeStripe

__all__ = ["BadRequestError", "ListRequest", "events_page", "objects_page"]

_MOST = 100
_MOST_TYPES = 20
_TYPES = re.compile(r"types\[\d*\]\Z")
_CREATED = re.compile(r"created\[(gte|gt|lte|lt)\]\Z")


class BadRequestError(Exception):
    """A request that Stripe answers with 400."""

    def __init__(self, message: str, param: str, code: str | None = None) -> None:
        super().__init__(message)
        self.body = error("invalid_request_error", message, code, param)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a list was asked for; seconds are both included."""

    limit: int = 10
    oldest: int | None = None
    newest: int | None = None
    starting_after: str = ""
    ending_before: str = ""
    types: frozenset[str] = frozenset()
    undelivered: bool = False

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]], allowed: frozenset[str]) -> "ListRequest":
        """The request in a query string. Raises BadRequestError."""
        found: dict[str, int | str | bool] = {}
        types: list[str] = []
        for name, value in query:
            bound = _CREATED.match(name)
            if bound:
                second = _whole(value, name)
                end, shift = {
                    "gte": ("oldest", 0),
                    "gt": ("oldest", 1),
                    "lte": ("newest", 0),
                    "lt": ("newest", -1),
                }[bound[1]]
                found[end] = second + shift
            elif name == "created":
                found["oldest"] = found["newest"] = _whole(value, name)
            elif name == "limit":
                found["limit"] = limit = _whole(value, name)
                if not 1 <= limit <= _MOST:
                    raise BadRequestError(
                        f"This value must be between 1 and {_MOST}.", name, "parameter_invalid_integer"
                    )
            elif name in ("starting_after", "ending_before"):
                found[name] = value
            elif (_TYPES.match(name) or name == "type") and "types" in allowed:
                types.append(value)
            elif name == "delivery_success" and name in allowed and value in ("true", "false"):
                found["undelivered"] = value == "false"
            else:
                raise BadRequestError(f"Received unknown parameter: {name}", name, "parameter_unknown")
        if len(types) > _MOST_TYPES:
            raise BadRequestError(f"You may pass at most {_MOST_TYPES} types.", "types")
        for type_ in types:
            if type_ not in EVENT_TYPES:
                raise BadRequestError(f"The event type {type_} is not known here.", "types")
        if found.get("starting_after") and found.get("ending_before"):
            raise BadRequestError("You may give only one cursor.", "ending_before")
        return cls(**found, types=frozenset(types))  # type: ignore[arg-type]


def events_page(world: FakeStripe, wanted: ListRequest) -> Json:
    """A page of `/v1/events`. Raises BadRequestError for a cursor that is not in the list any more."""
    after = _event_cursor(world, wanted.starting_after, "starting_after")
    before = _event_cursor(world, wanted.ending_before, "ending_before")
    numbers = (
        _undelivered(world, wanted)
        if wanted.undelivered
        else world.events(
            wanted.oldest,
            wanted.newest if after is None else _least(wanted.newest, world.event_time(after)),
            descending=before is None,
        )
    )
    if before is not None:
        numbers = (number for number in numbers if number > before)
    if after is not None:
        numbers = (number for number in numbers if number < after)
    if wanted.types and len(wanted.types) < len(EVENT_TYPES):
        numbers = (number for number in numbers if world.event_type(number) in wanted.types)
    found = list(islice(numbers, wanted.limit + 1))
    page = found[: wanted.limit]
    if before is not None and not wanted.undelivered:
        page.reverse()
    return _page("/v1/events", [world.event(number) for number in page], len(found) > wanted.limit)


def objects_page(url: str, things: Callable[[], Iterator[Json]], wanted: ListRequest) -> Json:
    """A page of any other list, newest first. Raises BadRequestError for a cursor that is not in the list."""
    chosen = (
        thing
        for thing in things()
        if (wanted.oldest is None or thing["created"] >= wanted.oldest)
        and (wanted.newest is None or thing["created"] <= wanted.newest)
    )
    if wanted.ending_before:
        newer: list[Json] = []
        for thing in chosen:
            if thing["id"] == wanted.ending_before:
                return _page(url, newer[-wanted.limit :], len(newer) > wanted.limit)
            newer.append(thing)
        raise _no_such(wanted.ending_before, "ending_before")
    if wanted.starting_after and all(thing["id"] != wanted.starting_after for thing in chosen):
        raise _no_such(wanted.starting_after, "starting_after")
    found = list(islice(chosen, wanted.limit + 1))
    return _page(url, found[: wanted.limit], len(found) > wanted.limit)


def _undelivered(world: FakeStripe, wanted: ListRequest) -> Iterator[int]:
    for number in world.undelivered():
        second = world.event_time(number)
        if (wanted.oldest or 0) <= second and (wanted.newest is None or second <= wanted.newest):
            yield number


def _event_cursor(world: FakeStripe, id_: str, param: str) -> int | None:
    if not id_:
        return None
    number = world.event_number(id_)
    if number is None:
        raise _no_such(id_, param)
    return number


def _no_such(id_: str, param: str) -> BadRequestError:
    return BadRequestError(f"No such object: '{id_}'", param, "resource_missing")


def _least(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _page(url: str, data: list[object] | list[Json], more: bool) -> Json:
    return {"object": "list", "data": data, "has_more": more, "url": url}


def _whole(value: str, name: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise BadRequestError(f"Invalid integer: {value}", name, "parameter_invalid_integer") from None


def event_id(number: int) -> str:
    """The id of the event of that number."""
    return token("evt", number)
