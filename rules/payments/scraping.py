"""Scraping: do our metrics arrive under the labels that the rules read?"""

from rules.payments import latency, monitoring, outcomes, webhooks
from rules.payments.runbook.procedures import RECENT_CHANGES
from rules.vocabulary import (
    APPLICATION_JOB,
    APPLICATION_JOBS,
    ENVIRONMENT,
    EXPORTER_JOB,
    SERVICE,
    Alert,
    Example,
    Priority,
    Runbook,
    Severity,
    Signal,
    Step,
    Unit,
    at_least,
    hours,
    matchers,
    minutes,
    only_if,
    or_when,
    seconds,
    unless,
)


def _by_target(series: str) -> str:
    """How many series each target has; its labels under names that a record, which sets labels of its own, leaves alone."""
    counted = f"count by (job, service, environment) (max without (instance, pod) ({series}))"
    for label in ("job", "service", "environment"):
        counted = f'label_replace({counted}, "scraped_{label}", "$1", "{label}", "(.*)")'
    return counted


def _unread(name: str, whose: str, series: str) -> Signal:
    """Series under an environment and a service for which this Prometheus has no rules: by the name alone."""
    return Signal(
        name,
        f"Series of {whose} under an environment or a service whose rules nobody evaluates, by where they come from",
        Unit.COUNT,
        _by_target(f"{series} unless on (environment, service) {monitoring.heartbeat}"),
        Example(
            series=(
                (f'{series}{{job="default/paymon",service="api",environment="prod",instance="a"}}', "7x10"),
                (f'{series}{{job="default/paymon",service="api",environment="prod",instance="b"}}', "7x10"),
                (f'{series}{{job="default/paymon",environment="prod"}}', "7x10"),
                (series, "7x10"),
            ),
            at=minutes(5) + seconds(30),
            gives=tuple(
                (f'scraped_environment="prod",scraped_job="default/paymon",scraped_service="{service}"', "1")
                for service in ("api", SERVICE)
            ),
        ),
        of_everyone=True,
    )


def _of_any_job(name: str, whose: str, series: str) -> Signal:
    """Series of this environment and service, whichever job they come from."""
    counted = f'label_replace(count by (job) (max without (instance, pod) ({series}{{job!=""}})), "scraped_job", "$1", "job", "(.*)")'
    for label in ("service", "environment"):
        counted = f'label_replace({counted}, "scraped_{label}", "as it should be", "", "")'
    return Signal(
        name,
        f"Series of {whose} under this environment and service, by job",
        Unit.COUNT,
        counted,
        Example(
            series=((f'{series}{{job="default/paymon",instance="a"}}', "7x10"), (f'{series}{{instance="b"}}', "7x10")),
            at=minutes(5) + seconds(30),
            gives=(
                (_SCRAPED_RIGHT + 'scraped_job="default/paymon"', "1"),
                (_SCRAPED_RIGHT + f'scraped_job="{EXPORTER_JOB}"', "1"),
            ),
        ),
    )


_SCRAPED_RIGHT = 'scraped_environment="as it should be",scraped_service="as it should be",'

exporter_unread = _unread("payments_exporter:unread:count", "an exporter", monitoring.watermark.name)

exporter_of_any_job = _of_any_job("payments_exporter:of_any_job:count", "the exporter", monitoring.watermark.name)

exporter_read = Signal(
    "payments_exporter:read:count",
    "Series of the exporter under the labels that the rules read",
    Unit.COUNT,
    f"count(max without (instance, pod) ({monitoring.watermark}))",
    Example(
        series=tuple((f'{monitoring.watermark}{{source="{source}"}}', "7x10") for source in ("postgres", "health")),
        at=minutes(5) + seconds(30),
        gives=(("", "2"),),
    ),
)

_WATCHED = (
    latency.api_request_duration.within(latency.API_BOUND),
    latency.payment_duration.within(latency.TIMEOUT_BOUND),
    latency.rate_limited.name,
    latency.circuit_open.name,
    latency.synthetic_success.name,
    webhooks.events.name,
)
"""What the alerts on the payments service read; of a histogram the bucket, which a change of its bounds takes away."""


def _named(selector: str) -> str:
    """PromQL for the number of its series, with the metric's name as a label."""
    return f'label_replace(count({selector}), "metric", "{selector.partition("{")[0]}", "", "")'


_BUCKETS = _WATCHED[0].partition("{")[0]
_PAID = _WATCHED[1].partition("{")[0] + '{payment_method="card",le="30.0"}'
_PROCESSED = webhooks.events.where(outcome="processed")

application_metrics = Signal(
    "payments_application:series:count",
    "Series of the payments service by metric: those that alerts read",
    Unit.COUNT,
    "\nor ".join(map(_named, _WATCHED)),
    Example(
        series=(
            (f'{_BUCKETS}{{status_class="2xx",le="0.5"}}', "7x10"),
            (f'{_BUCKETS}{{status_class="4xx",le="0.5"}}', "7x10"),
            (f'{_BUCKETS}{{status_class="2xx",le="1"}}', "7x10"),
            *((name, "7x10") for name in _WATCHED[2:-1]),
            (_PAID, "7x10"),
            (_PAID.replace("30.0", "10.0"), "7x10"),
            (_PROCESSED, "7x10"),
        ),
        at=minutes(5) + seconds(30),
        gives=(
            (f'metric="{_BUCKETS}"', "2"),
            *((f'metric="{name.partition("{")[0]}"', "1") for name in _WATCHED[1:]),
        ),
    ),
)

_SERVICE_UP = monitoring.target_up.name + matchers(job=APPLICATION_JOBS)


def _of_23_hours(gives: tuple[tuple[str, str], ...], *pods: tuple[str, str, str]) -> Example:
    """One metric that the first half-hour had, another one that is still there; and which pods answer Prometheus."""
    return Example(
        series=(
            (f'{_BUCKETS}{{status_class="2xx",le="0.5"}}', "0+1x5 stale"),
            (f'{_BUCKETS}{{status_class="4xx",le="0.5"}}', "0+1x5 stale"),
            (_PROCESSED, "0+1x345"),
            *((monitoring.target_up.name + matchers(job=job, instance=pod), answers) for job, pod, answers in pods),
        ),
        every=minutes(4),
        at=hours(23) + seconds(30),
        gives=gives,
    )


application_metrics_gone = Signal(
    "payments_application:series_gone:count",
    "Series of the payments service that the past day has, and none of which is left, by metric, while a pod answers",
    Unit.COUNT,
    f"(\n  max_over_time({application_metrics}[1d:5m])\n  unless on (metric) {application_metrics}\n)\n"
    f"and on () (max({_SERVICE_UP}) == 1)",
    _of_23_hours(
        ((f'metric="{_BUCKETS}"', "2"),),
        *((APPLICATION_JOB, pod, answers) for pod, answers in (("a", "1x345"), ("b", "0x345"), ("c", "1x345"))),
    ),
    also=(_of_23_hours((), (APPLICATION_JOB, "a", "0x345"), (EXPORTER_JOB, "b", "1x345")),),
)

attempts_1h = Signal(
    "payments:customer_attempts:increase1h",
    "Attempts that customers ended in an hour, renewals by Stripe left aside",
    Unit.COUNT,
    outcomes.total(outcomes.BY_CUSTOMERS, "1h"),
    Example.over(hours(1), outcomes.AND_RENEWALS, (("", "50"),)),
    steady=True,
)

application_metric_gone = Alert(
    "PaymentApplicationMetricGone",
    watches=application_metrics_gone,
    thresholds=(
        at_least(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=hours(1),
            keep_firing=minutes(10),
            because="an hour in which the service answers and customers pay is long enough for every metric to appear",
        ),
    ),
    guards=(
        only_if(
            attempts_1h,
            ">=",
            20,
            "after a restart some client libraries export a metric only once there is something to count",
        ),
    ),
    summary="A metric of the payments service has disappeared.",
    description="{metric} had {value} series within the past day, and has none now, though the service answers Prometheus.",
    runbook=Runbook(
        meaning="A release dropped or renamed the metric, changed a histogram's bounds, or Prometheus keeps it in another form.",
        impact="Every alert that reads it stays quiet, whatever happens; after a day this one does, too.",
        diagnosis=(
            Step("Look for the metric on the service's own page of metrics: is it there, and under this name?"),
            Step(
                "It is there: did somebody set native histograms or convert_classic_histograms_to_nhcb in the scrape "
                "configuration? The rules read classic buckets."
            ),
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("Bring the metric back, in the service or in the scrape configuration."),
            Step("If it was dropped for good, take its alerts and signals out of the definitions."),
        ),
    ),
    serves=("SEV-P3",),
)

labels_unread = Alert(
    "PaymentLabelsUnread",
    watches=exporter_unread,
    thresholds=(
        at_least(
            1,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(3),
            keep_firing=minutes(5),
            because="no alert on payments can fire; three minutes outlast a change of the scrape configuration",
        ),
    ),
    guards=(unless(exporter_read, ">=", 1, "where our own series are there, another one's change nothing"),),
    or_else=(
        or_when(
            exporter_of_any_job,
            ">=",
            1,
            "environment and service are right, and only the job is one that no rule reads",
            unless(exporter_read, ">=", 1, "where our own job is there, another one changes nothing"),
        ),
    ),
    summary="The exporter is scraped under labels that no rule reads.",
    description="{value} of its series have job {scraped_job}, service {scraped_service} and environment "
    "{scraped_environment}; the rules read others.",
    runbook=Runbook(
        meaning="The exporter answers Prometheus, and the labels of its target are not those that the rules select.",
        impact="Payments may be fine or broken; no alert on them can fire.",
        diagnosis=(
            Step("Compare the labels in the alert's description with the scrape configuration in deploy/."),
            Step("Was a job renamed, or does an Operator or an agent set service and job of its own?"),
        ),
        mitigation=(
            Step(
                f"Let scraping set job {EXPORTER_JOB}, service {SERVICE} and environment {ENVIRONMENT} by relabelling, as "
                "each generated configuration does."
            ),
            Step("Where the labels are right and the definitions are not, change jobs or environments, and generate."),
        ),
    ),
    serves=("SEV-P2",),
)
