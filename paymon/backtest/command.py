"""`paymon backtest`: when would alerts have fired, and who would have heard of it?"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from paymon.backtest.as_data import as_data as definitions_as_data
from paymon.backtest.folder import past_in
from paymon.backtest.incidents import read_incidents, score
from paymon.backtest.replay import History, Replay
from paymon.backtest.report import (
    as_data,
    as_html,
    as_lines,
    compared_lines,
    score_lines,
    swept_html,
    swept_lines,
)
from paymon.backtest.revisions import ruleset_at
from paymon.backtest.ruleset import AlertRule, Ruleset
from paymon.backtest.summary import Summary, Swept, summary, swept
from paymon.definitions import load
from paymon.live.access import Access, access_from, access_options
from paymon.live.asking import CANNOT_JUDGE, as_json, environment_named, environment_option, unanswered, written
from paymon.live.prometheus import Prometheus, PrometheusError
from paymon.live.times import DURATION, MOMENT, Ago, clock, moment_of
from paymon.not_judged import Judging

__all__ = ["backtest", "progress", "replayed_span", "server_of"]

_LIVE = timedelta(days=30)


@click.command(cls=Judging)
@click.option(
    "--since", type=MOMENT, help="From when on: 30d, or an ISO time. Default: 30d, or all there is in --from."
)
@click.option("--until", type=MOMENT, help="Up to when. Default: now, or the end of what is in --from.")
@click.option("--every", type=DURATION, help="Time between two evaluations. Default: as defined.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Instead of a server: OpenMetrics files with moments, or a copy of a Prometheus' data. It is only read.",
)
@click.option("--alert", "alerts", multiple=True, metavar="NAME", help="Only this alert; several times for more.")
@click.option("--against", metavar="REV", help="Compare with the definitions of another revision.")
@click.option("--sweep", metavar="ALERT", help="Draw this alert's threshold against messages a week.")
@click.option("--incidents", type=click.Path(path_type=Path), metavar="FILE", help="Score against a list of incidents.")
@click.option("--json", "json_", is_flag=True, help="For machines.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with plots.")
@environment_option
@access_options("prometheus", required=False)
def backtest(
    since: Ago | datetime | None,
    until: Ago | datetime | None,
    every: timedelta | None,
    folder: Path | None,
    alerts: tuple[str, ...],
    against: str | None,
    sweep: str | None,
    incidents: Path | None,
    json_: bool,
    html: Path | None,
    environment: str | None,
    **_access: Any,
) -> None:
    """When would each alert have fired, and who would have heard of it?

    Every rule is replayed on what Prometheus remembers, as if it had been evaluated all the time. Recorded series are
    read where the server has them by our own expressions, and expanded to raw series where it has not. What Prometheus
    forgot beyond its retention nobody can replay: a range that begins before the first sample is cut there.

    \b
      paymon backtest --since 30d --html backtest.html
      paymon backtest --since 30d --sweep PaymentRefundRateHigh
      paymon backtest --from ./incident-2026-11 --incidents incidents.yml

    FILE of --incidents is a YAML list: - {name: gateway down, start: 2026-11-03T10:00:00Z, end: 2026-11-03T10:40:00Z}

    Exit status: 0 done, whatever fired; 1 an incident of --incidents was missed; 2 wrong use; 3 cannot judge, because
    Prometheus does not answer, has nothing of that time, or answered in part, or an incident is not within what was
    replayed.
    """
    catalog = load()
    place = environment_named(catalog, environment)
    ruleset = Ruleset.from_data(definitions_as_data(catalog, place))
    chosen = _chosen(ruleset, alerts)
    to_sweep = _chosen(ruleset, (sweep,)) if sweep else []
    known = read_incidents(incidents) if incidents else ()
    other = ruleset_at(against, catalog.organisation.service, place.name) if against else None
    with unanswered(), server_of(folder) as (access, span):
        history = replayed_span(access, ruleset, since, until, every, span)

        unlike = ruleset.unlike(other) if other is not None else frozenset[str]()

        def replay_of(rules: Ruleset) -> Replay:
            return Replay(lambda: Prometheus(access), rules, history, unlike=unlike)

        replay = replay_of(ruleset)
        replayed = replay.run(chosen, progress("replayed"))
        curves = [(rule, swept(replay, rule, catalog)) for rule in to_sweep]
        seen = summary(replay, replayed, catalog)
        before = None
        if other is not None:
            wanted = [one for one in other.alerts if not alerts or one.name in alerts]
            earlier = replay_of(other)
            before = summary(earlier, earlier.run(wanted, progress(f"replayed of {against}")), catalog)
    found = score(known, seen.pages, history.start, history.end) if known else None
    if json_:
        data = dict(as_data(seen))
        if before is not None:
            data["against"] = {"revision": against, **as_data(before)}
        if curves:
            data["sweep"] = [_point(rule, one, seen) for rule, points in curves for one in points]
        if found is not None:
            data["incidents"] = {
                "precision": found.precision,
                "recall": found.recall,
                "detection_seconds": [
                    {"name": one.name, "seconds": None if first is None else first.at - one.start}
                    for one, first in found.incidents
                ],
                "unknown": [one.name for one in found.unknown],
            }
        click.echo(as_json(data))
    else:
        lines = [*as_lines(seen)]
        if before is not None:
            lines += compared_lines(seen, before, against or "")
        for rule, points in curves:
            lines += ["", *swept_lines(rule, points, seen.weeks)]
        if found is not None:
            lines += score_lines(found)
        click.echo("\n".join(lines))
    if html is not None:
        written(html, as_html(seen, *(swept_html(rule, points, seen.weeks) for rule, points in curves)))
    doubtful = bool(seen.doubts or (before is not None and before.doubts))
    missed = found is not None and any(first is None for _, first in found.incidents)
    unknown = found is not None and bool(found.unknown)
    sys.exit(CANNOT_JUDGE if doubtful else 1 if missed else CANNOT_JUDGE if unknown else 0)


def _point(rule: AlertRule, one: Swept, seen: Summary) -> dict[str, Any]:
    return {
        "alert": rule.name,
        "tier": rule.tier,
        "bound": one.bound,
        "defined": one.present,
        "firings": one.firings,
        "messages_per_week": one.told / seen.weeks,
    }


def _chosen(ruleset: Ruleset, names: tuple[str, ...]) -> list[AlertRule]:
    known = {rule.name for rule in ruleset.alerts}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no alert {name!r}; see paymon list alerts")
    return [rule for rule in ruleset.alerts if not names or rule.name in names]


@contextmanager
def server_of(folder: Path | None) -> Iterator[tuple[Access, tuple[float, float] | None]]:
    """The server of the options, or one that knows what is in the folder, and then from when to when that reaches."""
    access = access_from(click.get_current_context(), "prometheus")
    if folder is not None:
        with past_in(folder) as past:
            yield Access(url=past.url, timeout_seconds=600), (past.start, past.end)
        return
    if access is None:
        raise click.UsageError("say whom to ask with --prometheus, or which past to read with --from")
    yield access, None


def replayed_span(
    access: Access,
    ruleset: Ruleset,
    since: Ago | datetime | None,
    until: Ago | datetime | None,
    every: timedelta | None,
    span: tuple[float, float] | None,
) -> History:
    """What is replayed. Raises PrometheusError where there is nothing of that time, UsageError for no time at all."""
    now = time.time()
    end = moment_of(until, now) if until is not None else span[1] if span else now
    start = (
        moment_of(since, end if span and isinstance(since, Ago) else now)
        if since is not None
        else (span[0] if span else now - _LIVE.total_seconds())
    )
    if not start < end:
        raise click.UsageError("--since is not before --until; exchange the two")
    step = every.total_seconds() if every else ruleset.interval
    with Prometheus(access) as prometheus:
        there = ruleset.there(name for name in ruleset.carried if ruleset.scopes.get(name))
        coarse = max((end - start) / 500, 60.0)
        courses = prometheus.range(" or ".join(f"count({one})" for one in there), start, end, coarse)
        for doubt in () if span or until is not None else prometheus.clock_doubts:
            click.echo(f"{doubt}; until then give --until", err=True)
    if not courses:
        context = click.get_current_context(silent=True)
        folder = context.params.get("folder") if context and span else None
        raise PrometheusError(
            f"{folder or access.url} has no metric of this service in {ruleset.environment} in that time",
            "Give a folder that has some, or another --environment"
            if folder
            else "Ask for a time within its retention, another --environment, or another server",
        )
    first = courses[0].moments[0]
    if first > start + 2 * coarse:
        click.echo(f"there is nothing before {clock(first)}: cut there", err=True)
        start = first - coarse
    return History(start, end, step)


def progress(words: str) -> Callable[[int, int], None]:
    """Says how far it is on the error output, where that is a terminal."""

    def say(done: int, of: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done} of {of} rules {words} ", err=True, nl=done == of)

    return say
