"""Declines and methods: whose fault is it that payments fail, and for whom?"""

from textwrap import indent

from rules.payments import authentication, outcomes, traffic
from rules.payments.outcomes import RESULT, each_in_5m, total
from rules.payments.runbook.procedures import CALL_STRIPE, RECENT_CHANGES, STRIPE_STATUS
from rules.vocabulary import (
    CURRENCIES,
    OTHER,
    Alert,
    Counter,
    Example,
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
    only_if,
    unless,
)

FAILURE_CLASS = Label(
    "class",
    ("issuer_soft", "issuer_hard", "authentication", "customer_data", "fraud_block", "technical", "integration", OTHER),
)
CURRENCY = Label("currency", (CURRENCIES, OTHER))
TECHNICAL_CODES = (
    *("api_error", "issuer_not_available", "lock_timeout", "payment_method_not_available"),
    *("payment_method_provider_timeout", "processing_error", "rate_limit", "reenter_transaction", "try_again_later"),
)
"""Codes of failures that are neither the customer's nor a decision of the issuer's."""

DECLINE_CODE = Label(
    "decline_code",
    (
        "insufficient_funds",
        "do_not_honor",
        "generic_decline",
        "card_declined",
        "expired_card",
        "incorrect_cvc",
        "incorrect_number",
        "lost_card",
        "stolen_card",
        "pickup_card",
        "fraudulent",
        "transaction_not_allowed",
        "card_velocity_exceeded",
        "authentication_required",
        *TECHNICAL_CODES,
        OTHER,
    ),
)

failures = Counter(
    "payment_failures_total",
    "Failed payment attempts by the class of their cause; technical and integration are ours, the rest is not",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(FAILURE_CLASS,),
    serves=("RSP-02", "RSP-05"),
)

declines = Counter(
    "payment_declines_total",
    "Failed payment attempts by the decline code that the issuer or Stripe gave",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(DECLINE_CODE,),
    serves=("RSP-02",),
)

attempts_by_currency = Counter(
    "payment_attempts_by_currency_total",
    "Payment attempts by result and currency",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(RESULT, CURRENCY),
    serves=("RSP-02",),
)

amount = Counter(
    "payment_amount_minor_units_total",
    "Amount of successful payments in the currency's smallest unit (cents, yen)",
    Unit.MINOR_UNITS,
    Source.STRIPE_EVENTS,
    labels=(CURRENCY,),
    serves=("RSP-02",),
)

failed_amount = Counter(
    "payment_failed_amount_minor_units_total",
    "Amount of failed payment attempts in the currency's smallest unit; each retry counts again",
    Unit.MINOR_UNITS,
    Source.STRIPE_EVENTS,
    labels=(CURRENCY,),
    serves=("RSP-02",),
)

declines_by_code = Signal(
    "decline_code:payment_declines:increase5m",
    "Failed attempts in 5 minutes, by code",
    Unit.COUNT,
    each_in_5m(declines),
    Example.over(
        minutes(5),
        (
            (declines.where(decline_code="do_not_honor"), "0+1x10"),
            (declines.where(decline_code="processing_error"), "0+2x10"),
        ),
        (('decline_code="do_not_honor"', "5"), ('decline_code="processing_error"', "10")),
    ),
)

by_currency = Signal(
    "currency_result:payment_attempts:increase5m",
    "Attempts in 5 minutes, by currency and result",
    Unit.COUNT,
    each_in_5m(attempts_by_currency),
    Example.over(
        minutes(5),
        (
            (attempts_by_currency.where(currency="usd", result="success"), "0+1x10"),
            (attempts_by_currency.where(currency="jpy", result="success"), "0+2x10"),
            (attempts_by_currency.where(currency="jpy", result="blocked"), "0+4x10"),
        ),
        (
            ('currency="usd",result="success"', "5"),
            ('currency="jpy",result="success"', "10"),
            ('currency="jpy",result="blocked"', "20"),
        ),
    ),
)

amount_by_currency = Signal(
    "currency:payment_amount_minor_units:increase5m",
    "Amount of successful payments in 5 minutes, by currency",
    Unit.MINOR_UNITS,
    each_in_5m(amount),
    Example.over(
        minutes(5),
        ((amount.where(currency="usd"), "0+100x10"), (amount.where(currency="jpy"), "0+200x10")),
        (('currency="usd"', "500"), ('currency="jpy"', "1000")),
    ),
)

failed_amount_by_currency = Signal(
    "currency:payment_failed_amount_minor_units:increase5m",
    "Amount of failed attempts in 5 minutes, by currency",
    Unit.MINOR_UNITS,
    each_in_5m(failed_amount),
    Example.over(
        minutes(5),
        ((failed_amount.where(currency="usd"), "0+100x10"), (failed_amount.where(currency="jpy"), "0+200x10")),
        (('currency="usd"', "500"), ('currency="jpy"', "1000")),
    ),
)

failed_attempts_1h = Signal(
    "payments:failed_attempts:increase1h",
    "Attempts that failed in an hour",
    Unit.COUNT,
    total(outcomes.attempts.where(result=("issuer_declined", "blocked", "technical_failure")), "1h"),
    Example.over(
        hours(1),
        (
            (outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="api"), "0+1x10"),
            (outcomes.attempts.where(result="blocked", payment_method="card", initiator="api"), "0+2x10"),
            (outcomes.attempts.where(result="success", payment_method="card", initiator="api"), "0+8x10"),
        ),
        (("", "15"),),
    ),
)

lost_payments_1h = Signal(
    "payments:failed_intents:increase1h",
    "Payments of which no attempt succeeded, in an hour",
    Unit.COUNT,
    total(outcomes.intents.where(outcome="failed"), "1h"),
    Example.over(
        hours(1),
        ((outcomes.intents.where(outcome="failed"), "0+1x10"), (outcomes.intents.where(outcome="succeeded"), "0+8x10")),
        (("", "5"),),
    ),
)

_ATTEMPTS = outcomes.attempts
_ENDED = outcomes.ENDED
_BY_CUSTOMERS = outcomes.KNOWN_BY_CUSTOMERS
_DECLINED = _ATTEMPTS.where(result="issuer_declined", initiator=outcomes.BY_CUSTOMER)
"""Customers' alone: a batch of Stripe's retries of old invoices is nearly all declined, each day at the same hour."""
_BLOCKED = _ATTEMPTS.where(result="blocked", initiator=outcomes.BY_CUSTOMER)


def _by_method(selector: str, window: str, function: str) -> str:
    return f"sum by (payment_method) (max without (instance, pod) ({function}({selector}[{window}])))"


_CARD_SUCCESS = _ATTEMPTS.where(result="success", payment_method="card", initiator="api")
_CARD_FAILURE = _ATTEMPTS.where(result="technical_failure", payment_method="card", initiator="api")
_LINK_SUCCESS = _ATTEMPTS.where(result="success", payment_method="link", initiator="api")
_LINK_FAILURE = _ATTEMPTS.where(result="technical_failure", payment_method="link", initiator="unknown")
_ASIDE = (
    *(
        (_ATTEMPTS.where(result=result, payment_method="card", initiator="automatic"), "0+7x10")
        for result in ("success", "technical_failure", "issuer_declined", "blocked")
    ),
    (_ATTEMPTS.where(result="abandoned", payment_method="card", initiator="api"), "0+7x10"),
)
"""Renewals by Stripe, and abandoned attempts: no share counts them."""
_PER_METHOD = (
    *_ASIDE,
    (_CARD_SUCCESS, "0+9x10"),
    (_CARD_FAILURE, "0x5 1 1 3 5 5"),
    (_LINK_SUCCESS, "0+6x10"),
    (_LINK_FAILURE, "0x5 2 2 4 8 10"),
)

method_failures = Signal(
    "payment_method:technical_failures:increase5m",
    "Technical failures in 5 minutes, by payment method",
    Unit.COUNT,
    f"{_by_method(outcomes.TECHNICAL, '5m', 'increase')}\nor 0 * {_by_method(_ENDED, '5m', 'increase')}",
    Example.over(minutes(5), _PER_METHOD, (('payment_method="card"', "5"), ('payment_method="link"', "10"))),
)

method_failure_ratio_30m = Signal(
    "payment_method:technical_failure:ratio_rate30m",
    "Share of attempts that fail for technical reasons over 30 minutes, by payment method",
    Unit.RATIO,
    f"(\n  {_by_method(outcomes.TECHNICAL, '30m', 'rate')}\n  or 0 * {_by_method(_ENDED, '30m', 'rate')}\n)\n"
    f"/ on (payment_method) ({_by_method(_ENDED, '30m', 'rate')} > 0)",
    Example.over(minutes(30), _PER_METHOD, (('payment_method="card"', "0.1"), ('payment_method="link"', "0.25"))),
)

method_failure_ratio = Signal(
    "payment_method:technical_failure:ratio_rate5m",
    "Share of attempts that fail for technical reasons, by payment method",
    Unit.RATIO,
    f"(\n  {_by_method(outcomes.TECHNICAL, '5m', 'rate')}\n  or 0 * {_by_method(_ENDED, '5m', 'rate')}\n)\n"
    f"/ on (payment_method) ({_by_method(_ENDED, '5m', 'rate')} > 0)",
    Example.over(minutes(5), _PER_METHOD, (('payment_method="card"', "0.1"), ('payment_method="link"', "0.25"))),
)

declines_30m = Signal(
    "payments:issuer_declines:increase30m",
    "Attempts that issuers declined in 30 minutes",
    Unit.COUNT,
    f"{total(_DECLINED, '30m')}\nor 0 * {total(_BY_CUSTOMERS, '30m')}",
    Example.over(
        minutes(30),
        (
            *_ASIDE,
            (_CARD_SUCCESS, "0+9x10"),
            (_ATTEMPTS.where(result="issuer_declined", payment_method="card", initiator="api"), "0x5 1 1 3 5 5"),
            (_ATTEMPTS.where(result="issuer_declined", payment_method="link", initiator="api"), "0x5 2 2 4 8 10"),
        ),
        (("", "15"),),
    ),
)

decline_excess = Signal(
    "payments:issuer_decline_excess:ratio30m",
    "Share of attempts that issuers decline in 30 minutes, less their share over the day before",
    Unit.EXCESS,
    f"{outcomes.share(_DECLINED, _BY_CUSTOMERS, '30m')}\n"
    f"- on () (\n{indent(outcomes.share(_DECLINED, _BY_CUSTOMERS, '1d', '30m'), '  ')}\n)",
    Example(
        series=(
            (_CARD_SUCCESS, "0+19x165 3144+9x719 9620+5x15"),
            (
                _ATTEMPTS.where(result="issuer_declined", payment_method="card", initiator="api"),
                "0x165 1+1x719 725+5x15",
            ),
            *((name, "0+7x902") for name, _ in _ASIDE),
        ),
        every=minutes(2),
        at=minutes(1801),
        gives=(("", "0.4"),),
    ),
)

blocked_30m = Signal(
    "payments:blocked:increase30m",
    "Attempts that fraud rules blocked in 30 minutes",
    Unit.COUNT,
    f"{total(_BLOCKED, '30m')}\nor 0 * {total(_BY_CUSTOMERS, '30m')}",
    Example.over(
        minutes(30),
        (
            *_ASIDE,
            (_CARD_SUCCESS, "0+9x10"),
            (_ATTEMPTS.where(result="blocked", payment_method="card", initiator="api"), "0x5 1 1 3 5 5"),
            (_ATTEMPTS.where(result="blocked", payment_method="link", initiator="api"), "0x5 2 2 4 8 10"),
        ),
        (("", "15"),),
    ),
)

blocked_ratio = Signal(
    "payments:blocked:ratio_rate30m",
    "Share of attempts that fraud rules block, over 30 minutes",
    Unit.RATIO,
    outcomes.share(_BLOCKED, _BY_CUSTOMERS, "30m"),
    Example.over(
        minutes(30),
        (
            *_ASIDE,
            (_CARD_SUCCESS, "0+9x10"),
            (_ATTEMPTS.where(result="blocked", payment_method="card", initiator="api"), "0x5 1 1 3 5 5"),
        ),
        (("", "0.1"),),
    ),
)


def _half_hour_of_yesterday(series: str) -> str:
    return total(series, "30m", offset="23h45m")


_USUAL_DECLINES = f"{total(_DECLINED, '1d', offset='30m')} / 48"


def _declined_before(gives: str, declines: str) -> Example:
    """Declines every six minutes for two days; samples 249 to 253 hold yesterday's half-hour, 486 to 490 the present one."""
    return Example(
        series=(
            (_CARD_SUCCESS, "0+9x490"),
            (_ATTEMPTS.where(result="issuer_declined", payment_method="card", initiator="api"), declines),
            *((name, "0+7x490") for name, _ in _ASIDE),
        ),
        every=minutes(6),
        at=minutes(2943),
        gives=(("", gives),),
    )


declines_of_usual = Signal(
    "payments:issuer_declines:of_usual30m",
    "Declines by issuers in 30 minutes, in terms of the mean half-hour of the day before or of the same one, if that had more",
    Unit.SHARE_OF_COUNTED,
    f"{declines_30m}\n/ on () clamp_min(\n  (\n    {_USUAL_DECLINES}\n    > on () {_half_hour_of_yesterday(_DECLINED)}\n  )\n"
    f"  or on () {_half_hour_of_yesterday(_DECLINED)}\n  or on () {_USUAL_DECLINES},\n  1\n)",
    # Yesterday's half-hour a little above the mean one: 31.2 of 5.2, where 239.2 x 240 / 239 / 48 are the mean.
    _declined_before("6", "0+1x248 249.04+1.04x4 254.2+1x231 491.44+6.24x4"),
    also=(
        # A little below it: 30 of 238.8 x 240 / 239 / 48, where yesterday had 4.8. Counted anew at some moment.
        _declined_before("6.00502512562814", "0+1x248 248.96+0.96x4 253.8+1x115 1+1x115 122+6x4"),
        # No sample of yesterday's half-hour: 145 of the 14.5 that the day's 696 are on average.
        _declined_before("10", "100+1x245 _x8 400+3x115 3+3x115 377+29x4"),
        # Hardly any, of which one is the least to be told of.
        _declined_before("15", "7x485 10+3x4"),
    ),
)


def _besides_a_bank(gives: str, successes: str, declines: str = "0+1x1456 1469+13x14") -> Example:
    """Of the same half-hours; usual are 15 declines, and 195 now."""
    return Example(
        series=(
            (_CARD_SUCCESS, successes),
            (_ATTEMPTS.where(result="issuer_declined", payment_method="card", initiator="api"), declines),
            *((name, "0+7x1472") for name, _ in _ASIDE),
        ),
        every=minutes(2),
        at=minutes(2943),
        gives=(("", gives),) if gives else (),
    )


declines_besides_a_bank = Signal(
    "payments:issuer_declines:besides_a_bank30m",
    "Declines in 30 minutes beyond the usual, less two for each payment that is missing, in terms of what chance and the day may "
    "add: 8 % of the payments, and more where they are few",
    Unit.SHARE_OF_COUNTED,
    f"clamp_min(\n  {declines_30m} * on () (1 - 1 / ({declines_of_usual} > 1))\n"
    f"  - on () 2 * clamp_min({traffic.successes_expected} - on () {traffic.successes_30m}, 0),\n  0\n)\n"
    f"/ on () clamp_min(sqrt(0.0064 * {traffic.successes_30m} ^ 2 + on () 3 * {traffic.successes_30m}), 1)",
    # 180 beyond the usual, and 45 of 270 payments missing; none missing; all of them; none expected.
    _besides_a_bank("2.84747398725750", "0+18x1456 26223+15x14"),
    also=(
        _besides_a_bank("4.68521285665818", "0+18x1456 26228+20x14"),
        _besides_a_bank("0", "0+18x1456 26208x14"),
        _besides_a_bank("180", "7x1472"),
        _besides_a_bank("", "0+18x1472", "0+13x1472"),
    ),
)

method_degraded = Alert(
    "PaymentMethodDegraded",
    watches=method_failure_ratio,
    thresholds=(
        above(
            "0.1",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="the P2 bound, for one method alone: customers can still choose another",
        ),
    ),
    guards=(only_if(method_failures, ">=", 5, "a rare method has few attempts, and two failures are no trend"),),
    stays_while=only_if(
        method_failure_ratio_30m, ">", "0.02", "a fault near the bound is one fault, though it crosses it all day"
    ),
    summary="One payment method fails for more than {threshold} of its attempts.",
    description="{value} of the attempts with {payment_method} failed for technical reasons in the past 5 minutes.",
    runbook=Runbook(
        meaning="One way of paying is broken while the others work.",
        impact="Customers who prefer this method have to choose another, or leave.",
        diagnosis=(
            Step("Look at the outcomes by method, and at the decline codes of this one."),
            STRIPE_STATUS,
            RECENT_CHANGES,
        ),
        mitigation=(Step("Hide the method in the checkout until it works again."), CALL_STRIPE),
    ),
    hidden_by=(outcomes.complete_failure, outcomes.degraded),
    serves=("SEV-P3",),
)

card_testing = Alert(
    "PaymentCardTesting",
    watches=declines_30m,
    thresholds=(
        above(
            30,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            tier="likely",
            because="twice the usual declines while as many customers pay as ever: somebody tries out stolen cards",
        ),
        above(
            1000,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(30),
            tier="massive",
            because="networks fine whoever lets thousands of cards be tried; an organisation sets its own bound "
            "by an override of PaymentCardTesting/massive",
        ),
    ),
    guards=(
        only_if(declines_of_usual, ">=", 2, "declines against their own past; a busy shop has many every day"),
        only_if(decline_excess, ">=", "0.05", "in a sale declines double with the customers, and their share stays"),
        only_if(
            declines_besides_a_bank,
            ">=",
            1,
            "a bank or a rule that declines turns payments into declines, one for one; a tester adds declines",
        ),
        unless(
            traffic.successes_as_usual,
            "<",
            "0.8",
            "where many customers fail instead of paying, a bank or a rule is at fault, however often they try again",
        ),
    ),
    summary="More than {threshold} attempts of half an hour were declined, beyond the usual: card testing.",
    description="Issuers declined {value} attempts in 30 minutes, at least twice the usual, while customers pay as ever.",
    runbook=Runbook(
        meaning="Somebody tries out stolen cards on us: many more attempts, nearly all declined, beside the usual ones.",
        impact="Fees for each attempt, disputes for each card that works, and a network that may take us for the thief.",
        diagnosis=(
            Step(
                "Look at the declines by code and at their amounts: card testers try small and equal ones. Are they customers you "
                "know, of one bank or country? Then that bank declines, and what is below would keep honest customers out."
            ),
            Step("Find what the attempts share: an address, an account, a country, a user agent, the endpoint."),
        ),
        mitigation=(
            Step("Ask for a CAPTCHA or a login before the card, and lower the rate limit on creating payments."),
            Step("Block by what they share in Stripe Radar."),
            Step("Refund what succeeded, before its owner disputes it."),
            CALL_STRIPE,
        ),
    ),
    hidden_by=(outcomes.complete_failure,),
    serves=("SEV-P2", "SEV-P3", "CHK-09"),
)

decline_rate_anomalous = Alert(
    "PaymentDeclineRateAnomalous",
    watches=decline_excess,
    thresholds=(
        above(
            "0.1",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(15),
            because="issuers decline 5 to 15 % as a rule; 10 points more than yesterday is news, yet not for the night",
        ),
    ),
    guards=(only_if(declines_30m, ">=", 20, "fewer than 20 declines in half an hour are not a wave"),),
    summary="Issuers decline far more payments than the day before.",
    description="The share of declined attempts is {value} above that of the day before.",
    runbook=Runbook(
        meaning="Banks say no more often than usual: a card-testing attack, a broken descriptor, or a large bank's fault.",
        impact="Honest customers may be among the declined; our technical success rate stays good.",
        diagnosis=(
            Step(
                "Look at the declines by code: insufficient_funds is the customers', do_not_honor the banks' business."
            ),
            Step("Look for many attempts with few cards or from few addresses: that is card testing."),
            STRIPE_STATUS,
        ),
        mitigation=(
            Step("Against card testing, tighten the fraud rules and the rate limit in Stripe and in the API."),
            CALL_STRIPE,
        ),
    ),
    hidden_by=(outcomes.complete_failure, card_testing, authentication.authentication_failing),
    serves=("SEV-P3",),
)

block_rate_high = Alert(
    "PaymentBlockRateHigh",
    watches=blocked_ratio,
    thresholds=(
        above(
            "0.05",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(15),
            because="fraud rules stop about 1 % as a rule; five times that is an attack or a rule gone wrong",
        ),
    ),
    guards=(only_if(blocked_30m, ">=", 10, "a few blocked attempts are what the rules are for"),),
    summary="Fraud rules block more than {threshold} of payment attempts.",
    description="{value} of payment attempts were blocked before they reached the issuer in the past 30 minutes.",
    runbook=Runbook(
        meaning="Stripe's or our own fraud rules stop unusually many attempts.",
        impact="Either fraudsters are kept out, or honest customers are.",
        diagnosis=(
            Step("See in the Stripe dashboard which rule blocks, and when it was last changed."),
            Step("Look at a few blocked payments: are these customers known?"),
        ),
        mitigation=(Step("Switch off the rule that blocks honest customers."), CALL_STRIPE),
    ),
    hidden_by=(outcomes.complete_failure,),
    serves=("SEV-P3",),
)
