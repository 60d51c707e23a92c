"""Arrival: do Stripe's webhooks reach us at all?"""

from rules.payments import outcomes, replica, webhooks
from rules.payments.latency import counted
from rules.payments.runbook.procedures import RECENT_CHANGES, STRIPE_STATUS
from rules.vocabulary import (
    Alert,
    Example,
    Priority,
    Runbook,
    Severity,
    Signal,
    Step,
    Unit,
    at_most,
    excluding,
    minutes,
    only_if,
    or_when,
)

received_10m = Signal(
    "stripe_webhooks:received:increase10m",
    "Webhook events in 10 minutes that reached the inbox",
    Unit.COUNT,
    counted(webhooks.delivery_delay, webhooks.delivery_delay.count, "10m"),
    Example.over(
        minutes(10),
        (
            (webhooks.delivery_delay.counted(event_type="payment_intent.succeeded"), "0x5 1 1 3 5 5"),
            (webhooks.delivery_delay.counted(event_type="other"), "0x5 2 2 4 8 10"),
        ),
        (("", "15"),),
    ),
)

_SIGNED = webhooks.events.where(outcome=excluding("invalid_signature"))

requested_10m = Signal(
    "stripe_webhooks:requests:increase10m",
    "Webhook requests in 10 minutes whose signature the payments service found right, whatever became of them",
    Unit.COUNT,
    f"sum(increase({_SIGNED}[10m]))\nor 0 * sum(increase({webhooks.events}[10m]))",
    Example.over(
        minutes(10),
        (
            (webhooks.events.name + '{outcome="processed",pod="a"}', "0x5 1 1 3 5 5"),
            (webhooks.events.name + '{outcome="failed",pod="b"}', "0x5 2 2 4 8 10"),
            (webhooks.events.name + '{outcome="invalid_signature",pod="b"}', "0+9x10"),
        ),
        (("", "15"),),
    ),
    also=(Example.over(minutes(10), ((webhooks.events.where(outcome="invalid_signature"), "0+1x10"),), (("", "0"),)),),
)

happened_10m = Signal(
    "stripe_webhooks:attempts_to_tell_of:increase10m",
    "Attempts that ended at Stripe in the 10 minutes that ended 2 minutes ago, each an event to be sent; of abandoned ones none is",
    Unit.COUNT,
    outcomes.total(outcomes.attempts.where(result=excluding("abandoned")), "10m", offset="2m"),
    Example(
        series=(
            (outcomes.attempts.where(result="success", payment_method="card", initiator="api"), "0+4x10 40+1x4"),
            (outcomes.attempts.where(result="success", payment_method="card", initiator="automatic"), "0+1x14"),
            (outcomes.attempts.where(result="abandoned", payment_method="card", initiator="api"), "0+9x14"),
        ),
        every=minutes(2),
        at=minutes(23),
        gives=(("", "25"),),
    ),
)

_TO_TELL_OF = only_if(
    happened_10m, ">=", 20, "at night hardly anything happens that Stripe could tell of, and its clock is not ours"
)

silent = Alert(
    "StripeWebhooksSilent",
    watches=received_10m,
    thresholds=(
        at_most(
            0,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(3),
            keep_firing=minutes(5),
            because="Stripe sends an event within seconds of each attempt; of twenty and more not one has come. Three minutes "
            "outlast the two by which attempts are looked at later, so that a kill switch is no silence",
        ),
    ),
    guards=(
        _TO_TELL_OF,
        replica.UP_TO_DATE,
    ),
    or_else=(
        or_when(
            requested_10m,
            "<=",
            0,
            "where no inbox is sampled, the service's own count tells",
            _TO_TELL_OF,
        ),
    ),
    summary="Stripe's webhooks no longer arrive, and nothing fails.",
    description="{value} webhook events arrived in 10 minutes, in which at least 20 attempts ended at Stripe.",
    runbook=Runbook(
        meaning="Stripe sends nothing, or what it sends ends at a door that answers well: a proxy, a wrong address, an old pod.",
        impact="Customers pay and nobody here knows: orders are not served, until the events come or are sent again.",
        diagnosis=(
            Step("Look at the endpoint's deliveries in the Stripe dashboard: are there any, and who answers them?"),
            STRIPE_STATUS,
            Step("Does a request to the endpoint from outside reach the service's log?"),
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("Lead the address back to the service; Stripe's own delay ends by itself."),
            Step("Until then, read payments from Stripe's API for orders that wait."),
            webhooks.RESEND,
        ),
    ),
    hidden_by=(outcomes.complete_failure, webhooks.endpoint_disabled, webhooks.signature_failures),
    serves=("CHK-07", "ISS-01"),
)
