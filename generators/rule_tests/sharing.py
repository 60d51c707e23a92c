"""Which tests of signals are the same in several environments, but for the environment's name?"""

from collections.abc import Callable
from dataclasses import dataclass

from generators.rule_tests.known import OTHERS, Known
from rules.vocabulary import Jobs, Metric, Signal

__all__ = ["Shared"]


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that such tests follow from, but for the environment's name."""

    read: tuple[Signal, ...]
    """The signals, and those that they read."""
    metrics: tuple[Metric, ...]
    jobs: Jobs


@dataclass(frozen=True, slots=True)
class _Written:
    """Tests that were written for an environment."""

    facts: _Facts
    environment: str
    text: str


class Shared:
    """The tests of one catalog's signals as text, of which those that follow from the same facts are written once.

    Of the environment they know its name alone, and that as the value of a label that no definition speaks of: then one
    name stands where the other would. Where a definition speaks of it, nothing is shared.
    """

    def __init__(self) -> None:
        self._written: dict[str, list[_Written]] = {}

    def text(self, which: str, read: tuple[Signal, ...], known: Known, write: Callable[[], str]) -> str:
        """What `write` gives for the tests of that name, which speak of the signals in `read`."""
        environment = known.expressions.environment
        name = environment.name
        if name in OTHERS or any(map(_speaks_of_environments, read)):
            return write()
        facts = _Facts(read, known.all_metrics, known.index.organisation.jobs_in(environment))
        before = self._written.setdefault(which, [])
        same = next((one for one in before if one.facts == facts), None)
        if same:
            return _renamed(same.text, same.environment, name)
        before.append(_Written(facts, name, write()))
        return before[-1].text


def _speaks_of_environments(signal: Signal) -> bool:
    said = (text for example in signal.examples for pair in (*example.series, *example.gives) for text in pair)
    return any("environment" in text for text in (signal.expr, *said))


def _renamed(text: str, before: str, now: str) -> str:
    for opening in "{,":
        text = text.replace(f'{opening}environment="{before}"', f'{opening}environment="{now}"')
    return text
