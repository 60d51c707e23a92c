"""Which files does Alertmanager read?"""

from collections.abc import Mapping

from generators.alertmanager.messages import MESSAGES, WITHOUT_MESSAGES, messages
from generators.alertmanager.operator import operator_file
from generators.alertmanager.receivers import mail_settings, receiver_as_data, secret_files
from generators.alertmanager.routing import Routing, routing
from generators.folders import ALERTMANAGER
from generators.text import as_yaml, generated_header
from rules.vocabulary import BusinessHours, Catalog, Delivery

__all__ = ["alertmanager_files"]

_UNCHECKED = f"""\
# `amtool check-config` says SUCCESS without templates/paymon.tmpl, too: see that it finds a template. Without it
# {WITHOUT_MESSAGES}."""

_CONFIGURATION = """#
# For an Alertmanager of its own, 0.25 or newer. Put templates/paymon.tmpl beside this file, and one file for each
# secret, readable by Alertmanager alone:
{secrets}
# {relay} is the service that knows the tokens of the ticket system and of the dead man's switch. It gets tickets at any
# hour, and their ends: should they be opened in business hours only ({hours}), it minds them.
# Check with `amtool check-config alertmanager.yml`, then reload Alertmanager.
{unchecked}
"""

_FRAGMENT = """#
# For an Alertmanager that is there already. Alertmanager cannot include files, so add to its configuration:
# 1. the entry of `routes` below to its `route: routes:`, before those that it has;
# 2. the entries of `receivers` to those that it has; every name of ours begins with `{team}-`;
# 3. templates/paymon.tmpl to its `templates`.
# Its `global` needs what e-mail needs (smtp_smarthost, smtp_from and the rest). Put one file for each other secret,
# readable by Alertmanager alone:
{secrets}
# {relay} is the service that knows the tokens of the ticket system and of the dead man's switch. It gets tickets at any
# hour, and their ends: should they be opened in business hours only ({hours}), it minds them.
# Check with `amtool check-config`, and with
# `amtool config routes test --config.file=alertmanager.yml team={team} priority=P1 environment={environment}`.
{unchecked}
# Has it inhibitions of its own that know no team, as kube-prometheus-stack's (a louder severity hides a quieter one of
# the same alertname)? Add team!="{team}" to their target_matchers: else one environment's alert hides another's.
"""


def alertmanager_files(catalog: Catalog, *others: Catalog) -> Mapping[str, str]:
    """Alertmanager's configuration, the fragment for one that exists, and the messages; by path.

    For several services that the same people watch, one configuration serves all.
    """
    organisation = catalog.organisation
    delivery = organisation.delivery
    routes = routing(catalog, *others)
    header = generated_header("your people and services")
    mail = mail_settings(delivery)
    rest = _receivers(catalog, routes)
    return {
        f"{ALERTMANAGER}/alertmanager.yml": header
        + _CONFIGURATION.format(
            secrets=_secrets(routes, delivery),
            relay=delivery.relay_url,
            hours=_hours(organisation.business_hours),
            unchecked=_UNCHECKED,
        )
        + as_yaml({"global": mail, "templates": ["templates/*.tmpl"]})
        + "\n"
        + as_yaml(
            {
                "route": {
                    "receiver": routes.fallback.name,
                    **routes.route.timing.as_data(),
                    "routes": [routes.route.as_data()],
                }
            }
        )
        + rest,
        f"{ALERTMANAGER}/routes.yml": header
        + _FRAGMENT.format(
            secrets=_secrets(routes, delivery, without=str(mail["smtp_auth_password_file"])),
            relay=delivery.relay_url,
            hours=_hours(organisation.business_hours),
            team=organisation.team,
            environment=organisation.environments[0].name,
            unchecked=_UNCHECKED,
        )
        + as_yaml({"routes": [routes.route.as_data()]})
        + rest,
        f"{ALERTMANAGER}/alertmanagerconfig.yaml": header + operator_file(catalog, routes),
        MESSAGES: messages(organisation),
    }


def _receivers(catalog: Catalog, routes: Routing) -> str:
    organisation = catalog.organisation
    receivers = [receiver_as_data(receiver, organisation.delivery) for receiver in routes.route.all_receivers()]
    return "\n" + as_yaml({"receivers": receivers})


def _hours(business_hours: BusinessHours) -> str:
    days = f"{business_hours.weekdays[0]} to {business_hours.weekdays[-1]}"
    return f"{days}, {business_hours.start} to {business_hours.end}, {business_hours.timezone}"


def _secrets(routes: Routing, delivery: Delivery, without: str = "") -> str:
    files = secret_files(routes.route.all_receivers(), delivery)
    return "\n".join(f"#   {path}: {content}" for path, content in files.items() if path != without)
