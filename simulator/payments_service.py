"""What does the payments service answer: its health, its feature flag, its webhooks, over HTTP and HTTPS?

The answers follow the runbook's. Attributes change what is answered from the next request on, from any thread; the
flag and its kill switch are changed by the runbook's own requests as well.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from stripe import SignatureVerificationError, WebhookSignature

__all__ = ["PaymentsService", "redirect_to_https"]

SECURITY_HEADERS = {
    "strict-transport-security": "max-age=31536000",
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


def _well() -> dict[str, str]:
    return {
        "stripe_api": "connected",
        "webhook_endpoint": "verified",
        "database": "connected",
        "redis": "connected",
        "feature_flag": "enabled",
    }


@dataclass(slots=True, kw_only=True)
class PaymentsService:
    """A payments service as the runbook describes it, which does as it is told; `now` is its clock."""

    now: Callable[[], float]
    token: str = "flag-token"  # noqa: S105 - of a simulation
    webhook_secret: str = "whsec_simulated"  # noqa: S105 - of a simulation
    status: str = "healthy"
    checks: dict[str, str] = field(default_factory=_well)
    response_time_ms: float = 45
    transactions_per_minute: float = 125
    success_rate: float = 0.998
    frozen_at: float | None = None
    """The moment at which a cache in front of the health endpoint stopped."""
    health: Response | None = None
    """Answered instead of the health that the other attributes describe."""
    flag: Response | None = None
    """Answered instead of the flag's state."""
    flag_name: str = "payments_live_v1"
    rollout: dict[str, float] = field(default_factory=lambda: {"production": 10, "staging": 10})
    """Percent of customers, by environment."""
    killed: bool = False
    verifies_signatures: bool = True
    webhook_status: int | None = None
    """Answered to every webhook instead of 200 or 400."""
    headers: dict[str, str] = field(default_factory=lambda: dict(SECURITY_HEADERS))
    webhooks_accepted: int = 0
    connections: set[tuple[str, int]] = field(default_factory=set)
    """Where requests came from: one entry for each connection."""
    cookies: list[str] = field(default_factory=list)
    """The cookies that were sent along."""

    def application(self) -> Starlette:
        """The service as an ASGI application."""
        kill = f"/v1/flags/{self.flag_name}/kill"
        return Starlette(
            routes=[
                Route("/", self._answering(self._root)),
                Route("/health/payments", self._answering(self._health)),
                Route(f"/v1/flags/{self.flag_name}", self._answering(self._flag), methods=["GET", "PATCH"]),
                Route(kill, self._answering(self._kill), methods=["POST"]),
                Route("/api/webhooks/stripe", self._answering(self._webhook), methods=["POST"]),
            ]
        )

    def _answering(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if request.client is not None:
                self.connections.add((request.client.host, request.client.port))
            self.cookies.extend(request.cookies)
            response = await answer(request)
            response.headers.update(self.headers)
            return response

        return endpoint

    async def _root(self, _: Request) -> Response:
        return JSONResponse({"service": "payments"})

    async def _health(self, _: Request) -> Response:
        if self.health is not None:
            return self.health
        at = self.now() if self.frozen_at is None else self.frozen_at
        return JSONResponse(
            {
                "status": self.status,
                "timestamp": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
                "checks": self.checks,
                "metrics": {
                    "response_time_ms": self.response_time_ms,
                    "transactions_per_minute": self.transactions_per_minute,
                    "success_rate": self.success_rate,
                },
            },
            status_code=200 if self.status == "healthy" else 503,
        )

    async def _flag(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse({"error": "not permitted"}, status_code=401)
        if request.method == "PATCH":
            wanted: dict[str, Any] = (await request.json())["environments"]
            self.rollout.update({name: state["rollout"]["value"] for name, state in wanted.items()})
        if self.flag is not None:
            return self.flag
        environments = {name: {"rollout": {"value": percent}} for name, percent in self.rollout.items()}
        return JSONResponse({"environments": environments, "killed": self.killed})

    async def _kill(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse({"error": "not permitted"}, status_code=401)
        self.killed = True
        return JSONResponse({"killed": True})

    async def _webhook(self, request: Request) -> Response:
        body = await request.body()
        if self.webhook_status is not None:
            return Response(status_code=self.webhook_status)
        if self.verifies_signatures:
            try:
                WebhookSignature.verify_header(
                    body.decode(), request.headers.get("stripe-signature", ""), self.webhook_secret
                )
            except SignatureVerificationError:
                return JSONResponse({"error": "invalid_signature"}, status_code=400)
        self.webhooks_accepted += 1
        return JSONResponse({"received": True})


def redirect_to_https(port: int, status: int = 301) -> Starlette:
    """The plain side of a front door: every request is sent to HTTPS at `port`."""

    async def redirect(request: Request) -> Response:
        return RedirectResponse(f"https://{request.url.hostname}:{port}{request.url.path}", status_code=status)

    return Starlette(routes=[Route("/{path:path}", redirect)])
