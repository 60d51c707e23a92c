"""What does PromQL answer on a history of scrapes, as a dashboard asks it?"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from paymon.promtool import Promtool
from rules.catalog import catalog
from tests.scenarios.evaluation import run_on, seconds_of
from tests.scenarios.series import Scrapes

__all__ = ["SHOWN", "STEP", "Series", "ask"]

STEP = 60
"""Seconds between two points of a curve, and between two evaluations of the rules."""
SHOWN = 3600
"""Seconds that a dashboard shows."""

Place = TypeVar("Place")
Series = dict[str, Any]
"""One series of an answer: its `labels`, and its `points`, pairs of a second of the history and a value as text."""

_SAMPLE = re.compile(r"\{(?P<labels>(?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*)\}\s+(?P<value>[^\s,]+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def ask(
    asked: Mapping[Place, tuple[str, bool]], scrapes: Scrapes, now: int, promtool: Promtool, folder: Path
) -> dict[Place, list[Series]]:
    """The answers to PromQL, by place: over the hour that is shown, or only at `now`, in seconds of the history."""
    moments = range(max(0, now - SHOWN), now + 1, STEP)
    questions = {(expr, at) for expr, only_now in asked.values() for at in ((now,) if only_now else moments)}
    result = run_on(promtool, scrapes, _names(), now, STEP, sorted(questions), folder)
    got = {(failure.expr, seconds_of(failure.eval_time or "")): failure.got or "" for failure in result.failures}
    assert got, result.raw[-2000:]
    return {place: _series(expr, (now,) if only_now else moments, got) for place, (expr, only_now) in asked.items()}


def _names() -> frozenset[str]:
    return frozenset(name for metric in catalog().metrics for name in metric.series_names) | {"up"}


def _series(expr: str, moments: Sequence[int], got: Mapping[tuple[str | None, int], str]) -> list[Series]:
    """In the order in which Prometheus answers: by their labels."""
    found: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
    for at in moments:
        for sample in _SAMPLE.finditer(got.get((expr, at), "")):
            labels = tuple(sorted(_LABEL.findall(sample["labels"])))
            found.setdefault(labels, []).append((at, sample["value"]))
    return [{"labels": dict(labels), "points": points} for labels, points in sorted(found.items())]
