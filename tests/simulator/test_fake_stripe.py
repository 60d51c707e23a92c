"""Does the fake Stripe answer as Stripe does, as far as the exporter can tell?"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.payments.webhooks import EVENT_TYPES
from simulator.serving import serving
from simulator.stripe import AUTHENTICATION_FAILED, FakeStripe, StripeServer, declined, rate_limited
from simulator.stripe.ids import number_of, token
from simulator.stripe.lists import BadRequestError, ListRequest, events_page
from simulator.stripe.traffic import Traffic
from simulator.stripe.world import RETENTION

START = 1_799_971_200.0


@dataclass
class Time:
    now: float = START

    def __call__(self) -> float:
        return self.now


class Plain(stripe.HTTPClient):
    """The package's HTTP client, on a connection that is closed after use."""

    name = "plain"

    def __init__(self, http: httpx.Client) -> None:
        super().__init__()
        self._http = http

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any) -> Any:
        answer = self._http.request(method, url, headers=headers, timeout=100)
        return answer.content, answer.status_code, answer.headers

    def close(self) -> None:
        """The connection is its owner's."""


@dataclass
class Served:
    """A fake Stripe, and the stripe package that talks to it."""

    time: Time = field(default_factory=Time)
    url: str = ""

    def __post_init__(self) -> None:
        self.fake = FakeStripe(self.time)
        self.server = StripeServer(self.fake)

    def get(self, path: str, **parameters: Any) -> Any:
        """What the package reads."""
        with httpx.Client() as http:
            client = stripe.StripeClient(
                "rk_test_everything",
                base_addresses={"api": self.url},
                max_network_retries=0,
                http_client=Plain(http),
            )
            return client.raw_request("get", path, **parameters).data

    def ask(self, path: str) -> httpx.Response:
        """What a request by hand gives."""
        return httpx.get(f"{self.url}{path}", headers={"Authorization": "Bearer rk_test_everything"}, timeout=100)


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    with serving(one.server.app) as port:
        one.url = f"http://127.0.0.1:{port}"
        yield one


def ids(answer: Any) -> list[str]:
    return [one["id"] for one in answer["data"]]


def test_events_are_listed_newest_first_and_paged_in_both_directions(served: Served) -> None:
    for _ in range(30):
        served.time.now += 1
        served.fake.pay()
    everything = ids(served.get("/v1/events", limit=100))
    assert len(everything) == 60
    first = served.get("/v1/events")
    assert (ids(first), first["has_more"]) == (everything[:10], True)
    second = served.get("/v1/events", limit=50, starting_after=everything[9])
    assert (ids(second), second["has_more"]) == (everything[10:], False)
    back = served.get("/v1/events", limit=5, ending_before=everything[10])
    assert (ids(back), back["has_more"]) == (everything[5:10], True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 100))
def test_paging_shows_every_event_once_whatever_the_size_of_the_pages(pauses: list[int], limit: int) -> None:
    time = Time()
    fake = FakeStripe(time)
    for pause in pauses:
        time.now += pause
        fake.pay()
    seen: list[str] = []
    more = True
    while more:
        page = events_page(fake, ListRequest(limit=limit, starting_after=seen[-1] if seen else ""))
        seen += ids(page)
        more = page["has_more"]
    assert seen == [token("evt", number) for number in range(fake.last_event, -1, -1)]


@settings(deadline=None)
@given(st.integers(0, 62**10 - 1))
def test_ids_can_be_read_back(number: int) -> None:
    assert number_of("evt", token("evt", number)) == number


def test_ids_say_nothing_about_the_order() -> None:
    tokens = [token("evt", number) for number in range(100)]
    assert len(set(tokens)) == 100
    assert tokens != sorted(tokens)


def test_filters_by_type_and_second(served: Served) -> None:
    served.fake.pay()
    served.time.now += 10
    served.fake.pay(outcome=declined("lost_card"))
    second = int(served.time.now)
    assert len(ids(served.get("/v1/events", types=["charge.failed"]))) == 1
    assert len(ids(served.get("/v1/events", types=list(EVENT_TYPES), created={"gte": second}))) == 2
    assert len(ids(served.get("/v1/events", created={"gt": second}))) == 0
    assert len(ids(served.get("/v1/events", created={"lt": second}))) == 2
    assert len(ids(served.get("/v1/events", created={"lte": second}))) == 4


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"types": [*EVENT_TYPES, "charge.failed"]}, "types"),
        ({"types": ["charge.exploded"]}, "types"),
        ({"limit": 101}, "limit"),
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"colour": "red"}, "colour"),
        ({"starting_after": "evt_unknown"}, "starting_after"),
        ({"ending_before": "evt_unknown"}, "ending_before"),
    ],
)
def test_what_stripe_rejects_is_rejected(served: Served, parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as found:
        served.get("/v1/events", **parameters)
    assert (found.value.http_status, found.value.param) == (400, param)


def test_events_are_gone_after_thirty_days_and_their_ids_no_cursor_any_more(served: Served) -> None:
    served.fake.pay()
    (newest, _) = ids(served.get("/v1/events"))
    served.time.now += RETENTION + 1
    assert ids(served.get("/v1/events")) == []
    with pytest.raises(stripe.InvalidRequestError) as found:
        served.get("/v1/events", starting_after=newest)
    assert found.value.code == "resource_missing"


def test_late_doubled_and_garbled_events(served: Served) -> None:
    late, doubled = served.fake.pay().events
    served.fake.delay(late, 30)
    copy = served.fake.repeat(doubled)
    shown = served.get("/v1/events")["data"]
    assert [one["id"] for one in shown] == [token("evt", copy), token("evt", doubled)]
    assert shown[0]["data"] == shown[1]["data"]
    served.time.now += 30
    assert len(ids(served.get("/v1/events"))) == 3
    served.fake.garble(doubled, {"data": None})
    assert served.get("/v1/events")["data"][1]["data"] is None


def test_undelivered_events_can_be_asked_for(served: Served) -> None:
    first, second = served.fake.pay().events
    served.fake.undeliver(first)
    served.fake.undeliver(second, until=START + 60)
    assert len(ids(served.get("/v1/events", delivery_success="false"))) == 2
    served.time.now += 61
    assert ids(served.get("/v1/events", delivery_success="false")) == [token("evt", first)]
    assert ids(served.get("/v1/events", delivery_success="false", created={"lt": int(START)})) == []


def test_a_failed_authentication_makes_no_charge(served: Served) -> None:
    served.fake.pay(outcome=AUTHENTICATION_FAILED)
    (event,) = served.get("/v1/events")["data"]
    error = event["data"]["object"]["last_payment_error"]
    assert event["type"] == "payment_intent.payment_failed"
    assert error["code"] == "payment_intent_authentication_failure"
    assert "charge" not in error
    assert ids(served.get("/v1/charges")) == []


def test_events_show_objects_as_they_were(served: Served) -> None:
    held = served.fake.pay(capture=False)
    refund = served.fake.refund(held, 5, status="pending")
    served.fake.capture(held)
    served.fake.update_refund(refund, "succeeded")
    shown = {
        (one["type"], one["data"]["object"].get("captured"), one["data"]["object"].get("status"))
        for one in served.get("/v1/events")["data"]
    }
    assert ("charge.succeeded", False, "succeeded") in shown
    assert ("charge.captured", True, "succeeded") in shown
    assert ("refund.created", None, "pending") in shown
    assert ("refund.updated", None, "succeeded") in shown


@pytest.mark.parametrize("endpoint", ["charges", "payment_intents", "refunds", "disputes", "webhook_endpoints"])
def test_every_other_list_is_paged_too(served: Served, endpoint: str) -> None:
    for _ in range(25):
        payment = served.fake.pay()
        served.fake.refund(payment)
        served.fake.dispute(payment)
        served.fake.add_endpoint()
    seen: list[str] = []
    more = True
    while more:
        page = served.get(f"/v1/{endpoint}", limit=10, **({"starting_after": seen[-1]} if seen else {}))
        seen += ids(page)
        more = page["has_more"]
    assert len(seen) == len(set(seen)) == 25
    assert ids(served.get(f"/v1/{endpoint}", limit=3, ending_before=seen[10])) == seen[7:10]


def test_a_restricted_key_reads_what_it_may_and_a_refusal_names_the_permission(served: Served) -> None:
    served.server.keys["rk_test_everything"] = frozenset({"rak_event_read"})
    served.get("/v1/events")
    with pytest.raises(stripe.PermissionError, match="Having the 'rak_dispute_read' permission would allow"):
        served.get("/v1/disputes")
    del served.server.keys["rk_test_everything"]
    with pytest.raises(stripe.AuthenticationError):
        served.get("/v1/events")


def test_a_rate_limit_has_its_reason_in_a_header(served: Served) -> None:
    served.server.faults.next(rate_limited("endpoint-rate"))
    with pytest.raises(stripe.RateLimitError) as found:
        served.get("/v1/events")
    headers: Any = found.value.headers
    assert headers["stripe-rate-limited-reason"] == "endpoint-rate"


def test_reads_are_counted_and_the_clock_is_in_the_header(served: Served) -> None:
    served.get("/v1/account")
    served.get("/v1/balance")
    assert served.server.reads == {"account": 1, "balance": 1}
    assert served.ask("/v1/events").headers["Date"] == "Fri, 15 Jan 2027 00:00:00 GMT"


def test_what_is_not_there_is_404_and_writing_is_refused(served: Served) -> None:
    assert served.ask("/v1/customers").status_code == 404
    assert httpx.post(f"{served.url}/v1/events", timeout=100).status_code == 405


@pytest.mark.slow
def test_weeks_of_payments_are_forgotten_in_time() -> None:
    time = Time()
    fake = FakeStripe(time)
    traffic = Traffic(fake, per_minute=0.7, seed=1)
    for _ in range(70):
        time.now += 86400
        traffic.until(time.now)
    fake.forget()
    assert fake._events.end - fake._events.first < 0.7 * 60 * 24 * 30 * 2.2 + 16_384 < fake._events.end
    with pytest.raises(BadRequestError):
        events_page(fake, ListRequest(starting_after=token("evt", 5)))


def test_traffic_is_the_same_for_the_same_seed() -> None:
    told = []
    for _ in range(2):
        fake = FakeStripe(Time())
        Traffic(fake, per_minute=60, seed=3).until(START + 600)
        told.append(json.dumps([fake.event(number) for number in range(fake.last_event + 1)]))
    assert told[0] == told[1]
    assert len(set(re.findall(r'"type": "((?:charge|refund|payment_intent)[^"]*)"', told[0]))) > 4


def test_it_runs_by_itself() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "simulator.stripe", "--port", "0", "--seed", "5", "--hours", "1"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"fake Stripe at (http://\S+), key (\S+)\n", process.stdout.readline())
            assert found
            answer = httpx.get(f"{found[1]}/v1/events", headers={"Authorization": f"Bearer {found[2]}"}, timeout=100)
            assert len(answer.json()["data"]) == 10
        finally:
            process.kill()
