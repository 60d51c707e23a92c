"""Which names of ours were other ones in an earlier version, and for how long do the old ones still work?"""

from rules.vocabulary import Renamed

__all__ = ["RENAMED"]

RENAMED: tuple[Renamed, ...] = ()
