"""Is every metric that a rule reads there, as the rule needs it, and does somebody else export one of our names?"""

from generators.rules import Expressions
from paymon.drift.layers import Layer, layer
from paymon.live.prometheus import Prometheus
from rules.vocabulary import Catalog, Environment, Source

__all__ = ["presence"]


def presence(prometheus: Prometheus, catalog: Catalog, environment: Environment, at: float) -> Layer:
    """Is every metric that a rule reads there, from the jobs, with the labels and at the rate that it needs?

    Raises PrometheusError.
    """
    expressions = Expressions(catalog, environment)
    index = expressions.index
    scraped = {name for name, metric in index.by_series.items() if metric.source is not Source.RULES}
    read = sorted({one.name for signal in catalog.signals for one in index.reads(signal)} & scraped)
    every = catalog.organisation.scrape_interval.total_seconds()
    findings, notes, doubts = [], [], []
    for name in read:
        scoped = expressions.scoped(name)
        wanted = set(index.jobs(name, environment))
        jobs = {one.labels.get("job", "") for one in prometheus.query(f"count by (job) ({name})", at)}
        there = prometheus.query(f"count({scoped})", at)
        if not there:
            elsewhere = f"; {', '.join(sorted(jobs))} exports that name elsewhere" if jobs else ""
            findings.append(f"{name} is not there{elsewhere}")
            continue
        strangers = sorted(jobs - wanted) if wanted else []
        if strangers:
            notes.append(f"{', '.join(strangers)} exports {name} too; the rules leave it aside")
        window = f"{round(every * 10)}s"
        counted = f"count_over_time({scoped}[{window}])"
        seen = prometheus.query(f"max({counted})", at)
        if seen and seen[0].value < 7:
            before = prometheus.query(f"max({counted} and {scoped} offset {window})", at)
            if before:
                findings.append(
                    f"{name} is scraped {before[0].value:.0f} times in {window}, where {every:.0f} s apart gives 10"
                )
            else:
                doubts.append(f"{name} began less than {window} ago: ask again then whether it is scraped often enough")
        labels = {label for one in prometheus.series(scoped, start=at - 300, end=at)[:50] for label in one}
        perhaps = {label.name for label in index.by_series[name].labels if label.optional}
        lacking = sorted(index.declared(name) - labels - perhaps - {"le"})
        if lacking:
            findings.append(f"{name} lacks the label {', '.join(lacking)}")
    return layer("metrics", findings, notes, doubts)
