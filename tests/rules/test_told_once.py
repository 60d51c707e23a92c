"""Is what goes on without an error told, and told to the right people: silent webhooks, customers charged twice?"""

from pathlib import Path

from paymon.promtool import Promtool
from rules.payments import arrival, database, outcomes, webhooks
from rules.vocabulary import hours, minutes
from tests.rules.playing import play

NEVER = ()
PAID = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
RECEIVED = webhooks.delivery_delay.counted(event_type="payment_intent.succeeded")
REQUESTED = webhooks.events.where(outcome="processed")


def test_webhooks_that_are_not_sent_for_51_minutes_are_a_page(promtool: Promtool, tmp_path: Path) -> None:
    """Customers pay all the while; nothing is refused, nothing waits, and nothing fails."""
    fed = {
        PAID: "0+10x240",
        RECEIVED: "0+10x60 610x101 620+10x79",
        REQUESTED: "0+10x60 610x101 620+10x79",
    }
    page = ((minutes(44), minutes(86)),)

    play(promtool, tmp_path, fed, {arrival.silent: page}, until=hours(2))


def test_a_quiet_night_and_an_inbox_that_nobody_samples_are_no_silence(promtool: Promtool, tmp_path: Path) -> None:
    night = {PAID: "0+1x60 61x179", RECEIVED: "0+1x60 61x179", REQUESTED: "0+1x60 61x179"}
    without_inbox = {PAID: "0+10x240", REQUESTED: "0+10x240"}

    for name, fed in (("night", night), ("without inbox", without_inbox)):
        folder = tmp_path / name
        folder.mkdir()
        play(promtool, folder, fed, {arrival.silent: NEVER}, until=hours(2))


def test_customers_charged_twice_wake_somebody_once_and_stay_a_ticket(promtool: Promtool, tmp_path: Path) -> None:
    """Two orders are doubled after 50 minutes, and refunded four hours later; one was known before."""
    fed = {database.duplicates.name: "1x49 3x240 0x69"}
    expected = {
        database.duplicate_charges: ((minutes(52), minutes(113)),),
        database.duplicate_charges_open: ((minutes(176), minutes(299)),),
    }

    play(promtool, tmp_path, fed, expected, until=hours(6), every=minutes(1))


def test_events_that_stripe_gave_up_wake_somebody_once_and_stay_a_ticket(promtool: Promtool, tmp_path: Path) -> None:
    """Two are given up after 50 minutes, and none is left four hours later; one was known before."""
    fed = {webhooks.undelivered.where(state="dead"): "1x49 3x240 0x69"}
    expected = {
        webhooks.events_dead: ((minutes(52), minutes(113)),),
        webhooks.events_dead_open: ((minutes(176), minutes(299)),),
    }

    play(promtool, tmp_path, fed, expected, until=hours(6), every=minutes(1))


def test_what_stripe_gave_up_before_anybody_looked_is_a_ticket(promtool: Promtool, tmp_path: Path) -> None:
    """Stripe keeps it for 30 days; the exporter is installed after ten minutes."""
    fed = {webhooks.undelivered.where(state="dead"): "_x10 1x170"}
    expected = {webhooks.events_dead: NEVER, webhooks.events_dead_open: ((minutes(71), minutes(180)),)}

    play(promtool, tmp_path, fed, expected, until=hours(3), every=minutes(1))
