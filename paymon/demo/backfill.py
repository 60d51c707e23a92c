"""How does a Prometheus that has just started come to know the past hours?"""

import math
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from generators.rules import Expressions
from generators.text import as_yaml
from paymon.demo.processes import NotStartedError
from paymon.demo.shortening import shortened_rules
from rules.payments import outcomes
from rules.vocabulary import Catalog, Environment, Metric, Unit

__all__ = ["HOURS", "import_past", "openmetrics", "record_past", "recordings"]

HOURS = 180
"""Hours of the simulated shop that have been: more than the week that an alert looks back to."""

_SPARSE, _DENSE = 600, 60
"""Seconds of the shop from one sample to the next: until two hours ago, and since."""
_RECENTLY = 2 * 3600
_WITHIN = 600
_SHARES = {
    ("success", "card"): 0.6,
    ("success", "apple_pay"): 0.2,
    ("success", "google_pay"): 0.128,
    ("issuer_declined", "card"): 0.06,
    ("blocked", "card"): 0.01,
    ("technical_failure", "card"): 0.001,
}
"""Of all attempts, by result and payment method: about what the shop does where all is well."""

_DAY = 86_400
_SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)\Z")


def import_past(promtool: Path, text: str, data: Path) -> None:
    """Make blocks of the text in the folder of a Prometheus that has not started. Raises NotStartedError."""
    source = data.with_suffix(".openmetrics")
    try:
        source.write_text(text)
        _make_blocks(promtool, ("--max-block-duration=1000h", "openmetrics", source, data), data)
    except OSError as error:
        raise NotStartedError("The past", str(error.strerror), _room(data)) from error
    finally:
        source.unlink(missing_ok=True)


def record_past(promtool: Path, rules: str, prometheus: str, data: Path, now: float, speed: int) -> None:
    """Record by those rules what they would have recorded since two hours of the shop's ago.

    `prometheus` is the address of one that knows the raw past; the blocks are for the next one that starts in that
    folder. Raises NotStartedError.
    """
    source = data.with_name("recordings.yml")
    try:
        source.write_text(rules)
        span = (f"--start={now - _RECENTLY / speed:.0f}", f"--end={now:.0f}")
        _make_blocks(promtool, ("rules", f"--url={prometheus}", *span, f"--output-dir={data}", source), data)
    except OSError as error:
        raise NotStartedError("The past", str(error.strerror), _room(data)) from error


def recordings(catalog: Catalog, environment: Environment, speed: int, scrape_seconds: float) -> str:
    """A rule file that records every signal from raw series alone, so that the order does not matter."""
    expressions = Expressions(catalog, environment)
    rules = [
        {
            "record": signal.name,
            "expr": expressions.scoped(expressions.expanded(signal.expr)),
            "labels": dict(expressions.recorded_labels),
        }
        for signal in catalog.signals
        if not signal.of_everyone
    ]
    return shortened_rules(
        as_yaml({"groups": [{"name": "past", "interval": "1m", "rules": rules}]}), speed, scrape_seconds
    )


def openmetrics(
    catalog: Catalog,
    environment: Environment,
    pages: Mapping[tuple[str, str], str],
    now: float,
    speed: int,
    per_minute: float,
) -> str:
    """What Prometheus would have scraped until `now` of targets that look like `pages`, by job and address.

    Attempts and successes reach back all of the `HOURS`, in steady shares; `per_minute` is the mean of attempts at the
    shop's own pace, which `speed` turns into ours. Traffic has a day. Since two hours of the shop's ago, all other
    series are there as well: durations come with the attempts, moments stay as old as they are, and whatever else is on
    the pages has not changed. The same text whenever it is asked for with the same arguments.
    """
    metrics = {name: metric for metric in catalog.metrics for name in metric.series_names}
    moments = tuple(_moments(now, speed))
    attempts = _attempts(moments, speed, per_minute)
    recent = tuple((at, count) for at, count in zip(moments, attempts, strict=True) if at >= now - _RECENTLY / speed)
    lines: list[str] = []
    for (job, address), page in pages.items():
        service = catalog.organisation.service
        target = f'environment="{environment.name}",instance="{address}",job="{job}",service="{service}"'
        lines += _series(f"up{{{target}}}", recent, lambda _at, _count: 1)
        samples = [found for line in page.splitlines() if (found := _SAMPLE.match(line))]
        observed: dict[str, float] = defaultdict(float)
        for found in samples:
            if found["name"].endswith("_count"):
                observed[found["name"]] += float(found["value"])
        for found in samples:
            metric = metrics.get(found["name"])
            if metric is None or metric.name in (outcomes.attempts.name, outcomes.successes.name):
                continue
            labels = f"{target},{found['labels']}" if found["labels"] else target
            value = _earlier(metric, float(found["value"]), observed[f"{metric.name}_count"], recent)
            lines += _series(f"{found['name']}{{{labels}}}", recent, value)
        if job in catalog.organisation.jobs_in(environment).exporter:
            whole = tuple(zip(moments, attempts, strict=True))
            for (result, method), share in _SHARES.items():
                labels = f'{target},initiator="api",payment_method="{method}"'
                lines += _series(f'{outcomes.attempts}{{{labels},result="{result}"}}', whole, _share(share))
                if result == "success":
                    lines += _series(f"{outcomes.successes}{{{labels}}}", whole, _share(share))
    return "\n".join([*lines, "# EOF", ""])


def _series(
    series: str, moments: Sequence[tuple[float, float]], value: Callable[[float, float], float]
) -> Iterator[str]:
    """Its samples; `value` tells one from its moment and the attempts until then."""
    return (f"{series} {value(at, count):.15g} {at:.3f}" for at, count in moments)


def _share(share: float) -> Callable[[float, float], float]:
    return lambda _at, count: int(count * share)


def _earlier(
    metric: Metric, value: float, observed: float, recent: Sequence[tuple[float, float]]
) -> Callable[[float, float], float]:
    """How a series came to the value that it has now; `observed` are all observations of its histogram so far.

    Where those are fewer than the attempts, the past is that of an earlier process: the live counter begins anew.
    """
    (_, first), (now, last) = recent[0], recent[-1]
    if metric.kind == "histogram" and observed:
        before = max(observed, last - first) - last
        return lambda _at, count: int(value / observed * (before + count))
    if metric.unit is Unit.TIMESTAMP:
        return lambda at, _count: value - (now - at)
    return lambda _at, _count: value


def _make_blocks(promtool: Path, arguments: Sequence[str | Path], data: Path) -> None:
    """Raises NotStartedError, OSError."""
    command = (promtool, "tsdb", "create-blocks-from", *arguments)
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise NotStartedError("The past", f"promtool took over {_WITHIN} s", "See how busy this machine is.") from error
    except subprocess.CalledProcessError as error:
        raise NotStartedError("The past", f"promtool: {error.stderr.strip()}", _room(data)) from error


def _room(data: Path) -> str:
    return f"See whether {data.parent} has room, or set TMPDIR to another folder."


def _moments(now: float, speed: int) -> Iterator[float]:
    """Oldest first, in our seconds."""
    ages = (*range(HOURS * 3600, _RECENTLY, -_SPARSE), *range(_RECENTLY, 0, -_DENSE))
    return (now - age / speed for age in ages)


def _attempts(moments: tuple[float, ...], speed: int, per_minute: float) -> tuple[float, ...]:
    counts = [0.0]
    for before, after in pairwise(moments):
        shop_seconds = (after - before) * speed
        wave = 1 + 0.3 * math.sin(2 * math.pi * (after - moments[-1]) * speed / _DAY)
        counts.append(counts[-1] + shop_seconds / 60 * per_minute * wave)
    return tuple(counts)
