"""Stripe account: may we charge, are we paid out, and may we still ask?"""

from rules.payments.declines import CURRENCY
from rules.payments.rare_events import kept_events, kept_for_30_hours
from rules.payments.runbook.procedures import CALL_STRIPE, EXPORTER_LOG, OTHER_PROCESSOR, TELL_PEOPLE
from rules.vocabulary import (
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
    hours,
    minutes,
    seconds,
)

capability = Gauge(
    "stripe_account_capability",
    "Whether Stripe lets the account do this",
    Unit.BOOLEAN,
    Source.STRIPE_ACCOUNT,
    labels=(Label("capability", ("charges_enabled", "payouts_enabled", "details_submitted")),),
    serves=("CHK-05", "CHK-06"),
)

requirements = Gauge(
    "stripe_account_requirements_due",
    "Pieces of information that Stripe wants from the account",
    Unit.COUNT,
    Source.STRIPE_ACCOUNT,
    labels=(Label("state", ("currently_due", "past_due")),),
    serves=("CHK-05",),
)

balance = Gauge(
    "stripe_balance_minor_units",
    "Money at Stripe in the currency's smallest unit",
    Unit.MINOR_UNITS,
    Source.STRIPE_ACCOUNT,
    labels=(CURRENCY, Label("state", ("available", "pending"))),
    serves=("CHK-06",),
)

payouts = Counter(
    "stripe_payouts_total",
    "Payouts to the bank account; a payout can be paid and then fail within five days",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(Label("result", ("paid", "failed")),),
    serves=("CHK-06",),
)

requests = Counter(
    "payments_exporter_stripe_requests_total",
    "Requests that the exporter sent to Stripe, by endpoint and status code (0: no answer)",
    Unit.COUNT,
    Source.EXPORTER,
    labels=(
        Label(
            "endpoint",
            ("events", "account", "balance", "webhook_endpoints", "disputes", "refunds", "charges", "payment_intents"),
        ),
        Label("code", ("200", "400", "401", "403", "404", "429", "4xx", "5xx", "0")),
    ),
    serves=("RSP-02",),
)

reads_used = Gauge(
    "payments_exporter_stripe_reads_used_ratio",
    "Reads spent in the past 30 days, as a share of the exporter's own allowance",
    Unit.RATIO,
    Source.EXPORTER,
    serves=("RSP-02",),
)

read_allowance = Gauge(
    "payments_exporter_stripe_read_allowance",
    "Reads that the exporter may spend in 30 days: its share of what Stripe allots to the account",
    Unit.COUNT,
    Source.EXPORTER,
    serves=("RSP-02",),
)


def _capability(name: str) -> str:
    return f"min without (instance, pod, capability) ({capability.where(capability=name)})"


def _capability_example(name: str, other: str) -> Example:
    return Example(
        series=((capability.where(capability=name), "1x5 0x5"), (capability.where(capability=other), "1x10")),
        at=minutes(8),
        gives=(("", "0"),),
    )


def _able(name: str) -> Example:
    return Example(series=((capability.where(capability=name), "1x10"),), at=minutes(8), gives=(("", "1"),))


def _requirements(state: str) -> str:
    return f"max without (instance, pod, state) ({requirements.where(state=state)})"


def _requirements_example(state: str, other: str) -> Example:
    return Example(
        series=((requirements.where(state=state), "0x5 2x5"), (requirements.where(state=other), "5x10")),
        at=minutes(8),
        gives=(("", "2"),),
    )


charges_enabled = Signal(
    "stripe_account:charges_enabled:min",
    "Whether Stripe lets the account take payments",
    Unit.BOOLEAN,
    _capability("charges_enabled"),
    _capability_example("charges_enabled", "payouts_enabled"),
    also=(_able("charges_enabled"),),
)

payouts_enabled = Signal(
    "stripe_account:payouts_enabled:min",
    "Whether Stripe pays out to the bank account",
    Unit.BOOLEAN,
    _capability("payouts_enabled"),
    _capability_example("payouts_enabled", "charges_enabled"),
    also=(_able("payouts_enabled"),),
)

past_due = Signal(
    "stripe_account:requirements_past_due:max",
    "Pieces of information that Stripe wants and that are overdue",
    Unit.COUNT,
    _requirements("past_due"),
    _requirements_example("past_due", "currently_due"),
)

currently_due = Signal(
    "stripe_account:requirements_due:max",
    "Pieces of information that Stripe wants by a date",
    Unit.COUNT,
    _requirements("currently_due"),
    _requirements_example("currently_due", "past_due"),
)

failed_payouts = Signal(
    "stripe_account:failed_payouts:increase1d",
    "Payouts that failed in a day",
    Unit.COUNT,
    kept_events(payouts.where(result="failed"), "1d"),
    Example(
        series=(
            (f'{payouts}{{result="failed",instance="a"}}', "3x900 stale"),
            (f'{payouts}{{result="failed",instance="b"}}', "_x903 4x300 6x600"),
            (f'{payouts}{{result="paid",instance="b"}}', "0+3x1810"),
        ),
        at=hours(30) + seconds(30),
        gives=(("", "3"),),
    ),
    also=kept_for_30_hours(*(f'{payouts}{{result="failed",instance="{one}"}}' for one in "ab")),
)

read_budget = Signal(
    "stripe_account:reads_used:ratio30d",
    "Share of the exporter's reads for 30 days that is spent",
    Unit.RATIO,
    f"max without (instance, pod) ({reads_used})",
    Example(
        series=((reads_used.name + '{pod="a"}', "0.2x10"), (reads_used.name + '{pod="b"}', "0.2x5 0.6x5")),
        at=minutes(8),
        gives=(("", "0.6"),),
    ),
)

account_disabled = Alert(
    "StripeAccountDisabled",
    watches=charges_enabled,
    thresholds=(
        below(
            1,
            Severity.CRITICAL,
            Priority.P1,
            lasting=minutes(2),
            keep_firing=minutes(10),
            because="checklist: account verified and activated; without it no payment can succeed",
        ),
    ),
    summary="Stripe does not let the account take payments.",
    description="The account's charges_enabled is {value}: every payment is refused.",
    runbook=Runbook(
        meaning="Stripe has disabled charges on the account: a review, a missing document, or too many disputes.",
        impact="No customer can pay, and no deployment will change it.",
        diagnosis=(Step("Read the notice in the Stripe dashboard, and the owner's mailbox.", ""),),
        mitigation=(
            Step("Hand in what Stripe asks for, and call: this is settled by people."),
            CALL_STRIPE,
            OTHER_PROCESSOR,
            TELL_PEOPLE,
        ),
    ),
    serves=("CHK-05", "SEV-P1", "CON-05", "CON-06"),
    own_incident=True,
)

payouts_disabled = Alert(
    "StripePayoutsDisabled",
    watches=payouts_enabled,
    thresholds=(
        below(
            1,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(10),
            keep_firing=minutes(5),
            because="checklist: bank account verified; payouts stop before customers notice anything",
        ),
    ),
    summary="Stripe does not pay out to the bank account.",
    description="The account's payouts_enabled is {value}: money stays at Stripe.",
    runbook=Runbook(
        meaning="Stripe holds payouts back: the bank account failed its check, or a review is open.",
        impact="Customers pay as usual; the company does not get the money.",
        diagnosis=(Step("Read the notice in the Stripe dashboard under Balances and Payouts."),),
        mitigation=(Step("Tell finance, and mend the bank account's data with the bank's help."), CALL_STRIPE),
    ),
    hidden_by=(account_disabled,),
    serves=("CHK-06", "CON-07"),
)

requirements_past_due = Alert(
    "StripeRequirementsPastDue",
    watches=past_due,
    thresholds=(
        above(
            0,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(10),
            keep_firing=minutes(5),
            because="Stripe disables accounts whose information is overdue",
        ),
    ),
    summary="Stripe waits for overdue information about the account.",
    description="{value} requirements are past due.",
    runbook=Runbook(
        meaning="A document or a piece of data that Stripe asked for was not handed in by its date.",
        impact="None yet; next, charges or payouts are disabled.",
        diagnosis=(Step("Open the account's status in the Stripe dashboard; it lists what is missing."),),
        mitigation=(Step("Hand it in today, with the help of finance or legal."), CALL_STRIPE),
    ),
    hidden_by=(account_disabled,),
    serves=("CHK-05",),
)

requirements_due = Alert(
    "StripeRequirementsDue",
    watches=currently_due,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            because="there is a date by which Stripe wants it; a ticket now spares a page later",
        ),
    ),
    summary="Stripe asks for information about the account.",
    description="{value} requirements are due.",
    runbook=Runbook(
        meaning="Stripe wants a document or a piece of data by a date.",
        impact="None, if it is handed in by then.",
        diagnosis=(
            Step("Open the account's status in the Stripe dashboard; it lists what is missing and until when."),
        ),
        mitigation=(Step("Give the ticket to finance or legal, with that date."),),
    ),
    hidden_by=(requirements_past_due,),
    serves=("CHK-05",),
)

payout_failed = Alert(
    "StripePayoutFailed",
    watches=failed_payouts,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            lasting=seconds(30),
            because="a payout fails when the bank refuses it; even one that was paid can fail within five days",
        ),
    ),
    summary="A payout to the bank account failed.",
    description="{value} payouts failed within a day.",
    runbook=Runbook(
        meaning="The bank sent a payout back; the money is at Stripe again.",
        impact="Finance misses the money. Stripe may stop payouts until the bank account is mended.",
        diagnosis=(Step("Read the payout's failure code in the Stripe dashboard."),),
        mitigation=(Step("Mend the bank account's data; Stripe pays out again with the next payout."),),
    ),
    hidden_by=(payouts_disabled,),
    serves=("CHK-06",),
)

read_budget_high = Alert(
    "StripeReadBudgetHigh",
    watches=read_budget,
    thresholds=(
        above(
            "0.8",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(15),
            because="at 100 % the exporter asks too seldom to watch payments; 20 % leave some days to act",
        ),
    ),
    summary="The exporter has spent more than {threshold} of its reads from Stripe.",
    description="{value} of the reads for 30 days are spent.",
    runbook=Runbook(
        meaning="Stripe allots reads by the month; the exporter slows down by itself, yet comes near its share.",
        impact="Metrics grow older as the exporter slows down. Other users of the account's reads may be at fault.",
        diagnosis=(
            Step("See on the dashboard which endpoint the reads go to."),
            EXPORTER_LOG,
        ),
        mitigation=(Step("Raise the exporter's interval, or its share if nobody else reads much from the account."),),
    ),
    serves=("RSP-02",),
)
