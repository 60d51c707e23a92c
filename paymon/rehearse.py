"""`paymon rehearse`: would this alert reach the people that it is for?"""

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import click
import httpx

from generators.alertmanager.routing import REHEARSAL, Receiver, routing
from generators.rules import AlertingRule, rule_groups
from paymon.definitions import load
from paymon.live.access import Access, NoAnswerError, access_from, access_options
from paymon.live.asking import CANNOT_JUDGE, as_json, environment_named, environment_option, unanswered
from paymon.live.http import alerts, sent
from paymon.not_judged import Judging
from rules.vocabulary import Catalog, Environment, Priority

__all__ = ["Outcome", "Rehearsal", "rehearsal_of", "rehearse"]

_LASTS = 600
"""Seconds after which a rehearsal ends by itself, should nobody be left to end it."""
_LONGEST_WAIT = 120.0
_ATTEMPTS = "alertmanager_notification_requests_total"
_FAILED_ATTEMPTS = "alertmanager_notification_requests_failed_total"
_GIVEN_UP = "alertmanager_notifications_failed_total"
"""`alertmanager_notifications_total` would not do: it counts a message before the first attempt to send it."""
_COUNTER = re.compile(rf"^({_ATTEMPTS}|{_FAILED_ATTEMPTS}|{_GIVEN_UP})\{{([^}}]*)\}} (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SLACK = "slack"
_INTEGRATIONS = {"PagerDuty": "pagerduty", "Slack": _SLACK, "e-mail": "email"}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One alert as it is sent, and who has to hear of it."""

    name: str
    priority: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    expected: tuple[Receiver, ...]


@dataclass(frozen=True, slots=True)
class Messages:
    """What Alertmanager counted of one integration while the rehearsal lasted."""

    integration: str
    defined: int
    """Those that the definitions want: one for each contact."""
    taken: int
    """Attempts that the other side took."""
    failed: int
    """Attempts that failed. Alertmanager tries some of them again."""
    given_up: int
    """Messages that it does not try again."""

    @property
    def settled(self) -> bool:
        return self.taken + self.given_up >= self.defined

    @property
    def lost(self) -> bool:
        """Given up, or still refused when the rehearsal ended."""
        return bool(self.given_up) or (bool(self.failed) and self.taken < self.defined)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a rehearsal."""

    rehearsal: Rehearsal
    receivers: tuple[str, ...]
    """Where Alertmanager put it; empty where it does not have it."""
    held_back: str
    """Why nobody was told: a silence, an inhibition, or the hours of the route."""
    messages: tuple[Messages, ...]
    counted: bool
    """Whether it has counters at all."""

    @property
    def wrong_route(self) -> bool:
        return set(self.receivers) != {one.name for one in self.rehearsal.expected}

    @property
    def decided(self) -> bool:
        """Whether waiting longer would change nothing."""
        settled = bool(self.messages) and all(one.settled for one in self.messages)
        return settled or self.wrong_route or bool(self.held_back)

    @property
    def failed(self) -> bool:
        return self.wrong_route or any(one.lost for one in self.messages)

    @property
    def told(self) -> bool:
        return bool(self.messages) and all(one.taken >= one.defined for one in self.messages)


def rehearsal_of(catalog: Catalog, environment: Environment, name: str, tier: str = "") -> Rehearsal:
    """The rehearsal of an alert. Raises click.UsageError where there is nothing to rehearse."""
    rules = [
        rule
        for group in rule_groups(catalog, environment)
        for rule in group.rules
        if isinstance(rule, AlertingRule) and rule.alert.name == name and (not tier or rule.threshold.tier == tier)
    ]
    if not rules:
        raise click.UsageError(f"there is no alert {name!r}; see paymon list alerts")
    rule = min(rules, key=lambda one: one.threshold.priority.value)
    if rule.alert.always:
        raise click.UsageError(f"{name} always fires, and needs no rehearsal: see whether its receiver hears it")
    labels = {**dict(rule.labels), "alertname": name, REHEARSAL: "true"}
    annotations = {key: re.sub(r"\{\{.*?\}\}", "(value)", text) for key, text in rule.annotations}
    annotations["summary"] = f"REHEARSAL, nothing is wrong: {annotations.get('summary', name)}"
    annotations["description"] = "This is a rehearsal of the way that this alert takes. Nobody has to act on it."
    return Rehearsal(name, rule.threshold.priority.value, labels, annotations, routing(catalog).route.receivers(labels))


@click.command(cls=Judging)
@click.argument("alert", required=False)
@click.option("--all-priorities", is_flag=True, help="One alert of each priority, before a launch.")
@click.option("--yes", is_flag=True, help="Do not ask whether to disturb people.")
@click.option("--json", "json_", is_flag=True, help="For machines.")
@environment_option
@access_options("alertmanager")
def rehearse(
    alert: str | None, all_priorities: bool, yes: bool, json_: bool, environment: str | None, **_access: Any
) -> None:
    """Send a marked test alert to Alertmanager, and say which way it took. IT REACHES REAL PEOPLE.

    It has ALERT's labels, and rehearsal="true", so that it shares no message with real alerts and hides none. While
    anything real of the team fires it is refused. Its end is always sent, also after Ctrl-C.

    Whether it was delivered is told as far as Alertmanager's counters tell, which count messages by kind of receiver
    and not by alert: a real message at the same moment would count, too. Whether somebody saw it only they can say;
    and whether it said anything, since Alertmanager 0.32 and newer counts a Slack message as delivered that has no word
    in it, as where its paymon.tmpl is missing: `paymon drift --alertmanager` looks for that.

    Exit status: 0 delivered, as far as counters tell; 1 refused, sent another way than defined, or a delivery failed;
    2 wrong use; 3 cannot tell, as for a ticket outside of working hours.
    """
    catalog = load()
    place = environment_named(catalog, environment)
    if (alert is None) != all_priorities:
        raise click.UsageError("name the ALERT to rehearse, or give --all-priorities")
    wanted = [rehearsal_of(catalog, place, alert)] if alert is not None else list(_one_of_each(catalog, place))
    access = access_from(click.get_current_context(), "alertmanager")
    assert access is not None, "the option is required"
    for one in wanted:
        names = ", ".join(f"{contact.name} by {contact.channel.value}" for r in one.expected for contact in r.contacts)
        click.echo(f"{one.priority}  {one.name} in {place.name} goes to {names}", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("this reaches real people; give --yes where nobody can be asked")
        click.confirm("Send it?", abort=True, err=True)
    with unanswered(), access.client() as client:
        real = _firing(client, access, catalog)
        if real:
            click.echo(f"refused: {', '.join(real)} fires; rehearse when it is over", err=True)
            sys.exit(1)
        outcomes = [_rehearsed(client, access, one, time.time, time.sleep) for one in wanted]
    click.echo(as_json({"rehearsals": [_as_data(one) for one in outcomes]}) if json_ else "\n".join(_lines(outcomes)))
    if any(one.failed for one in outcomes):
        sys.exit(1)
    sys.exit(0 if all(one.told for one in outcomes) else CANNOT_JUDGE)


def _one_of_each(catalog: Catalog, environment: Environment) -> Iterator[Rehearsal]:
    for priority in (Priority.P1, Priority.P2, Priority.P3, Priority.P4):
        for alert in catalog.alerts:
            found = [one for one in alert.thresholds_in(environment) if one.priority is priority]
            if found and not alert.always and not alert.told_at_once:
                yield rehearsal_of(catalog, environment, alert.name, found[0].tier)
                break


def _firing(client: httpx.Client, access: Access, catalog: Catalog) -> list[str]:
    """The team's real alerts that fire, the heartbeat aside."""
    always = {alert.name for alert in catalog.alerts if alert.always}
    team = f'team="{catalog.organisation.team}"'
    found = alerts(client, access, {"filter": team})
    names = {one["labels"].get("alertname", "") for one in found if one["labels"].get(REHEARSAL) != "true"}
    return sorted(names - always)


def _rehearsed(
    client: httpx.Client,
    access: Access,
    one: Rehearsal,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> Outcome:
    before = _counters(client)
    wait = max((5.0 if receiver.urgency is Priority.P1 else 30.0 for receiver in one.expected), default=30.0)
    found: Mapping[str, Any] = {}
    messages: tuple[Messages, ...] = ()
    with _firing_until_left(client, access, one, clock):
        deadline = clock() + min(wait + 30, _LONGEST_WAIT)
        while True:
            found = _there(client, access, one) or found
            if before is not None and (after := _counters(client)) is not None:
                messages = tuple(_messages(one, before, after))
            outcome = Outcome(
                one,
                tuple(sorted(receiver["name"] for receiver in found.get("receivers", ()))),
                _held_back(found.get("status", {})),
                messages,
                before is not None,
            )
            if clock() > deadline or (found and outcome.decided):
                return outcome
            pause(1)


def _held_back(status: Mapping[str, Any]) -> str:
    if status.get("silencedBy"):
        return "a silence holds it back"
    if status.get("inhibitedBy"):
        return "an inhibition holds it back"
    if status.get("mutedBy"):
        return "its route is outside of its hours; it is told when they begin"
    return ""


@contextmanager
def _firing_until_left(
    client: httpx.Client, access: Access, one: Rehearsal, clock: Callable[[], float]
) -> Iterator[None]:
    """It fires while the block lasts, and its end is sent whatever happens."""
    begun = clock()

    def post(ends: float) -> None:
        body = {
            "labels": dict(one.labels),
            "annotations": dict(one.annotations),
            "startsAt": _iso(begun),
            "endsAt": _iso(ends),
        }
        sent(client, access, "/api/v2/alerts", [body])

    post(begun + _LASTS)
    try:
        yield
    finally:
        try:
            post(clock())
        except NoAnswerError as error:
            click.echo(f"its end could not be sent ({error}); it ends by itself within ten minutes", err=True)


def _there(client: httpx.Client, access: Access, one: Rehearsal) -> Mapping[str, Any] | None:
    """It as Alertmanager has it; one of the same name may be rehearsed for another environment or service."""
    found = alerts(client, access, {"filter": f'{REHEARSAL}="true"'})
    sent_labels = {name: value for name, value in one.labels.items() if value}
    return next((there for there in found if there["labels"] == sent_labels), None)


def _counters(client: httpx.Client) -> dict[tuple[str, str], float] | None:
    """Messages and failures so far, by counter and integration; None where Alertmanager's metrics are not to be had."""
    try:
        response = client.get("/metrics", headers={"Accept": "text/plain"})
    except httpx.HTTPError:
        return None
    if not response.is_success:
        return None
    found: dict[tuple[str, str], float] = {}
    for name, labels, value in _COUNTER.findall(response.text):
        key = (name, dict(_LABEL.findall(labels)).get("integration", ""))
        found[key] = found.get(key, 0.0) + float(value)
    return found or None


def _messages(
    one: Rehearsal, before: Mapping[tuple[str, str], float], after: Mapping[tuple[str, str], float]
) -> Iterator[Messages]:
    contacts = [contact for receiver in one.expected for contact in receiver.contacts]
    defined = Counter(_INTEGRATIONS.get(contact.channel.value, "webhook") for contact in contacts)
    for kind, count in sorted(defined.items()):

        def grown(counter: str, kind: str = kind) -> int:
            return round(after.get((counter, kind), 0) - before.get((counter, kind), 0))

        failed = grown(_FAILED_ATTEMPTS)
        yield Messages(kind, count, grown(_ATTEMPTS) - failed, failed, grown(_GIVEN_UP))


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for one in outcomes:
        word = "FAILED" if one.failed else "delivered" if one.told else "cannot tell"
        colour = {"FAILED": "red", "delivered": "green", "cannot tell": "magenta"}[word]
        yield click.style(f"{word:<12}", fg=colour, bold=True) + f"{one.rehearsal.priority}  {one.rehearsal.name}"
        expected = ", ".join(receiver.name for receiver in one.rehearsal.expected)
        if not one.receivers:
            yield "  Alertmanager does not have it: it was not taken, or has been dropped"
        elif one.wrong_route:
            yield f"  went to {', '.join(one.receivers)}, where {expected} is defined; see paymon drift --alertmanager"
        else:
            yield f"  went to {', '.join(one.receivers)}, as defined"
        if one.held_back:
            yield f"  {one.held_back}"
        if not one.counted:
            yield "  Alertmanager's metrics are not to be had there, so nobody can tell whether it was delivered"
        for kind in one.messages:
            taken = f"{kind.taken} of {kind.defined} messages taken"
            yield f"  {kind.integration}: {taken}; attempts that failed: {kind.failed}; given up: {kind.given_up}"
            if kind.integration == _SLACK and kind.taken:
                yield "  see that Slack's has words: without paymon.tmpl, Alertmanager 0.32 and newer sends none"
    yield "Its end has been sent. Ask those who should have heard of it: counters know nothing of phones."


def _as_data(one: Outcome) -> dict[str, Any]:
    return {
        "alert": one.rehearsal.name,
        "priority": one.rehearsal.priority,
        "labels": dict(one.rehearsal.labels),
        "receivers": list(one.receivers),
        "receivers_defined": [receiver.name for receiver in one.rehearsal.expected],
        "held_back": one.held_back,
        "counted": one.counted,
        "messages": [asdict(kind) for kind in one.messages],
        "failed": one.failed,
        "delivered": one.told,
    }
