"""Which route does an alert take, and which receiver is at its end?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from rules.vocabulary import (
    Catalog,
    Channel,
    Contact,
    Organisation,
    Priority,
    hours,
    minutes,
    prometheus_duration,
    seconds,
)

__all__ = [
    "REHEARSAL",
    "UNREACHABLE",
    "Matcher",
    "Receiver",
    "Route",
    "Routing",
    "Timing",
    "routing",
    "told",
    "told_calmly",
]

UNREACHABLE = (Channel.PHONE,)
"""The ways to reach a contact that Alertmanager does not have."""

_EARLIER = seconds(10)
"""Alertmanager looks once per group_interval, and repeats what it finished sending more than repeat_interval ago. The
time that sending takes would put a repeat off to the next look; these seconds less, and it is on time."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label: it has one of these values."""

    label: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """The matcher as Alertmanager's old and new parser both read it: with its value in double quotes."""
        return f'{self.label}{"=" if len(self.values) == 1 else "=~"}"{"|".join(self.values)}"'

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether it holds for that alert; a label that is missing is empty."""
        return labels.get(self.label, "") in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Which alerts share a message, when it leaves, and when it is repeated."""

    together: tuple[str, ...]
    """The labels in which alerts of one message agree."""
    wait: timedelta
    """Time for which a first message waits for more alerts of the same moment."""
    interval: timedelta
    """Time between two messages about one group, if something is new."""
    repeat: timedelta
    """Time until an unchanged group is told again."""

    def as_data(self) -> dict[str, object]:
        """The timing in Alertmanager's words."""
        return {
            "group_by": list(self.together),
            "group_wait": prometheus_duration(self.wait),
            "group_interval": prometheus_duration(self.interval),
            "repeat_interval": prometheus_duration(self.repeat),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Contacts who hear the same, and how urgent it is to them."""

    name: str
    contacts: tuple[Contact, ...]
    urgency: Priority
    environment: str = ""
    """The environment whose heartbeat it receives, behind its service where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A node of Alertmanager's routing tree."""

    receiver: Receiver
    timing: Timing
    matchers: tuple[Matcher, ...] = ()
    goes_on: bool = False
    """True where the routes after it are tried as well."""
    routes: tuple["Route", ...] = ()

    def receivers(self, labels: Mapping[str, str]) -> tuple[Receiver, ...]:
        """Who hears of an alert with these labels, as Alertmanager decides; nobody where it is not for this route."""
        if not all(matcher.holds(labels) for matcher in self.matchers):
            return ()
        found: list[Receiver] = []
        for route in self.routes:
            deeper = route.receivers(labels)
            found.extend(deeper)
            if deeper and not route.goes_on:
                break
        return tuple(found) or (self.receiver,)

    def all_receivers(self) -> tuple[Receiver, ...]:
        """Every receiver of this route and those below it, each once."""
        below = (receiver for route in self.routes for receiver in route.all_receivers())
        return tuple(dict.fromkeys((self.receiver, *below)))

    def as_data(self) -> dict[str, object]:
        """The route in Alertmanager's words."""
        data: dict[str, object] = {"receiver": self.receiver.name}
        if self.matchers:
            data["matchers"] = [str(matcher) for matcher in self.matchers]
        data |= self.timing.as_data()
        if self.goes_on:
            data["continue"] = True
        if self.routes:
            data["routes"] = [route.as_data() for route in self.routes]
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The routes of the team's alerts, and who is at their ends."""

    route: Route

    @property
    def fallback(self) -> Receiver:
        """Who hears of what no route catches."""
        return self.route.receiver


REHEARSAL = "rehearsal"
"""The label of a test alert. It is in every group key, so that none shares a message with a real alert."""

_ONE_BY_ONE = ("alertname", "environment", REHEARSAL, "service")

_TIMINGS = {
    Priority.P1: Timing(
        together=("environment", REHEARSAL, "service"), wait=seconds(0), interval=minutes(1), repeat=minutes(15)
    ),
    Priority.P2: Timing(together=_ONE_BY_ONE, wait=seconds(1), interval=minutes(5), repeat=hours(1)),
    Priority.P3: Timing(together=_ONE_BY_ONE, wait=seconds(1), interval=minutes(5), repeat=hours(12)),
    Priority.P4: Timing(together=_ONE_BY_ONE, wait=seconds(1), interval=minutes(5), repeat=hours(24)),
}
"""P1 leaves at once, the others with what Prometheus sends in the same moment. The half minute that a louder alert may
need to speak first is waited in Prometheus: of what Alertmanager holds back it may never tell the end."""

_HEARTBEAT = Timing(
    together=("alertname", "environment"), wait=seconds(0), interval=minutes(1), repeat=minutes(1) - _EARLIER
)


def routing(catalog: Catalog, *others: Catalog) -> Routing:
    """The routes of the alerts of one service, or of several that the same people watch.

    Heartbeats first; then tickets, and those of them that the channels hear of at any hour; then what happens where
    nobody is woken; then P1 to P3, of which some P1s are incidents of their own. What nothing catches goes to the
    fallback, which hears it as a P3.
    """
    organisation = catalog.organisation
    team = organisation.team
    calmly = Receiver(name=f"{team}-calm", contacts=told_calmly(organisation), urgency=Priority.P3)
    catalogs = (catalog, *others)
    routes = [
        *(route for one in catalogs for route in _heartbeats(one, of_several=bool(others))),
        *_at_once(catalogs, calmly),
        Route(
            receiver=Receiver(name=f"{team}-p4", contacts=told(organisation, Priority.P4), urgency=Priority.P4),
            timing=_TIMINGS[Priority.P4],
            matchers=(Matcher("priority", (Priority.P4.value,)),),
        ),
    ]
    for one in catalogs:
        quiet = tuple(environment.name for environment in one.organisation.environments if not environment.pages)
        if quiet:
            matchers = (Matcher("environment", quiet), *(_of_service(one) if others else ()))
            routes.append(Route(receiver=calmly, timing=_TIMINGS[Priority.P3], matchers=matchers))
    routes.extend(_stakeholders(organisation))
    routes.extend(_own_incidents(catalogs, organisation))
    routes.extend(
        Route(
            receiver=_urgent(organisation, priority),
            timing=_TIMINGS[priority],
            matchers=(Matcher("priority", (priority.value,)),),
        )
        for priority in (Priority.P1, Priority.P2, Priority.P3)
    )
    return Routing(
        route=Route(
            receiver=Receiver(name=f"{team}-fallback", contacts=told(organisation, Priority.P3), urgency=Priority.P3),
            timing=_TIMINGS[Priority.P3],
            matchers=(Matcher("team", (team,)),),
            routes=tuple(routes),
        ),
    )


def _of_service(catalog: Catalog) -> tuple[Matcher, ...]:
    return (Matcher("service", (catalog.organisation.service,)),)


def _heartbeats(catalog: Catalog, *, of_several: bool) -> Iterable[Route]:
    """A route for each environment's alerts that always fire: the heartbeat of one must not stand in for another's."""
    organisation = catalog.organisation
    names = tuple(alert.name for alert in catalog.alerts if alert.always)
    waiting = tuple(contact for contact in organisation.contacts if contact.channel is Channel.DEAD_MAN_SWITCH)
    if not names or not waiting:
        return
    for environment in organisation.environments:
        whose = (organisation.service, environment.name) if of_several else (environment.name,)
        yield Route(
            receiver=Receiver(
                name="-".join((organisation.team, "heartbeat", *whose)),
                contacts=waiting,
                urgency=Priority.NONE,
                environment="/".join(whose),
            ),
            timing=_HEARTBEAT,
            matchers=(
                Matcher("alertname", names),
                Matcher("environment", (environment.name,)),
                *(_of_service(catalog) if of_several else ()),
            ),
        )


def _at_once(catalogs: Iterable[Catalog], receiver: Receiver) -> Iterable[Route]:
    """The tickets of which everybody must know before somebody works on them."""
    alerts = (alert for catalog in catalogs for alert in catalog.alerts)
    names = tuple(dict.fromkeys(alert.name for alert in alerts if alert.told_at_once))
    if names:
        yield Route(
            receiver=receiver,
            timing=replace(_TIMINGS[Priority.P3], wait=seconds(0)),
            matchers=(Matcher("alertname", names), Matcher("priority", (Priority.P4.value,))),
            goes_on=True,
        )


def _stakeholders(organisation: Organisation) -> Iterable[Route]:
    """Those to whom a P1 escalates are kept informed, beside those who are woken by it."""
    contacts = _escalated(organisation, Priority.P1)
    if contacts:
        yield Route(
            receiver=Receiver(name=f"{organisation.team}-stakeholders", contacts=contacts, urgency=Priority.P1),
            timing=Timing(
                together=_TIMINGS[Priority.P1].together,
                wait=seconds(0),
                interval=minutes(1),
                repeat=organisation.stakeholder_update_every - _EARLIER,
            ),
            matchers=(Matcher("priority", (Priority.P1.value,)),),
            goes_on=True,
        )


def _own_incidents(catalogs: Iterable[Catalog], organisation: Organisation) -> Iterable[Route]:
    """The P1s that ask for another act than the others: PagerDuty calls once for each group."""
    alerts = (alert for catalog in catalogs for alert in catalog.alerts)
    names = tuple(dict.fromkeys(alert.name for alert in alerts if alert.own_incident))
    if names:
        yield Route(
            receiver=_urgent(organisation, Priority.P1),
            timing=replace(_TIMINGS[Priority.P1], together=_ONE_BY_ONE),
            matchers=(Matcher("alertname", names), Matcher("priority", (Priority.P1.value,))),
        )


def _urgent(organisation: Organisation, priority: Priority) -> Receiver:
    """Those who hear of a P1, P2 or P3 where people are woken."""
    contacts = told(organisation, priority)
    if priority is Priority.P2:
        contacts = (*contacts, *_escalated(organisation, priority))
    return Receiver(name=f"{organisation.team}-{priority.value.lower()}", contacts=contacts, urgency=priority)


def told_calmly(organisation: Organisation) -> tuple[Contact, ...]:
    """Who hears of P1 to P3 in an environment where nobody is woken, and of a ticket that is told at once."""
    return tuple(contact for contact in told(organisation, Priority.P3) if contact.channel is not Channel.PAGERDUTY)


def told(organisation: Organisation, priority: Priority) -> tuple[Contact, ...]:
    """Whom Alertmanager tells of that priority; nobody where there is no policy for it."""
    return tuple(
        contact
        for policy in organisation.policies
        if policy.priority is priority
        for contact in policy.notifies
        if contact.channel not in UNREACHABLE
    )


def _escalated(organisation: Organisation, priority: Priority) -> tuple[Contact, ...]:
    return tuple(
        contact
        for policy in organisation.policies
        if policy.priority is priority
        for contact in policy.escalates_to
        if contact.channel not in UNREACHABLE
    )
