"""Does Stripe get its webhooks delivered, and is there an endpoint for every type of event that we need?"""

import logging
from datetime import timedelta

from pydantic import HttpUrl, TypeAdapter, ValidationError

from exporters.process.logs import LOGGER
from exporters.sampling.model import Reading, reading
from exporters.stripe.reading.answers import Created, Endpoint, Versioned
from exporters.stripe.reading.asking import Asked, Asking, Shared
from exporters.stripe.settings import StripeSettings
from rules.payments import webhooks
from rules.vocabulary import Source

__all__ = ["WebhooksSampler"]

_LOG = logging.getLogger(f"{LOGGER}.stripe.webhooks")
_URL = TypeAdapter(HttpUrl)

_RETRIED_FOR = 3 * 86400
"""Seconds for which Stripe tries again in live mode (Stripe, "Webhooks", "Retry behavior")."""

_FIRST_DELIVERY = 60
"""Seconds within which an event may still be on its way for the first time."""

_PAGES = 10


class WebhooksSampler(Asking):
    """The sampler of webhook endpoints and undelivered events.

    Undelivered events are read up to a thousand: beyond that the counts are floors, and the oldest the oldest read.
    Stripe does not say which endpoint missed them. Of the endpoints, those count that receive the events of the account
    that is watched (a platform's Connect endpoints for a connected account, and the others for the account that the key
    belongs to), and of them the payments service's: those at the addresses in the settings or else at `probed`, the
    one that the probe asks. Where none is known to be the service's, all count, and what is subscribed is not known;
    nobody having named any, it is where the enabled ones agree.
    """

    endpoints = ("events", "webhook_endpoints")
    least = timedelta(minutes=2)

    how_to_clear = "set stripe.webhook_urls to the address that Stripe's dashboard shows for the payments service"

    def __init__(self, shared: Shared, settings: StripeSettings, probed: HttpUrl | None = None) -> None:
        super().__init__(shared)
        self._settings = settings
        self._said = {_address(url) for url in settings.webhook_urls}
        self._probed = {_address(probed)} if probed else set()
        self._subscribed: frozenset[str] | None = None
        self._subscribed_at = 0.0
        self.enabled: int | None = None
        """Enabled endpoints that count, None before it is known."""
        self.others = 0
        """Endpoints that receive the events of other accounts."""
        self.elsewhere = 0
        """Endpoints that receive the watched account's events at addresses that are not the payments service's."""
        self.unclear = ""
        """Why it is not known which endpoints are the payments service's, empty where it is."""

    @property
    def source(self) -> Source:
        return Source.STRIPE_WEBHOOKS

    @property
    def subscribed(self) -> frozenset[str] | None:
        """The types of event to which the payments service subscribes, `*` for all; None where that is not known.

        What was read before Stripe failed, or before another replica led, is not known for longer than it is served.
        """
        age = abs(self._shared.clock() - self._subscribed_at)
        return self._subscribed if age <= self.max_age.total_seconds() else None

    async def read(self, asked: Asked) -> tuple[Reading, ...]:
        """Endpoints, subscriptions and what was not delivered."""
        endpoints = None
        if not self._settings.event_destination:
            endpoints = await asked.if_permitted(asked.all("webhook_endpoints", Endpoint, {}, _PAGES))
        version = await self._accounts_version(asked, endpoints[0] if endpoints else ())
        late = await asked.if_permitted(asked.all("events", Created, {"delivery_success": "false"}, _PAGES))
        return (
            *(self._backlog(late[0], asked.here) if late else ()),
            *(self._endpoints(endpoints[0], version) if endpoints else ()),
        )

    async def _accounts_version(self, asked: Asked, endpoints: tuple[Endpoint, ...]) -> str | None:
        """The account's API version, in which endpoints without one of their own are sent events.

        None where nobody wants to know, or where it cannot be known: of a connected account, whose events are sent in
        the platform's version, and where there is no event.
        """
        without = any(one.status == "enabled" and not one.api_version for one in endpoints)
        if not without or not self._settings.webhook_api_version or self._settings.account:
            return None
        newest = await asked.if_permitted(asked.all("events", Versioned, {"limit": 1}, 1))
        return next((event.api_version for event in newest[0]), None) if newest else None

    def _endpoints(self, found: tuple[Endpoint, ...], version: str | None) -> tuple[Reading, ...]:
        """What they say; `version` is the account's."""
        of_connected = bool(self._settings.account)
        reached = [endpoint for endpoint in found if bool(endpoint.application) is of_connected]
        self.others = len(found) - len(reached)
        there = [endpoint for endpoint in reached if _address(endpoint.url) in (self._said or self._probed)]
        endpoints = there if there or self._said else reached
        self.elsewhere = len(reached) - len(endpoints)
        enabled = [endpoint for endpoint in endpoints if endpoint.status == "enabled"]
        self.enabled = len(enabled)
        self._tell(self._why_unclear(reached, there, enabled))
        types = frozenset(type_ for endpoint in enabled for type_ in endpoint.enabled_events)
        self._subscribed = types if self._said or not self.unclear else None
        self._subscribed_at = self._shared.clock()
        return (
            reading(webhooks.endpoints, len(enabled), status="enabled"),
            reading(webhooks.endpoints, len(endpoints) - len(enabled), status="disabled"),
            *self._drift([endpoint.api_version or version for endpoint in enabled]),
            *(
                reading(webhooks.subscribed, bool({type_, "*"} & types), event_type=type_)
                for type_ in webhooks.REQUIRED_EVENT_TYPES
                if self._subscribed is not None
            ),
        )

    def _why_unclear(self, reached: list[Endpoint], there: list[Endpoint], enabled: list[Endpoint]) -> str:
        if self._said:
            return "none has an address that stripe.webhook_urls names" if reached and not there else ""
        unknown = "what the payments service subscribes to is not known"
        if self._probed:
            return f"none has the address in probe.webhook_url: {unknown}" if reached and not there else ""
        differ = len({frozenset(endpoint.enabled_events) for endpoint in enabled}) > 1
        return f"{len(enabled)} are enabled, for different types of event: {unknown}" if differ else ""

    def _tell(self, unclear: str) -> None:
        """Each time that it becomes another."""
        if unclear and unclear != self.unclear:
            _LOG.warning("webhook endpoints: %s; %s", unclear, self.how_to_clear)
        self.unclear = unclear

    @staticmethod
    def _backlog(late: tuple[Created, ...], here: float) -> tuple[Reading, ...]:
        moments = [event.created for event in late if event.created < here - _FIRST_DELIVERY]
        retrying = [at for at in moments if at >= here - _RETRIED_FOR]
        dead = [at for at in moments if at < here - _RETRIED_FOR]
        return (*_undelivered("retrying", retrying), *_undelivered("dead", dead))

    def _drift(self, versions: list[str | None]) -> tuple[Reading, ...]:
        """How many of these versions are others than expected; nothing where one of them is not known."""
        expected = self._settings.webhook_api_version
        if expected and None in versions:
            return ()
        count = sum(version != expected for version in versions) if expected else 0
        return (reading(webhooks.endpoint_version_drift, count),)


def _undelivered(state: str, moments: list[int]) -> tuple[Reading, ...]:
    count = reading(webhooks.undelivered, len(moments), state=state)
    return (count, reading(webhooks.oldest_undelivered, min(moments), state=state)) if moments else (count,)


def _address(url: HttpUrl | str) -> str:
    """Where it leads, without user, password and query, which may hold secrets."""
    try:
        found = _URL.validate_python(url)
    except ValidationError:
        return str(url)
    return f"{found.scheme}://{found.host}:{found.port}{(found.path or '').rstrip('/')}"
