"""Fixtures of the scenarios: one Postgres and one set of pasts for each worker."""

from collections.abc import Iterator

import pytest

from paymon.promtool import Promtool
from simulator.postgres_server import installations, running
from simulator.world import prepare
from tests.scenarios.staging import EMPTY, Stage


@pytest.fixture(scope="session", autouse=True)
def _unhurried_collector() -> Iterator[None]:
    """promtool lives for seconds: it need not tidy up as often as Go programs do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "400")
        yield


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage on the embedded Postgres."""
    with running(installations()[0]) as server:
        prepare(server, EMPTY)
        yield Stage(server, tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="session")
def oldest() -> Promtool:
    """The oldest promtool that is supported."""
    return Promtool.find(version_prefix="2.42", timeout_seconds=240)


@pytest.fixture(scope="session")
def newest() -> Promtool:
    """The newest promtool that is supported."""
    return Promtool.find(version_prefix="3.5", timeout_seconds=240)
