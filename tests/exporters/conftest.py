"""Fixtures for more than one module of the exporter's tests."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from simulator.surroundings import Surroundings, surroundings


@dataclass
class SteppedClock:
    """The time, and by how much it was put forward."""

    ahead: float = 0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="session")
def clock() -> SteppedClock:
    """The clock of the fake Stripe and the payments service in `around`."""
    return SteppedClock()


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory, clock: SteppedClock) -> Iterator[Surroundings]:
    """A fake Stripe, a real Postgres and a payments service, for the exporter of the example."""
    with surroundings(tmp_path_factory.mktemp("surroundings"), clock) as around:
        yield around
