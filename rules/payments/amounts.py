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
