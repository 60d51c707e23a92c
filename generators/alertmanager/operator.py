"""How do routes and receivers read where Prometheus' Operator configures Alertmanager?"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from generators.alertmanager.messages import WITHOUT_MESSAGES
from generators.alertmanager.receivers import receiver_as_data
from generators.alertmanager.routing import Matcher, Receiver, Route, Routing
from generators.text import as_yaml
from rules.vocabulary import Catalog, Severity, prometheus_duration

__all__ = ["operator_file"]

_HEADER = """#
# For an Alertmanager that the Operator configures, and that selects this object: in place of alertmanager.yml and
# routes.yml. Beside it you need
# 1. a Secret {secret} in this namespace, with the keys
{keys}
# 2. templates/paymon.tmpl in a ConfigMap that the Alertmanager's spec.alertmanagerConfiguration.templates names.
#    Without it {without}.
#
# The Operator adds the matcher namespace="<this object's namespace>" to the route, and our
# alerts say no namespace: as it is, nobody would be told. Let the Alertmanager have
#     spec: {{alertmanagerConfigMatcherStrategy: {{type: None}}}}
# or, where others own it, let Prometheus put the namespace on every alert that it sends:
#     spec: {{externalLabels: {{namespace: <this object's namespace>}}}}
{stock}"""

_STOCK = """#
# The stock configuration of kube-prometheus-stack lets a louder severity hide a quieter one of the same alertname and
# namespace. Ours do not differ in the namespace, so that {environment}'s critical alert would hide another
# environment's warning of that name; these have both: {names}.
# Add to the target_matchers of these stock rules: team!="{team}". Ours keep quiet by themselves.
"""


def operator_file(catalog: Catalog, routes: Routing) -> str:
    """The AlertmanagerConfig (v1alpha1), with what it needs from its surroundings said in front."""
    organisation = catalog.organisation
    secret = f"{organisation.team}-alertmanager"
    receivers = [_receiver(one, catalog, secret) for one in routes.route.all_receivers()]
    document = {
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "AlertmanagerConfig",
        "metadata": {"name": organisation.team, "labels": {"app.kubernetes.io/part-of": organisation.service}},
        "spec": {
            "route": _route(routes.route),
            "receivers": receivers,
        },
    }
    keys = "\n".join(f"#      {key}" for key in sorted(_keys(receivers)))
    return _HEADER.format(secret=secret, keys=keys, without=WITHOUT_MESSAGES, stock=_stock(catalog)) + as_yaml(document)


def _stock(catalog: Catalog) -> str:
    """What the stock configuration would hide: the alerts that have one severity here and a quieter one there."""
    organisation = catalog.organisation
    names = []
    for alert in catalog.alerts:
        found = {one.severity for there in organisation.environments for one in alert.thresholds_in(there)}
        if len(found - {Severity.NONE}) > 1:
            names.append(alert.name)
    if not names:
        return ""
    text = _STOCK.format(environment=organisation.environments[0].name, names=", ".join(names), team=organisation.team)
    return "\n".join(_folded(text)) + "\n"


def _folded(text: str) -> Iterator[str]:
    """The comment's lines, a long one broken between words."""
    for line in text.splitlines():
        while len(line) > 120:
            cut = line.rindex(" ", 0, 120)
            yield line[:cut]
            line = f"# {line[cut + 1 :]}"
        yield line


def _matcher(matcher: Matcher) -> dict[str, str]:
    several = len(matcher.values) > 1
    return {"name": matcher.label, "value": "|".join(matcher.values), "matchType": "=~" if several else "="}


def _route(route: Route) -> dict[str, object]:
    timing = route.timing
    data: dict[str, object] = {
        "receiver": route.receiver.name,
        "groupBy": list(timing.together),
        "groupWait": prometheus_duration(timing.wait),
        "groupInterval": prometheus_duration(timing.interval),
        "repeatInterval": prometheus_duration(timing.repeat),
    }
    if route.matchers:
        data["matchers"] = [_matcher(one) for one in route.matchers]
    if route.goes_on:
        data["continue"] = True
    if route.routes:
        data["routes"] = [_route(one) for one in route.routes]
    return data


_KINDS = {
    "pagerduty_configs": "pagerdutyConfigs",
    "slack_configs": "slackConfigs",
    "email_configs": "emailConfigs",
    "webhook_configs": "webhookConfigs",
}
_KEYS = {"send_resolved": "sendResolved", "title_link": "titleLink"}
_SECRETS = {"routing_key_file": "routingKey", "api_url_file": "apiURL"}


def _receiver(receiver: Receiver, catalog: Catalog, secret: str) -> dict[str, object]:
    data: dict[str, object] = {"name": receiver.name}
    for kind, configurations in receiver_as_data(receiver, catalog.organisation.delivery).items():
        if isinstance(configurations, list):
            data[_KINDS[kind]] = [_configuration(kind, one, catalog, secret) for one in configurations]
    return data


def _configuration(kind: str, data: dict[str, object], catalog: Catalog, secret: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in data.items():
        match key:
            case "routing_key_file" | "api_url_file":
                found[_SECRETS[key]] = _of_secret(secret, str(value))
            case "details" | "headers" if isinstance(value, dict):
                found[key] = [{"key": name, "value": text} for name, text in value.items()]
            case "links" if isinstance(value, list):
                found["pagerDutyLinkConfigs"] = [{"href": one["href"], "alt": one["text"]} for one in value]
            case _:
                found[_KEYS.get(key, key)] = value
    if kind == "email_configs":
        delivery = catalog.organisation.delivery
        found |= {
            "from": delivery.mail_sender,
            "smarthost": delivery.mail_host,
            "authUsername": delivery.mail_user,
            "authPassword": _of_secret(secret, "mail-password"),
        }
    return found


def _of_secret(secret: str, path: str) -> dict[str, str]:
    return {"name": secret, "key": PurePosixPath(path).name}


def _keys(data: object) -> Iterator[str]:
    """Every key of the Secret that the receivers name, each once."""
    found: dict[str, None] = {}
    waiting = [data]
    while waiting:
        match waiting.pop():
            case {"name": str(), "key": str(key)}:
                found[key] = None
            case dict() as inner:
                waiting.extend(inner.values())
            case list() as inner:
                waiting.extend(inner)
    yield from found
