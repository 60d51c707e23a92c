"""Which stages does the rollout have, and what has to be seen in each before the next?"""

from dataclasses import replace
from decimal import Decimal

from rules.payments import database, declines, latency, monitoring, outcomes, rollout, webhooks
from rules.vocabulary import Limit, Rollout, SequentialTest, Stage, days, hours, minutes

__all__ = ["ROLLOUT"]

_CUSTOMERS = outcomes.attempts.where(initiator=outcomes.BY_CUSTOMER)

_PAYMENTS = SequentialTest(
    title="payments that fail for technical reasons",
    events=outcomes.BY_CUSTOMERS,
    failures=outcomes.attempts.where(initiator=outcomes.BY_CUSTOMER, result="technical_failure"),
    healthy=Decimal("0.002"),
    unacceptable=Decimal("0.01"),
    wrongly_stopped=Decimal("0.01"),
    wrongly_passed=Decimal("0.05"),
    because="0.2 % is what the objective of 99.8 % allows for; at 1 % a month's budget lasts six days",
)
_BROKEN_PAYMENTS = replace(
    _PAYMENTS,
    unacceptable=Decimal("0.05"),
    because="an hour at 1 % holds about 75 attempts, of which none may fail: that tells 0.2 % from 5 %, and no finer",
)
_REQUESTS = SequentialTest(
    title="requests that our API answers with a 5xx, before Stripe hears of them",
    events=(latency.api_request_duration.counted(),),
    failures=latency.api_request_duration.counted(status_class="5xx"),
    healthy=Decimal("0.001"),
    unacceptable=Decimal("0.02"),
    wrongly_stopped=Decimal("0.0005"),
    wrongly_passed=Decimal("0.05"),
    because="a request that dies in our API never becomes an attempt, so the first test cannot see it; it may err less "
    "often, so that both together stop a healthy rollout in no more than about one of a hundred",
)
_LIMITS = (
    Limit(
        title="attempts that fail at 3-D Secure",
        part=declines.failures.where(**{"class": "authentication"}),
        whole=_CUSTOMERS,
        at_most=Decimal("0.10"),
        from_events=50,
        because="more than one in ten means that the challenge itself does not work",
    ),
    Limit(
        title="attempts that customers abandon",
        part=outcomes.attempts.where(initiator=outcomes.BY_CUSTOMER, result="abandoned"),
        whole=_CUSTOMERS,
        at_most=Decimal("0.30"),
        from_events=50,
        because="a form that cannot be sent leaves no failure behind, only customers who went away",
    ),
    Limit(
        title="attempts that issuers decline",
        part=outcomes.attempts.where(initiator=outcomes.BY_CUSTOMER, result="issuer_declined"),
        whole=_CUSTOMERS,
        at_most=Decimal("0.15"),
        from_events=50,
        because="issuers decline 5 to 8 % of good customers' cards; twice that, and what we send them is wrong",
    ),
)
_STOPS = (database.duplicate_charges, webhooks.signature_failures, rollout.kill_switch_active)
_HOLDS = (database.reconciliation_gap,)

ROLLOUT = Rollout(
    flag=rollout.rollout,
    killed=rollout.killed,
    planned=rollout.expected,
    attempts=outcomes.BY_CUSTOMERS,
    baseline_per_minute=None,
    target_up=monitoring.target_up,
    watermark=monitoring.watermark.where(source=outcomes.attempts.source.value),
    stages=(
        Stage(
            percent=1,
            at_least=hours(1),
            at_most=days(1),
            tests=(_BROKEN_PAYMENTS, _REQUESTS),
            limits=_LIMITS,
            stops=_STOPS,
            holds=_HOLDS,
            traffic=(Decimal("0.1"), Decimal("2.5")),
            because="an hour shows payments broken; it does not show that 99.8 % of them work",
            serves=("STEP-06",),
        ),
        Stage(
            percent=10,
            at_least=days(1),
            at_most=days(3),
            tests=(_PAYMENTS, _REQUESTS),
            limits=_LIMITS,
            stops=_STOPS,
            holds=_HOLDS,
            traffic=(Decimal("0.5"), Decimal("1.5")),
            because="a whole day, with its night, its batch jobs and its renewals",
            serves=("STEP-07",),
        ),
        Stage(
            percent=100,
            at_least=hours(1),
            at_most=days(1),
            tests=(_PAYMENTS, _REQUESTS),
            limits=_LIMITS,
            stops=_STOPS,
            holds=_HOLDS,
            traffic=(Decimal("0.1"), Decimal("2.5")),
            because="ten times the traffic of the stage before: the hour in which pools and limits run out",
            serves=("STEP-08",),
        ),
    ),
    back_to=(50, 10, 1, 0),
    gone_within=minutes(2),
)
