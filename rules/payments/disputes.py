"""Disputes and refunds: do customers want their money back, and do they get it?"""

from textwrap import indent

from rules.payments.cards import NETWORK
from rules.payments.declines import CURRENCY
from rules.payments.outcomes import WINDOW, each_in_5m
from rules.payments.rare_events import kept_events, kept_for_30_hours
from rules.payments.runbook.procedures import CALL_STRIPE
from rules.vocabulary import (
    OTHER,
    Alert,
    Counter,
    Example,
    Gauge,
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
    excluding,
    hours,
    minutes,
    only_if,
    or_when,
    seconds,
)

ALL_NETWORKS = "all"
"""The network that stands for all of them together, where a figure is given by network."""

REASON = Label(
    "reason",
    (
        "fraudulent",
        "product_not_received",
        "product_unacceptable",
        "duplicate",
        "subscription_canceled",
        "unrecognized",
        "credit_not_processed",
        "general",
        OTHER,
    ),
)

charges = Gauge(
    "stripe_window_charges",
    "Successful charges in a window of whole days of UTC (24h: of whole hours), by card network",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(WINDOW, NETWORK),
    serves=("KM-05", "KM-06"),
)

window_disputes = Gauge(
    "stripe_window_disputes",
    "Disputes opened in a window of whole days of UTC (24h: of whole hours), by card network; inquiries and prevented ones do not count",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(WINDOW, NETWORK),
    serves=("KM-05",),
)

window_warnings = Gauge(
    "stripe_window_early_fraud_warnings",
    "Early fraud warnings in a window of whole days of UTC (24h: of whole hours), by card network",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(WINDOW, NETWORK),
    serves=("KM-05",),
)

window_refunds = Gauge(
    "stripe_window_refunds",
    "Refunds created in a window of whole days of UTC (24h: of whole hours), by card network",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(WINDOW, NETWORK),
    serves=("KM-06",),
)

opened = Counter(
    "stripe_disputes_opened_total",
    "Disputes opened, by the reason that the issuer gave",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(REASON,),
    serves=("KM-05",),
)

closed = Counter(
    "stripe_disputes_closed_total",
    "Disputes closed, by how they ended",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(Label("outcome", ("won", "lost", "warning_closed", "prevented", OTHER)),),
    serves=("KM-05",),
)

warnings = Counter(
    "stripe_early_fraud_warnings_total",
    "Early fraud warnings from the card networks",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    serves=("KM-05",),
)

refunds = Counter(
    "stripe_refunds_total",
    "Refunds by what became of them; a failed refund leaves the customer unpaid",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(Label("result", ("created", "succeeded", "failed", "canceled")),),
    serves=("KM-06",),
)

refunded = Counter(
    "stripe_refund_amount_minor_units_total",
    "Amount of created refunds in the currency's smallest unit",
    Unit.MINOR_UNITS,
    Source.STRIPE_EVENTS,
    labels=(CURRENCY,),
    serves=("KM-06",),
)

opened_by_reason = Signal(
    "dispute_reason:disputes_opened:increase5m",
    "Disputes opened in 5 minutes, by reason",
    Unit.COUNT,
    each_in_5m(opened),
    Example.over(
        minutes(5),
        ((opened.where(reason="fraudulent"), "0+1x10"), (opened.where(reason="duplicate"), "0+2x10")),
        (('reason="fraudulent"', "5"), ('reason="duplicate"', "10")),
    ),
)

closed_by_outcome = Signal(
    "dispute_outcome:disputes_closed:increase5m",
    "Disputes closed in 5 minutes, by how they ended",
    Unit.COUNT,
    each_in_5m(closed),
    Example.over(
        minutes(5),
        ((closed.where(outcome="won"), "0+1x10"), (closed.where(outcome="lost"), "0+2x10")),
        (('outcome="won"', "5"), ('outcome="lost"', "10")),
    ),
)

warnings_5m = Signal(
    "stripe_early_fraud:warnings:increase5m",
    "Early fraud warnings in 5 minutes",
    Unit.COUNT,
    f"sum(max without (instance, pod) (increase({warnings}[5m])))",
    Example.over(minutes(5), ((warnings.name, "0+1x10"),), (("", "5"),)),
)

refunded_by_currency = Signal(
    "currency:refund_amount_minor_units:increase5m",
    "Amount of refunds in 5 minutes, by currency",
    Unit.MINOR_UNITS,
    each_in_5m(refunded),
    Example.over(
        minutes(5),
        ((refunded.where(currency="usd"), "0+100x10"), (refunded.where(currency="jpy"), "0+200x10")),
        (('currency="usd"', "500"), ('currency="jpy"', "1000")),
    ),
)

need_response = Gauge(
    "stripe_disputes_needing_response",
    "Open disputes that wait for our evidence",
    Unit.COUNT,
    Source.STRIPE_DISPUTES,
    serves=("KM-05",),
)

evidence_due = Gauge(
    "stripe_dispute_evidence_due_timestamp_seconds",
    "The earliest moment by which evidence for an open dispute must be handed in; absent where none is open",
    Unit.TIMESTAMP,
    Source.STRIPE_DISPUTES,
    serves=("KM-05",),
)


def _in_window(metric: Gauge, window: str, network: str | tuple[str, ...] = "") -> str:
    chosen = metric.where(window=window, network=network) if network else metric.where(window=window)
    return f"max by (network) ({chosen})"


def _of(metric: Gauge, window: str, network: str) -> str:
    return metric.where(window=window, network=network)


def _all_networks(metric: Gauge, window: str) -> str:
    return f"sum(max without (instance, pod) ({metric.where(window=window)}))"


def _and_of_all(by_network: str, of_all: str) -> str:
    """PromQL for a figure of each network, and of all of them together as the network named all."""
    return f'{by_network}\nor label_replace(\n{indent(of_all, "  ")},\n  "network", "{ALL_NETWORKS}", "", ""\n)'


disputes_30d = Signal(
    "stripe_network:disputes:in30d",
    "Disputes opened in 30 days, by card network and of all of them",
    Unit.COUNT,
    _and_of_all(_in_window(window_disputes, "30d"), _all_networks(window_disputes, "30d")),
    Example(
        series=(
            (_of(window_disputes, "30d", "visa"), "8x10"),
            (_of(window_disputes, "30d", "mastercard"), "3x5 5x5"),
            (_of(window_disputes, "24h", "visa"), "1x10"),
        ),
        at=minutes(8),
        gives=(('network="visa"', "8"), ('network="mastercard"', "5"), ('network="all"', "13")),
    ),
)

dispute_ratio = Signal(
    "stripe_network:disputes:ratio30d",
    "Disputes opened in 30 days as a share of charges, by card network and of all of them",
    Unit.RATIO,
    _and_of_all(
        f"{_in_window(window_disputes, '30d')}\n/ on (network) ({_in_window(charges, '30d')} > 0)",
        f"{_all_networks(window_disputes, '30d')}\n/ on () ({_all_networks(charges, '30d')} > 0)",
    ),
    Example(
        series=(
            (_of(window_disputes, "30d", "visa"), "4x10"),
            (_of(charges, "30d", "visa"), "199x10"),
            (_of(window_disputes, "30d", "mastercard"), "1x10"),
            (_of(charges, "30d", "mastercard"), "1x10"),
            (_of(window_disputes, "30d", "amex"), "0x10"),
            (_of(charges, "30d", "amex"), "0x10"),
        ),
        at=minutes(8),
        gives=(('network="visa"', "0.020100503"), ('network="mastercard"', "1"), ('network="all"', "0.025")),
    ),
    serves=("KM-05",),
)

_VISA_ACTIVITY = f"{_in_window(window_disputes, 'month_to_date', 'visa')}\n+ on (network) {_in_window(window_warnings, 'month_to_date', 'visa')}"

activity = Signal(
    "stripe_network:dispute_activity:month_to_date",
    "Disputes this month, by card network; with Visa also early fraud warnings, as its programme counts them",
    Unit.COUNT,
    f"{_VISA_ACTIVITY}\nor {_in_window(window_disputes, 'month_to_date')}",
    Example(
        series=(
            (_of(window_disputes, "month_to_date", "visa"), "3x10"),
            (_of(window_warnings, "month_to_date", "visa"), "4x10"),
            (_of(window_disputes, "month_to_date", "mastercard"), "2x10"),
            (_of(window_warnings, "month_to_date", "mastercard"), "9x10"),
        ),
        at=minutes(8),
        gives=(('network="visa"', "7"), ('network="mastercard"', "2")),
    ),
)

activity_ratio = Signal(
    "stripe_network:dispute_activity:ratio_month",
    "Dispute activity as each network's programme counts it: Mastercard divides by the month before",
    Unit.RATIO,
    f"(\n  {activity.where(network='mastercard')}\n"
    f"  / on (network) ({_in_window(charges, 'previous_month', 'mastercard')} > 0)\n)\n"
    f"or\n(\n  {activity.where(network=excluding('mastercard'))}\n"
    f"  / on (network) ({_in_window(charges, 'month_to_date')} > 0)\n)",
    Example(
        series=(
            (_of(window_disputes, "month_to_date", "visa"), "3x10"),
            (_of(window_warnings, "month_to_date", "visa"), "4x10"),
            (_of(charges, "month_to_date", "visa"), "1400x10"),
            (_of(window_disputes, "month_to_date", "mastercard"), "2x10"),
            (_of(charges, "month_to_date", "mastercard"), "20x10"),
            (_of(charges, "previous_month", "mastercard"), "200x10"),
        ),
        at=minutes(8),
        gives=(('network="visa"', "0.005"), ('network="mastercard"', "0.01")),
    ),
    also=(
        Example(
            series=(
                (_of(window_disputes, "month_to_date", "visa"), "1x10"),
                (_of(window_warnings, "month_to_date", "visa"), "0x10"),
                (_of(charges, "month_to_date", "visa"), "1x10"),
                (_of(window_disputes, "month_to_date", "mastercard"), "1x10"),
                (_of(charges, "month_to_date", "mastercard"), "20x10"),
            ),
            at=minutes(8),
            gives=(('network="visa"', "1"),),
        ),
        Example(
            series=(
                (_of(window_disputes, "month_to_date", "mastercard"), "1x10"),
                (_of(charges, "previous_month", "mastercard"), "1x10"),
            ),
            at=minutes(8),
            gives=(('network="mastercard"', "1"),),
        ),
    ),
    serves=("KM-05",),
)

evidence_left = Signal(
    "stripe_disputes:evidence_due:seconds",
    "Time left to hand in evidence for the dispute that is due first",
    Unit.SECONDS,
    f"min without (instance, pod) ({evidence_due} - time())",
    Example(
        series=((evidence_due.name + '{pod="a"}', "7200x10"), (evidence_due.name + '{pod="b"}', "3600x10")),
        at=minutes(10),
        gives=(("", "3000"),),
    ),
    serves=("KM-05",),
)


def _refund_signals_example(window: str, other: str) -> tuple[tuple[str, str], ...]:
    return (
        (_of(window_refunds, window, "visa"), "4x10"),
        (_of(window_refunds, window, "amex"), "2x10"),
        (_of(window_refunds, other, "visa"), "50x10"),
        (_of(charges, window, "visa"), "90x10"),
        (_of(charges, window, "amex"), "30x10"),
        (_of(charges, other, "visa"), "900x10"),
    )


charges_30d = Signal(
    "stripe:charges:in30d",
    "Successful charges in 30 days",
    Unit.COUNT,
    _all_networks(charges, "30d"),
    Example(series=_refund_signals_example("30d", "24h"), at=minutes(8), gives=(("", "120"),)),
)

charges_24h = Signal(
    "stripe:charges:in24h",
    "Successful charges in 24 hours",
    Unit.COUNT,
    _all_networks(charges, "24h"),
    Example(series=_refund_signals_example("24h", "30d"), at=minutes(8), gives=(("", "120"),)),
)

refund_ratio_30d = Signal(
    "stripe:refunds:ratio30d",
    "Refunds in 30 days as a share of charges",
    Unit.RATIO,
    f"{_all_networks(window_refunds, '30d')}\n/ on () ({_all_networks(charges, '30d')} > 0)",
    Example(series=_refund_signals_example("30d", "24h"), at=minutes(8), gives=(("", "0.05"),)),
    serves=("KM-06",),
)

refund_ratio_24h = Signal(
    "stripe:refunds:ratio24h",
    "Refunds in 24 hours as a share of charges",
    Unit.RATIO,
    f"{_all_networks(window_refunds, '24h')}\n/ on () ({_all_networks(charges, '24h')} > 0)",
    Example(series=_refund_signals_example("24h", "30d"), at=minutes(8), gives=(("", "0.05"),)),
    serves=("KM-06",),
)

failed_refunds = Signal(
    "stripe:failed_refunds:increase1d",
    "Refunds that failed in a day",
    Unit.COUNT,
    kept_events(refunds.where(result="failed"), "1d"),
    Example(
        series=(
            (f'{refunds}{{result="failed",instance="a"}}', "3x900 stale"),
            (f'{refunds}{{result="failed",instance="b"}}', "_x903 4x300 6x600"),
            (f'{refunds}{{result="succeeded",instance="b"}}', "0+3x1810"),
        ),
        at=hours(30) + seconds(30),
        gives=(("", "3"),),
    ),
    also=kept_for_30_hours(*(f'{refunds}{{result="failed",instance="{one}"}}' for one in "ab")),
)

_FIVE_DISPUTES = "the networks' programmes look at nobody with fewer than five; nor are four of all networks a trend"

dispute_rate_high = Alert(
    "PaymentDisputeRateHigh",
    watches=dispute_ratio,
    thresholds=(
        above(
            "0.01",
            Severity.WARNING,
            Priority.P3,
            lasting=hours(1),
            keep_firing=hours(1),
            because="key metrics table: above 1 %, over all networks or of one; by then a network's programme is near",
        ),
    ),
    guards=(only_if(disputes_30d, ">=", 5, _FIVE_DISPUTES),),
    summary="More than {threshold} of charges are disputed.",
    description="{value} of the charges of 30 days are disputed (card network: {network}).",
    runbook=Runbook(
        meaning="Customers ask their banks for the money back, more often than the networks tolerate.",
        impact="Fees per dispute; a network's monitoring programme with fines; in the end, no more cards of that network.",
        diagnosis=(
            Step("Look at the disputes by reason: fraudulent points to card testing, product reasons to the shop."),
            Step("Look at the early fraud warnings: they come days before the disputes."),
        ),
        mitigation=(
            Step("Refund payments with an early fraud warning before they become disputes."),
            Step("Tighten the fraud rules: 3-D Secure for risky payments, blocks for the pattern that you found."),
            Step("Hand in evidence for every dispute that can be won."),
        ),
    ),
    serves=("KM-05",),
)

dispute_rate_rising = Alert(
    "PaymentDisputeRateRising",
    watches=activity_ratio,
    thresholds=(
        above(
            "0.005",
            Severity.WARNING,
            Priority.P3,
            lasting=hours(1),
            keep_firing=hours(1),
            tier="elevated",
            because="Visa looks at merchants from 0.5 % with five or more disputes and fraud warnings in a month",
        ),
        above(
            "0.0075",
            Severity.WARNING,
            Priority.P3,
            lasting=hours(1),
            keep_firing=hours(1),
            tier="excessive",
            because="Stripe calls dispute activity above 0.75 % excessive, before the networks do",
        ),
    ),
    guards=(only_if(activity, ">=", 5, _FIVE_DISPUTES),),
    summary="Dispute activity of the month is above {threshold}.",
    description="{value} of the {network} payments of the month are disputed, as that network counts.",
    runbook=Runbook(
        meaning="The share of disputes and fraud warnings nears what the network's programme allows.",
        impact="None yet. Left alone, a programme with fines follows within a month or two.",
        diagnosis=(
            Step("Look at the disputes by reason, and at the early fraud warnings."),
            Step("Look which products, countries and ways of paying they come from."),
        ),
        mitigation=(
            Step("Refund payments with an early fraud warning before they become disputes."),
            Step("Make the name on the card statement one that customers recognise."),
            Step("Tighten the fraud rules where the disputes come from."),
        ),
    ),
    hidden_by=(dispute_rate_high,),
    serves=("KM-05",),
)

dispute_evidence_due = Alert(
    "PaymentDisputeEvidenceDue",
    watches=evidence_left,
    thresholds=(
        below(
            3 * 86400,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            because="evidence that comes too late loses the dispute; three days outlast a weekend",
        ),
    ),
    summary="Evidence for a dispute is due within {threshold}.",
    description="The next evidence is due in {value}.",
    runbook=Runbook(
        meaning="An open dispute waits for our side of the story.",
        impact="Without evidence in time, the dispute is lost: the money, and the fee.",
        diagnosis=(Step("Open the disputes that need a response in the Stripe dashboard, earliest first."),),
        mitigation=(
            Step(
                "Hand in receipt, proof of delivery and correspondence; or accept the dispute if the customer is right."
            ),
        ),
    ),
    serves=("KM-05",),
)

refund_rate_high = Alert(
    "PaymentRefundRateHigh",
    watches=refund_ratio_30d,
    thresholds=(
        above(
            "0.05",
            Severity.WARNING,
            Priority.P3,
            lasting=hours(1),
            keep_firing=hours(1),
            because="key metrics table: refunds above 5 %",
        ),
    ),
    guards=(only_if(charges_30d, ">=", 100, "5 % of fewer than 100 charges are a few unhappy customers"),),
    or_else=(
        or_when(
            refund_ratio_24h,
            ">",
            "0.05",
            "a wave of refunds shows in a day what 30 days would hide for a week",
            only_if(charges_24h, ">=", 100, "5 % of fewer than 100 charges are a few unhappy customers"),
        ),
    ),
    summary="More than {threshold} of charges are refunded.",
    description="{value} of the charges are refunded.",
    runbook=Runbook(
        meaning="We give back unusually much: a faulty product, a pricing mistake, or somebody abuses refunds.",
        impact="Revenue, and the fees that are not refunded.",
        diagnosis=(
            Step("Look who made the refunds, in the Stripe dashboard: customers' requests, a script, or one employee?"),
            Step("Look when it began, and what was sold."),
        ),
        mitigation=(
            Step("Stop the script or the sale that causes them."),
            Step("If an account is abused, take away its right to refund, and tell security."),
        ),
    ),
    serves=("KM-06",),
)

refunds_failing = Alert(
    "PaymentRefundsFailing",
    watches=failed_refunds,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            because="a failed refund leaves a customer without the money that was promised",
        ),
    ),
    summary="Refunds fail.",
    description="{value} refunds failed within a day.",
    runbook=Runbook(
        meaning="The customer's bank or card did not take the money; it is in our balance again.",
        impact="Customers wait for money that they were promised.",
        diagnosis=(Step("Read the refund's failure reason in the Stripe dashboard."),),
        mitigation=(
            Step("Pay the customer in another way, and say so."),
            Step("If the balance is too low for refunds, top it up or pause payouts."),
            CALL_STRIPE,
        ),
    ),
    serves=("KM-06",),
)
