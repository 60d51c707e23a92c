"""What arrives of an alert and of its end at those whom a real Alertmanager tells, and does it say what it should?"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.generators.sinks import Inbox, Mail, Posted
from tests.stated.routing import STATED, Stated, Told

__all__ = ["arriving"]

_RUNBOOK = "http://wiki/runbook"
_PANEL = "http://grafana/d/one?viewPanel=2"
_PATIENCE = timedelta(seconds=20)


def arriving(url: str, posts: Inbox[Posted], mails: Inbox[Mail]) -> list[str]:
    """Post every alert, then its end; what does not arrive, arrives elsewhere, or does not say what it should."""
    alerts = [_alert(one) for one in STATED]
    _post(url, alerts)
    found = _wrong("firing", alerts, posts, mails)
    if found:
        return found
    groups = httpx.get(f"{url}/api/v2/alerts/groups", timeout=100).json()
    found = [
        f"{one.name}: grouped by {sorted(actual)}, not by {sorted(stated)}"
        for one, alert in zip(STATED, alerts, strict=True)
        if (actual := _grouped(groups, alert))
        != (stated := {tuple(sorted(_present(told, alert))) for told in one.told})
    ]
    if found:
        return found
    # An end is told at the next look, up to 5 minutes later; whoever loads its configuration again looks at once.
    _post(url, [{**alert, "endsAt": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()} for alert in alerts])
    httpx.post(f"{url}/-/reload", timeout=100).raise_for_status()
    return _wrong("resolved", alerts, posts, mails)


def _alert(one: Stated) -> dict[str, Any]:
    labels = {"alertname": one.name, "rehearsal": "true", "instance": f"{STATED.index(one)}.", **one.labels}
    summary = f"{one.name} of {STATED.index(one)}."
    return {
        "labels": labels,
        "annotations": {"summary": summary, "runbook_url": _RUNBOOK, "dashboard_url": _PANEL},
    }


def _post(url: str, alerts: list[dict[str, Any]]) -> None:
    httpx.post(f"{url}/api/v2/alerts", json=alerts, timeout=100).raise_for_status()


def _present(told: Told, alert: Mapping[str, Any]) -> set[str]:
    return set(told.together) & set(alert["labels"])


def _grouped(groups: list[dict[str, Any]], alert: Mapping[str, Any]) -> set[tuple[str, ...]]:
    return {
        tuple(sorted(group["labels"]))
        for group in groups
        if any(one["labels"] == alert["labels"] for one in group["alerts"])
    }


@dataclass(frozen=True)
class _Message:
    """Something that arrived."""

    contact: str
    text: str
    """All of it."""
    wrong: tuple[str, ...]
    """What it should say, and does not."""


def _wrong(status: str, alerts: list[dict[str, Any]], posts: Inbox[Posted], mails: Inbox[Mail]) -> list[str]:
    """Wait for everybody to be told; what is missing, or wrong, in words."""
    expected = {
        (alert["annotations"]["summary"], contact): alert
        for one, alert in zip(STATED, alerts, strict=True)
        for told in one.told
        if told.end or status == "firing"
        for contact in told.who
    }
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    while True:
        arrived = dict(_messages(status, expected, posts, mails))
        wrong = [f"{key[1]}: {what}" for key, message in arrived.items() for what in message.wrong]
        strange = [
            f"{contact} is told of {summary} ({status})" for summary, contact in arrived.keys() - expected.keys()
        ]
        if wrong or strange:
            return wrong + strange
        missing = expected.keys() - arrived.keys()
        if not missing:
            return []
        if time.monotonic() > deadline:
            return [f"{contact} is not told of {summary} ({status})" for summary, contact in sorted(missing)]
        time.sleep(0.05)


def _messages(
    status: str, expected: Mapping[tuple[str, str], Mapping[str, Any]], posts: Inbox[Posted], mails: Inbox[Mail]
) -> Iterator[tuple[tuple[str, str], _Message]]:
    alert_of = {summary: alert for (summary, _), alert in expected.items()}
    for post in posts.all:
        text = json.dumps(post.body)
        for summary, alert in alert_of.items():
            if summary in text and _status(post.body, text) == status:
                message = _posted(post, text, alert, status)
                yield (summary, message.contact), message
    for mail in mails.all:
        text = _parts(mail)["plain"] + _parts(mail)["html"] + str(mail.message["Subject"])
        for summary, alert in alert_of.items():
            if summary in text and ("resolved" in text.lower()) == (status == "resolved"):
                yield (summary, f"mail {mail.to}"), _Message(f"mail {mail.to}", text, _wrong_mail(mail, alert, status))


def _status(body: Mapping[str, Any], text: str) -> str:
    if "status" in body:
        return str(body["status"])
    if "event_action" in body:
        return "resolved" if body["event_action"] == "resolve" else "firing"
    return "resolved" if "resolved" in text.lower() else "firing"


def _title(alert: Mapping[str, Any], status: str) -> str:
    labels = alert["labels"]
    priority = f"{labels['priority']} " if "priority" in labels else ""
    return f"[{priority}{status.upper()}] {alert['annotations']['summary']} ({labels['environment']}, 1 alert)"


def _posted(post: Posted, text: str, alert: Mapping[str, Any], status: str) -> _Message:
    body, title = post.body, _title(alert, status)
    if post.path.startswith("/pagerduty"):
        payload = body.get("payload", {})
        wrong = _differing(
            {
                "summary": (payload.get("summary"), title),
                "class": (payload.get("class"), alert["labels"]["alertname"]),
                "component": (payload.get("component"), alert["labels"]["service"]),
                "group": (payload.get("group"), alert["labels"]["environment"]),
                "details": (
                    f"Alert: {alert['labels']['alertname']} (" in payload["custom_details"].get(status, ""),
                    True,
                ),
                "runbook": (_link(body, "Runbook"), _RUNBOOK),
                "dashboard": (_link(body, "Dashboard")[: len(_PANEL)], _PANEL),
            }
        )
        return _Message(f"PagerDuty {body['routing_key']}, {payload.get('severity')}", text, wrong)
    if post.path.startswith("/slack"):
        (attachment,) = body["attachments"]
        wrong = _differing(
            {
                "title": (attachment.get("title"), title),
                "fallback": (attachment.get("fallback"), title),
                "link": (attachment.get("title_link"), _RUNBOOK),
                "colour": (attachment.get("color"), _colour(alert, status)),
                "text": (f"Alert: {alert['labels']['alertname']} (" in attachment.get("text", ""), True),
            }
        )
        hook = post.path.removeprefix("/slack/")
        by = "" if f"#{hook}" == body.get("channel") else f" by {hook}"
        return _Message(f"Slack {body.get('channel')}{by}", text, wrong)
    return _Message(f"webhook {post.path.removeprefix('/relay/')}", text, ())


def _wrong_mail(mail: Mail, alert: Mapping[str, Any], status: str) -> tuple[str, ...]:
    parts = _parts(mail)
    return _differing(
        {
            "subject": (mail.message["Subject"], _title(alert, status)),
            "sender": (mail.message["From"], "alertmanager@gametriq.com"),
            "user": (mail.user, "alertmanager@gametriq.com"),
            "password": (mail.password, "the mail's password"),
            "text": (f"Alert: {alert['labels']['alertname']} (" in parts["plain"], True),
            "rich text": (f"<p>Alert: {alert['labels']['alertname']} (" in parts["html"], True),
        }
    )


def _parts(mail: Mail) -> Mapping[str, str]:
    found = {}
    for kind in ("plain", "html"):
        body = mail.message.get_body((kind,))
        found[kind] = str(body.get_content()) if body else ""
    return found


def _link(body: Mapping[str, Any], text: str) -> str:
    return next((str(one["href"]) for one in body.get("links", ()) if one.get("text") == text), "")


def _colour(alert: Mapping[str, Any], status: str) -> str:
    """Of Okabe and Ito: green for the end, vermilion for P1, orange for P2, sky blue for the rest."""
    if status == "resolved":
        return "#009E73"
    return {"P1": "#D55E00", "P2": "#E69F00"}.get(alert["labels"].get("priority", ""), "#56B4E9")


def _differing(found: Mapping[str, tuple[object, object]]) -> tuple[str, ...]:
    return tuple(
        f"{what} is {actual!r}, not {stated!r}" for what, (actual, stated) in found.items() if actual != stated
    )
