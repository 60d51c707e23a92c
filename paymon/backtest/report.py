"""How is a replay told: on a terminal, to a machine, in a browser?"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from paymon.backtest.incidents import Score
from paymon.backtest.notifications import Notification
from paymon.backtest.ruleset import AlertRule
from paymon.backtest.summary import AlertSummary, Summary, Swept
from paymon.live.page import Line, bars, chart, page, table
from paymon.live.times import clock, shown

__all__ = ["as_data", "as_html", "as_lines", "compared_lines", "score_lines", "swept_html", "swept_lines"]

_LATEST = 3
_SECONDS_A_WEEK = 7 * 86400


def as_lines(seen: Summary) -> Iterator[str]:
    """The replay for a terminal of 80 columns."""
    history = seen.history
    yield click.style(f"{clock(history.start)} to {clock(history.end)}, every {history.step:g} s", bold=True)
    yield f"  {seen.recorded} signals read as recorded, {seen.expanded} expanded to raw series"
    for doubt in seen.doubts:
        yield click.style(f"  Prometheus warns: {doubt}", fg="yellow")
    fired = sorted((one for one in seen.alerts if one.firings), key=_loudest)
    yield ""
    if fired:
        yield click.style(
            f"  {'':4}{'alert':<36}{'fired':>6}{'longest':>9}{'flaps':>6}{'told':>5}{'pages':>6}", bold=True
        )
    for one in fired:
        yield (
            f"  {one.rule.priority:<4}{one.rule.id:<36}{len(one.firings):>6}{shown(one.longest_seconds):>9}"
            f"{one.flaps:>6}{one.told:>5}{one.pages:>6}"
        )
        for episode in one.firings[-_LATEST:]:
            assert episode.fired is not None
            lasted = "still fires" if episode.ended is None else f"for {shown(episode.ended - episode.fired)}"
            yield click.style(f"        {clock(episode.fired)} {lasted}", dim=True)
    quiet = len(seen.alerts) - len(fired)
    yield ""
    yield f"  {quiet} of {len(seen.alerts)} rules never fired."
    yield click.style(f"  {_told(seen)}", bold=True)


def _told(seen: Summary) -> str:
    count = len(seen.pages)
    pace = f": {count / seen.weeks:.2f} pages a week." if seen.weeks >= 1 else "."
    return f"{len(seen.sent)} messages, of which {count} woke somebody{pace}"


def _loudest(one: AlertSummary) -> tuple[str, int, str]:
    return one.rule.priority, -len(one.firings), one.rule.id


def score_lines(found: Score) -> Iterator[str]:
    """How well incidents were found."""
    yield ""
    yield click.style("  Incidents", bold=True)
    for incident, first in found.incidents:
        if first is None:
            yield click.style(f"  missed  {incident.name}, {clock(incident.start)}", fg="red")
        else:
            after = shown(first.at - incident.start)
            yield f"  found   {incident.name}, {after} after it began, by {', '.join(first.news)}"
    for incident in found.unknown:
        yield click.style(f"  unknown {incident.name}, {clock(incident.start)}: not replayed as a whole", fg="magenta")
    for message in found.false_pages:
        yield f"  false   {clock(message.at)} {', '.join(message.news)}"
    yield f"  precision {_share(found.precision)}, recall {_share(found.recall)}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"


def compared_lines(now: Summary, before: Summary, revision: str) -> Iterator[str]:
    """What fires otherwise by the definitions of another revision."""
    yield ""
    yield click.style(f"  Against {revision}", bold=True)
    for doubt in before.doubts:
        yield click.style(f"  Prometheus warns: {doubt}", fg="yellow")
    old = {one.rule.id: one for one in before.alerts}
    any_change = False
    for one in now.alerts:
        was = old.pop(one.rule.id, None)
        if was is None:
            any_change = True
            yield f"  {one.rule.id}: new, fires {len(one.firings)} times"
        elif [(e.fired, e.ended) for e in one.firings] != [(e.fired, e.ended) for e in was.firings]:
            any_change = True
            yield f"  {one.rule.id}: {len(one.firings)} times instead of {len(was.firings)}"
    for gone in old.values():
        any_change = True
        yield f"  {gone.rule.id}: gone, fired {len(gone.firings)} times"
    if not any_change and not (now.doubts or before.doubts):
        yield "  Every rule fires at the same moments."
    yield f"  Pages: {len(now.pages)} instead of {len(before.pages)}"


def swept_lines(rule: AlertRule, found: Sequence[Swept], weeks: float) -> Iterator[str]:
    """The bound against what comes of it."""
    most = max((one.told for one in found), default=0)
    yield click.style(f"  {rule.id}: {rule.title}", bold=True)
    yield f"  {'bound':>12}{'fired':>7}{'messages a week':>17}"
    for one in found:
        mark = "<- defined" if one.present else ""
        bar = "█" * round(24 * one.told / most) if most else ""
        yield f"  {one.bound:>12.5g}{one.firings:>7}{one.told / weeks:>17.2f}  {bar} {mark}".rstrip()


def as_data(seen: Summary) -> Mapping[str, Any]:
    """The replay for a machine; moments in Unix seconds."""
    return {
        "start": seen.history.start,
        "end": seen.history.end,
        "step_seconds": seen.history.step,
        "signals_recorded": seen.recorded,
        "signals_expanded": seen.expanded,
        "warnings": list(seen.doubts),
        "pages_per_week": len(seen.pages) / seen.weeks,
        "alerts": [
            {
                "alert": one.rule.name,
                "tier": one.rule.tier,
                "priority": one.rule.priority,
                "pending_only": one.pending_only,
                "firing_seconds": one.firing_seconds,
                "flaps": one.flaps,
                "messages": one.told,
                "pages": one.pages,
                "firings": [
                    {"labels": dict(sorted(e.identity)), "pending": e.began, "fired": e.fired, "resolved": e.ended}
                    for e in one.firings
                ],
            }
            for one in seen.alerts
        ],
        "messages": [_message(one) for one in seen.sent],
    }


def _message(one: Notification) -> dict[str, Any]:
    return {
        "at": one.at,
        "receiver": one.receiver.name,
        "urgency": one.receiver.urgency.value,
        "firing": list(one.firing),
        "news": list(one.news),
        "resolved": list(one.resolved),
    }


def as_html(seen: Summary, *more: str) -> str:
    """The replay with the times of each alert drawn."""
    fired = sorted((one for one in seen.alerts if one.firings), key=_loudest)
    end = seen.history.end
    rows = [
        (
            f"{one.rule.priority} {one.rule.id}",
            [(e.fired, end if e.ended is None else e.ended) for e in one.firings if e.fired is not None],
        )
        for one in fired
    ]
    weeks: dict[int, int] = {}
    for message in seen.pages:
        week = int((message.at - seen.history.start) // _SECONDS_A_WEEK)
        weeks[week] = weeks.get(week, 0) + 1
    return page(
        "Backtest",
        f"<p>{clock(seen.history.start)} to {clock(end)}. {_told(seen)}</p>",
        "<h2>When what fired</h2>",
        bars("When which alert fired", rows, seen.history.start, end),
        table(
            ("priority", "alert", "fired", "longest", "flaps", "messages", "pages"),
            (
                (
                    one.rule.priority,
                    one.rule.id,
                    str(len(one.firings)),
                    shown(one.longest_seconds),
                    str(one.flaps),
                    str(one.told),
                    str(one.pages),
                )
                for one in fired
            ),
            numbers=(2, 3, 4, 5, 6),
        ),
        "<h2>Pages by week</h2>",
        table(
            ("week from", "pages"),
            (
                (
                    datetime.fromtimestamp(seen.history.start + week * _SECONDS_A_WEEK, UTC).strftime("%Y-%m-%d"),
                    str(count),
                )
                for week, count in sorted(weeks.items())
            ),
            numbers=(1,),
        ),
        *more,
    )


def swept_html(rule: AlertRule, found: Sequence[Swept], weeks: float) -> str:
    """A part of the page: the bound against messages a week."""
    told = [(one.bound, one.told / weeks) for one in found]
    present = next((one for one in found if one.present), None)
    lines = [Line("messages a week", "#0072B2", told)]
    if present is not None:
        top = max((y for _, y in told), default=1.0) or 1.0
        lines.append(Line("defined", "#D55E00", [(present.bound, 0.0), (present.bound, top)], "6 4"))
    return f"<h2>{rule.id}: bound against messages a week</h2>" + chart(
        f"Bound of {rule.id} against messages a week", lines, f"bound of {rule.title}", "messages a week"
    )
