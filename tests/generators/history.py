"""How does a Prometheus come to hold eight days of every metric, as an exporter in production would have left them?"""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rules.vocabulary import Catalog, Environment, Histogram, Metric, Source, Unit, plain

__all__ = ["import_history", "openmetrics"]

_DAY = 86_400
_ATTEMPTS = {"success": 0.5, "issuer_declined": 0.05, "technical_failure": 0.02}
"""Events a second of some series of counters; of all others, one in a hundred seconds."""

_SPECIMENS = {"rule_group": "/rules/outcomes.yml;payments.production.outcomes", "receiver_name": "payments-p1"}
"""Values of labels that an expression matches; of all other labels without a list, any value will do."""

_ONE_AT_A_TIME = {"certificate": "leaf"}
"""Labels of which a target has one value at a time, and that value."""

_GROWING = ("payments_db_identifiers_used_ratio",)
"""Gauges of whose pace something is read: from 0 on to less than 1."""

_NOT_SO = (
    "payments_exporter_catching_up",
    "payments_feature_flag_killed",
    "payments_shop_closed",
    "payments_maintenance_mode",
)
"""Gauges that are 0 where all is well; at 1 they take away signals that are there otherwise."""

_COMING = ("due", "expiry", "not_after")
"""Moments of such names lie ahead, all others have been."""


def import_history(promtool: Path, text: str, folder: Path) -> None:
    """Make blocks of the text in a data folder that no Prometheus has yet opened."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    source = folder.with_suffix(".openmetrics")
    source.write_text(text)
    command = (promtool, "tsdb", "create-blocks-from", "--max-block-duration=1000h", "openmetrics", source, folder)
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def openmetrics(catalog: Catalog, environment: Environment, now: int) -> str:
    """Every series of every metric, from eight days ago to now (a Unix time in seconds)."""
    moments = _moments(now)
    lines: list[str] = []
    for metric in catalog.metrics:
        family = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        lines.append(f"# TYPE {family} {metric.kind}")
        for labels in _label_sets(metric):
            full = {**labels, **_target(metric, catalog, environment)}
            lines += _samples(metric, full, moments)
    return "\n".join([*lines, "# EOF", ""])


def _moments(now: int) -> tuple[int, ...]:
    """Sparse days, a few minutes of each moment that an expression looks back to, and a denser and denser hour."""
    sparse = range(now - 8 * _DAY, now - 3600, _DAY // 4)
    looked_at = (
        now - back + step for back in (3600, 6 * 3600, _DAY, 3 * _DAY, 7 * _DAY) for step in range(-240, 241, 120)
    )
    week_ago = range(now - 7 * _DAY - 3600, now - 7 * _DAY + 1, 900)
    dense = (*range(now - 2700, now, 120), *range(now - 300, now + 1, 15))
    return tuple(sorted({*sparse, *looked_at, *week_ago, *dense}))


def _label_sets(metric: Metric) -> Iterator[dict[str, str]]:
    names = [label.name for label in metric.labels]
    for values in itertools.product(
        *(
            (_ONE_AT_A_TIME[label.name],)
            if label.name in _ONE_AT_A_TIME
            else label.values or (_SPECIMENS.get(label.name, "example.com"),)
            for label in metric.labels
        )
    ):
        yield dict(zip(names, values, strict=True))


def _target(metric: Metric, catalog: Catalog, environment: Environment) -> dict[str, str]:
    organisation = catalog.organisation
    match metric.source:
        case Source.PROMETHEUS | Source.ALERTMANAGER:
            return {"job": metric.source.value, "instance": "127.0.0.1:9090"}
        case Source.APPLICATION:
            job = organisation.jobs.application[0]
        case _:
            job = organisation.jobs.exporter[0]
    return {"job": job, "instance": "127.0.0.1:9000", "environment": environment.name, "service": organisation.service}


def _samples(metric: Metric, labels: dict[str, str], moments: tuple[int, ...]) -> Iterator[str]:
    pace = _ATTEMPTS.get(labels.get("result", ""), 0.01)
    for moment in moments:
        count = round((moment - moments[0]) * pace)
        if isinstance(metric, Histogram):
            bounds = [plain(bound) for bound in metric.bounds]
            for number, bound in enumerate(bounds, 1):
                within = count * number // (len(bounds) + 1)
                yield f"{_series(metric.name + '_bucket', {**labels, 'le': bound})} {within} {moment}"
            yield f"{_series(metric.name + '_bucket', {**labels, 'le': '+Inf'})} {count} {moment}"
            yield f"{_series(metric.name + '_count', labels)} {count} {moment}"
            yield f"{_series(metric.name + '_sum', labels)} {count} {moment}"
        elif metric.kind == "counter":
            yield f"{_series(metric.name, labels)} {count} {moment}"
        else:
            value = count / 10_000 if metric.name in _GROWING else _gauge(metric, moment)
            yield f"{_series(metric.name, labels)} {value} {moment}"


def _gauge(metric: Metric, moment: int) -> int:
    if metric.unit is Unit.TIMESTAMP:
        return moment + 60 * _DAY if any(word in metric.name for word in _COMING) else moment - 20
    if metric.name in _NOT_SO:
        return 0
    return 60 if metric.name.endswith("interval_seconds") else 1


def _series(name: str, labels: dict[str, str]) -> str:
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"
