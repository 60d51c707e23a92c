"""How does a report look in a browser that has no network: one file, with its plots in it?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

__all__ = ["Line", "bars", "chart", "page", "table"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}th{background:#f4f4f4}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}
.verdict{display:inline-block;padding:.2rem .7rem;border:2px solid;font-weight:bold}code{background:#f4f4f4}
@media (prefers-color-scheme:dark){body{background:#161616;color:#eee}th,code{background:#262626}
td,th{border-color:#444}svg text{fill:#eee}svg .axis{stroke:#888}}
"""
_WIDTH, _HEIGHT = 860, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 16, 48


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart; `dashes` tells it from the others where colours do not."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashes: str = ""


def page(title: str, *parts: str) -> str:
    """The whole document; `parts` are HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of plain texts; the columns of `numbers` are set to the right."""

    number = ' class="number"'

    def cells(kind: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{kind}{number if index in numbers else ''}>{escape(text)}</{kind}>" for index, text in enumerate(texts)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', heads)}</tr></thead><tbody>\n{body}\n</tbody></table>"


def chart(title: str, lines: Sequence[Line], x_name: str, y_name: str, *, moments: bool = False) -> str:
    """Lines over a common axis as SVG; with `moments`, the horizontal axis is Unix seconds. The vertical one has 0."""
    points = [point for line in lines for point in line.points]
    if not points:
        return "<p>Nothing to draw.</p>"
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(0.0, *(y for _, y in points)), max(y for _, y in points)
    right, high = (right if right > left else left + 1), (high if high > low else low + 1)

    def place(x: float, y: float) -> str:
        across = _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        down = _HEIGHT - _BOTTOM - (y - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return f"{across:.1f},{down:.1f}"

    drawn = [_axes(left, right, low, high, x_name, y_name, moments)]
    for index, line in enumerate(lines):
        path = " ".join(place(x, y) for x, y in line.points)
        dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}/>')
        y = _TOP + 14 + 18 * index
        drawn.append(
            f'<line x1="{_LEFT + 10}" x2="{_LEFT + 40}" y1="{y - 4}" y2="{y - 4}" stroke="{line.colour}" '
            f'stroke-width="2"{dashes}/><text x="{_LEFT + 46}" y="{y}" font-size="12">{escape(line.name)}</text>'
        )
    return _svg(title, drawn)


def bars(title: str, rows: Sequence[tuple[str, Sequence[tuple[float, float]]]], start: float, end: float) -> str:
    """One row of spans (from, to, in Unix seconds) for each name: when was what true."""
    if not rows:
        return "<p>Nothing to draw.</p>"
    height = 22 * len(rows) + 40
    name_width = 290

    def across(moment: float) -> float:
        return name_width + (moment - start) / max(end - start, 1) * (_WIDTH - name_width - _RIGHT)

    drawn = []
    for index, (name, spans) in enumerate(rows):
        y = 10 + 22 * index
        drawn.append(f'<text x="{name_width - 8}" y="{y + 13}" font-size="12" text-anchor="end">{escape(name)}</text>')
        drawn.append(
            f'<line class="axis" x1="{name_width}" x2="{_WIDTH - _RIGHT}" y1="{y + 18}" y2="{y + 18}" stroke="#ddd"/>'
        )
        drawn += [
            f'<rect x="{across(a):.1f}" y="{y}" width="{max(across(b) - across(a), 2):.1f}" height="16" fill="#D55E00">'
            f"<title>{_moment(a)} to {_moment(b)}</title></rect>"
            for a, b in spans
        ]
    for part in range(5):
        moment = start + (end - start) * part / 4
        anchor = "start" if part == 0 else "end" if part == 4 else "middle"
        drawn.append(_text(across(moment), height - 8, anchor, _moment(moment)))
    return _svg(title, drawn, height)


def _axes(left: float, right: float, low: float, high: float, x_name: str, y_name: str, moments: bool) -> str:
    bottom = _HEIGHT - _BOTTOM
    drawn = [
        f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="#444"/>',
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, "middle", x_name),
        f'<text transform="translate(14 {(_TOP + bottom) / 2}) rotate(-90)" font-size="12" text-anchor="middle">'
        f"{escape(y_name)}</text>",
    ]
    for part in range(5):
        share = part / 4
        x = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        y = bottom - share * (bottom - _TOP)
        at = left + share * (right - left)
        drawn.append(_text(x, bottom + 16, "end" if part == 4 else "middle", _moment(at) if moments else _number(at)))
        drawn.append(_text(_LEFT - 6, y + 4, "end", _number(low + share * (high - low))))
    return "".join(drawn)


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, drawn: Iterable[str], height: int = _HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
    )


def _number(value: float) -> str:
    return f"{value:.4g}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M")
