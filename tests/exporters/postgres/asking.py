"""How does a test ask the database what the exporter would?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from exporters.postgres import PostgresSettings, samplers
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Distribution, Reading, Sampler, Snapshot
from exporters.sampling.reconciling import SucceededPayments
from rules.vocabulary import Metric, Source


@dataclass(frozen=True, slots=True)
class Asked:
    """The samplers of one exporter."""

    by_source: dict[Source, Sampler]
    overflow: LabelOverflow
    elapsed: "Ticks"

    async def sample(self, now: float, source: Source = Source.POSTGRES, *, clock: float | None = None) -> "Seen":
        """A sample at that time, while the machine's clock says `clock` where it is wrong."""
        self.elapsed.at = now
        return Seen(await self.by_source[source].sample(now if clock is None else clock))


@dataclass(slots=True)
class Ticks:
    """The seconds that have passed, by a clock that is never wrong."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot, read by metric and labels."""

    snapshot: Snapshot

    def value(self, metric: Metric, **labels: str) -> float | None:
        """The value of one series, None where it is absent."""
        found = self._find(metric, labels)
        assert found is None or isinstance(found, Reading)
        return None if found is None else found.value

    def distribution(self, metric: Metric, **labels: str) -> Distribution | None:
        found = self._find(metric, labels)
        assert found is None or isinstance(found, Distribution)
        return found

    def _find(self, metric: Metric, labels: dict[str, str]) -> Reading | Distribution | None:
        found = [one for one in self.snapshot.readings if one.metric.name == metric.name and dict(one.labels) == labels]
        assert len(found) <= 1, found
        return found[0] if found else None


@asynccontextmanager
async def asking(dsn: str, *, stripe: SucceededPayments | None = None, **settings: Any) -> AsyncIterator[Asked]:
    """The exporter's samplers on that database, closed at the end; patient unless told otherwise."""
    overflow, elapsed = LabelOverflow(), Ticks()
    wanted = {"dsn": dsn, "statement_timeout": 60, **settings}
    made = samplers(PostgresSettings.model_validate(wanted), overflow, stripe, elapsed)
    try:
        yield Asked({sampler.source: sampler for sampler in made}, overflow, elapsed)
    finally:
        for sampler in made:
            await sampler.close()
