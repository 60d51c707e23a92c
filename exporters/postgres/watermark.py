"""Which rows of a growing table have not been counted yet, although some become visible out of order?

A row takes its place (an id, a moment) before it is committed, so that rows can appear below others that were already
read. Only the table's end is read, its last stretch again each time; what was seen there before is not new.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

from exporters.postgres.connection import Row

__all__ = ["NEW_ROWS", "PAGE", "Page", "Tail"]

PAGE = 1000
"""Rows in one query."""

NEW_ROWS = 20_000
"""New rows in one sample, roughly, beyond the end of the one before; what is left then, is left to the next."""

Page = Callable[[Row | None], Awaitable[tuple[Row, ...]]]
"""At most PAGE rows behind a place, in order; from the beginning where there is none."""


class Tail:
    """The end of a growing table, each of whose rows is new once.

    A row's place is its first `width` columns, which order the table. A row that becomes visible within `late` of the
    first sight of the rows behind it is found; one that takes longer is not. `at` is in seconds that never go back: a
    clock that was set back would let nothing settle, and ever more be read again.
    """

    def __init__(self, late: timedelta, width: int) -> None:
        self._late = late.total_seconds()
        self._width = width
        self._settled: Row | None = None
        self._reads: deque[tuple[float, Row, frozenset[Row]]] = deque()
        self._seen: set[Row] = set()
        self.started = False
        self.behind = False

    @property
    def settled(self) -> Row | None:
        """The place up to which nothing is read again; None where everything is."""
        return self._settled

    def __len__(self) -> int:
        """How many places it remembers: those that are read again."""
        return len(self._seen)

    def start(self, latest: tuple[Row, ...], at: float) -> None:
        """Begin behind the table's last rows, which `latest` holds backwards, a PAGE at most: they are not new."""
        places = tuple(row[: self._width] for row in latest)
        self._settled = places[-1] if len(places) >= PAGE else None
        self._seen = set(places)
        self._reads = deque([(at, places[0], frozenset(places))] if places else [])
        self.started = True
        self.behind = False

    async def read(self, page: Page, at: float) -> tuple[tuple[Row, bool], ...]:
        """Every row of the tail, with whether it is new. Raises what `page` raises, and then nothing was read."""
        rows: list[tuple[Row, bool]] = []
        fresh: set[Row] = set()
        last = self._settled
        end = self._reads[-1][1] if self._reads else None
        beyond = end is None
        while True:
            found = await page(last)
            for row in found:
                last = row[: self._width]
                new = last not in self._seen
                rows.append((row, new))
                if new:
                    fresh.add(last)
                beyond = beyond or last == end
            self.behind = beyond and len(found) >= PAGE and len(fresh) >= NEW_ROWS
            if len(found) < PAGE or self.behind:
                break
        self._seen |= fresh
        if rows and last is not None:
            self._reads.append((at, last, frozenset(fresh)))
        self._settle(at)
        return tuple(rows)

    def _settle(self, at: float) -> None:
        """What was first seen long enough ago has just been read again, and need not be once more."""
        while self._reads and self._reads[0][0] <= at - self._late:
            _, self._settled, places = self._reads.popleft()
            self._seen -= places
