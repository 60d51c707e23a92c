"""Webhooks: does Stripe reach us, and do we act on what it says in time?"""

from decimal import Decimal

from rules.payments import replica
from rules.payments.latency import counted, share_over
from rules.payments.rare_events import more_than_an_hour_ago, over_a_day
from rules.payments.runbook.procedures import (
    DATABASE_REACHABLE,
    ERROR_LOGS,
    RECENT_CHANGES,
    ROTATE_WEBHOOK_SECRET,
)
from rules.vocabulary import (
    OTHER,
    Alert,
    Counter,
    Example,
    Gauge,
    Histogram,
    Label,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    below,
    hours,
    minutes,
    only_if,
    or_when,
)

DELAY_BOUND = Decimal(3)

EVENT_TYPES = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "payment_intent.amount_capturable_updated",
    "charge.succeeded",
    "charge.failed",
    "charge.captured",
    "charge.expired",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "radar.early_fraud_warning.created",
    "payout.paid",
    "payout.failed",
    "invoice.payment_failed",
)
"""Stripe's list of events takes at most 20 types in one call; these are the ones that are counted."""

REQUIRED_EVENT_TYPES = ("payment_intent.succeeded", "payment_intent.payment_failed", "charge.dispute.created")
"""What the payments service cannot do without: the runbook's three smoke tests."""

EVENT_TYPE = Label("event_type", (*REQUIRED_EVENT_TYPES, OTHER))
DELIVERY_STATE = Label("state", ("retrying", "dead"))

duration = Histogram(
    "stripe_webhook_duration_seconds",
    "Time from the receipt of a webhook event to the end of its processing",
    Unit.SECONDS,
    Source.WEBHOOK_INBOX,
    labels=(EVENT_TYPE,),
    bounds=tuple(map(Decimal, ("0.1", "0.25", "0.5", "1", "3", "5", "10", "30", "60", "300"))),
    serves=("KM-03", "AL-02", "STEP-02"),
)

delivery_delay = Histogram(
    "stripe_webhook_delivery_delay_seconds",
    "Time from Stripe's creation of an event to its receipt",
    Unit.SECONDS,
    Source.WEBHOOK_INBOX,
    labels=(EVENT_TYPE,),
    bounds=tuple(map(Decimal, ("1", "3", "5", "10", "30", "60", "300", "900", "3600", "86400"))),
    serves=("CHK-07",),
)

inbox_backlog = Gauge(
    "stripe_webhook_inbox_backlog",
    "Webhook events received and not yet processed, counted up to a cap of 10001",
    Unit.COUNT,
    Source.WEBHOOK_INBOX,
    serves=("ISS-01",),
)

inbox_oldest = Gauge(
    "stripe_webhook_inbox_oldest_unprocessed_timestamp_seconds",
    "Receipt of the oldest webhook event that is not yet processed; absent where there is none",
    Unit.TIMESTAMP,
    Source.WEBHOOK_INBOX,
    serves=("ISS-01",),
)

events = Counter(
    "stripe_webhook_events_total",
    "Webhook requests that the payments service received, by what became of them; where there is no signature, that is none that "
    "matches",
    Unit.COUNT,
    Source.APPLICATION,
    labels=(Label("outcome", ("processed", "failed", "duplicate", "invalid_signature", "ignored")),),
    serves=("ISS-01", "CHK-12"),
)

undelivered = Gauge(
    "stripe_events_undelivered",
    "Events that Stripe could not deliver: retrying for up to three days, then dead until somebody resends them",
    Unit.COUNT,
    Source.STRIPE_WEBHOOKS,
    labels=(DELIVERY_STATE,),
    serves=("CHK-07", "ISS-01"),
)

oldest_undelivered = Gauge(
    "stripe_events_oldest_undelivered_timestamp_seconds",
    "Creation of the oldest event that Stripe could not deliver; absent where there is none",
    Unit.TIMESTAMP,
    Source.STRIPE_WEBHOOKS,
    labels=(DELIVERY_STATE,),
    serves=("CHK-07",),
)

endpoints = Gauge(
    "stripe_webhook_endpoints",
    "Webhook endpoints that are configured at Stripe, by status",
    Unit.COUNT,
    Source.STRIPE_WEBHOOKS,
    labels=(Label("status", ("enabled", "disabled")),),
    serves=("CHK-07", "STEP-02"),
)

endpoint_version_drift = Gauge(
    "stripe_webhook_endpoints_version_drift",
    "Enabled webhook endpoints whose API version differs from the one that the payments service expects",
    Unit.COUNT,
    Source.STRIPE_WEBHOOKS,
    serves=("CHK-07",),
)

subscribed = Gauge(
    "stripe_webhook_event_subscribed",
    "Whether an enabled webhook endpoint subscribes to this required type of event",
    Unit.BOOLEAN,
    Source.STRIPE_WEBHOOKS,
    labels=(Label("event_type", REQUIRED_EVENT_TYPES),),
    serves=("CHK-07", "STEP-02"),
)

rejects_unsigned = Gauge(
    "payments_webhook_rejects_unsigned",
    "Whether the webhook endpoint refuses a request without a valid signature",
    Unit.BOOLEAN,
    Source.PROBE,
    serves=("CHK-12",),
)

unsigned_sent = Counter(
    "payments_exporter_unsigned_webhooks_total",
    "Requests without a signature that the exporter sent to the webhook endpoint, to see them refused",
    Unit.COUNT,
    Source.EXPORTER,
    serves=("CHK-12",),
)

_PAID = duration.counted(event_type="payment_intent.succeeded")
_PAID_FAST = duration.name + '_bucket{event_type="payment_intent.succeeded",le="3.0"}'
_OTHERS = duration.counted(event_type="other")
_OTHERS_FAST = duration.name + '_bucket{event_type="other",le="3"}'

slow = Signal(
    "stripe_webhooks:slow:ratio_rate5m",
    "Share of webhook events that take more than 3 seconds to process",
    Unit.RATIO,
    share_over(duration, DELAY_BOUND, "5m"),
    Example.over(
        minutes(5),
        (
            (_PAID, "0+10x10"),
            (_PAID_FAST, "0+10x5 60 69 78 86 94"),
            (_OTHERS, "0+10x10"),
            (_OTHERS_FAST, "0+10x5 60 70 80 90 98"),
        ),
        (("", "0.1"),),
    ),
    serves=("KM-03", "AL-02"),
)

processed = Signal(
    "stripe_webhooks:processed:increase5m",
    "Webhook events processed in 5 minutes",
    Unit.COUNT,
    counted(duration, duration.count, "5m"),
    Example.over(minutes(5), ((_PAID, "0+10x5 60 69 78 86 94"), (_OTHERS, "0+10x10")), (("", "92.5"),)),
)

_INVALID = events.where(outcome="invalid_signature")

_OUR_OWN = f"(\n  sum(increase({unsigned_sent}[6m]))\n  or vector(0)\n)"
"""What the exporters sent within the 5 minutes; a minute more, lest a request that the service has counted be missing here."""


def _signatures(gives: str, *sent: str) -> Example:
    """In 5 minutes two pods refuse 15 requests and process 81; `sent` are the exporters' own."""
    return Example.over(
        minutes(5),
        (
            (f'{events}{{outcome="invalid_signature",pod="a"}}', "0x5 1 1 3 5 5"),
            (f'{events}{{outcome="invalid_signature",pod="b"}}', "0x5 2 2 4 8 10"),
            (events.where(outcome="processed"), "0+16.2x10"),
            *((f'{unsigned_sent}{{instance="{number}"}}', values) for number, values in enumerate(sent)),
        ),
        (("", gives),),
    )


invalid_signatures = Signal(
    "stripe_webhooks:invalid_signatures:increase5m",
    "Webhook requests in 5 minutes whose signature did not match, beyond those that the exporters sent without one",
    Unit.COUNT,
    f"clamp_min(\n  sum(increase({_INVALID}[5m]))\n  - on () {_OUR_OWN},\n  0\n)",
    _signatures("9", "0+0.5x10", "3x5 5.5x5"),
    also=(_signatures("0", "0+3x10"),),
)

invalid_ratio = Signal(
    "stripe_webhooks:invalid_signatures:ratio_rate5m",
    "Share of webhook requests whose signature does not match, those that the exporters sent left aside",
    Unit.RATIO,
    f"{invalid_signatures}\n/ on () (sum(increase({events}[5m])) - on () {_OUR_OWN} > 0)",
    _signatures("0.1", "0+0.5x10", "3x5 5.5x5"),
    also=(_signatures("0.15625"),),
    serves=("ISS-01",),
)

inbox_age = Signal(
    "stripe_webhooks:oldest_unprocessed:seconds",
    "Age of the oldest webhook event that is received and not processed",
    Unit.SECONDS,
    f"max without (instance, pod) (time() - {inbox_oldest})",
    Example(
        series=((inbox_oldest.name + '{instance="a"}', "60x10"), (inbox_oldest.name + '{instance="b"}', "120x10")),
        at=minutes(10),
        gives=(("", "540"),),
    ),
    serves=("ISS-01",),
)

retrying_age = Signal(
    "stripe_webhooks:oldest_retrying:seconds",
    "Age of the oldest event that Stripe still tries to deliver",
    Unit.SECONDS,
    f"max without (instance, pod, state) (time() - {oldest_undelivered.where(state='retrying')})",
    Example(
        series=(
            (oldest_undelivered.where(state="retrying"), "60x10"),
            (oldest_undelivered.where(state="dead"), "0x10"),
        ),
        at=minutes(10),
        gives=(("", "540"),),
    ),
    serves=("CHK-07",),
)

dead_events = Signal(
    "stripe_webhooks:dead:max",
    "Events that Stripe has given up delivering",
    Unit.COUNT,
    f"max without (instance, pod, state) ({undelivered.where(state='dead')})",
    Example(
        series=((undelivered.where(state="dead"), "0x5 2x5"), (undelivered.where(state="retrying"), "7x10")),
        at=minutes(8),
        gives=(("", "2"),),
    ),
    serves=("CHK-07",),
)

_NEW_DEAD = over_a_day(*(f'{undelivered}{{state="dead",instance="{number}"}}' for number in (0, 1)))

new_dead_events = Signal(
    "stripe_webhooks:dead:new1h",
    "Events that Stripe has given up delivering beyond those of the hour before, or beyond the last that were known before it; none "
    "where their number was known at neither",
    Unit.COUNT,
    more_than_an_hour_ago(undelivered.where(state="dead")),
    _NEW_DEAD[0],
    also=_NEW_DEAD[1:2],
    serves=("CHK-07",),
)

disabled_endpoints = Signal(
    "stripe_webhooks:disabled_endpoints:max",
    "Webhook endpoints that Stripe has disabled",
    Unit.COUNT,
    f"max without (instance, pod, status) ({endpoints.where(status='disabled')})",
    Example(
        series=((endpoints.where(status="disabled"), "0x5 1x5"), (endpoints.where(status="enabled"), "3x10")),
        at=minutes(8),
        gives=(("", "1"),),
    ),
    serves=("CHK-07",),
)

subscription = Signal(
    "stripe_webhooks:event_subscribed:min",
    "Whether an enabled endpoint subscribes to the type of event",
    Unit.BOOLEAN,
    f"min without (instance, pod) ({subscribed})",
    Example(
        series=(
            (subscribed.where(event_type="payment_intent.succeeded"), "1x10"),
            (subscribed.where(event_type="charge.dispute.created"), "1x5 0x5"),
        ),
        at=minutes(8),
        gives=(('event_type="payment_intent.succeeded"', "1"), ('event_type="charge.dispute.created"', "0")),
    ),
    serves=("STEP-02",),
)

unsigned_refused = Signal(
    "stripe_webhooks:rejects_unsigned:min",
    "Whether the webhook endpoint refuses unsigned requests",
    Unit.BOOLEAN,
    f"min without (instance, pod) ({rejects_unsigned})",
    Example(
        series=(
            (rejects_unsigned.name + '{instance="a"}', "1x10"),
            (rejects_unsigned.name + '{instance="b"}', "1x5 0x5"),
        ),
        at=minutes(8),
        gives=(("", "0"),),
    ),
    also=(Example(series=((rejects_unsigned.name, "1x10"),), at=minutes(8), gives=(("", "1"),)),),
    serves=("CHK-12",),
)

RESEND = Step(
    "Let Stripe send the missed events again, once the endpoint works; list them first.",
    "stripe events list --delivery-success=false --limit 100 --live\n"
    "stripe events resend evt_... --webhook-endpoint we_... --live",
)

delay = Alert(
    "StripeWebhookDelay",
    watches=slow,
    thresholds=(
        above(
            "0.01",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            respond_within=minutes(15),
            because="key metrics table: 99th percentile above 3 s, that is more than 1 % of events above it",
        ),
    ),
    guards=(only_if(processed, ">=", 20, "one slow event of fewer than 20 is no 99th percentile"),),
    summary="More than {threshold} of webhook events take longer than 3 s to process.",
    description="{value} of the webhook events in the past 5 minutes took longer than 3 s to process.",
    runbook=Runbook(
        meaning="The service receives Stripe's events but works on them slowly.",
        impact="Orders are confirmed late. Past 10 s Stripe counts a delivery as failed and sends it again.",
        diagnosis=(
            Step("Compare the types of event: is one of them slow, or all?"),
            DATABASE_REACHABLE,
            RECENT_CHANGES,
            ERROR_LOGS,
        ),
        mitigation=(
            Step(
                "Give the processor more room by raising its autoscaler's floor.",
                'kubectl patch hpa webhook-processor --patch \'{"spec":{"minReplicas":5}}\'',
            ),
        ),
    ),
    serves=("KM-03", "AL-02"),
)

backlog = Alert(
    "StripeWebhookBacklog",
    watches=inbox_age,
    thresholds=(
        above(
            300,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="events take seconds; one that waits 5 minutes is stuck, and so are those behind it",
        ),
    ),
    guards=(replica.UP_TO_DATE,),
    or_else=(
        or_when(
            retrying_age,
            ">",
            900,
            "Stripe's second try comes within minutes; an event undelivered for 15 minutes failed repeatedly",
        ),
    ),
    summary="Webhook events wait to be processed or delivered.",
    description="The oldest waiting webhook event is {value} old.",
    runbook=Runbook(
        meaning="Events pile up: either in our inbox, or at Stripe because we do not accept them.",
        impact="Orders that are paid look unpaid until the events get through.",
        diagnosis=(
            Step(
                "See what waits in the inbox, and since when.",
                "SELECT type, count(*), min(received_at) FROM webhook_events\n"
                "WHERE processed_at IS NULL GROUP BY type ORDER BY 3;",
                "sql",
            ),
            Step("See in the Stripe dashboard which endpoint fails, and with which status code."),
            ERROR_LOGS,
        ),
        mitigation=(
            Step("Restart the webhook processor.", "kubectl rollout restart deployment/webhook-processor"),
            RESEND,
        ),
    ),
    serves=("ISS-01", "CHK-07"),
)

events_dead = Alert(
    "StripeWebhookEventsDead",
    watches=new_dead_events,
    thresholds=(
        above(
            0,
            Severity.CRITICAL,
            Priority.P2,
            keep_firing=minutes(5),
            because="Stripe tries for three days and never again; each such event is a payment we do not know of. For an hour it is "
            "new; what nobody has sent again by then is a ticket",
        ),
    ),
    summary="Stripe has given up delivering webhook events.",
    description="{value} more events than an hour ago were not delivered within three days; Stripe tries no more.",
    runbook=Runbook(
        meaning="Events of three days ago never reached us, and Stripe's retries have ended.",
        impact="Payments, refunds or disputes that nobody here knows of, until somebody resends the events.",
        diagnosis=(Step("List the events and see which endpoint missed them, and why."), ERROR_LOGS),
        mitigation=(RESEND, Step("Then see that the reconciliation gap closes.")),
    ),
    serves=("ISS-01", "CHK-07"),
)

events_dead_open = Alert(
    "StripeWebhookEventsDeadOpen",
    watches=dead_events,
    thresholds=(
        above(
            0,
            Severity.INFO,
            Priority.P4,
            lasting=hours(1),
            keep_firing=minutes(10),
            because="Stripe lists an event for 30 days, whichever endpoint missed it; nobody need be woken for it a second time, nor "
            "for one that was lost before anybody looked",
        ),
    ),
    summary="Webhook events that Stripe gave up are still undelivered.",
    description="{value} events of the past 30 days were not delivered within three days.",
    runbook=Runbook(
        meaning="Events of the past 30 days never reached an endpoint, and nobody has sent them again.",
        impact="Payments, refunds or disputes that nobody here may know of.",
        diagnosis=(
            Step("List the events and see which endpoint missed them: the payments service's, or another one's?"),
            Step("Does the payments database know of them meanwhile, by a reconciliation or by hand?"),
        ),
        mitigation=(RESEND, Step("An endpoint that nobody needs any more is deleted at Stripe.")),
    ),
    hidden_by=(events_dead,),
    serves=("ISS-01", "CHK-07"),
)

endpoint_disabled = Alert(
    "StripeWebhookEndpointDisabled",
    watches=disabled_endpoints,
    thresholds=(
        above(
            0,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(5),
            because="Stripe disables an endpoint that keeps failing; from then on it sends nothing at all",
        ),
    ),
    summary="A webhook endpoint is disabled at Stripe.",
    description="{value} webhook endpoints are disabled: Stripe sends them nothing.",
    runbook=Runbook(
        meaning="Stripe, or somebody in its dashboard, has switched a webhook endpoint off.",
        impact="No event arrives there: orders stay unpaid, refunds and disputes unseen.",
        diagnosis=(
            Step("See in the Stripe dashboard which endpoint it is, and how its last deliveries failed."),
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("Mend what failed, enable the endpoint, or delete it if it is no longer meant to be."),
            RESEND,
        ),
    ),
    serves=("CHK-07", "STEP-02"),
)

event_unsubscribed = Alert(
    "StripeWebhookEventUnsubscribed",
    watches=subscription,
    thresholds=(
        below(
            1,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(5),
            because="these three types are the runbook's smoke test; without one of them the service is half blind",
        ),
    ),
    summary="No webhook endpoint subscribes to a required type of event.",
    description="No enabled webhook endpoint subscribes to {event_type}.",
    runbook=Runbook(
        meaning=(
            "The endpoint's list of events at Stripe lacks one that the service needs, or no endpoint has the address that the"
            " exporter was told (stripe.webhook_urls)."
        ),
        impact="What happens in events of this type goes unnoticed.",
        diagnosis=(
            Step("Compare the endpoint's list of events at Stripe with the one in the deployment."),
            RECENT_CHANGES,
        ),
        mitigation=(Step("Add the type to the endpoint in the Stripe dashboard."), RESEND),
    ),
    hidden_by=(endpoint_disabled,),
    serves=("CHK-07", "STEP-02"),
)

signature_failures = Alert(
    "StripeWebhookSignatureFailures",
    watches=invalid_ratio,
    thresholds=(
        above(
            "0.1",
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(5),
            because="common issues: signature failures; one request in ten is no scanner but a wrong secret",
        ),
    ),
    guards=(only_if(invalid_signatures, ">=", 5, "strangers knock on every public endpoint now and then"),),
    summary="More than {threshold} of webhook requests carry a wrong signature.",
    description="{value} of the webhook requests in the past 5 minutes carried a signature that does not match.",
    runbook=Runbook(
        meaning="Our webhook secret is not the one that Stripe signs with, or somebody forges events.",
        impact="Events are refused: orders stay unpaid although the money has been taken.",
        diagnosis=(
            Step("Was the secret rotated here or at Stripe? Never print it: compare the dates of rotation."),
            Step("Do the refused requests come from Stripe's addresses? If not, somebody forges them."),
            RECENT_CHANGES,
        ),
        mitigation=(ROTATE_WEBHOOK_SECRET, RESEND),
    ),
    serves=("ISS-01", "ISS-05", "CHK-12"),
)

unsigned_accepted = Alert(
    "StripeWebhookUnsignedAccepted",
    watches=unsigned_refused,
    thresholds=(
        below(
            1,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="checklist: signatures are validated; an endpoint that takes unsigned events can be told anything",
        ),
    ),
    summary="The webhook endpoint accepts requests without a signature.",
    description="The probe's unsigned request was not refused; anybody can tell the service that an order is paid.",
    runbook=Runbook(
        meaning="The check of Stripe's signature is missing or switched off.",
        impact="Anybody who knows the address can mark orders as paid.",
        diagnosis=(RECENT_CHANGES, Step("Look in the log how the probe's request was answered, and by which version.")),
        mitigation=(
            Step("Roll back to the version that checked signatures."),
            Step("Compare the orders paid since then with Stripe's payments."),
        ),
    ),
    serves=("CHK-12",),
)
