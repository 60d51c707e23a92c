"""What would Alertmanager have sent about alerts that fired: after routing, grouping and repeats?"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from generators.alertmanager.routing import Receiver, Route, routing
from rules.vocabulary import Catalog

__all__ = ["Firing", "Notification", "notifications", "pages"]


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert's instance while it fired; `ended` is infinite where it still did at the end."""

    labels: Mapping[str, str]
    fired: float
    ended: float


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one receiver."""

    at: float
    receiver: Receiver
    firing: tuple[str, ...]
    """The names of the alerts in it that fire, each once."""
    news: tuple[str, ...]
    """Those of them of which the receiver had not heard."""
    resolved: tuple[str, ...]


def pages(sent: Sequence[Notification]) -> tuple[Notification, ...]:
    """The messages that wake somebody: news to a receiver whose urgency pages."""
    return tuple(one for one in sent if one.news and one.receiver.urgency.pages)


def notifications(catalog: Catalog, firings: Sequence[Firing], end: float) -> tuple[Notification, ...]:
    """Every message up to `end`, in the order of time."""
    groups: dict[tuple[int, tuple[str, ...]], list[Firing]] = defaultdict(list)
    routes: dict[int, Route] = {}
    for firing in firings:
        for route in _routes(routing(catalog).route, firing.labels):
            key = tuple(firing.labels.get(label, "") for label in route.timing.together)
            routes[hash(route)] = route
            groups[hash(route), key].append(firing)
    sent = [
        message for (route_id, _), members in groups.items() for message in _of_group(routes[route_id], members, end)
    ]
    return tuple(sorted(sent, key=lambda one: (one.at, one.receiver.name)))


def _routes(route: Route, labels: Mapping[str, str]) -> tuple[Route, ...]:
    if not all(matcher.holds(labels) for matcher in route.matchers):
        return ()
    found: list[Route] = []
    for below in route.routes:
        deeper = _routes(below, labels)
        found.extend(deeper)
        if deeper and not below.goes_on:
            break
    return tuple(found) or (route,)


def _of_group(route: Route, members: Sequence[Firing], end: float) -> Iterator[Notification]:
    """The messages about one group: it lives from its first alert until nothing in it is left to tell."""
    wait, interval, repeat = (
        one.total_seconds() for one in (route.timing.wait, route.timing.interval, route.timing.repeat)
    )
    waiting = sorted(members, key=lambda one: one.fired)
    while waiting:
        at = waiting[0].fired + wait
        told: dict[int, Firing] = {}
        last_sent = float("-inf")
        while at <= end:
            here = [one for one in waiting if one.fired <= at]
            firing = [one for one in here if at < one.ended]
            over = [one for one in told.values() if one.ended <= at]
            news = [one for one in firing if id(one) not in told]
            if news or over or (firing and at - last_sent >= repeat):
                yield Notification(at, route.receiver, _names(firing), _names(news), _names(over))
                last_sent = at
                told = {id(one): one for one in firing}
            waiting = [one for one in waiting if one.ended > at or id(one) in told]
            if not any(one.fired <= at for one in waiting):
                break
            at += interval
        else:
            return


def _names(firings: Sequence[Firing]) -> tuple[str, ...]:
    return tuple(sorted({one.labels["alertname"] for one in firings}))
