"""What has Prometheus stored of the pages that it scraped, and how is promtool told?

promtool before 3.9 begins in 1970: whatever is a moment is moved there, so that `time() - x` is what it would be.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from rules.catalog import catalog
from rules.payments.outcomes import attempts
from rules.vocabulary import Unit

__all__ = ["Scrapes", "Target"]

STALE = "stale"
_MOMENTS = frozenset(metric.name for metric in catalog().metrics if metric.unit is Unit.TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Target:
    """What Prometheus scrapes, and the labels that it adds."""

    job: str
    instance: str
    environment: str = "production"

    @property
    def labels(self) -> str:
        """As they stand in a selector."""
        return f'environment="{self.environment}",instance="{self.instance}",job="{self.job}",service="payments"'


@dataclass(slots=True)
class Scrapes:
    """Every sample of every series, by the number of its scrape's moment.

    `zero` is the moment (seconds since 1970) that promtool takes for 1970; `every` are the seconds from one moment to
    the next.
    """

    zero: float
    every: int
    _series: dict[str, dict[int, str]] = field(default_factory=dict)
    _there: dict[Target, frozenset[str]] = field(default_factory=dict)

    def add(self, at: float, target: Target, page: str | None) -> None:
        """One scrape; without a page it failed. Series that were there before and are not any more become stale."""
        moment = self._moment(at)
        found = dict(self._samples(target, page or ""))
        found[f"up{{{target.labels}}}"] = "0" if page is None else "1"
        for series in self._there.get(target, frozenset()) - found.keys():
            self._series[series][moment] = STALE
        for series, value in found.items():
            self._series.setdefault(series, {})[moment] = value
        self._there[target] = frozenset(found)

    def forget(self, target: Target, at: float) -> None:
        """The target is no longer scraped."""
        for series in self._there.pop(target, frozenset()):
            self._series[series][self._moment(at)] = STALE

    def input_series(self, names: Collection[str]) -> list[dict[str, str]]:
        """The series of those names, as promtool reads them.

        Those of the counter of attempts that never moved add nothing to any sum, and only cost time: they stay out.
        """
        return [
            {"series": series, "values": _notation(values)}
            for series, values in sorted(self._series.items())
            if series.partition("{")[0] in names
            and not (series.startswith(attempts.name) and {*values.values()} <= {"0.0", STALE})
        ]

    def latest(self, name: str) -> float:
        """The latest sample of the only series of that name."""
        (values,) = (values for series, values in self._series.items() if series.partition("{")[0] == name)
        return float(values[max(values)])

    def copied(self) -> "Scrapes":
        """The same history, with a future of its own."""
        series = {name: dict(values) for name, values in self._series.items()}
        return Scrapes(self.zero, self.every, series, dict(self._there))

    def _moment(self, at: float) -> int:
        moment, odd = divmod(round(at - self.zero), self.every)
        assert not odd, f"{at} is no moment at which samples are kept"
        return moment

    def _samples(self, target: Target, page: str) -> Iterator[tuple[str, str]]:
        for line in page.splitlines():
            if not line or line[0] == "#":
                continue
            series, _, value = line.rpartition(" ")
            name, brace, labels = series.partition("{")
            if name in _MOMENTS:
                value = repr(float(value) - self.zero)
            yield f"{name}{{{target.labels},{labels}" if brace else f"{name}{{{target.labels}}}", value


def _notation(values: Mapping[int, str]) -> str:
    """The samples in promtool's notation: runs of equal ones and of missing ones are folded."""
    parts: list[str] = []
    before: str | None = None
    times = 0
    for moment in range(max(values) + 1):
        value = values.get(moment, "_")
        if value == before:
            times += 1
            continue
        parts += _run(before, times)
        before, times = value, 1
    parts += _run(before, times)
    return " ".join(parts)


def _run(value: str | None, times: int) -> list[str]:
    if value is None:
        return []
    if value == "_":
        return [f"_x{times}"]
    if value == STALE or times == 1:
        return [value] * times
    return [f"{value}x{times - 1}"]
