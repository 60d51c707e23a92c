"""How does Alertmanager reach a contact, and where are the secrets for it?"""

from collections.abc import Mapping

from generators.alertmanager.routing import Receiver
from rules.vocabulary import Channel, Contact, Delivery, Priority

__all__ = ["mail_settings", "receiver_as_data", "secret_files"]

_PAGERDUTY_SEVERITY: Mapping[Priority, str] = {Priority.P1: "critical", Priority.P2: "error", Priority.P3: "warning"}
"""PagerDuty treats critical and error as high urgency, warning and info as low."""


def receiver_as_data(receiver: Receiver, delivery: Delivery) -> dict[str, object]:
    """The receiver in Alertmanager's words: a list of configurations for each way to reach its contacts."""
    data: dict[str, object] = {"name": receiver.name}
    by_key: dict[str, list[dict[str, object]]] = {}
    for contact in receiver.contacts:
        key, configuration = _configuration(contact, receiver, delivery)
        by_key.setdefault(key, []).append(configuration)
    return data | by_key


def mail_settings(delivery: Delivery) -> dict[str, object]:
    """The part of Alertmanager's global settings that e-mail needs."""
    return {
        "smtp_smarthost": delivery.mail_host,
        "smtp_from": delivery.mail_sender,
        "smtp_auth_username": delivery.mail_user,
        "smtp_auth_password_file": _mail_password_file(delivery),
    }


def secret_files(receivers: tuple[Receiver, ...], delivery: Delivery) -> Mapping[str, str]:
    """What each file of a secret must hold, by its path."""
    files = {}
    for contact in (contact for receiver in receivers for contact in receiver.contacts):
        match contact.channel:
            case Channel.PAGERDUTY:
                files[_secret_file(contact, delivery)] = f"the integration key of PagerDuty's service {contact.address}"
            case Channel.SLACK:
                files[_secret_file(contact, delivery)] = f"the URL of Slack's incoming webhook for {contact.address}"
            case Channel.EMAIL:
                files[_mail_password_file(delivery)] = f"the password of {delivery.mail_user} on {delivery.mail_host}"
            case _:
                pass
    return files


def _mail_password_file(delivery: Delivery) -> str:
    return f"{delivery.secrets_folder}/mail-password"


def _secret_file(contact: Contact, delivery: Delivery) -> str:
    return f"{delivery.secrets_folder}/{contact.channel.value.lower()}-{contact.address.lstrip('#')}"


def _configuration(contact: Contact, receiver: Receiver, delivery: Delivery) -> tuple[str, dict[str, object]]:
    match contact.channel:
        case Channel.PAGERDUTY:
            return "pagerduty_configs", _pagerduty(contact, receiver.urgency, delivery)
        case Channel.SLACK:
            return "slack_configs", _slack(contact, delivery)
        case Channel.EMAIL:
            return "email_configs", _mail(contact)
        case Channel.TICKET:
            return "webhook_configs", {"url": f"{delivery.relay_url}/{contact.address}", "send_resolved": True}
        case Channel.DEAD_MAN_SWITCH:
            # A resolved heartbeat is a message too, and would be taken for a sign of life.
            url = f"{delivery.relay_url}/{contact.address}/{receiver.environment}"
            return "webhook_configs", {"url": url, "send_resolved": False}
        case Channel.PHONE:
            raise ValueError(f"Alertmanager cannot call {contact.name} by phone; leave the contact out of receivers")


def _pagerduty(contact: Contact, urgency: Priority, delivery: Delivery) -> dict[str, object]:
    return {
        "routing_key_file": _secret_file(contact, delivery),
        "send_resolved": True,
        "severity": _PAGERDUTY_SEVERITY.get(urgency, "info"),
        "description": '{{ template "paymon.title" . }}',
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.service }}",
        "group": "{{ .CommonLabels.environment }}",
        "details": {
            "firing": '{{ template "paymon.text.alerts" .Alerts.Firing }}',
            "resolved": '{{ template "paymon.text.alerts" .Alerts.Resolved }}',
        },
        "links": [
            {"text": "Runbook", "href": '{{ template "paymon.runbook" . }}'},
            {"text": "Dashboard", "href": '{{ template "paymon.dashboard" . }}'},
        ],
    }


def _slack(contact: Contact, delivery: Delivery) -> dict[str, object]:
    return {
        "api_url_file": _secret_file(contact, delivery),
        "channel": contact.address,
        "send_resolved": True,
        "color": '{{ template "paymon.slack.color" . }}',
        "title": '{{ template "paymon.title" . }}',
        "title_link": '{{ template "paymon.runbook" . }}',
        "fallback": '{{ template "paymon.title" . }}',
        "text": '{{ template "paymon.slack.text" . }}',
    }


def _mail(contact: Contact) -> dict[str, object]:
    return {
        "to": contact.address,
        "send_resolved": True,
        "headers": {"Subject": '{{ template "paymon.title" . }}'},
        "html": '{{ template "paymon.mail.html" . }}',
        "text": '{{ template "paymon.mail.text" . }}',
    }
