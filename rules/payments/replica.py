"""Replica: is what is read in the payments database of now, or of some time ago?"""

from rules.payments.runbook.procedures import DATABASE_REACHABLE
from rules.vocabulary import (
    Alert,
    Example,
    Gauge,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    minutes,
    unless,
)

replica_lag = Gauge(
    "payments_db_replica_lag_seconds",
    "How far the sampled replica is behind its primary; 0 on a primary",
    Unit.SECONDS,
    Source.POSTGRES,
    serves=("RSP-02",),
)

lag = Signal(
    "payments_db:replica_lag:seconds",
    "How far the sampled replica is behind",
    Unit.SECONDS,
    f"max without (instance, pod) ({replica_lag})",
    Example(
        series=((f'{replica_lag}{{instance="a"}}', "0x10"), (f'{replica_lag}{{instance="b"}}', "0x5 30x5")),
        at=minutes(8),
        gives=(("", "30"),),
    ),
    steady=True,
)

replica_lag_high = Alert(
    "PaymentReplicaLagHigh",
    watches=lag,
    thresholds=(
        above(
            60,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="what is read from a replica a minute behind looks like missing payments",
        ),
    ),
    summary="The payments database's replica is more than {threshold} behind.",
    description="The replica is {value} behind its primary.",
    runbook=Runbook(
        meaning="The replica does not keep up with the primary.",
        impact="Whoever reads from it sees the past; the metrics of the database do so too. Until it has caught up, alerts are quiet "
        "to which payments and webhooks of the past minutes would look stuck or missing: PaymentProcessingLagHigh, PaymentsStuck, "
        "PaymentReconciliationGap, StripeWebhooksSilent by the inbox, StripeWebhookBacklog by the inbox, and "
        "StripeWebhookEventsMissing.",
        diagnosis=(
            Step(
                "Ask the primary how far each replica is.",
                "SELECT application_name, state, write_lag, replay_lag FROM pg_stat_replication;",
                "sql",
            ),
            DATABASE_REACHABLE,
        ),
        mitigation=(Step("End the long query that holds the replay back, or send readers to the primary meanwhile."),),
    ),
    serves=("RSP-02",),
)

UP_TO_DATE = unless(
    lag,
    ">",
    replica_lag_high,
    "what happened lately is not seen in a replica that stands still; its lag has an alert",
)
