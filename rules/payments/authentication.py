"""Authentication: do customers get through 3-D Secure, or do they fail there, or never come back?"""

from textwrap import indent

from rules.payments import cards, outcomes
from rules.payments.outcomes import total
from rules.payments.runbook.procedures import CALL_STRIPE, RECENT_CHANGES, STRIPE_STATUS
from rules.vocabulary import (
    Alert,
    Example,
    Priority,
    Runbook,
    Severity,
    Signal,
    Step,
    Unit,
    above,
    hours,
    minutes,
    only_if,
)

_ATTEMPTS = outcomes.attempts
_BY_CUSTOMERS = outcomes.KNOWN_BY_CUSTOMERS
_CARD_SUCCESS = _ATTEMPTS.where(result="success", payment_method="card", initiator="api")
_ASIDE = tuple(
    (_ATTEMPTS.where(result=result, payment_method="card", initiator=initiator), "0+7x902")
    for result, initiator in (("success", "automatic"), ("issuer_declined", "automatic"), ("abandoned", "api"))
)
"""Renewals by Stripe, and abandoned attempts."""

_AUTHENTICATION_FAILED = cards.attempts_by_authentication.where(authentication="failed")
_ABANDONED = _ATTEMPTS.where(result="abandoned", initiator=outcomes.BY_CUSTOMER)
_BEGUN = _ATTEMPTS.where(initiator=outcomes.BY_CUSTOMER)

authentication_failures = Signal(
    "payments:authentication_failures:increase30m",
    "Attempts in 30 minutes that ended in 3-D Secure",
    Unit.COUNT,
    f"{total(_AUTHENTICATION_FAILED, '30m')}\nor 0 * {total(_BY_CUSTOMERS, '30m')}",
    Example.over(
        minutes(30),
        (
            (_CARD_SUCCESS, "0+9x10"),
            (
                cards.attempts_by_authentication.where(result="issuer_declined", authentication="failed"),
                "0x5 1 1 3 5 5",
            ),
            (cards.attempts_by_authentication.where(result="success", authentication="challenge"), "0+7x10"),
        ),
        (("", "5"),),
    ),
)

_YOUNGER = (
    f"count(count_over_time({_BY_CUSTOMERS}[30m] offset 1d))\n"
    f"  unless on () count(count_over_time({cards.attempts_by_authentication}[30m] offset 1d))"
)
"""PromQL that holds on the day on which an exporter that counted attempts before began to tell how they were authenticated."""


def _half_fail(failed: str, succeeded: str, gives: str) -> Example:
    """Of ten attempts in two minutes one ends in 3-D Secure, and half of them in the past half-hour."""
    return Example(
        series=(
            (_CARD_SUCCESS, succeeded),
            (cards.attempts_by_authentication.where(result="issuer_declined", authentication="failed"), failed),
            *_ASIDE,
        ),
        every=minutes(2),
        at=minutes(1801),
        gives=(("", gives),) if gives else (),
    )


authentication_excess = Signal(
    "payments:authentication_failure_excess:ratio30m",
    "Share of customers' attempts that end in 3-D Secure in 30 minutes, less their share over the day before; none where "
    "that began to be told less than a day ago, and attempts before",
    Unit.EXCESS,
    f"{outcomes.share(_AUTHENTICATION_FAILED, _BY_CUSTOMERS, '30m')}\n"
    f"- on () (\n{indent(outcomes.share(_AUTHENTICATION_FAILED, _BY_CUSTOMERS, '1d', '30m'), '  ')}\n)\n"
    f"unless on () (\n  {_YOUNGER}\n)",
    Example(
        series=(
            (_CARD_SUCCESS, "0+20x165 3310+10x735"),
            (
                cards.attempts_by_authentication.where(result="issuer_declined", authentication="failed"),
                "0x165 1+1x719 725+5x15",
            ),
            (cards.attempts_by_authentication.where(result="success", authentication="challenge"), "0+7x902"),
            *_ASIDE,
        ),
        every=minutes(2),
        at=minutes(1801),
        gives=(("", "0.4"),),
    ),
    also=(
        _half_fail("_x182 0+1x703 708+5x15", "0+10x902", ""),
        _half_fail("_x182 0+1x703 708+5x15", "_x182 0+10x720", "0.4"),
    ),
)

abandoned_1h = Signal(
    "payments:abandoned:increase1h",
    "Attempts that turned out within an hour to be abandoned: their customers were asked to act an hour before",
    Unit.COUNT,
    f"{total(_ABANDONED, '1h')}\nor 0 * {total(_BEGUN, '1h')}",
    Example.over(
        hours(1),
        (
            (_CARD_SUCCESS, "0+9x10"),
            (_ATTEMPTS.where(result="abandoned", payment_method="card", initiator="api"), "0x5 1 1 3 5 5"),
            (_ATTEMPTS.where(result="abandoned", payment_method="card", initiator="unknown"), "0+7x10"),
        ),
        (("", "5"),),
    ),
)

abandoned_excess = Signal(
    "payments:abandoned_excess:ratio1h",
    "Share of customers' attempts that turn out to be abandoned within an hour, less their share over the day before",
    Unit.EXCESS,
    f"{outcomes.share(_ABANDONED, _BEGUN, '1h')}\n- on () (\n{indent(outcomes.share(_ABANDONED, _BEGUN, '1d', '1h'), '  ')}\n)",
    Example(
        series=(
            (_CARD_SUCCESS, "0+19x85 1624+9x359 4860+5x15"),
            (
                _ATTEMPTS.where(result="abandoned", payment_method="card", initiator="api"),
                "0x85 1+1x359 365+5x15",
            ),
            (_ATTEMPTS.where(result="abandoned", payment_method="card", initiator="unknown"), "0+7x461"),
        ),
        every=minutes(4),
        at=minutes(1841),
        gives=(("", "0.4"),),
    ),
)

_ASK_STRIPE_ABOUT_CHALLENGES = Step(
    "In the Stripe dashboard, look at a few of them: did the bank's page fail, and is it one bank, one country, one network?"
)

authentication_failing = Alert(
    "PaymentAuthenticationFailing",
    watches=authentication_excess,
    thresholds=(
        above(
            "0.05",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            tier="some",
            because="how many fail differs from shop to shop and hardly from day to day; 5 points more is no mood",
        ),
        above(
            "0.1",
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(5),
            keep_firing=minutes(15),
            tier="many",
            because="P2 begins above 10 % failures: these customers cannot pay, whoever's fault it is",
        ),
    ),
    guards=(only_if(authentication_failures, ">=", 30, "of a few hundred attempts a share wanders by some points"),),
    summary="More than {threshold} of customers beyond the usual fail in 3-D Secure.",
    description="The share of customers' attempts that end in 3-D Secure is {value} above that of the day before.",
    runbook=Runbook(
        meaning="Customers are asked to prove who they are, and cannot: the bank's page, Stripe or our own checkout fails.",
        impact="They cannot pay by card; other methods may work.",
        diagnosis=(
            _ASK_STRIPE_ABOUT_CHALLENGES,
            Step("Look at attempts by authentication: do challenges fail, or does the frictionless way?"),
            STRIPE_STATUS,
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("Offer a method of payment that asks for no 3-D Secure, such as a wallet."),
            Step("If a change of the checkout broke the redirect, roll it back."),
            CALL_STRIPE,
        ),
    ),
    hidden_by=(outcomes.complete_failure,),
    serves=("SEV-P2", "SEV-P3", "RSP-02"),
)

abandonment_high = Alert(
    "PaymentAbandonmentHigh",
    watches=abandoned_excess,
    thresholds=(
        above(
            "0.05",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(15),
            because="a page of 3-D Secure that never comes back fails nothing: its customers are only seen not to go on",
        ),
    ),
    guards=(only_if(abandoned_1h, ">=", 30, "of a few hundred attempts a share wanders by some points"),),
    summary="More than {threshold} of customers beyond the usual do not come back from 3-D Secure.",
    description="The share of customers' attempts that are abandoned is {value} above that of the day before.",
    runbook=Runbook(
        meaning="Customers are sent to prove who they are, and nothing follows within an hour.",
        impact="They have not paid, and began to leave an hour ago: that long it takes to know it.",
        diagnosis=(
            _ASK_STRIPE_ABOUT_CHALLENGES,
            Step("Pay with a test card that asks for 3-D Secure: does its page open, and does it come back?"),
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("Offer a method of payment that asks for no 3-D Secure, such as a wallet."),
            CALL_STRIPE,
        ),
    ),
    hidden_by=(outcomes.complete_failure,),
    serves=("SEV-P3", "RSP-02"),
)
