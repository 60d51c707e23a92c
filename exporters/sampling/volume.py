"""How many series can the page have, whatever happens?"""

from collections.abc import Collection, Iterable
from math import prod
from typing import get_args

from exporters.configuration.settings import Settings
from exporters.postgres.settings import QueryName
from rules.vocabulary import Histogram, Label, Metric, Source

__all__ = ["most_series"]


def most_series(settings: Settings, sources: Collection[Source], metrics: Iterable[Metric]) -> int:
    """The series of those `metrics` that the `sources` and the exporter itself have, with every value of their labels.

    The settings say how many hosts, queries and metrics of one's own there are.
    """
    queries = settings.postgres.queries if settings.postgres else ()
    listed = {
        "host": len(settings.probe.hosts) if settings.probe else 0,
        "query": len(get_args(QueryName)) + len(queries),
    }

    def values(metric: Metric, label: Label) -> int:
        if metric.source is Source.EXPORTER and label.name == "source":
            return len(sources)
        return len(settings.allow_lists.values(label)) or listed.get(label.name, 1)

    return sum(
        prod(values(metric, label) for label in metric.labels)
        * (len(metric.bounds) + 3 if isinstance(metric, Histogram) else 1)
        for metric in (*metrics, *(query.gauge for query in queries))
        if metric.source in sources or metric.source is Source.EXPORTER
    )
