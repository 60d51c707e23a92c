"""Scraping: do our metrics arrive under the labels that the rules read?"""

from decimal import Decimal

from rules.payments import monitoring
from rules.vocabulary import (
    ENVIRONMENT,
    EXPORTER_JOB,
    SERVICE,
    Alert,
    Branch,
    Comparison,
    Example,
    Priority,
    Runbook,
    Severity,
    Signal,
    Step,
    Unit,
    at_least,
    minutes,
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
                (f'{series}{{job="default/paymon",service="api",environment="prod",instance="a"}}', "1x10"),
                (f'{series}{{job="default/paymon",service="api",environment="prod",instance="b"}}', "1x10"),
                (series, "1x10"),
            ),
            at=minutes(5) + seconds(30),
            gives=(('scraped_environment="prod",scraped_job="default/paymon",scraped_service="api"', "1"),),
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
            series=((f'{series}{{job="default/paymon",instance="a"}}', "1x10"), (f'{series}{{instance="b"}}', "1x10")),
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
        series=((f'{monitoring.watermark}{{source="postgres"}}', "1x10"),),
        at=minutes(5) + seconds(30),
        gives=(("", "1"),),
    ),
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
        Branch(
            watches=exporter_of_any_job,
            comparison=Comparison.AT_LEAST,
            value=Decimal(1),
            guards=(unless(exporter_read, ">=", 1, "where our own job is there, another one changes nothing"),),
            because="environment and service are right, and only the job is one that no rule reads",
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
