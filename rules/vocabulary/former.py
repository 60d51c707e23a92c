"""Under which name was something known before, and until when does that one still work?"""

import re
from dataclasses import dataclass

__all__ = ["Former"]


@dataclass(frozen=True, slots=True)
class Former:
    """The name that a metric, signal, alert, label, area or setting had in an earlier version.

    Until the version `until` the old name works beside the new one; then whoever makes that release deletes the word.

    >>> Former("orders", until="0.4.0", because="it is a counter").said_in("sum(my_orders)")
    False
    """

    name: str
    until: str
    """The version from which the old name is gone."""
    because: str

    def __post_init__(self) -> None:
        if not self.name or not self.because.strip() or not re.match(r"\d+\.\d+", self.until):
            raise ValueError(
                f"former name {self.name!r} is not whole; say the name, until which version it works, and because of what "
                'it is another: Former("orders", until="0.4.0", because="it is a counter")'
            )

    def said_in(self, text: str) -> bool:
        """Whether a text says the old name, as a whole word."""
        return re.search(rf"(?<![\w:]){re.escape(self.name)}(?![\w:])", text) is not None
