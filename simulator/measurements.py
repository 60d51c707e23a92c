"""What does the payments service measure by itself, and how does Prometheus read it?"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rules.catalog import catalog
from rules.payments import latency, webhooks
from rules.vocabulary import Histogram

__all__ = ["Measurements"]


@dataclass(slots=True)
class _Observations:
    """One series of a histogram."""

    below: list[int]
    total: float = 0.0


class Measurements:
    """The service's own counters and histograms, every series at 0 from the start."""

    def __init__(self, version: str = "1.5.0") -> None:
        self._version = version
        self._events = Counter(dict.fromkeys(webhooks.events.label("outcome").values, 0))
        values = {metric.name: metric.labels[0].values for metric in catalog().metrics if metric.labels}
        self._observed: dict[Histogram, dict[str, _Observations]] = {
            histogram: {value: _Observations([0] * (len(histogram.bounds) + 1)) for value in values[histogram.name]}
            for histogram in (latency.payment_duration, latency.api_request_duration)
        }
        self._bounds = {histogram: [float(bound) for bound in histogram.bounds] for histogram in self._observed}

    def request(self, seconds: float, status_class: str = "2xx") -> None:
        """One request to the payments API was answered."""
        self._observe(latency.api_request_duration, status_class, seconds)

    def payment(self, seconds: float, method: str) -> None:
        """One payment came to its end, so long after the customer's confirmation."""
        self._observe(latency.payment_duration, method, seconds)

    def webhook(self, outcome: str) -> None:
        """One webhook request was answered."""
        self._events[outcome] += 1

    def page(self) -> str:
        """The service's /metrics, in the text format 0.0.4."""
        return "\n".join((*self._lines(), ""))

    def _observe(self, histogram: Histogram, value: str, seconds: float) -> None:
        series = self._observed[histogram][value]
        series.below[bisect_left(self._bounds[histogram], seconds)] += 1
        series.total += seconds

    def _lines(self) -> Iterator[str]:
        for histogram, by_value in self._observed.items():
            yield f"# TYPE {histogram.name} histogram"
            label = histogram.labels[0].name
            for value, series in by_value.items():
                reached = 0
                for bound, count in zip((*map(float, histogram.bounds), "+Inf"), series.below, strict=True):
                    reached += count
                    yield f'{histogram.name}_bucket{{{label}="{value}",le="{bound}"}} {reached}'
                yield f'{histogram.name}_count{{{label}="{value}"}} {reached}'
                yield f'{histogram.name}_sum{{{label}="{value}"}} {series.total!r}'
        yield f"# TYPE {webhooks.events.name} counter"
        for outcome, count in self._events.items():
            yield f'{webhooks.events.name}{{outcome="{outcome}"}} {count}'
        for metric in (latency.rate_limited, latency.circuit_open):
            yield f"# TYPE {metric.name} {metric.kind}"
            yield f"{metric.name} 0"
        yield f"# TYPE {latency.application_build.name} gauge"
        yield f'{latency.application_build.name}{{version="{self._version}"}} 1'
