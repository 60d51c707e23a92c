"""The simulated payments service answers as the runbook says, and its flag obeys the runbook's own requests."""

import time
from collections.abc import Iterator

import httpx
import pytest
from stripe import WebhookSignature

from simulator.payments_service import PaymentsService
from simulator.serving import serving

NOW = 1_754_827_200.0  # 2025-08-10T12:00:00Z
FLAG = "/v1/flags/payments_live_v1"
TOKEN = {"authorization": "Bearer flag-token"}


@pytest.fixture
def service() -> PaymentsService:
    return PaymentsService(now=lambda: NOW)


@pytest.fixture
def client(service: PaymentsService) -> Iterator[httpx.Client]:
    with (
        serving(service.application()) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client


def test_health_is_the_runbooks_answer(client: httpx.Client) -> None:
    assert client.get("/health/payments").json() == {
        "status": "healthy",
        "timestamp": "2025-08-10T12:00:00Z",
        "checks": {
            "stripe_api": "connected",
            "webhook_endpoint": "verified",
            "database": "connected",
            "redis": "connected",
            "feature_flag": "enabled",
        },
        "metrics": {"response_time_ms": 45, "transactions_per_minute": 125, "success_rate": 0.998},
    }


def test_a_degraded_service_answers_503(client: httpx.Client, service: PaymentsService) -> None:
    service.status = "degraded"
    assert client.get("/health/payments").status_code == 503


def test_a_patch_of_one_environment_leaves_the_other_alone(client: httpx.Client) -> None:
    wanted = {"environments": {"production": {"rollout": {"value": 100}}}}
    assert client.patch(FLAG, json=wanted, headers=TOKEN).json() == {
        "environments": {"production": {"rollout": {"value": 100}}, "staging": {"rollout": {"value": 10}}},
        "killed": False,
    }


def test_the_kill_switch_is_pulled_by_a_post(client: httpx.Client) -> None:
    assert client.post(f"{FLAG}/kill", headers=TOKEN).status_code == 200
    assert client.get(FLAG, headers=TOKEN).json()["killed"] is True


@pytest.mark.parametrize(("method", "path"), [("GET", FLAG), ("PATCH", FLAG), ("POST", f"{FLAG}/kill")])
def test_nobody_touches_the_flag_without_the_token(
    client: httpx.Client, service: PaymentsService, method: str, path: str
) -> None:
    assert client.request(method, path).status_code == 401
    assert (service.killed, service.rollout["production"]) == (False, 10)


def test_a_signed_webhook_is_accepted_and_an_unsigned_one_is_not(
    client: httpx.Client, service: PaymentsService
) -> None:
    body, at = '{"id": "evt_1"}', int(time.time())
    signature = WebhookSignature._compute_signature(f"{at}.{body}", service.webhook_secret)
    signed = {"stripe-signature": f"t={at},v1={signature}"}
    assert client.post("/api/webhooks/stripe", content=body, headers=signed).status_code == 200
    assert client.post("/api/webhooks/stripe", content=body).status_code == 400
    assert service.webhooks_accepted == 1
