"""How does the fake Stripe answer over HTTP?"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from email.utils import formatdate

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from simulator.stripe.faults import CutOff, Faults, NotJson, Refusal, Slow, Wrong, invalid_key
from simulator.stripe.ids import token
from simulator.stripe.lists import BadRequestError, ListRequest, events_page, objects_page
from simulator.stripe.shapes import error
from simulator.stripe.world import FakeStripe

__all__ = ["PERMISSIONS", "StripeServer"]

PERMISSIONS = {
    "events": "rak_event_read",
    "account": "rak_account_read",
    "balance": "rak_balance_read",
    "webhook_endpoints": "rak_webhook_read",
    "disputes": "rak_dispute_read",
    "refunds": "rak_refund_read",
    "charges": "rak_charge_read",
    "payment_intents": "rak_payment_intent_read",
}
"""What a restricted key needs for each endpoint."""

_FILTERS = {"events": frozenset({"types", "delivery_success"})}


class StripeServer:
    """The fake Stripe's HTTP side: keys, faults and a count of the reads.

    `keys` are the keys that are known, each with its permissions, None for all of them. `date_ahead` is by how many
    seconds the Date header is ahead of the world's clock.
    """

    def __init__(self, world: FakeStripe) -> None:
        self.world = world
        self.keys: dict[str, frozenset[str] | None] = {"rk_test_everything": frozenset(PERMISSIONS.values())}
        self.faults = Faults()
        self.reads: Counter[str] = Counter()
        self.queries: list[str] = []
        self.date_ahead = 0.0
        self.connected: dict[str, FakeStripe] = {}
        """What the accounts hold that are connected to this platform, by their ids."""
        self.app = Starlette(
            routes=[Route(f"/v1/{endpoint}", self._answer, methods=["GET"]) for endpoint in PERMISSIONS]
        )

    async def _answer(self, request: Request) -> Response:
        endpoint = request.url.path.removeprefix("/v1/")
        self.reads[endpoint] += 1
        self.queries = [*self.queries[-99:], str(request.url.query)]
        refusal = self._unauthorized(request, endpoint)
        if refusal is not None:
            return self._refused(refusal)
        fault = self.faults.take(endpoint)
        match fault:
            case Refusal():
                return self._refused(fault)
            case NotJson():
                return Response(fault.body, fault.status, self._headers(), "text/html")
            case Wrong():
                return self._json(fault.body)
            case Slow():
                await asyncio.sleep(fault.seconds)
        try:
            body = await asyncio.to_thread(self._read, endpoint, request)
        except BadRequestError as bad:
            return self._refused(Refusal(400, bad.body))
        if isinstance(fault, CutOff):
            return self._cut(body)
        return Response(body, 200, self._headers(), "application/json")

    def _read(self, endpoint: str, request: Request) -> bytes:
        with self.world.lock:
            return json.dumps(self._found(endpoint, request), separators=(",", ":")).encode()

    def _found(self, endpoint: str, request: Request) -> object:
        world = self.connected.get(request.headers.get("stripe-account", ""), self.world)
        if endpoint == "account":
            return world.account
        if endpoint == "balance":
            return world.balance
        wanted = ListRequest.of(request.query_params.multi_items(), _FILTERS.get(endpoint, frozenset()))
        if endpoint == "events":
            return events_page(world, wanted)
        things = {
            "webhook_endpoints": lambda: iter(world.webhook_endpoints[::-1]),
            "disputes": world.disputes,
            "refunds": world.refunds,
            "charges": world.charges,
            "payment_intents": world.payment_intents,
        }[endpoint]
        return objects_page(f"/v1/{endpoint}", things, wanted)

    def _unauthorized(self, request: Request, endpoint: str) -> Refusal | None:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        shown = f"{key[:8]}{'*' * 12}{key[-4:]}"
        if key not in self.keys:
            return invalid_key(shown)
        permissions, needed = self.keys[key], PERMISSIONS[endpoint]
        if permissions is None or needed in permissions:
            return None
        message = (
            f"The provided key '{shown}' does not have the required permissions for this endpoint on account "
            f"'{self.world.account['id']}'. Having the '{needed}' permission would allow this request to continue."
        )
        return Refusal(403, error("invalid_request_error", message))

    def _headers(self) -> dict[str, str]:
        return {
            "date": formatdate(self.world.clock() + self.date_ahead, usegmt=True),
            "request-id": token("req", 2**40 + sum(self.reads.values())),
        }

    def _json(self, body: object, status: int = 200) -> Response:
        return Response(json.dumps(body), status, self._headers(), "application/json")

    def _refused(self, refusal: Refusal) -> Response:
        answer = self._json(refusal.body, refusal.status)
        answer.headers.update(dict(refusal.headers))
        return answer

    def _cut(self, body: bytes) -> Response:
        async def half() -> AsyncIterator[bytes]:
            yield body[: len(body) // 2]

        headers = {**self._headers(), "content-length": str(len(body))}
        return StreamingResponse(half(), 200, headers, "application/json")
