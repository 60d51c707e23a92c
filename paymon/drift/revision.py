"""Which revision of the definitions do the rules that run say they are of?"""

from generators.revision import REVISION_SERIES, revision
from paymon.drift.layers import Layer, Verdict, layer
from paymon.live.prometheus import Prometheus
from rules.vocabulary import Catalog, Environment, matchers

__all__ = ["revision_that_runs"]


def revision_that_runs(prometheus: Prometheus, catalog: Catalog, environment: Environment, at: float) -> Layer:
    """Does what the rules record of themselves at that moment name these definitions? Raises PrometheusError."""
    scope = matchers(environment=environment.name, service=catalog.organisation.service)
    ours = revision(catalog, environment)
    found = sorted(
        {
            (one.labels.get("revision", "of no name"), one.labels.get("version", "?"))
            for one in prometheus.query(f"{REVISION_SERIES}{scope}", at)
        }
    )
    if not found:
        said = f"nobody records {REVISION_SERIES}{scope}: its rules are not evaluated here, or have just been loaded"
        return Layer("revision", Verdict.UNKNOWN, (said,))
    findings = [
        f"{name} runs, written by paymon {version}, where {ours} is defined; "
        f"git log -S {name} -- 'generated/*manifest.json' tells of when it is"
        for name, version in found
        if name != ours
    ]
    if len(found) > 1:
        findings.append(f"{len(found)} revisions run at the same time: {', '.join(name for name, _ in found)}")
    return layer("revision", findings, [f"{ours} is what these definitions make"] if findings else [])
