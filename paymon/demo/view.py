"""How does a moment of the demo look on a terminal, and how in a log?

Every state is told by a word, not by a colour alone. The least that everything fits into is 80 columns and 24 rows.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from paymon.demo.scene import Firing, Notice, Scene
from paymon.now.key_metrics import Reading

__all__ = ["LEAST_HEIGHT", "LEAST_WIDTH", "as_lines", "changes", "rendered"]

LEAST_WIDTH, LEAST_HEIGHT = 80, 24

_BARS = "▁▂▃▄▅▆▇█"
_OK, _WARNING, _BREACH, _DIM = "green", "yellow", "bold red", "dim"
_LONGEST_SPARK = 60


def rendered(scene: Scene, width: int, height: int) -> Text:
    """The whole screen, no line longer than `width` columns and no more than `height` of them."""
    lines = as_lines(scene, width, height)
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines[:height])


def as_lines(scene: Scene, width: int, height: int) -> list[Text]:
    """The screen, line by line."""
    head = [_title(scene, width), Text(_pace(scene.speed), style=_DIM)]
    metrics = [_metric(one, width) for one in scene.readings]
    feet = [*_addresses(scene, wide=height > LEAST_HEIGHT + 6), *_keys(scene, width)]
    room = max(height - len(head) - len(metrics) - len(feet) - 3, 2)
    for_alerts = min(max(room - min(len(scene.notices), room // 2), 1), max(len(scene.alerts), (room + 1) // 2))
    return [
        *head,
        _heading(f"{'':<4}{'Key metric':<26}{'now':>9}  {'alert if':<11} {'':<7} course", width),
        *metrics,
        _heading("    Alerts pending and firing", width),
        *_filled([_alert(one, scene.now) for one in scene.alerts], for_alerts, "    none"),
        _heading(f"    Notifications{_heartbeat(scene)}", width),
        *_filled([_notice(one) for one in reversed(scene.notices)], room - for_alerts, "    none yet"),
        *feet,
    ]


def changes(before: Scene, after: Scene) -> Iterator[str]:
    """What has happened between two moments, for where there is no terminal."""
    clock = _clock(after.now)
    if after.happening != before.happening:
        yield f"{clock}  {after.happening}"
    if after.trouble and after.trouble != before.trouble:
        yield f"{clock}  {after.trouble}"
    known = {one.name: one for one in before.alerts}
    for one in after.alerts:
        old = known.pop(one.name, None)
        if old is None or old.fires != one.fires:
            yield f"{clock}  {one.priority}  {one.name} {_state(one)}: {one.summary}"
    for gone in known.values():
        yield f"{clock}  {gone.priority}  {gone.name} {'has resolved' if gone.fires else 'is no longer pending'}"
    for notice in after.notices[len(before.notices) :]:
        yield f"{_clock(notice.at)}  {_told(notice)}"


def _title(scene: Scene, width: int) -> Text:
    age = f", {max(scene.now - scene.since, 0):.0f} s" if scene.since else ""
    shown = scene.headline if scene.trouble else scene.headline + age
    left = Text(f" paymon demo  {shown}", style="bold white on dark_blue")
    if scene.trouble:
        left.stylize("bold white on red")
    left.truncate(width - 10, overflow="ellipsis", pad=True)
    left.append(f" {_clock(scene.now)} ")
    return left


def _pace(speed: int) -> str:
    if speed == 1:
        return " The rules are production's, to the letter."
    return f" {speed} x faster: windows, waits of the rules are 1/{speed}. Every bound is as reviewed."


def _heading(text: str, width: int) -> Text:
    line = Text(text, style="bold")
    line.truncate(width, pad=True)
    line.stylize("underline")
    return line


def _metric(one: Reading, width: int) -> Text:
    word, style = ("no data", _DIM) if one.value is None else ("BREACH", _BREACH) if one.breached else ("ok", _OK)
    line = Text(f"    {one.metric.title:<26}")
    line.append(f"{one.shown:>9}", style=style)
    line.append(f"  {one.bound_shown:<11} ", style=_DIM)
    line.append(f"{word:<7} ", style=style)
    line.append(_spark(one.history, min(width - 62, _LONGEST_SPARK)), style=style)
    return line


def _spark(values: Sequence[float], room: int) -> str:
    latest = values[-room:] if room > 0 else ()
    if not latest:
        return ""
    low, high = min(latest), max(latest)
    if high - low < 1e-9:
        return _BARS[0] * len(latest)
    return "".join(_BARS[int((value - low) / (high - low) * (len(_BARS) - 1) + 0.5)] for value in latest)


def _alert(one: Firing, now: float) -> Text:
    line = Text(f" {one.priority:<3}", style="bold")
    style = _BREACH if one.fires else _WARNING
    line.append(f"{one.name:<30}", style=style)
    line.append(f" {_state(one).upper() if one.fires else _state(one):<8}", style=style)
    line.append(f"{max(now - one.since, 0):>5.0f} s  ")
    kept = f"kept until {_clock(one.kept_until)}: " if one.kept_until else ""
    line.append(kept + one.summary, style=_DIM)
    return line


def _notice(one: Notice) -> Text:
    return Text(f" {_clock(one.at)}  {_told(one)}", style=_OK if one.resolved else _BREACH)


def _told(one: Notice) -> str:
    return f"to {one.channels}: {'RESOLVED' if one.resolved else 'FIRING'} {', '.join(one.names)}"


def _state(one: Firing) -> str:
    return "fires" if one.fires else "pending"


def _heartbeat(scene: Scene) -> str:
    if scene.heartbeat is None:
        return ""
    return f"   (dead man's switch heard us {max(scene.now - scene.heartbeat, 0):.0f} s ago)"


def _filled(lines: Sequence[Text], rows: int, nothing: str) -> list[Text]:
    """That many lines: the first ones, with a word on what does not fit, or empty ones."""
    if len(lines) > rows > 0:
        lines = [*lines[: rows - 1], Text(f"    and {len(lines) - rows + 1} more", style=_DIM)]
    shown = list(lines) or [Text(nothing, style=_DIM)]
    return [*shown[:rows], *(Text("") for _ in range(rows - len(shown)))]


def _addresses(scene: Scene, *, wide: bool) -> list[Text]:
    """Where there is no room, without what they have in common."""
    if wide:
        return [Text(f" {one.what:<14}{one.url}", style="cyan") for one in scene.addresses]
    line = Text(" ")
    for one in scene.addresses:
        line.append(f"{one.what} ", style=_DIM)
        line.append(f"{one.url.removeprefix('http://127.0.0.1')}  ", style="cyan")
    return [line]


def _keys(scene: Scene, width: int) -> list[Text]:
    lines = [Text("")]
    for key in scene.keys:
        piece = Text(f" {key.key}", style="bold reverse" if key.active else "bold")
        piece.append(f" {key.does}", style="reverse" if key.active else _DIM)
        if lines[-1].cell_len + piece.cell_len > width and lines[-1].cell_len:
            lines.append(Text(""))
        lines[-1].append_text(piece)
    return lines


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S")
