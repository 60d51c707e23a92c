"""Does Stripe get its webhooks delivered, and is there an endpoint for every type of event that we need?"""

from datetime import timedelta

from exporters.sampling.model import Reading, reading
from exporters.stripe.reading.answers import Created, Endpoint
from exporters.stripe.reading.asking import Asked, Asking, Shared
from exporters.stripe.settings import StripeSettings
from rules.payments import webhooks
from rules.vocabulary import Source

__all__ = ["WebhooksSampler"]

_RETRIED_FOR = 3 * 86400
"""Seconds for which Stripe tries again in live mode (Stripe, "Webhooks", "Retry behavior")."""

_FIRST_DELIVERY = 60
"""Seconds within which an event may still be on its way for the first time."""

_PAGES = 10


class WebhooksSampler(Asking):
    """The sampler of webhook endpoints and undelivered events.

    Undelivered events are read up to a thousand: beyond that the counts are floors, and the oldest the oldest read.
    Of the endpoints, those count that receive the events of the account that is watched: a platform's Connect
    endpoints for a connected account, and the others for the account that the key belongs to.
    """

    endpoints = ("events", "webhook_endpoints")
    least = timedelta(minutes=2)

    def __init__(self, shared: Shared, settings: StripeSettings) -> None:
        super().__init__(shared)
        self._settings = settings
        self._subscribed: frozenset[str] | None = None
        self.enabled: int | None = None
        """Enabled endpoints that receive the watched account's events, None before it is known."""
        self.others = 0
        """Endpoints that receive the events of other accounts."""

    @property
    def source(self) -> Source:
        return Source.STRIPE_WEBHOOKS

    @property
    def subscribed(self) -> frozenset[str] | None:
        """The types of event that an enabled endpoint subscribes to, `*` for all; None before it is known."""
        return self._subscribed

    async def read(self, asked: Asked) -> tuple[Reading, ...]:
        """Endpoints, subscriptions and what was not delivered."""
        endpoints = None
        if not self._settings.event_destination:
            endpoints = await asked.if_permitted(asked.all("webhook_endpoints", Endpoint, {}, _PAGES))
        late = await asked.if_permitted(asked.all("events", Created, {"delivery_success": "false"}, _PAGES))
        return (
            *(self._backlog(late[0], asked.here) if late else ()),
            *(self._endpoints(endpoints[0]) if endpoints else ()),
        )

    def _endpoints(self, found: tuple[Endpoint, ...]) -> tuple[Reading, ...]:
        of_connected = bool(self._settings.account)
        endpoints = [endpoint for endpoint in found if bool(endpoint.application) is of_connected]
        self.others = len(found) - len(endpoints)
        enabled = [endpoint for endpoint in endpoints if endpoint.status == "enabled"]
        self.enabled = len(enabled)
        self._subscribed = frozenset(type_ for endpoint in enabled for type_ in endpoint.enabled_events)
        return (
            reading(webhooks.endpoints, len(enabled), status="enabled"),
            reading(webhooks.endpoints, len(endpoints) - len(enabled), status="disabled"),
            reading(webhooks.endpoint_version_drift, sum(map(self._drifts, enabled))),
            *(
                reading(webhooks.subscribed, bool({type_, "*"} & self._subscribed), event_type=type_)
                for type_ in webhooks.REQUIRED_EVENT_TYPES
            ),
        )

    @staticmethod
    def _backlog(late: tuple[Created, ...], here: float) -> tuple[Reading, ...]:
        moments = [event.created for event in late if event.created < here - _FIRST_DELIVERY]
        retrying = [at for at in moments if at >= here - _RETRIED_FOR]
        dead = [at for at in moments if at < here - _RETRIED_FOR]
        return (*_undelivered("retrying", retrying), *_undelivered("dead", dead))

    def _drifts(self, endpoint: Endpoint) -> bool:
        expected = self._settings.webhook_api_version
        return bool(expected) and (endpoint.api_version or expected) != expected


def _undelivered(state: str, moments: list[int]) -> tuple[Reading, ...]:
    count = reading(webhooks.undelivered, len(moments), state=state)
    return (count, reading(webhooks.oldest_undelivered, min(moments), state=state)) if moments else (count,)
