"""Which value of a label may be served, and how often was there one that may not?"""

from exporters.configuration.allowlists import AllowLists
from exporters.sampling.model import Reading, reading
from rules.payments import monitoring
from rules.vocabulary import OTHER, Label

__all__ = ["LabelOverflow"]

_COUNTED = monitoring.label_overflow.label("label").values
_REST = "custom"


class LabelOverflow:
    """The count of values that no allow-list names, by label."""

    def __init__(self, allowed: AllowLists | None = None) -> None:
        self.allowed = allowed or AllowLists()
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._values: dict[int, tuple[Label, tuple[str, ...]]] = {}

    def values(self, label: Label) -> tuple[str, ...]:
        """Every value of the label, those of the allow-lists where it is these that decide."""
        known = self._values.get(id(label))  # asked for with every event, and a label's own hash takes its time
        if known is None or known[0] is not label:
            known = self._values[id(label)] = label, self.allowed.values(label)
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
