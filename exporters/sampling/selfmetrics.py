"""What does the exporter export about itself and about each of its sources?"""

from collections.abc import Iterator

from exporters.sampling.model import Reading, reading
from exporters.sampling.scheduler import Line
from rules.payments import monitoring

__all__ = ["about_source", "build_info"]


def build_info(version: str) -> Reading:
    """The exporter's version."""
    return reading(monitoring.build, 1, version=version)


def about_source(line: Line) -> Iterator[Reading]:
    """How the sampling of one source goes, from before its first sample on; a success that never was is absent.

    The watermark begins where the exporter did: a source that never answers grows old like one that no longer does, and
    so does one that another replica reads, lest this replica vouch for a leader that hangs. Of such a source there is,
    besides, the short interval at which this replica looks whether it leads: beside a leader's it does not show, and
    where nobody leads the source is stale by it. The rest would be hearsay.
    """
    source, health = line.source.value, line.health
    if not health.follows:
        yield reading(monitoring.source_up, health.up, source=source)
        yield reading(monitoring.catching_up, health.catching_up, source=source)
        if health.duration is not None:
            yield reading(monitoring.sample_duration, health.duration, source=source)
        if health.last_success is not None:
            yield reading(monitoring.last_success, health.last_success, source=source)
    yield reading(monitoring.interval, line.usual_interval, source=source)
    complete_until = line.since if health.complete_until is None else health.complete_until
    yield reading(monitoring.watermark, complete_until, source=source)
    for kind, times in health.errors.items():
        yield reading(monitoring.errors, times, source=source, **{"class": kind.value})
