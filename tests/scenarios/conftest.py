"""Fixtures of the scenarios: one Postgres for each worker, and one set of pasts for all."""

from collections.abc import Iterator

import pytest

from paymon.promtool import Promtool
from simulator.postgres_server import installations, running
from simulator.world import prepare
from tests.promtools import remembering
from tests.scenarios.staging import EMPTY, Stage
from tests.workers import of_all_workers


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage on the embedded Postgres."""
    with running(installations()[0]) as server:
        prepare(server, EMPTY)
        yield Stage(server, tmp_path_factory.mktemp("stage"), of_all_workers(tmp_path_factory) / "pasts")


@pytest.fixture(scope="session")
def oldest(pytestconfig: pytest.Config) -> Promtool:
    """The oldest promtool that is supported."""
    return remembering(pytestconfig, "2.42")


@pytest.fixture(scope="session")
def newest(pytestconfig: pytest.Config) -> Promtool:
    """The newest promtool that is supported."""
    return remembering(pytestconfig, "3.5")
