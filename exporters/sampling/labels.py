"""Which value of a label may be served, and how often was there one that may not?"""

from exporters.configuration.allowlists import AllowLists
from exporters.sampling.model import Reading, reading
from rules.payments import monitoring
from rules.vocabulary import OTHER, Label

__all__ = ["LabelOverflow"]

_COUNTED = monitoring.label_overflow.label("label").values
_REST = "custom"
_Known = dict[int, tuple[Label, tuple[str, ...]]]


class LabelOverflow:
    """The count of values that no allow-list names, by label."""

    def __init__(self, allowed: AllowLists | None = None) -> None:
        self._counts = dict.fromkeys(_COUNTED, 0)
        self.allow(allowed or AllowLists())

    def allow(self, lists: AllowLists) -> None:
        """Go by these lists from now on; what was counted stays."""
        self._known: tuple[AllowLists, _Known] = lists, {}  # as one: threads that count read it meanwhile

    def values(self, label: Label) -> tuple[str, ...]:
        """Every value of the label, those of the allow-lists where it is these that decide."""
        lists, by_id = self._known
        known = by_id.get(id(label))  # asked for with every event, and a label's own hash takes its time
        if known is None or known[0] is not label:
            known = by_id[id(label)] = label, lists.values(label)
        return known[1]

    def bounded(self, label: Label, value: str, allowed: tuple[str, ...] = ()) -> str:
        """`value` where the label's own values, or else the setting's `allowed`, name it; counted as `other` if not."""
        if value in (self.values(label) or allowed):
            return value
        self._counts[label.name if label.name in self._counts else _REST] += 1
        return OTHER

    def readings(self) -> tuple[Reading, ...]:
        """One reading for each label, 0 included."""
        return tuple(reading(monitoring.label_overflow, count, label=label) for label, count in self._counts.items())
