"""Where do figures that a command prints stand in a page that people write?"""

from pathlib import Path

__all__ = ["MARKS", "PageError", "around", "keep"]

MARKS = "<!-- figures -->", "<!-- /figures -->"
"""What stands before and after the figures, each on a line of its own."""


class PageError(Exception):
    """The page has no place for figures, or several."""


def around(page: Path) -> tuple[str, str]:
    """What the page says before its figures and after them. Raises PageError."""
    text = page.read_text()
    begin, end = MARKS
    if (text.count(begin), text.count(end)) != (1, 1) or text.index(end) < text.index(begin):
        raise PageError(f"{page}: figures need one place; put a line {begin} there and a line {end} below it")
    return text.partition(begin)[0], text.partition(end)[2]


def keep(page: Path, figures: str) -> None:
    """Put the figures in place of the page's former ones. Raises PageError."""
    before, after = around(page)
    begin, end = MARKS
    page.write_text(f"{before}{begin}\n{figures}\n{end}{after}")
