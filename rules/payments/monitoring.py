"""Monitoring itself: would we notice, if payments broke now?"""

from rules.payments.rare_events import events_since_start
from rules.payments.runbook.procedures import EXPORTER_DOCTOR, EXPORTER_LOG, RESTART_EXPORTER
from rules.vocabulary import (
    APPLICATION_JOB,
    APPLICATION_JOBS,
    EXPORTER_JOB,
    EXPORTER_JOBS,
    SERVICE,
    TEAM,
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
    at_least,
    below,
    hours,
    matchers,
    minutes,
    seconds,
)

SOURCE = Label("source", tuple(source.value for source in Source if source.sampled))
ERROR_CLASS = Label(
    "class",
    ("timeout", "unreachable", "refused", "not_permitted", "rate_limited", "bad_answer", "bad_data", "internal"),
)

target_up = Gauge(
    "up",
    "Whether Prometheus could scrape the target",
    Unit.BOOLEAN,
    Source.SCRAPE,
    labels=(),
)

build = Gauge(
    "payments_exporter_build_info",
    "The exporter's version, always 1",
    Unit.BOOLEAN,
    Source.EXPORTER,
    labels=(Label("version", bounded_by="the releases of this exporter"),),
)

source_up = Gauge(
    "payments_exporter_source_up",
    "Whether the latest sample of the source succeeded",
    Unit.BOOLEAN,
    Source.EXPORTER,
    labels=(SOURCE,),
    serves=("RSP-02",),
)

sample_duration = Gauge(
    "payments_exporter_sample_duration_seconds",
    "Time that the latest sample of the source took",
    Unit.SECONDS,
    Source.EXPORTER,
    labels=(SOURCE,),
)

last_success = Gauge(
    "payments_exporter_last_success_timestamp_seconds",
    "When the source was last sampled without an error",
    Unit.TIMESTAMP,
    Source.EXPORTER,
    labels=(SOURCE,),
)

watermark = Gauge(
    "payments_exporter_watermark_timestamp_seconds",
    "Up to which moment everything that the source says has been counted",
    Unit.TIMESTAMP,
    Source.EXPORTER,
    labels=(SOURCE,),
)

interval = Gauge(
    "payments_exporter_interval_seconds",
    "Time between two samples of the source, as it is at the moment",
    Unit.SECONDS,
    Source.EXPORTER,
    labels=(SOURCE,),
)

catching_up = Gauge(
    "payments_exporter_catching_up",
    "Whether the source still reads what happened while it was away",
    Unit.BOOLEAN,
    Source.EXPORTER,
    labels=(SOURCE,),
)

errors = Counter(
    "payments_exporter_sample_errors_total",
    "Failed samples by class of error",
    Unit.COUNT,
    Source.EXPORTER,
    labels=(SOURCE, ERROR_CLASS),
)

clock_skew = Gauge(
    "payments_exporter_clock_skew_seconds",
    "How far this machine's clock is ahead of Stripe's; below zero where it is behind",
    Unit.SECONDS,
    Source.EXPORTER,
)

late_events = Counter(
    "payments_exporter_late_events_total",
    "Events that appeared in a range of time that had been read already, and were counted then",
    Unit.COUNT,
    Source.EXPORTER,
)

doubled_events = Counter(
    "payments_exporter_doubled_events_total",
    "Events that repeated one already counted, and were not counted again",
    Unit.COUNT,
    Source.EXPORTER,
)

parse_errors = Counter(
    "payments_exporter_parse_errors_total",
    "Events that could not be understood, and were left out",
    Unit.COUNT,
    Source.EXPORTER,
)

label_overflow = Counter(
    "payments_exporter_label_overflow_total",
    "Values that no allow-list names, counted under other",
    Unit.COUNT,
    Source.EXPORTER,
    labels=(Label("label", ("payment_method", "currency", "decline_code", "network", "reason", "status", "custom")),),
)

state_size = Gauge(
    "payments_exporter_state_size_bytes",
    "Size of the exporter's state on disk",
    Unit.BYTES,
    Source.EXPORTER,
)

state_epoch = Gauge(
    "payments_exporter_state_epoch_timestamp_seconds",
    "Since when the exporter's counters have been counting",
    Unit.TIMESTAMP,
    Source.EXPORTER,
)

allow_lists = Gauge(
    "payments_exporter_allow_lists_info",
    "By which lists of payment methods and currencies the exporter counts; always 1",
    Unit.BOOLEAN,
    Source.EXPORTER,
    labels=(Label("hash", bounded_by="the lists that were ever generated"),),
)

leader = Gauge(
    "payments_exporter_leader",
    "Whether this replica is the one that samples Stripe",
    Unit.BOOLEAN,
    Source.EXPORTER,
)

expected_source = Gauge(
    "paymon_source_expected",
    "A source that rules read of the exporter, as they record it themselves; always 1",
    Unit.BOOLEAN,
    Source.RULES,
    labels=(SOURCE,),
)

rule_failures = Counter(
    "prometheus_rule_evaluation_failures_total",
    "Rules that Prometheus could not evaluate",
    Unit.COUNT,
    Source.PROMETHEUS,
    labels=(Label("rule_group", bounded_by="the rule files that Prometheus loads"),),
)

missed_iterations = Counter(
    "prometheus_rule_group_iterations_missed_total",
    "Evaluations that Prometheus skipped because the one before took too long",
    Unit.COUNT,
    Source.PROMETHEUS,
    labels=(Label("rule_group", bounded_by="the rule files that Prometheus loads"),),
)

notifications_dropped = Counter(
    "prometheus_notifications_dropped_total",
    "Alerts that Prometheus could not hand to any Alertmanager; from 3.10 on counted for each of them",
    Unit.COUNT,
    Source.PROMETHEUS,
    labels=(Label("alertmanager", bounded_by="the Alertmanagers that Prometheus discovers", optional=True),),
)

alertmanagers_discovered = Gauge(
    "prometheus_notifications_alertmanagers_discovered",
    "Alertmanagers that Prometheus knows of and sends alerts to",
    Unit.COUNT,
    Source.PROMETHEUS,
)

notifications_failed = Counter(
    "alertmanager_notifications_failed_total",
    "Notifications that Alertmanager could not deliver",
    Unit.COUNT,
    Source.ALERTMANAGER,
    labels=(
        Label("integration", bounded_by="the kinds of receivers that Alertmanager knows"),
        Label("receiver_name", bounded_by="the receivers that Alertmanager has", optional=True),
        Label("reason", bounded_by="the reasons that Alertmanager counts by, from 0.26 on", optional=True),
    ),
)


_OUR_GROUPS = f'{{rule_group=~".*;{SERVICE}[.].+"}}'
"""Prometheus writes a group as `<file>;<group>`, and every group of ours begins with the service and a full stop."""

_OUR_RECEIVERS = f'{{receiver_name=~"|{TEAM}-.+"}}'
"""Without its feature flag receiver-name-in-metrics Alertmanager names no receiver, and then all of them count."""


def _all_answer(name: str, title: str, jobs: tuple[str, str], other: str) -> Signal:
    """Whether every target of a job answers; the example has a target of another job as well."""
    every, job = jobs
    ours = target_up.name + matchers(job=every)
    return Signal(
        name,
        title,
        Unit.BOOLEAN,
        f"min({ours})\nor 0 * max(absent({ours}))",
        Example(
            series=(
                (target_up.name + matchers(job=job, instance="a"), "1x10"),
                (target_up.name + matchers(job=job, instance="b"), "1x5 0x5"),
                (target_up.name + matchers(job=other), "0x3 1x7"),
            ),
            at=minutes(8),
            gives=(("", "0"),),
        ),
        also=(
            Example(
                series=((target_up.name + matchers(job=job, instance="a"), "1x10"),), at=minutes(8), gives=(("", "1"),)
            ),
        ),
    )


exporter_up = _all_answer(
    "payments_exporter:up:min",
    "Whether every exporter answers Prometheus; 0 where there is none at all",
    (EXPORTER_JOBS, EXPORTER_JOB),
    APPLICATION_JOB,
)

application_up = _all_answer(
    "payments_application:up:min",
    "Whether every pod of the payments service answers Prometheus; 0 where there is none at all",
    (APPLICATION_JOBS, APPLICATION_JOB),
    EXPORTER_JOB,
)

source_age = Signal(
    "payments_exporter:source_age:intervals",
    "How old a source's data are, in units of its own interval",
    Unit.INTERVALS,
    f"min by (source) (time() - {watermark})\n/ on (source) (max by (source) ({interval}) > 0)",
    Example(
        series=(
            (watermark.where(source="postgres"), "60x10"),
            (interval.where(source="postgres"), "30x10"),
            (watermark.where(source="health"), "570x10"),
            (interval.where(source="health"), "1x10"),
        ),
        at=minutes(10),
        gives=(('source="postgres"', "18"), ('source="health"', "30")),
    ),
    steady=True,
)


def _not_understood(gives: str, *replicas: tuple[str, int, str]) -> Example:
    return Example(
        series=tuple((f'{parse_errors}{{instance="{one}",pod="{pod}"}}', values) for one, pod, values in replicas),
        at=minutes(150) + seconds(30),
        gives=(("", gives),),
    )


unparsed = Signal(
    "payments_exporter:parse_errors:increase1h",
    "Events that the exporter could not understand in an hour",
    Unit.COUNT,
    events_since_start(parse_errors.name, "1h"),
    Example(
        series=(
            (f'{parse_errors}{{instance="a"}}', "3x130 stale"),
            (f'{parse_errors}{{instance="b"}}', "_x133 2x9 4x30"),
        ),
        at=minutes(150) + seconds(30),
        gives=(("", "4"),),
    ),
    also=(
        # Nobody scraped it in the hour before, but earlier; early in that hour alone; it began anew late in that hour.
        _not_understood("7", ("a", 1, "5x30 _x100 7x60"), ("a", 2, "_x30 2x4 _x90 8x60"), ("b", 1, "9x84 3x20 8x60")),
        # One began anew, another one has grown by more: of the same pod, or of the same instance.
        _not_understood("6", ("a", 1, "_x30 1x1 9x4 _x90 4x60"), ("b", 1, "5x100 11x60")),
        _not_understood("7", ("a", 1, "9x100 1x60"), ("a", 2, "0x100 7x60")),
        _not_understood("3", ("a", 1, "9x60 0x10 1x30 4x60")),
        _not_understood("0", ("a", 1, "_x100 0x60")),
    ),
)

failed_samples = Signal(
    "payments_exporter:sample_errors:increase5m",
    "Failed samples in 5 minutes, by source and class of error, where there are several exporters of the worst",
    Unit.COUNT,
    f"max by (source, class) (increase({errors}[5m]))",
    Example.over(
        minutes(5),
        (
            (f'{errors}{{source="postgres",class="timeout",instance="a"}}', "0+1x10"),
            (f'{errors}{{source="postgres",class="timeout",instance="b"}}', "0+2x10"),
            (f'{errors}{{source="postgres",class="refused",instance="a"}}', "3x10"),
        ),
        (('class="timeout",source="postgres"', "10"), ('class="refused",source="postgres"', "0")),
    ),
)

overflow = Signal(
    "payments_exporter:label_overflow:increase1h",
    "Values in an hour that no allow-list names, by label",
    Unit.COUNT,
    f"max by (label) (increase({label_overflow}[1h]))",
    Example.over(
        hours(1),
        ((label_overflow.where(label="currency"), "3x5 3 3 5 7 7"), (label_overflow.where(label="network"), "0x10")),
        (('label="currency"', "5"), ('label="network"', "0")),
    ),
)

failing_rules = Signal(
    "payments_monitoring:rule_failures:increase10m",
    "Rules of payments that Prometheus failed to evaluate or skipped in 10 minutes",
    Unit.COUNT,
    f"sum(increase({rule_failures}{_OUR_GROUPS}[10m]))\n+ on () sum(increase({missed_iterations}{_OUR_GROUPS}[10m]))",
    Example.over(
        minutes(10),
        (
            (rule_failures.where(rule_group=f"/rules/a.yml;{SERVICE}.production.a"), "0x5 1 1 3 5 5"),
            (rule_failures.where(rule_group=f"/rules/b.yml;{SERVICE}.production.b"), "3x5 3 3 5 7 7"),
            (rule_failures.where(rule_group="/rules/payments.yml;others"), "5x5 5 7 8 9 9"),
            (missed_iterations.where(rule_group=f"/rules/a.yml;{SERVICE}.production.a"), "0x5 1 1 1 2 2"),
            (missed_iterations.where(rule_group=f"/rules/b.yml;{SERVICE}.production.b"), "0x5 1 1 1 2 2"),
            (missed_iterations.where(rule_group="/rules/payments.yml;others"), "5x5 5 6 7 9 9"),
        ),
        (("", "12.5"),),
    ),
)

lost_notifications = Signal(
    "payments_monitoring:notifications_lost:increase10m",
    "Alerts that Prometheus or Alertmanager could not deliver in 10 minutes",
    Unit.COUNT,
    f"(sum(increase({notifications_failed}{_OUR_RECEIVERS}[10m])) or vector(0))\n"
    f"+ on () (sum(min without (alertmanager) (increase({notifications_dropped}[10m]))) or vector(0))",
    Example.over(
        minutes(10),
        (
            (notifications_failed.where(integration="pagerduty"), "0x5 1 1 3 5 5"),
            (notifications_failed.where(integration="slack", receiver_name=f"{TEAM}-p1"), "3x5 3 3 5 7 7"),
            (notifications_failed.where(integration="slack", receiver_name="others"), "5x5 5 7 8 9 9"),
            (f'{notifications_dropped}{{alertmanager="http://a:9093",instance="a"}}', "0x5 1 1 1 2 2"),
            (f'{notifications_dropped}{{alertmanager="http://b:9093",instance="a"}}', "0x5 2 2 6 8 9"),
            (f'{notifications_dropped}{{alertmanager="http://a:9093",instance="b"}}', "0x5 1 1 1 2 2"),
        ),
        (("", "12.5"),),
    ),
)

unmeasured = Signal(
    "payments_monitoring:own_metrics:absent",
    "Prometheus' or Alertmanager's own metrics are missing, so that nobody counts what they fail at",
    Unit.BOOLEAN,
    f"absent({alertmanagers_discovered})\nor absent({notifications_failed})",
    Example(series=((alertmanagers_discovered.name, "1x10"),), at=minutes(5), gives=(("", "1"),)),
)

alertmanagers = Signal(
    "payments_monitoring:alertmanagers:min",
    "Alertmanagers that each Prometheus knows of, the fewest of all",
    Unit.COUNT,
    f"min({alertmanagers_discovered})",
    Example(
        series=(
            (f'{alertmanagers_discovered}{{instance="a"}}', "2x10"),
            (f'{alertmanagers_discovered}{{instance="b"}}', "2x5 1x5"),
        ),
        at=minutes(8),
        gives=(("", "1"),),
    ),
)

heartbeat = Signal(
    "payments_monitoring:heartbeat:constant",
    "Always 1, as long as Prometheus evaluates rules",
    Unit.BOOLEAN,
    "vector(1)",
    Example(series=((target_up.name, "1x10"),), at=minutes(5), gives=(("", "1"),)),
    steady=True,
)


exporter_down = Alert(
    "PaymentExporterDown",
    watches=exporter_up,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="five minutes outlast a restart; where the state survives, nothing is lost yet",
        ),
    ),
    summary="An exporter does not answer Prometheus.",
    description="At least one payments exporter cannot be scraped, or none is known (value {value}).",
    runbook=Runbook(
        meaning="The exporter is down, or Prometheus cannot reach it.",
        impact="Payments are not watched by what it samples; PaymentMetricsAbsent pages if nothing else does.",
        diagnosis=(
            Step("See the error on Prometheus' targets page."),
            Step("See whether its container runs.", "kubectl get pods -l app.kubernetes.io/name=paymon -o wide"),
            EXPORTER_LOG,
        ),
        mitigation=(EXPORTER_DOCTOR, RESTART_EXPORTER),
    ),
    serves=("SEV-P3",),
)

application_unscraped = Alert(
    "PaymentApplicationNotScraped",
    watches=application_up,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="five minutes outlast a deployment; what the service alone counts is not watched meanwhile",
        ),
    ),
    summary="The payments service does not answer Prometheus.",
    description="At least one pod of the payments service cannot be scraped, or none is known (value {value}).",
    runbook=Runbook(
        meaning="The service's own metrics do not reach Prometheus. Whether it serves customers, PaymentHealthDown tells.",
        impact="Alerts on API latency, timeouts, rate limiting and webhook signatures see less, or nothing, and stay quiet.",
        diagnosis=(
            Step("See the error on Prometheus' targets page: a port, a path, a certificate, a network rule?"),
            Step("See whether the pods run.", "kubectl get pods -l app=payments -o wide"),
        ),
        mitigation=(
            Step(
                f"Name the scrape job {APPLICATION_JOB}, as the generated scrape configuration does, "
                "and let it reach the service's port for metrics."
            ),
            Step("If a pod hangs, delete it.", 'POD=\nkubectl delete pod "${POD:?the name of the pod that hangs}"'),
        ),
    ),
    serves=("RSP-02",),
)

events_not_understood = Alert(
    "PaymentEventsNotUnderstood",
    watches=unparsed,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            because="an event that is left out is a payment, refund or dispute that no metric counts",
        ),
    ),
    summary="The exporter cannot understand some of Stripe's events.",
    description="{value} events could not be understood in the past hour.",
    runbook=Runbook(
        meaning="Stripe sends an event in a shape that the exporter does not know, as after an upgrade of the API version.",
        impact="Counts are too low by these events; everything else goes on.",
        diagnosis=(EXPORTER_LOG, Step("Compare the API version of the event with that of the webhook endpoints.")),
        mitigation=(Step("Upgrade the exporter, or go back to the former API version."),),
    ),
    serves=("RSP-02",),
)

labels_overflowing = Alert(
    "PaymentLabelsOverflowing",
    watches=overflow,
    thresholds=(
        above(
            100,
            Severity.INFO,
            Priority.P4,
            lasting=hours(1),
            because="a new payment method or currency deserves a name of its own once it is used in earnest",
        ),
    ),
    summary="Many payments are counted under other.",
    description="{value} values of {label} in an hour are on no allow-list.",
    runbook=Runbook(
        meaning="A payment method, currency or code is in use that the allow-list does not name.",
        impact="These payments are counted, yet nobody can tell them apart.",
        diagnosis=(Step("See in the Stripe dashboard which one is new."),),
        mitigation=(
            Step("Add it to the service's allow-list, where your definitions name the service, and generate."),
        ),
    ),
    serves=("RSP-02",),
)

rules_failing = Alert(
    "PaymentRulesFailing",
    watches=failing_rules,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(10),
            because="a rule that fails fires no alert, and says nothing of it",
        ),
    ),
    summary="Prometheus fails to evaluate rules.",
    description="{value} rule evaluations failed or were skipped in the past 10 minutes.",
    runbook=Runbook(
        meaning="A rule cannot be evaluated (two series match where one may), or evaluation takes too long.",
        impact="The alerts of that group may not fire.",
        diagnosis=(Step("Open Prometheus' rules page; the failing rule shows its error."),),
        mitigation=(Step("Mend the series that are doubled, or give Prometheus more room."),),
    ),
    serves=("RSP-02",),
)

notifications_lost = Alert(
    "PaymentNotificationsLost",
    watches=lost_notifications,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(10),
            because="a page that nobody gets is no page",
        ),
    ),
    summary="Alert notifications are not delivered.",
    description="{value} notifications were lost in the past 10 minutes.",
    runbook=Runbook(
        meaning="Prometheus cannot reach Alertmanager, or Alertmanager cannot reach PagerDuty, Slack or the mail server.",
        impact="Somebody who should be woken may sleep on.",
        diagnosis=(
            Step("Read Alertmanager's log; it names the receiver and the error. Other teams' receivers may count too."),
        ),
        mitigation=(Step("Mend the receiver's secret or network; until then, call people by phone."),),
    ),
    serves=("CON-01",),
)

alertmanager_unknown = Alert(
    "PaymentAlertmanagerUnknown",
    watches=alertmanagers,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(10),
            because="a Prometheus that knows no Alertmanager loses every alert and counts none as lost; of a pair, the "
            "other tells; of one, the dead man's switch",
        ),
    ),
    summary="A Prometheus knows no Alertmanager.",
    description="A Prometheus sends its alerts to {value} Alertmanagers.",
    runbook=Runbook(
        meaning="Prometheus' section `alerting` is empty, or its discovery of Alertmanagers finds none.",
        impact="Alerts of this Prometheus reach nobody.",
        diagnosis=(Step("Open Prometheus' page of status: which Alertmanagers does it list?"),),
        mitigation=(Step("Mend the section `alerting` of its configuration, or the discovery, and reload."),),
    ),
    serves=("CON-01",),
)

monitoring_unmeasured = Alert(
    "PaymentMonitoringUnmeasured",
    watches=unmeasured,
    thresholds=(
        at_least(
            1,
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            because="nothing lost and nothing counted look alike; an hour outlasts an upgrade of either program",
        ),
    ),
    summary="Nobody counts what Prometheus or Alertmanager fail at.",
    description="No series of what Prometheus drops, or of what Alertmanager cannot deliver, for an hour.",
    runbook=Runbook(
        meaning="Prometheus scrapes itself or Alertmanager no longer, or never did.",
        impact="PaymentRulesFailing or PaymentNotificationsLost stays quiet, whatever happens.",
        diagnosis=(Step("Open Prometheus' targets page: are Prometheus and Alertmanager themselves listed, and up?"),),
        mitigation=(
            Step("Scrape both, as the jobs prometheus and alertmanager of the generated scrape configuration do."),
            Step("Where another program evaluates the rules, watch it by its own metrics, and silence this alert."),
        ),
    ),
    serves=("CON-01",),
)

watchdog = Alert(
    "PaymentsWatchdog",
    watches=heartbeat,
    thresholds=(
        at_least(
            1,
            Severity.NONE,
            Priority.NONE,
            because="it always fires; when it stops, the service outside that waits for it raises the alarm",
        ),
    ),
    summary="The alerting of payments works from end to end.",
    description="This alert always fires (value {value}); its absence is the alarm.",
    runbook=Runbook(
        meaning="Prometheus evaluates rules and Alertmanager delivers.",
        impact="None: this is how it should be. If it stops, nobody is watching payments.",
        diagnosis=(Step("Where it is missing, look at Prometheus first, then at Alertmanager, then at the way out."),),
        mitigation=(Step("Restart what is down; until then, watch the Stripe dashboard by eye."),),
    ),
    serves=("CON-01",),
    always=True,
)
