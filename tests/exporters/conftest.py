"""Fixtures for more than one module of the exporter's tests."""

from collections.abc import Iterator

import pytest

from simulator.surroundings import Surroundings, surroundings


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """A fake Stripe, a real Postgres and a payments service, for the exporter of the example."""
    with surroundings(tmp_path_factory.mktemp("surroundings")) as around:
        yield around
