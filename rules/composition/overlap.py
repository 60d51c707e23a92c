"""What is recorded under a former name, beside what took its place?"""

from collections.abc import Iterator
from dataclasses import replace

from rules.vocabulary import Area, Signal

__all__ = ["with_former_names"]


def with_former_names(areas: tuple[Area, ...]) -> tuple[Area, ...]:
    """The areas, in which each signal that had another name is followed by one of that name, which reads it."""
    if not any(signal.formerly for area in areas for signal in area.signals):
        return areas
    return tuple(replace(area, signals=tuple(_both(area.signals))) for area in areas)


def _both(signals: tuple[Signal, ...]) -> Iterator[Signal]:
    for signal in signals:
        yield signal
        if signal.formerly:
            yield replace(
                signal,
                name=signal.formerly.name,
                title=f"{signal.title}, under its former name",
                expr=signal.name,
                serves=(),
                of_everyone=False,
                formerly=None,
            )
