"""Completion: are payments completed, by what the database records, though Stripe may have nothing to say?"""

from rules.payments import monitoring, outcomes, replica, rollout, silence
from rules.payments.runbook.procedures import (
    CALL_STRIPE,
    DATABASE_REACHABLE,
    ERROR_LOGS,
    HEALTH,
    OTHER_PROCESSOR,
    PULL_KILL_SWITCH,
    RECENT_CHANGES,
    ROLL_BACK,
    SCALE_WORKERS,
    STRIPE_STATUS,
    TELL_PEOPLE,
)
from rules.vocabulary import (
    STALE_AFTER_INTERVALS,
    Alert,
    Example,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    at_least,
    minutes,
    only_if,
    or_when,
    seconds,
    unless,
)

since_completed = Signal(
    "payments_db:since_completed:seconds",
    "Time since the latest completed payment",
    Unit.SECONDS,
    f"min without (instance, pod) (time() - {silence.last_completed})",
    Example(
        series=(
            (f'{silence.last_completed}{{instance="a"}}', "60x10"),
            (f'{silence.last_completed}{{instance="b"}}', "120x10"),
        ),
        at=minutes(10),
        gives=(("", "480"),),
    ),
    serves=("HLT-13",),
    steady=True,
)

_EVENTS_ARE_OLD = f"{monitoring.source_age.where(source=Source.STRIPE_EVENTS.value)} >= {STALE_AFTER_INTERVALS}"


def _unseen(gives: str, *more: tuple[str, str], events: str = "0x10", switch: str = "") -> Example:
    """Read at 600 seconds: Stripe's events, read every 30, are old from 510 on; the database's are beside the point.

    Nobody has a flag, unless `switch` says what its kill switch does.
    """
    flag = ((rollout.killed.name, switch), (rollout.rollout.name, "1x10")) if switch else ()
    return Example(
        series=(
            (silence.last_completed.name, "60x10"),
            (monitoring.watermark.where(source="stripe_events"), events),
            (monitoring.interval.where(source="stripe_events"), "30x10"),
            (monitoring.watermark.where(source="postgres"), "0x10"),
            (monitoring.interval.where(source="postgres"), "30x10"),
            *flag,
            *more,
        ),
        at=minutes(10),
        gives=(("", gives),) if gives else (),
    )


unseen_gap = Signal(
    "payments_db:since_completed_unseen:seconds",
    "Time since the latest completed payment, while Stripe's events are old; none while customers are kept out on purpose",
    Unit.SECONDS,
    f"(\n  {since_completed}\n  and on () ({_EVENTS_ARE_OLD})\n)\n{rollout.UNLESS_KEPT_OUT}",
    _unseen("540"),
    also=(
        _unseen("540", events="510x10", switch="0x10"),
        _unseen("", events="510.6x10"),
        _unseen("", switch="1x10"),
        _unseen("", (rollout.closed.name, "1x10")),
        _unseen("", (rollout.maintenance.name, "1x10")),
    ),
    serves=("SEV-P1",),
)

completions_missed = Signal(
    "payments_db:completions_missed:estimate",
    "Payments that should have been completed since the latest one was, at the pace of the half-hour that ended 10 "
    "minutes ago",
    Unit.COUNT,
    f"{since_completed} / 300 * on () {silence.expected_recently}",
    Example(
        series=((silence.last_completed.name, "3000x60"), *silence.HALF_AN_HOUR_AGO),
        every=minutes(6),
        at=minutes(55),
        gives=(("", "7.5"),),
    ),
    serves=("SEV-P1",),
)

missed_after_rollback = Signal(
    "payments_db:completions_missed:after_rollback",
    "Payments that should have been completed since the latest one was, of the share of customers that a roll-back left",
    Unit.COUNT,
    f"{completions_missed} * on () {rollout.kept('40m')}",
    Example(
        series=(
            (silence.last_completed.name, "3000x60"),
            *silence.HALF_AN_HOUR_AGO,
            (f'{rollout.rollout}{{pod="a"}}', "1x2 0.8 0.6x4 0.4x2"),
            (f'{rollout.rollout}{{pod="b"}}', "0.1x11"),
        ),
        every=minutes(6),
        at=minutes(55),
        gives=(("", "3.75"),),
    ),
    serves=("SEV-P1",),
)


def _none_for(gives: str, latest: int) -> Example:
    """9 and 1 attempts in five minutes yesterday, read at 608,550 seconds."""
    return Example(
        series=(
            (outcomes.attempts.where(result="success", payment_method="card", initiator="api"), "_x1700 0+9x332"),
            (outcomes.attempts.where(result="success", payment_method="link", initiator="unknown"), "_x1700 0+1x332"),
            (silence.last_completed.name, f"{latest}x2032"),
        ),
        every=minutes(5),
        at=minutes(10142) + seconds(30),
        gives=(("", gives),) if gives else (),
    )


missed_of_days_before = Signal(
    "payments_db:completions_missed:of_days_before",
    "Payments that 20 minutes would hold at the pace of yesterday's or of last week's half-hour around this time, whichever had "
    "fewer, where none was completed in 20 minutes",
    Unit.COUNT,
    f"4 * {silence.expected_of_days_before}\nand on () ({since_completed} >= 1200)",
    _none_for("40", 607_350),
    also=(_none_for("", 607_351),),
    serves=("SEV-P1",),
)

_STILL_ON = unless(missed_after_rollback, "<", 20, "a planned roll-back leaves so few customers, that none may come")

none_completed = Alert(
    "PaymentsNoneCompleted",
    watches=completions_missed,
    thresholds=(
        at_least(
            20,
            Severity.CRITICAL,
            Priority.P1,
            keep_firing=minutes(10),
            because="Stripe does not answer us, and the database records no payment where 20 were to be expected: by "
            "chance once in 500 million times. With no word from Stripe no other alert could say that nobody can pay",
        ),
    ),
    guards=(
        only_if(
            unseen_gap,
            ">",
            120,
            "a webhook that is late by a minute is no outage; and Stripe's data may be old for another reason, "
            "a revoked key, while payments go on",
        ),
        silence.CLOSING,
        _STILL_ON,
    ),
    or_else=(
        or_when(
            missed_after_rollback,
            ">=",
            20,
            "near opening and closing, ten minutes without a payment are told where the shop was open at this time",
            only_if(unseen_gap, ">", 600, "so long, that the time just before closing is not taken for this one"),
            silence.OPEN_ON_OTHER_DAYS,
        ),
        or_when(
            missed_of_days_before,
            ">=",
            20,
            "what began longer ago than the half-hour before, and perhaps while nobody could look, has days to compare with",
            only_if(unseen_gap, ">", 120, "where Stripe's events are read, they tell who pays"),
            *silence.AS_ON_OTHER_DAYS,
        ),
    ),
    stays_while=only_if(
        unseen_gap, ">", 120, "what was to be expected is no longer known once the outage is as long as its window"
    ),
    summary="No payment is completed, and Stripe does not answer.",
    description="{value} payments should have been completed since the latest one was; Stripe's data are old as well.",
    runbook=Runbook(
        meaning="Stripe's API does not answer the exporter, and the payments database has recorded no payment since.",
        impact="Customers cannot pay. Every minute costs the revenue of a minute.",
        diagnosis=(STRIPE_STATUS, HEALTH, DATABASE_REACHABLE, RECENT_CHANGES, ERROR_LOGS),
        mitigation=(OTHER_PROCESSOR, ROLL_BACK, PULL_KILL_SWITCH, CALL_STRIPE, TELL_PEOPLE),
    ),
    serves=("SEV-P1", "RSP-01", "RSP-03"),
)

_SWITCHED_OFF = unless(
    rollout.switched_off_in_10m,
    ">=",
    1,
    "switched off, no payment completes, as intended; after a release the first needs some minutes",
)

processing_lag_high = Alert(
    "PaymentProcessingLagHigh",
    watches=since_completed,
    thresholds=(
        above(
            300,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(1),
            keep_firing=minutes(5),
            because="database health: alert past 300 seconds",
        ),
    ),
    guards=(
        only_if(silence.expected_recently, ">=", 20, "at night five minutes without a payment are nothing unusual"),
        silence.CLOSING,
        silence.OPEN,
        silence.IN_SERVICE,
        _SWITCHED_OFF,
        replica.UP_TO_DATE,
    ),
    or_else=(
        or_when(
            since_completed,
            ">",
            1200,
            "below 4 payments a minute 20 are usual in 20 minutes",
            only_if(silence.expected_lately, ">=", 20, "where hardly anybody pays, twenty minutes are nothing unusual"),
            silence.CLOSING,
            silence.OPEN,
            silence.IN_SERVICE,
            _SWITCHED_OFF,
            replica.UP_TO_DATE,
        ),
    ),
    summary="No payment has been completed for more than {threshold}.",
    description="The latest payment was completed {value} ago, while attempts go on as usual.",
    runbook=Runbook(
        meaning="Customers try to pay, and the database records no payment as completed.",
        impact="Either nobody can pay, or payments succeed at Stripe and nobody here knows: orders are not served.",
        diagnosis=(
            Step(
                "Does Stripe record successes meanwhile? Then the fault lies between Stripe's events and the database."
            ),
            Step(
                "See what the latest payments are waiting for.",
                "SELECT status, count(*), max(created_at) AS newest, min(created_at) AS oldest FROM payments\n"
                "WHERE created_at > now() - interval '1 hour' GROUP BY status ORDER BY 2 DESC;",
                "sql",
            ),
            DATABASE_REACHABLE,
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("Restart the webhook processor.", "kubectl rollout restart deployment/webhook-processor"),
            ROLL_BACK,
            SCALE_WORKERS,
        ),
    ),
    hidden_by=(outcomes.complete_failure, silence.traffic_stopped, none_completed),
    serves=("HLT-13", "SEV-P2"),
)
