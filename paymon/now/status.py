"""`paymon status`: everything that somebody on call looks at first, on one screen of 80 columns and 24 rows."""

import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from paymon.definitions import load
from paymon.live.access import access_options
from paymon.live.asking import CANNOT_JUDGE, as_json, asked, environment_named, environment_option
from paymon.live.prometheus import Prometheus, PrometheusError
from paymon.live.times import clock, shown
from paymon.not_judged import Judging
from paymon.now.seeing import Alarm, Mark, Status, look_around
from rules.vocabulary import Catalog, Environment

__all__ = ["rendered", "status"]

_EVERY = 5.0
_LINE = 80
_STYLES = {
    Mark.FINE: "green",
    Mark.BREACH: "bold red",
    Mark.ALONE: "yellow",
    Mark.NOTHING: "dim",
    Mark.UNKNOWN: "bold magenta",
}


@click.command(cls=Judging)
@click.option("--watch", is_flag=True, help="Look again every five seconds, until Ctrl-C.")
@click.option("--json", "json_", is_flag=True, help="For machines.")
@environment_option
@access_options("prometheus")
def status(watch: bool, json_: bool, environment: str | None, **_access: Any) -> None:
    """Key metrics, alerts and since when, freshness of sources, read budget, rollout, and what changed in an hour.

    Exit status: 0 nothing of P1 or P2 fires and nothing is unknown, 1 a P1 or P2 fires or a threshold is breached,
    2 wrong use, 3 cannot judge. With --watch: 0 when it is ended by Ctrl-C.
    """
    catalog = load()
    place = environment_named(catalog, environment)
    with asked(click.get_current_context()) as prometheus:
        if watch:
            show = _watch if sys.stdout.isatty() and not json_ else partial(_follow, json_=json_)
            show(prometheus, catalog, place)
            sys.exit(0)
        seen = _look(prometheus, catalog, place)
        _tell(seen, json_=json_)
    sys.exit(_exit_status(seen))


def _tell(seen: Status, *, json_: bool) -> None:
    click.echo(as_json(_as_data(seen)) if json_ else rendered(seen, None, 200).plain)


def _follow(prometheus: Prometheus, catalog: Catalog, environment: Environment, *, json_: bool) -> None:
    """Tells of every look, and of every answer that is missed."""
    try:
        while True:
            try:
                _tell(_look(prometheus, catalog, environment), json_=json_)
            except PrometheusError as error:
                missed = {"environment": environment.name, "at": time.time(), "cannot_judge": str(error)}
                line = f" {environment.name}  {clock(time.time())}  cannot see anything: {error}"
                click.echo(as_json(missed) if json_ else line)
            sys.stdout.flush()
            time.sleep(_EVERY)
    except KeyboardInterrupt:
        return


def _look(prometheus: Prometheus, catalog: Catalog, environment: Environment) -> Status:
    prometheus.doubts.clear()
    return look_around(prometheus, catalog, environment, time.time())


def _watch(prometheus: Prometheus, catalog: Catalog, environment: Environment) -> None:
    console = Console()
    trouble, seen = "", None
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                try:
                    seen, trouble = _look(prometheus, catalog, environment), ""
                except PrometheusError as error:
                    trouble = str(error)
                live.update(_screen(seen, trouble, console), refresh=True)
                time.sleep(_EVERY)
    except KeyboardInterrupt:
        return


def _screen(seen: Status | None, trouble: str, console: Console) -> Text:
    width, height = console.size
    if seen is None:
        return Text(f"cannot see anything: {trouble}", style="bold red")
    return rendered(seen, width, height, trouble)


def _exit_status(seen: Status) -> int:
    loud = any(one.fires and one.priority in ("P1", "P2") for one in seen.alarms)
    if loud or any(one.mark is Mark.BREACH for one in seen.metrics):
        return 1
    unknown = (
        seen.doubts or not seen.heartbeat or not seen.metrics or any(one.mark is Mark.UNKNOWN for one in seen.metrics)
    )
    return CANNOT_JUDGE if unknown else 0


def rendered(seen: Status, width: int | None, height: int, trouble: str = "") -> Text:
    """The screen, no line longer than `width` columns (whole lines without one), and no more than `height` of them.

    Each state has a word.
    """
    head = [_title(seen, width, trouble), *_metrics(seen)]
    feet = [*_rollout(seen), *_sources(seen, width)]
    unmeasured = f"; unmeasured: {', '.join(seen.unseen)}" if seen.unseen else ""
    changes = [Text(f"  {clock(one.at)[11:]}  {one.what}") for one in seen.changes]
    room = max(height - len(head) - len(feet) - 2, 2)
    alarms = [_alarm(one, seen.at) for one in seen.alarms]
    for_changes = min(len(changes) or 1, max(room - max(len(alarms), 1), min(room // 3, 4), 1))
    lines = [
        *head,
        _heading(f"Alerts{'' if seen.heartbeat else ': THE RULES ARE NOT EVALUATED, silence says nothing'}", width),
        *_cut(alarms, room - for_changes, "none"),
        *feet,
        _heading(f"Changed in the past hour{unmeasured}", width),
        *_cut(changes, for_changes, "nothing that is measured" if unmeasured else "nothing"),
    ]
    if width:
        for line in lines:
            line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines[:height])


def _title(seen: Status, width: int | None, trouble: str) -> Text:
    words = f" {seen.environment}  {clock(seen.at)}  {trouble or ' '.join(seen.doubts)}"
    line = Text(words, style="bold white on red" if trouble or seen.doubts else "bold white on dark_blue")
    if width:
        line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _metrics(seen: Status) -> Iterator[Text]:
    for one in seen.metrics:
        style = _STYLES[one.mark]
        line = Text(f"  {one.reading.metric.title:<26}")
        line.append(f"{one.reading.shown:>9}", style=style)
        line.append(f"  {one.reading.bound_shown:<12} ", style="dim")
        line.append(f"{one.mark.value:<10}", style=style)
        line.append(one.why, style="dim")
        yield line


def _alarm(one: Alarm, now: float) -> Text:
    line = Text(f"  {one.priority:<5}", style="bold")
    line.append(f"{one.name:<36}", style="bold red" if one.fires else "yellow")
    line.append(f"{'FIRES' if one.fires else 'pending':<8}")
    line.append(f"since {shown(now - one.since)}" if one.since is not None else "", style="dim")
    return line


def _rollout(seen: Status) -> Iterator[Text]:
    line = Text("  ")
    if seen.has_flag:
        line.append("rollout ")
        line.append("unknown" if seen.rollout is None else f"{seen.rollout:.0%}", style="bold")
        line.append(f", plan {'unknown' if seen.planned is None else f'{seen.planned:.0%}'}, kill switch ")
        word = {True: "PULLED", False: "not pulled", None: "unknown"}[seen.killed]
        line.append(word, style="bold red" if seen.killed else "")
        line.append("; ")
    budget = "unknown" if seen.read_budget is None else f"{seen.read_budget:.0%} spent"
    line.append(f"Stripe read budget {budget}")
    yield line


def _sources(seen: Status, width: int | None) -> Iterator[Text]:
    """Those that are old or missing first, each with its age in its own intervals."""
    line = Text("  sources ")
    for one in sorted(seen.sources, key=lambda source: source.fresh):
        word = "missing" if one.age is None else f"{one.age:.1f}" + ("" if one.fresh else " OLD")
        piece = Text(f"{one.name} {word}  ", style="" if one.fresh else "bold magenta")
        if line.cell_len + piece.cell_len > (width or _LINE):
            yield line
            line = Text("          ")
        line.append_text(piece)
    yield line


def _heading(text: str, width: int | None) -> Text:
    line = Text(text, style="bold underline")
    if width:
        line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _cut(lines: list[Text], rows: int, nothing: str) -> list[Text]:
    if not lines:
        return [Text(f"  {nothing}", style="dim")]
    if len(lines) > rows > 0:
        return [*lines[: rows - 1], Text(f"  and {len(lines) - rows + 1} more", style="dim")]
    return lines


def _as_data(seen: Status) -> dict[str, Any]:
    return {
        "environment": seen.environment,
        "at": seen.at,
        "rules_are_evaluated": seen.heartbeat,
        "metrics": [
            {"title": one.reading.metric.title, "value": one.reading.value, "mark": one.mark.value, "why": one.why}
            for one in seen.metrics
        ],
        "alerts": [
            {"name": one.name, "priority": one.priority, "fires": one.fires, "since": one.since} for one in seen.alarms
        ],
        "sources": [{"name": one.name, "age_intervals": one.age, "fresh": one.fresh} for one in seen.sources],
        "read_budget_spent": seen.read_budget,
        "rollout": seen.rollout,
        "planned": seen.planned,
        "killed": seen.killed,
        "changes_unmeasured": list(seen.unseen),
        "changes": [{"at": one.at, "what": one.what} for one in seen.changes],
        "warnings": list(seen.doubts),
    }
