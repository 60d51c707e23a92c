"""Amounts: is what we recorded of a payment what Stripe took for it?"""

from rules.payments import declines
from rules.payments.runbook.procedures import RECENT_CHANGES, ROLL_BACK
from rules.vocabulary import (
    Alert,
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
    hours,
    minutes,
)

DIFFERENT = ("amount", "currency")
NOT_JUDGED = ("refunded", "several", "unknown")
"""It was paid back, it has several rows, or a side does not know its amount."""
RESULT = Label("result", ("equal", *DIFFERENT, *NOT_JUDGED))

compared = Gauge(
    "payments_reconciliation_amounts",
    "Payments older than the grace period that both sides have, by whether their amounts and currencies are equal",
    Unit.COUNT,
    Source.RECONCILIATION,
    labels=(RESULT,),
)

difference = Gauge(
    "payments_reconciliation_amount_difference_minor_units",
    "What the payments that differ in amount do so by, added up whichever side has more",
    Unit.MINOR_UNITS,
    Source.RECONCILIATION,
    labels=(declines.CURRENCY,),
)

_A = compared.name + '{result="amount",instance="a"}'
_B = compared.name + '{result="amount",instance="b"}'

differing = Signal(
    "payments_db:amounts_differing:sum",
    "Payments whose amount or currency in the database is another than at Stripe",
    Unit.COUNT,
    f"sum(max by (result) ({compared.where(result=DIFFERENT)}))",
    Example(
        series=(
            (_A, "0x5 3x5"),
            (_B, "0x5 2x5"),
            (compared.where(result="currency"), "0x5 4x5"),
            (compared.where(result="equal"), "90x10"),
            (compared.where(result="refunded"), "5x10"),
        ),
        at=minutes(8),
        gives=(("", "7"),),
    ),
)

_UNKNOWN = compared.where(result="unknown")

unknown = Signal(
    "payments_db:amounts_unknown:ratio",
    "Share of the compared payments of which a side does not know the amount",
    Unit.RATIO,
    f"max({_UNKNOWN})\n/ on () (sum(max by (result) ({compared})) > 0)",
    Example(
        series=(
            (compared.name + '{result="unknown",instance="a"}', "0x5 30x5"),
            (compared.name + '{result="unknown",instance="b"}', "0x5 20x5"),
            (_A, "5x10"),
            (_B, "1x10"),
            (compared.where(result="equal"), "10x5 85x5"),
        ),
        at=minutes(8),
        gives=(("", "0.25"),),
    ),
)

off_by = Signal(
    "payments_db:amount_difference:minor_units",
    "What the amounts differ by, payment by payment, by currency",
    Unit.MINOR_UNITS,
    f"max by (currency) ({difference})",
    Example(
        series=(
            (difference.name + '{currency="usd",instance="a"}', "0x5 250x5"),
            (difference.name + '{currency="usd",instance="b"}', "0x10"),
        ),
        at=minutes(8),
        gives=(('currency="usd"', "250"),),
    ),
)

amounts_differ = Alert(
    "PaymentAmountsDiffer",
    watches=differing,
    thresholds=(
        above(
            9,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(5),
            keep_firing=minutes(5),
            tier="many",
            because="ten in a day are no accident of one payment: something computes amounts wrongly, and goes on doing so",
        ),
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            tier="some",
            because="after the grace period both sides must agree; who paid another sum than we know of is owed an answer",
        ),
    ),
    summary="Stripe took other amounts than the payments database has.",
    description="{value} payments of the compared window have another amount or currency at Stripe than in the database.",
    runbook=Runbook(
        meaning="For payments that both sides have, the sum that Stripe captured, or its currency, is not the one that we recorded.",
        impact="Customers paid more or less than they were told, or the books and every refund made from them are wrong.",
        diagnosis=(
            RECENT_CHANGES,
            Step("Are all of one currency wrong, or all since one release? Then a unit or a number of decimals is."),
            Step(
                "Is it the currency that differs? The dashboard shows both apart: look at how the price is localised."
            ),
            Step(
                "See what the database has of the latest; compare some with the Stripe dashboard.",
                "SELECT payment_intent_id, amount, currency, status, completed_at FROM payments\n"
                "WHERE status = 'completed' ORDER BY completed_at DESC LIMIT 20;",
                "sql",
            ),
        ),
        mitigation=(
            ROLL_BACK,
            Step("Correct the rows from Stripe's amounts, which are what the customers paid."),
            Step("Refund what was taken too much in the Stripe dashboard, and write to the customers."),
        ),
    ),
    serves=("ISS-04", "RB-04"),
)

amounts_unknown = Alert(
    "PaymentAmountsUnknown",
    watches=unknown,
    thresholds=(
        above(
            "0.5",
            Severity.INFO,
            Priority.P4,
            lasting=hours(1),
            keep_firing=minutes(10),
            because="a row without an amount is an accident, half of them are a comparison that no longer compares: silence then says nothing",
        ),
    ),
    summary="Amounts cannot be compared: for more than {threshold} of the payments a side does not know them.",
    description="Of {value} of the payments that both sides have, Stripe or the database does not tell the amount.",
    runbook=Runbook(
        meaning="PaymentAmountsDiffer judges only payments whose amount both sides know, and these are less than half.",
        impact="None for customers. Until it is mended, nobody would notice that wrong sums are stored.",
        diagnosis=(
            Step(
                "Does the table have them? What is NULL here is unknown.",
                "SELECT payment_intent_id, amount, currency, status, completed_at FROM payments\n"
                "WHERE status = 'completed' AND (amount IS NULL OR currency IS NULL)\n"
                "ORDER BY completed_at DESC LIMIT 20;",
                "sql",
            ),
            RECENT_CHANGES,
            Step("Does the exporter's setting postgres.payments.amounts name the columns that are filled today?"),
            Step("Was the exporter's state written by an earlier release? Then the amounts are there after 50 hours."),
        ),
        mitigation=(
            Step("Fill the columns again, or name those that are filled in postgres.payments.amounts."),
            Step("Compare the payments of the time between by hand, with an export of the Stripe dashboard."),
        ),
    ),
    serves=("RB-04",),
)
