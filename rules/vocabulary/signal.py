"""Which PromQL expressions are recorded, and what does each read in an example?"""

import re
from dataclasses import dataclass
from datetime import timedelta

from rules.vocabulary.former import Former
from rules.vocabulary.metric import matchers, type_of_matcher
from rules.vocabulary.units import Unit

__all__ = ["Example", "Signal"]

_SIGNAL_NAME = re.compile(r"[a-z][a-z0-9_]*:[a-z0-9_]+:[a-z0-9_]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Raw series in, value out: run by promtool, and varied by the generated tests.

    `series` are pairs of a selector and its values in promtool's notation, one value every `every`.
    `gives` are pairs of the labels of a result (`""`, or `payment_method="card"`) and its value, read at `at`,
    a moment that is no multiple of `every`, where 2.x and 3.x agree which samples a window holds. `()` is no result.

    >>> Example(series=(("queue_length", "1 5 9"),), at=seconds(150), gives=(("", "9"),)).every
    datetime.timedelta(seconds=60)
    """

    series: tuple[tuple[str, str], ...]
    at: timedelta
    gives: tuple[tuple[str, str], ...]
    every: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if not self.series:
            raise ValueError("an example lacks series; write what goes in and what comes out")

    @classmethod
    def over(
        cls, window: timedelta, series: tuple[tuple[str, str], ...], gives: tuple[tuple[str, str], ...]
    ) -> "Example":
        """An example for an expression over `window`: eleven values, of which the last five fall into the window.

        Of five values in the window, a counter's increase is (last - first) x 5 / 4, so long as the first is no 0:
        Prometheus never looks further back than to where the counter would have been 0.
        """
        return cls(series=series, at=window * 2 + window / 10, gives=gives, every=window / 5)


@dataclass(frozen=True, slots=True)
class Signal:
    """One PromQL expression over metrics and signals, recorded once under one name.

    >>> Signal("shop:queue:sum", "Orders that wait", Unit.COUNT, f"sum({QUEUE})", LENGTH.example).where(shelf="top")
    'shop:queue:sum{shelf="top"}'
    """

    name: str
    title: str
    unit: Unit
    expr: str
    example: Example
    serves: tuple[str, ...] = ()
    steady: bool = False
    """True where one evaluation more or less changes nothing, so that other groups may read it."""
    of_everyone: bool = False
    """True where it reads the series of every environment, service and job: its selectors stay as they are written."""
    formerly: Former | None = None
    """The name that it had before, under which it is recorded too."""
    also: tuple[Example, ...] = ()
    """What else it reads, stated by hand where the example cannot show it; read at the same moment."""

    def __post_init__(self) -> None:
        if not _SIGNAL_NAME.match(self.name):
            raise ValueError(
                f"signal {self.name!r} is not named level:metric:operations; use three parts in lower case"
            )
        if not self.title:
            raise ValueError(f"signal {self.name} has no title; say in a few words what it shows")
        if not self.example.gives:
            raise ValueError(f"signal {self.name} has an example without results; say in `also` where it says nothing")

    def __str__(self) -> str:
        return self.name

    @property
    def examples(self) -> tuple[Example, ...]:
        """The example, and what else is stated by hand."""
        return (self.example, *self.also)

    def where(self, **wanted: type_of_matcher) -> str:
        """A PromQL selector of some of its series."""
        return self.name + matchers(**wanted)
