"""How far have Stripe's events been read?

All moments are seconds since 1970 by Stripe's clock. Stripe's list of events is newest first and eventually
consistent, so that it is read in passes: each goes from now back to a floor, page by page, and may go on after a
restart. The head pass begins where the last one ended, less a short tail. The deep pass goes back to where nothing can
appear any more. The backfill pass reads what happened before the counters began.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

__all__ = ["LATEST", "RETENTION", "TAIL", "Kind", "Marks", "Pass"]

Kind = Literal["head", "deep", "backfill"]

TAIL = 15
"""Seconds that each poll reads again."""

LATEST = 900
"""Seconds after its creation by which an event has appeared; older ranges are never read again."""

RETENTION = 30 * 86400
"""Seconds for which Stripe keeps events (Stripe API reference, "Events")."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One walk through the list, from `top` back to `floor`.

    `cursor` is the last event read and `reached` its second; empty and `top` at the start.
    """

    floor: int
    top: int = 0
    cursor: str = ""
    reached: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class Marks:
    """What has been read: everything up to `watermark` at least once, and for good up to `settled`.

    `epoch` is when the counters began, `covered_from` the moment from which the buckets are complete, and `fresh` where
    the next head pass begins. While a deep pass catches up, `fresh` is ahead of `watermark`.
    """

    epoch: int
    watermark: int
    settled: int
    fresh: int
    covered_from: int
    head: Pass | None = None
    deep: Pass | None = None
    backfill: Pass | None = None
    deep_pages: int = 0
    """Pages that the latest deep pass took."""
    pruned_at: int = 0

    @classmethod
    def beginning(cls, now: int, backfilled: bool) -> "Marks":
        """The marks of a new state."""
        backfill = Pass(now - RETENTION, top=now - 1, reached=now - 1) if backfilled else None
        return cls(epoch=now, watermark=now, settled=now, fresh=now, covered_from=now, backfill=backfill)

    @property
    def catching_up(self) -> bool:
        """Whether something older than what was read is still missing."""
        return self.watermark < self.fresh

    def under_way(self, kind: Kind, walk: Pass) -> "Marks":
        """A pass got on and did not reach its floor."""
        match kind:
            case "head":
                return replace(self, head=walk)
            case "deep":
                fresh = max(self.fresh, walk.top - TAIL)
                met = walk.reached < self.watermark
                return replace(self, deep=walk, fresh=fresh, watermark=fresh if met else self.watermark)
            case "backfill":
                return replace(self, backfill=walk, covered_from=min(self.covered_from, walk.reached + 1))

    def done(self, kind: Kind, walk: Pass) -> "Marks":
        """A pass reached its floor."""
        fresh = max(self.fresh, walk.top - TAIL)
        match kind:
            case "head":
                gap = self.deep is not None and self.deep.reached >= self.watermark
                return replace(self, head=None, fresh=fresh, watermark=self.watermark if gap else fresh)
            case "deep":
                return replace(
                    self,
                    deep=None,
                    deep_pages=walk.pages,
                    fresh=fresh,
                    watermark=max(self.watermark, fresh),
                    settled=max(self.settled, walk.top - LATEST),
                    covered_from=max(self.covered_from, walk.top - RETENTION)
                    if walk.floor < walk.top - RETENTION
                    else self.covered_from,
                )
            case "backfill":
                return replace(self, backfill=None, covered_from=min(self.covered_from, walk.floor))

    def again(self, kind: Kind, walk: Pass) -> "Marks":
        """A pass lost its cursor and begins at its top once more."""
        walk = replace(walk, cursor="", reached=walk.top)
        match kind:
            case "head":
                return replace(self, head=walk)
            case "deep":
                return replace(self, deep=walk)
            case "backfill":
                return replace(self, backfill=walk)

    def to_json(self) -> str:
        """The marks as they are kept."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Marks":
        """The marks as they were kept. Raises ValueError or TypeError where they are damaged."""
        found = json.loads(text)
        for name in ("head", "deep", "backfill"):
            found[name] = Pass(**found[name]) if found[name] else None
        return cls(**found)
