"""`paymon check`: how do the key metrics stand, and what is wrong with the attempts that failed?"""

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import click

from paymon.definitions import load
from paymon.live.access import access_options
from paymon.live.asking import CANNOT_JUDGE, as_json, asked, environment_named, environment_option
from paymon.live.times import DURATION, clock
from paymon.not_judged import Judging
from paymon.now.seeing import Check, KeyReading, Mark, Part, look_closely

__all__ = ["check"]

_COLOURS = {Mark.FINE: "green", Mark.BREACH: "red", Mark.ALONE: "yellow", Mark.NOTHING: None, Mark.UNKNOWN: "magenta"}


@click.command(cls=Judging)
@click.option("--window", type=DURATION, default="15m", show_default=True, help="Of which attempts, up to now.")
@click.option("--json", "json_", is_flag=True, help="For machines.")
@environment_option
@access_options("prometheus")
def check(window: timedelta, json_: bool, environment: str | None, **_access: Any) -> None:
    """How do the key metrics stand against their thresholds, and what is wrong with the attempts that failed?

    Each metric is judged by the condition of the alert that watches it, guards included, at this moment. Below: what
    became of the window's attempts, classes of failures, payment methods, and how many users are affected.

    Exit status: 0 fine, 1 a threshold is breached, 2 wrong use, 3 cannot judge: something is not measured, its source
    is old, or Prometheus does not answer. A breach is told even where something else is unknown.
    """
    catalog = load()
    place = environment_named(catalog, environment)
    with asked(click.get_current_context()) as prometheus:
        seen = look_closely(prometheus, catalog, place, window, time.time())
    click.echo(as_json(_as_data(seen)) if json_ else "\n".join(_lines(seen)))
    sys.exit(1 if seen.breached else CANNOT_JUDGE if seen.unknown else 0)


def _lines(seen: Check) -> Iterator[str]:
    yield click.style(f"{seen.environment} at {clock(seen.at)}", bold=True)
    for one in seen.metrics:
        yield _metric(one)
    minutes = seen.window.total_seconds() / 60
    yield ""
    if seen.attempts is not None or seen.why:
        yield click.style(f"{_attempts(seen)} in {minutes:g} min{f': {seen.why}' if seen.why else ''}", bold=True)
    yield from _shares("results", seen.results)
    yield from _shares("failures by class", seen.classes)
    if seen.methods:
        yield "  technical failures by method"
        for part in sorted(seen.methods, key=lambda one: -one.share):
            yield f"    {part.name:24}{part.count:>7.0f} of {part.of:.0f}, {part.share:.1%}"
    users = "unknown: the database is not asked" if seen.affected_users is None else f"{seen.affected_users:.0f}"
    yield f"  users with a failed attempt in the past 15 minutes: {users}"
    if seen.stale:
        yield click.style(f"  old or missing sources: {', '.join(seen.stale)}", fg="yellow")
    for doubt in seen.doubts:
        yield click.style(f"  in doubt: {doubt}", fg="yellow")


def _attempts(seen: Check) -> str:
    if seen.attempts is None:
        return "UNKNOWN how many attempts"
    if seen.why:
        return f"at least {seen.attempts:.0f} attempts" if seen.attempts >= 0.5 else "UNKNOWN how many attempts"
    return f"{seen.attempts:.0f} attempts"


def _metric(one: KeyReading) -> str:
    mark = click.style(f"{one.mark.value:<9}", fg=_COLOURS[one.mark], bold=one.mark is Mark.BREACH)
    why = f"  {one.why}" if one.why else ""
    return f"  {mark} {one.reading.metric.title:<26}{one.reading.shown:>9}  alert if {one.reading.bound_shown}{why}"


def _shares(title: str, parts: tuple[Part, ...]) -> Iterator[str]:
    if parts:
        yield f"  {title}"
    for part in parts:
        yield f"    {part.name:24}{part.count:>7.0f}  {part.share:.1%}"


def _as_data(seen: Check) -> dict[str, Any]:
    def parts(found: tuple[Part, ...]) -> list[dict[str, Any]]:
        return [{"name": one.name, "count": one.count, "of": one.of} for one in found]

    return {
        "environment": seen.environment,
        "at": seen.at,
        "window_seconds": seen.window.total_seconds(),
        "breached": seen.breached,
        "unknown": seen.unknown,
        "metrics": [
            {
                "title": one.reading.metric.title,
                "alert": one.reading.metric.alert.name,
                "value": one.reading.value,
                "comparison": one.reading.comparison.value,
                "bound": float(one.reading.bound),
                "mark": one.mark.value,
                "why": one.why,
            }
            for one in seen.metrics
        ],
        "attempts": seen.attempts,
        "attempts_unknown_why": seen.why,
        "results": parts(seen.results),
        "failure_classes": parts(seen.classes),
        "technical_failures_by_method": parts(seen.methods),
        "affected_users_15m": seen.affected_users,
        "stale_sources": list(seen.stale),
        "warnings": list(seen.doubts),
    }
