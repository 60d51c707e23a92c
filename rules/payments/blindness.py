"""Blindness: would we see an outage, or has what tells of payments grown old, or gone?"""

from rules.payments import completion, database, health, monitoring, outcomes
from rules.payments.runbook.procedures import (
    EXPORTER_DOCTOR,
    EXPORTER_LOG,
    RECENT_CHANGES,
    RESTART_EXPORTER,
    STRIPE_STATUS,
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
    below,
    minutes,
    seconds,
)

attempts_missing = Signal(
    "payments:attempts:absent",
    "The counter of attempts is missing altogether",
    Unit.BOOLEAN,
    f"absent({outcomes.attempts})",
    Example(series=((outcomes.successes.name, "0x10"),), at=minutes(5), gives=(("", "1"),)),
)

_EVENTS = Source.STRIPE_EVENTS.value


_WHOSE = ("environment", "service", "job")

_CATCHING_UP = f"max by (source) ({monitoring.catching_up}) == 1"
_THEN, _INTERVAL_THEN = (
    f"max by (source) (last_over_time({metric}[10m] offset 30m))"
    for metric in (monitoring.watermark, monitoring.interval)
)


def _catching_up_for_40m(gives: str, watermark: str) -> Example:
    """Stripe's events are read every ten seconds, and what was missed of them is still read."""
    return Example(
        series=(
            (monitoring.watermark.where(source=_EVENTS), watermark),
            (monitoring.interval.where(source=_EVENTS), "10x40"),
            (monitoring.catching_up.where(source=_EVENTS), "1x40"),
        ),
        at=minutes(40) + seconds(30),
        gives=((f'source="{_EVENTS}"', gives),) if gives else (),
    )


events_age = Signal(
    "payments_exporter:events_age:intervals",
    "How old Stripe's events are, in units of their own interval, unless the exporter catches up with them: since less than "
    "half an hour, or so that they are younger than half an hour before",
    Unit.INTERVALS,
    f"{monitoring.source_age.where(source=_EVENTS)}\nunless on (source) (\n  {_CATCHING_UP}\n  unless on (source) (\n"
    f"    max by (source) ({monitoring.watermark}) - on (source) {_THEN} <= 1800\n"
    f"    and on (source) (time() - 1800 - {_THEN} >= on (source) {STALE_AFTER_INTERVALS} * {_INTERVAL_THEN})\n  )\n)",
    Example(
        series=(
            (monitoring.watermark.where(source=_EVENTS), "0+5x12 60x28"),
            (monitoring.interval.where(source=_EVENTS), "30x40"),
            (monitoring.watermark.where(source="postgres"), "0x40"),
            (monitoring.interval.where(source="postgres"), "30x40"),
            (monitoring.catching_up.where(source=_EVENTS), "0x40"),
            *(
                (outcomes.having(monitoring.catching_up.where(source=_EVENTS), **{label: "elsewhere"}), "1x40")
                for label in _WHOSE
            ),
            (monitoring.catching_up.where(source="postgres"), "1x40"),
        ),
        at=minutes(40) + seconds(30),
        gives=((f'source="{_EVENTS}"', "79"),),
    ),
    also=(
        Example(
            series=(
                (monitoring.watermark.where(source=_EVENTS), "0+60x10 600x30"),
                (monitoring.interval.where(source=_EVENTS), "30x40"),
                *(
                    (outcomes.having(monitoring.catching_up.where(source=_EVENTS), pod=pod), f"{catches_up}x40")
                    for pod, catches_up in (("a", 1), ("b", 1), ("c", 0))
                ),
            ),
            at=minutes(40) + seconds(30),
            gives=(),
        ),
        # Of half an hour, exactly half an hour was counted, or a little more.
        _catching_up_for_40m("41", "0+10x6 100+40x4 340+60x28"),
        _catching_up_for_40m("", "0+10x6 100+40x4 341+60x28"),
        # Three intervals old half an hour ago, and a little less.
        _catching_up_for_40m("183", "600x40"),
        _catching_up_for_40m("", "600.2x40"),
    ),
)

other_age = Signal(
    "payments_exporter:other_source_age:intervals",
    "How old the data of every other source are, in units of its own interval, and Stripe's events while they are "
    "caught up with",
    Unit.INTERVALS,
    f"{monitoring.source_age}\nunless on (source) {events_age}",
    Example(
        series=(
            (monitoring.watermark.where(source=_EVENTS), "60x10"),
            (monitoring.interval.where(source=_EVENTS), "30x10"),
            (monitoring.watermark.where(source="postgres"), "60x10"),
            (monitoring.interval.where(source="postgres"), "30x10"),
        ),
        at=minutes(10),
        gives=(('source="postgres"', "18"),),
    ),
)


source_missing = Signal(
    "payments_exporter:source:missing",
    "A source that rules read and of which the exporter, which answers, says nothing at all",
    Unit.BOOLEAN,
    f"max by (source) ({monitoring.expected_source})\n"
    f"unless on (source) {monitoring.watermark}\n"
    f"and on () (count({monitoring.build}) > 0)",
    Example(
        series=(
            (outcomes.having(monitoring.expected_source.where(source="postgres"), instance="a"), "1x10"),
            (outcomes.having(monitoring.expected_source.where(source="postgres"), instance="b"), "0.5x10"),
            (monitoring.expected_source.where(source="health"), "1x10"),
            (monitoring.watermark.where(source="health"), "60x10"),
            (monitoring.watermark.where(source="flag"), "60x10"),
            *(
                (outcomes.having(monitoring.watermark.where(source="postgres"), **{label: "elsewhere"}), "60x10")
                for label in _WHOSE
            ),
            (monitoring.build.where(version="0.1.0"), "1x10"),
        ),
        at=minutes(8),
        gives=(('source="postgres"', "1"),),
    ),
    also=(
        Example(
            series=(
                (monitoring.expected_source.where(source="postgres"), "1x10"),
                *(
                    (outcomes.having(monitoring.build.where(version="0.1.0"), **{label: "elsewhere"}), "1x10")
                    for label in _WHOSE
                ),
            ),
            at=minutes(8),
            gives=(),
        ),
    ),
)

answered = Signal(
    "payments_db_query:success:min",
    "Whether the latest run of each query succeeded",
    Unit.BOOLEAN,
    f"min by (query) ({database.query_success})",
    Example(
        series=(
            (f'{database.query_success}{{query="inbox",instance="a"}}', "1x10"),
            (f'{database.query_success}{{query="inbox",instance="b"}}', "1x5 0x5"),
            (f'{database.query_success}{{query="lag",instance="a"}}', "0x5 1x5"),
        ),
        at=minutes(8),
        gives=(('query="inbox"', "0"), ('query="lag"', "1")),
    ),
)

events_stale = Alert(
    "PaymentsUnseen",
    watches=events_age,
    thresholds=(
        above(
            STALE_AFTER_INTERVALS,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="every P1 on payments reads Stripe's events; five minutes outlast a restart and a change of leader",
        ),
    ),
    summary="Stripe's events are no longer read: no alert on payments can fire.",
    description="The data of {source} are {value} intervals old; every alert that reads them is quiet.",
    runbook=Runbook(
        meaning="The exporter answers, and for five minutes Stripe has not answered it, or refused it; or for half an hour it "
        "has read what it had missed, and is no nearer.",
        impact="Payments may be fine or broken. Where the database shows that none is completed, a P1 says so instead.",
        diagnosis=(
            STRIPE_STATUS,
            EXPORTER_LOG,
            EXPORTER_DOCTOR,
            Step("Was its key revoked, its read budget spent, or a network rule changed?"),
            Step(
                "Does it catch up (payments_exporter_catching_up is 1)? Then it reads on, and its log says what slows it down."
            ),
        ),
        mitigation=(
            Step("Mend what the log names: a key, a permission, a budget, a network rule."),
            Step("Until it is back, watch the Stripe dashboard and the database by eye."),
        ),
    ),
    hidden_by=(completion.none_completed, health.stripe_unreachable),
    serves=("SEV-P2",),
)

metrics_absent = Alert(
    "PaymentMetricsAbsent",
    watches=attempts_missing,
    thresholds=(
        at_least(
            1,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="without this counter every alert on payments is blind; five minutes outlast a restart",
        ),
    ),
    summary="The counter of payment attempts is missing.",
    description="No series payment_attempts_total has been seen for 5 minutes; nobody would notice an outage.",
    runbook=Runbook(
        meaning="Prometheus has no payment_attempts_total: the exporter is gone, not scraped, or cannot sample Stripe.",
        impact="Payments may be fine or broken; no alert on them can fire.",
        diagnosis=(
            Step("Open Prometheus' targets page: is the exporter listed, and is it up?"),
            Step("Do its series carry the label environment? The scrape configuration has to add it."),
            EXPORTER_LOG,
            EXPORTER_DOCTOR,
        ),
        mitigation=(
            RESTART_EXPORTER,
            Step("Until it is back, watch the Stripe dashboard by eye."),
        ),
    ),
    hidden_by=(events_stale,),
    serves=("SEV-P2",),
)

exporter_stale = Alert(
    "PaymentExporterStale",
    watches=other_age,
    thresholds=(
        above(
            STALE_AFTER_INTERVALS,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="one missed sample is bad luck, three are a fault; alerts on this source are quiet meanwhile",
        ),
    ),
    summary="The exporter has stopped sampling a source.",
    description="The data of {source} are {value} intervals old; alerts that read them stay quiet.",
    runbook=Runbook(
        meaning="The exporter answers, but one of the things that it samples fails or hangs.",
        impact="Alerts that read this source cannot fire.",
        diagnosis=(EXPORTER_LOG, EXPORTER_DOCTOR),
        mitigation=(Step("Mend what the log names: a key, a permission, a role, a network rule."),),
    ),
    serves=("SEV-P3",),
)

never_sampled = Alert(
    "PaymentSourceMissing",
    watches=source_missing,
    thresholds=(
        at_least(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(5),
            because="a source that nobody samples never grows old: its alerts are quiet for ever, and nothing else says "
            "so; ten minutes outlast a rollout of the exporter",
        ),
    ),
    summary="The exporter does not sample a source that rules read.",
    description="Nothing is sampled of {source}; alerts that read it have nothing to go by.",
    runbook=Runbook(
        meaning="The exporter answers and says nothing of that source: its configuration has no such section, or lost it.",
        impact="Alerts that read this source cannot fire, and never could.",
        diagnosis=(
            EXPORTER_DOCTOR,
            Step("Compare the section of that name with the one of an environment in which the source is sampled."),
        ),
        mitigation=(
            Step("Configure the source, and restart the exporter."),
            Step(
                "Is there no such thing here? Leave it out of your definitions, with without(Source...), or of this "
                "environment alone, with without_sources=."
            ),
        ),
    ),
    hidden_by=(metrics_absent,),
    serves=("SEV-P3",),
)

query_failing = Alert(
    "PaymentDatabaseQueryFailing",
    watches=answered,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            because="a query that is asked more often than every ten minutes, as the built-in ones are unless set otherwise, has "
            "failed twice in a row by then; one that is asked more seldom may have failed once, and its answer is still served. "
            "Once that is older than max_age and than two of its intervals, alerts that read it are quiet, and nothing else "
            "says so: its source is fresh by the others",
        ),
    ),
    summary="A query on the payments database fails.",
    description="The exporter's query {query} has had no complete answer for ten minutes.",
    runbook=Runbook(
        meaning="The database answers other questions, but not this one: a lock, a missing right or column, or too little time.",
        impact="Once its last answer is no longer served, alerts that read it cannot fire. A lock on payments also keeps "
        "customers from paying.",
        diagnosis=(
            Step(
                "See who waits for whom.",
                "SELECT pid, pg_blocking_pids(pid) AS blocked_by, state, xact_start, left(query, 60) AS query\n"
                "FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0 ORDER BY xact_start LIMIT 20;",
                "sql",
            ),
            EXPORTER_LOG,
            EXPORTER_DOCTOR,
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("End the migration or the session that holds the lock."),
            Step("Grant what the log names, or name the column in the exporter's settings."),
            Step("A query of your own that asks too much is changed or taken out of postgres.queries."),
            Step(
                "One that is asked seldom counts as failing until it is asked again; the exporter asks all when it starts."
            ),
            Step(
                "Was the clock set back tonight? Where moments say no time zone, nothing can be told of the hour that it says "
                "twice; it ends by itself."
            ),
        ),
    ),
    hidden_by=(database.table_missing,),
    serves=("SEV-P3", "RSP-02"),
)
