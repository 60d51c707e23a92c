"""What do the account, the webhooks and the disputes read?"""

from pathlib import Path

import pytest
from pydantic import HttpUrl

from exporters.sampling.model import ErrorClass, Reading, SampleError
from exporters.sampling.reconciling import NotKnownYetError
from exporters.stripe.counting.facts import read_event
from rules.vocabulary import Source
from simulator.stripe import FakeStripe, Wrong
from tests.exporters.stripe.shop import HOUR, KEY, Watched, counters, values, watched

DAY = 86400


def test_the_account_its_requirements_and_its_balance(world: Watched) -> None:
    world.fake.account["payouts_enabled"] = False
    world.fake.account["requirements"]["currently_due"] = ["external_account", "tos_acceptance.date"]
    world.fake.balance["available"] = [{"amount": -250, "currency": "usd"}, {"amount": 9, "currency": "jpy"}]
    world.fake.balance["pending"] = [{"amount": 70, "currency": "xau"}]
    assert values(world.sample(Source.STRIPE_ACCOUNT).readings) == {
        ("stripe_account_capability", "charges_enabled"): 1,
        ("stripe_account_capability", "details_submitted"): 1,
        ("stripe_account_requirements_due", "currently_due"): 2,
        ("stripe_balance_minor_units", "usd", "available"): -250,
        ("stripe_balance_minor_units", "jpy", "available"): 9,
        ("stripe_balance_minor_units", "other", "pending"): 70,
    }


def test_the_balance_is_read_with_every_fourth_sample_of_the_account(world: Watched) -> None:
    for _ in range(8):
        world.sample(Source.STRIPE_ACCOUNT)
    assert (world.server.reads["account"], world.server.reads["balance"]) == (8, 2)


def test_a_balance_of_before_an_outage_is_read_anew(world: Watched) -> None:
    world.fake.balance["available"] = [{"amount": 700, "currency": "usd"}]
    world.sample(Source.STRIPE_ACCOUNT)
    world.clock.on(DAY)
    world.fake.balance["available"] = [{"amount": 5, "currency": "usd"}]
    balance = values(world.sample(Source.STRIPE_ACCOUNT).readings)["stripe_balance_minor_units", "usd", "available"]
    assert balance == 5


def test_an_account_that_is_none_is_an_error_without_its_content(world: Watched) -> None:
    world.server.faults.next(Wrong({"charges_enabled": "jenny.rosen@example.com"}), endpoint="account")
    with pytest.raises(SampleError) as found:
        world.sample(Source.STRIPE_ACCOUNT)
    assert found.value.kind is ErrorClass.BAD_ANSWER
    assert "not as documented at charges_enabled, id" in str(found.value)
    assert "jenny" not in str(found.value)


def test_undelivered_events_are_retried_for_three_days_and_dead_then(world: Watched) -> None:
    world.fake.add_endpoint(("*",))
    world.clock.on(10)
    old = world.fake.pay()
    world.fake.undeliver(old.events[0])
    died = world.clock()
    world.clock.on(3 * DAY + HOUR)
    young = world.fake.pay()
    for number in young.events:
        world.fake.undeliver(number)
    began = world.clock()
    world.clock.on(300)
    world.fake.undeliver(world.fake.pay().events[0])  # still on its way
    found = values(world.sample(Source.STRIPE_WEBHOOKS).readings)
    assert found["stripe_events_undelivered", "retrying"] == 2
    assert found["stripe_events_undelivered", "dead"] == 1
    assert found["stripe_events_oldest_undelivered_timestamp_seconds", "retrying"] == began
    assert found["stripe_events_oldest_undelivered_timestamp_seconds", "dead"] == died


def test_without_undelivered_events_there_is_no_oldest(world: Watched) -> None:
    names = [(one.metric.name, *one.labels) for one in world.sample(Source.STRIPE_WEBHOOKS).readings]
    assert ("stripe_events_undelivered", ("state", "dead")) in names
    assert not any(name[0] == "stripe_events_oldest_undelivered_timestamp_seconds" for name in names)


def test_endpoints_subscriptions_and_drifting_versions(tmp_path: Path) -> None:
    with watched(tmp_path, webhook_api_version="2026-04-22.dahlia") as world:
        world.fake.pay()
        world.fake.add_endpoint(("payment_intent.succeeded",), api_version="2020-08-27")
        world.fake.add_endpoint(("charge.dispute.created",), status="disabled", api_version="2020-08-27")
        world.fake.add_endpoint(("payment_intent.succeeded",), api_version="2026-04-22.dahlia")
        world.fake.add_endpoint(("payment_intent.succeeded",))
        found = values(world.sample(Source.STRIPE_WEBHOOKS).readings)
        assert found == {
            ("stripe_webhook_endpoints", "enabled"): 3,
            ("stripe_webhook_endpoints", "disabled"): 1,
            ("stripe_webhook_endpoints_version_drift",): 1,
            ("stripe_webhook_event_subscribed", "payment_intent.succeeded"): 1,
        }


def test_an_endpoint_without_a_version_follows_the_accounts(tmp_path: Path) -> None:
    """Whoever upgrades the account's default version, upgrades what such an endpoint is sent."""

    def drifting(world: Watched) -> list[float]:
        found = world.sample(Source.STRIPE_WEBHOOKS).readings
        return [one.value for one in found if isinstance(one, Reading) and one.metric.name.endswith("version_drift")]

    with watched(tmp_path, webhook_api_version="2026-04-22.dahlia") as world:
        world.fake.add_endpoint(api_version="2026-04-22.dahlia")
        assert drifting(world) == [0]
        assert world.server.reads["events"] == 1, "nothing more is asked where each has a version"
        world.fake.add_endpoint()
        assert drifting(world) == [], "without any event the account's version is not known"
        world.fake.pay()
        assert drifting(world) == [0]
        world.clock.on(HOUR)
        world.fake.use_version("2026-10-28.elm")
        world.fake.pay()
        assert drifting(world) == [1]
        world.fake.webhook_endpoints[-1]["status"] = "disabled"
        assert drifting(world) == [0]


def test_which_version_a_connected_accounts_events_are_sent_in_by_default_is_not_known(tmp_path: Path) -> None:
    """It is the platform's; the events that are read are in the connected account's."""
    with watched(tmp_path, account="acct_connected", webhook_api_version="2026-04-22.dahlia") as world:
        connected = FakeStripe(world.clock)
        world.server.connected["acct_connected"] = connected
        connected.pay()
        world.fake.add_endpoint(application="ca_1")
        names = {one.metric.name for one in world.sample(Source.STRIPE_WEBHOOKS).readings}
        assert "stripe_webhook_endpoints" in names
        assert "stripe_webhook_endpoints_version_drift" not in names


def test_an_endpoint_for_everything_subscribes_to_all(world: Watched) -> None:
    world.fake.add_endpoint(("*",))
    found = values(world.sample(Source.STRIPE_WEBHOOKS).readings)
    assert sum(value for key, value in found.items() if key[0] == "stripe_webhook_event_subscribed") == 3


OURS = "https://pay.example.com/webhooks/stripe"
THEIRS = "https://hooks.analytics.example/stripe"
REQUIRED = {
    "payment_intent.succeeded": 1,
    "payment_intent.payment_failed": 1,
    "charge.dispute.created": 1,
}


def of_endpoints(world: Watched) -> tuple[dict[str, float], dict[str, float]]:
    """How many endpoints there are by status, and which required types are subscribed to, as far as that is known."""
    readings = [one for one in world.sample(Source.STRIPE_WEBHOOKS).readings if isinstance(one, Reading)]
    by = {name: {one.labels[0][1]: one.value for one in readings if one.metric.name == name} for name in NAMES}
    return by[NAMES[0]], by[NAMES[1]]


NAMES = ("stripe_webhook_endpoints", "stripe_webhook_event_subscribed")


@pytest.mark.parametrize("status", ["enabled", "disabled"])
def test_another_services_endpoint_says_nothing_of_the_payments_service(tmp_path: Path, status: str) -> None:
    with watched(tmp_path, webhook_urls=["https://PAY.example.com:443/webhooks/stripe/"]) as world:
        world.fake.add_endpoint(("payment_intent.payment_failed",), url=OURS)
        world.fake.add_endpoint(("*",), url=THEIRS, status=status, api_version="2020-08-27")
        world.begun().shop.pay()
        world.shop.pay("stolen")
        world.rest()
        assert of_endpoints(world) == (
            {"enabled": 1, "disabled": 0},
            {**dict.fromkeys(REQUIRED, 0), "payment_intent.payment_failed": 1},
        )
        sent = world.runner.run(world.stripe.history.events_sent(0, world.clock()))
        numbers = range(world.fake.last_event + 1)
        failed = [number for number in numbers if world.fake.event_type(number) == "payment_intent.payment_failed"]
        assert len(failed) == 1
        assert sent == {read_event(world.fake.event(number)).id for number in failed}


def test_the_services_endpoints_may_share_the_types_and_hold_secrets_in_their_addresses(tmp_path: Path) -> None:
    with watched(tmp_path, webhook_urls=[OURS, "https://pay.example.com/disputes"]) as world:
        world.fake.add_endpoint(
            ("payment_intent.succeeded", "payment_intent.payment_failed"),
            url="https://stripe:hunter2@pay.example.com/webhooks/stripe?token=hunter3",
        )
        world.fake.add_endpoint(("charge.dispute.created",), url="https://pay.example.com/disputes")
        world.fake.add_endpoint(("*",), url="no address at all")
        assert of_endpoints(world) == ({"enabled": 2, "disabled": 0}, REQUIRED)


def test_where_the_services_own_endpoint_is_not_there_it_subscribes_to_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with watched(tmp_path, webhook_urls=[OURS]) as world:
        world.fake.add_endpoint(("*",), url=THEIRS)
        for _ in range(2):
            assert of_endpoints(world) == ({"enabled": 0, "disabled": 0}, dict.fromkeys(REQUIRED, 0))
    assert [record.getMessage() for record in caplog.records if record.name.endswith("stripe.webhooks")] == [
        "webhook endpoints: none has an address that stripe.webhook_urls names; set stripe.webhook_urls to the address"
        " that Stripe's dashboard shows for the payments service"
    ]


def test_the_address_that_the_probe_asks_is_the_services_where_stripe_has_an_endpoint_there(world: Watched) -> None:
    world.webhook_url = HttpUrl(OURS)
    world.restart()
    assert of_endpoints(world) == ({"enabled": 0, "disabled": 0}, dict.fromkeys(REQUIRED, 0))
    world.fake.add_endpoint(("*",), url=THEIRS)
    assert of_endpoints(world) == ({"enabled": 1, "disabled": 0}, {})
    world.begun()
    with pytest.raises(NotKnownYetError):
        world.runner.run(world.stripe.history.events_sent(0, world.clock()))
    world.fake.add_endpoint(tuple(REQUIRED), url=OURS)
    assert of_endpoints(world) == ({"enabled": 1, "disabled": 0}, REQUIRED)


def test_of_endpoints_that_want_different_types_it_is_not_known_which_the_service_gets(world: Watched) -> None:
    world.fake.add_endpoint(("payment_intent.payment_failed",), url=OURS)
    assert of_endpoints(world)[1] == {**dict.fromkeys(REQUIRED, 0), "payment_intent.payment_failed": 1}
    world.fake.add_endpoint(("*",), url=THEIRS)
    world.begun()
    assert of_endpoints(world) == ({"enabled": 2, "disabled": 0}, {})
    with pytest.raises(NotKnownYetError):
        world.runner.run(world.stripe.history.events_sent(0, world.clock()))
    world.fake.webhook_endpoints[-1]["status"] = "disabled"
    assert of_endpoints(world)[0] == {"enabled": 1, "disabled": 1}
    assert world.runner.run(world.stripe.history.events_sent(0, world.clock())) == frozenset()


@pytest.mark.parametrize("meanwhile", ["another replica led", "the key might not read endpoints"])
def test_what_was_subscribed_long_ago_says_nothing_of_now(world: Watched, meanwhile: str) -> None:
    """Else the inbox would be said to lack what nobody sends to it any more."""
    world.fake.add_endpoint(("payment_intent.payment_failed",))
    world.begun()
    world.sample(Source.STRIPE_WEBHOOKS)
    assert world.runner.run(world.stripe.history.events_sent(0, world.clock())) == frozenset()
    everything = world.server.keys[KEY]
    assert everything is not None
    if meanwhile == "another replica led":
        world.leads = False
    else:
        world.server.keys[KEY] = frozenset(one for one in everything if "webhook" not in one)
    world.clock.on(DAY)
    world.sample()
    world.sample(Source.STRIPE_WEBHOOKS)
    world.leads = True
    world.sample()
    with pytest.raises(NotKnownYetError, match="subscribes to is not known"):
        world.runner.run(world.stripe.history.events_sent(0, world.clock()))
    world.server.keys[KEY] = everything
    world.clock.on(HOUR)
    world.sample(Source.STRIPE_WEBHOOKS)
    assert world.runner.run(world.stripe.history.events_sent(0, world.clock())) == frozenset()


def test_an_endpoint_of_connect_does_not_subscribe_to_the_accounts_own_events(world: Watched) -> None:
    world.fake.add_endpoint(("*",), application="ca_1")
    found = values(world.sample(Source.STRIPE_WEBHOOKS).readings)
    assert not any(key[0].startswith("stripe_webhook_e") for key in found)
    world.fake.add_endpoint(("*",))
    found = values(world.sample(Source.STRIPE_WEBHOOKS).readings)
    assert found["stripe_webhook_endpoints", "enabled"] == 1


def test_a_connected_account_is_watched_with_the_platforms_key_and_endpoints(tmp_path: Path) -> None:
    with watched(tmp_path, account="acct_connected") as world:
        connected = FakeStripe(world.clock)
        world.server.connected["acct_connected"] = connected
        world.fake.add_endpoint(("payment_intent.succeeded",), application="ca_1")
        world.fake.add_endpoint(("*",))
        connected.dispute(connected.pay())
        world.fake.pay()
        world.clock.on(20)
        world.begun()
        for _ in range(3):
            connected.pay()
        world.fake.pay()
        found = counters(world.rest())
        assert found["payment_attempts_total", "success", "card", "api"] == 3
        assert values(world.sample(Source.STRIPE_DISPUTES).readings)["stripe_disputes_needing_response",] == 1
        subscribed = values(world.sample(Source.STRIPE_WEBHOOKS).readings)
        assert [key[1] for key in subscribed if key[0] == "stripe_webhook_event_subscribed"] == [
            "payment_intent.succeeded"
        ]


def test_where_events_come_by_a_destination_nothing_is_said_of_endpoints(tmp_path: Path) -> None:
    with watched(tmp_path, event_destination=True) as world:
        found = world.sample(Source.STRIPE_WEBHOOKS).readings
        assert {reading.metric.name for reading in found} == {"stripe_events_undelivered"}
        assert world.server.reads["webhook_endpoints"] == 0


def test_disputes_that_wait_for_evidence_and_the_first_deadline(world: Watched) -> None:
    payment = world.fake.pay()
    world.fake.dispute(payment, due_in=5 * DAY)
    world.fake.dispute(payment, status="warning_needs_response", due_in=2 * DAY)
    world.fake.dispute(payment, status="under_review", due_in=DAY)
    world.fake.update_dispute(world.fake.dispute(payment, due_in=DAY), "won")
    assert values(world.sample(Source.STRIPE_DISPUTES).readings) == {
        ("stripe_disputes_needing_response",): 2,
        ("stripe_dispute_evidence_due_timestamp_seconds",): world.clock() + 2 * DAY,
    }


def test_an_appeal_of_a_dispute_opened_long_ago_waits_like_any_other(world: Watched) -> None:
    dispute = world.fake.update_dispute(world.fake.dispute(world.fake.pay(), due_in=None), "lost")
    world.clock.on(100 * DAY)
    assert values(world.sample(Source.STRIPE_DISPUTES).readings) == {}
    world.fake.update_dispute(dispute, "appeal_needs_response")
    world.clock.on(DAY)
    waiting = ("stripe_disputes_needing_response",)
    assert values(world.sample(Source.STRIPE_DISPUTES).readings) == {waiting: 1}
    world.fake.update_dispute(dispute, "appeal_under_review")
    world.clock.on(HOUR)
    assert values(world.sample(Source.STRIPE_DISPUTES).readings) == {}


def test_a_dispute_that_waits_for_longer_than_most_is_seen_in_every_sample(world: Watched) -> None:
    """An inquiry that turned into a dispute late may wait when it is sixty days old; older ones are read once a day."""
    world.fake.dispute(world.fake.pay(), due_in=70 * DAY)
    world.clock.on(59 * DAY + 12 * HOUR)
    seen = []
    for _ in range(9):
        found = values(world.sample(Source.STRIPE_DISPUTES).readings)
        seen.append(found.get(("stripe_disputes_needing_response",)))
        world.clock.on(3 * HOUR)
    assert seen == [1] * 9


def test_a_status_of_disputes_that_nobody_knows_is_told_once(world: Watched, caplog: pytest.LogCaptureFixture) -> None:
    world.fake.dispute(world.fake.pay(), status="mediation_needs_response")
    for _ in range(2):
        assert values(world.sample(Source.STRIPE_DISPUTES).readings) == {}
    told = [record.getMessage() for record in caplog.records if "mediation" in record.getMessage()]
    assert told == [
        "disputes: status 'mediation_needs_response' is not known to this release: such a dispute does not wait"
    ]


def test_capabilities_that_stripe_does_not_tell_are_absent(world: Watched) -> None:
    del world.fake.account["charges_enabled"]
    found = values(world.sample(Source.STRIPE_ACCOUNT).readings)
    assert {key[1] for key in found if key[0] == "stripe_account_capability"} == {
        "payouts_enabled",
        "details_submitted",
    }


@pytest.mark.parametrize(
    ("requirements", "told"),
    [
        (None, {}),
        ({}, {}),
        ({"currently_due": None, "past_due": []}, {"past_due": 0}),
        ({"currently_due": ["tos_acceptance.date"]}, {"currently_due": 1}),
    ],
)
def test_requirements_that_stripe_does_not_tell_are_not_none_but_unknown(
    world: Watched, requirements: dict[str, list[str] | None] | None, told: dict[str, int]
) -> None:
    """Stripe leaves fields out for accounts whose requirements it collects by itself."""
    world.fake.account["requirements"] = requirements
    readings = world.sample(Source.STRIPE_ACCOUNT).readings
    assert told == {
        dict(one.labels)["state"]: one.value
        for one in readings
        if isinstance(one, Reading) and one.metric.name == "stripe_account_requirements_due"
    }
    del world.fake.account["requirements"]
    names = {one.metric.name for one in world.sample(Source.STRIPE_ACCOUNT).readings}
    assert names == {"stripe_account_capability", "stripe_balance_minor_units"}


def test_hundreds_of_disputes_are_paged_through(world: Watched) -> None:
    payment = world.fake.pay()
    for _ in range(250):
        world.fake.dispute(payment, due_in=None)
    assert values(world.sample(Source.STRIPE_DISPUTES).readings) == {("stripe_disputes_needing_response",): 250}
    assert world.server.reads["disputes"] == 3 + 1  # pages of new ones, and one of the old


@pytest.mark.slow
def test_sources_ask_less_often_when_the_account_is_small(world: Watched) -> None:
    assert world.sampler(Source.STRIPE_WEBHOOKS).interval.total_seconds() > 3600
    for _ in range(2_000):
        world.fake.pay()
    world.clock.on(1)
    world.sample()
    assert world.sampler(Source.STRIPE_WEBHOOKS).interval.total_seconds() == 120
    assert world.sampler(Source.STRIPE_EVENTS).interval.total_seconds() == 15
    assert world.sampler(Source.STRIPE_DISPUTES).max_age.total_seconds() == 1800
