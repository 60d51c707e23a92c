"""Under which labels do our metrics arrive in a Prometheus, and does any rule read them there?"""

from collections.abc import Iterator

from exporters.process.finding import Finding, fine, mend, note
from paymon.live.prometheus import Prometheus, Sample
from rules.payments import monitoring, outcomes, webhooks
from rules.vocabulary import Catalog

__all__ = ["scraped"]

_WHERE = "the scrape"
_LABELS = ("job", "service", "environment")
_ALSO_OTHERS = (outcomes.attempts.name, outcomes.successes.name, webhooks.duration.count)
"""Names of the runbook's own, which payment services export as well."""

Target = tuple[str, ...]
"""The job, service and environment of a series, empty where it has none."""


def scraped(prometheus: Prometheus, catalogs: tuple[Catalog, ...], now: float) -> Iterator[Finding]:
    """What is read, what is not, and who else exports our names. Raises PrometheusError."""
    read = {
        (job, organisation.service, environment.name)
        for organisation in (catalog.organisation for catalog in catalogs)
        for environment in organisation.environments
        for job in organisation.jobs_in(environment).exporter
    }
    found = {_target(one) for one in prometheus.query(_by_target(monitoring.watermark.name), now)}
    for target in sorted(found & read):
        yield fine(_WHERE, f"the exporter's series are read: {_spoken(target)}")
    for target in sorted(found - read):
        what = f"an exporter's series are read by no rule of these definitions: {_spoken(target)}"
        if found & read:
            yield note(_WHERE, what)
        else:
            wanted = " or ".join(_spoken(one) for one in sorted(read))
            yield mend(_WHERE, what, f"let scraping set {wanted}, as the files in deploy/ do")
    if not found:
        yield mend(_WHERE, "there is no series of an exporter at all", "scrape it, as the files in deploy/ do")
    ours = {target[1:] for target in read}
    for name in _ALSO_OTHERS:
        others = {_target(one) for one in prometheus.query(_by_target(name), now)} - read
        for target in sorted(one for one in others if one[1:] in ours):
            yield note(_WHERE, f"job {target[0]} exports {name} too, which no rule reads: {_spoken(target)}")


def _by_target(name: str) -> str:
    return f"count by ({', '.join(_LABELS)}) ({name})"


def _target(sample: Sample) -> Target:
    return tuple(sample.labels.get(label, "") for label in _LABELS)


def _spoken(target: Target) -> str:
    return ", ".join(f"{label} {value or '(none)'}" for label, value in zip(_LABELS, target, strict=True))
