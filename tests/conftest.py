"""Fixtures for more than one module of tests."""

from collections.abc import Iterator

import pytest

from paymon.promtool import Promtool

pytest_plugins = ("tests.postgres",)


@pytest.fixture(scope="session", autouse=True)
def _unhurried_collector() -> Iterator[None]:
    """Prometheus' programs live for seconds here: they need not tidy up as often as Go programs do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "400")
        yield


@pytest.fixture(scope="session", params=("2.42", "3.5"))
def promtool(request: pytest.FixtureRequest) -> Promtool:
    """The real promtool, in the oldest and the newest version that is supported."""
    return Promtool.find(version_prefix=request.param)
