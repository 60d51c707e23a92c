"""Fixtures for more than one module of tests."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from paymon.promtool import Promtool
from tests.promtools import remembering
from tests.versions import ALERTMANAGER, PROMETHEUS

pytest_plugins = ("tests.leaks", "tests.postgres")

settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
settings.register_profile("fuzz", max_examples=5_000, deadline=None)
"""What `make fuzz` tries of each test that draws its input, instead of the hundred of the suite."""


def pytest_configure() -> None:
    """Ctrl-C reaches what tests start also where a shell runs them in the background, and has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks a real server of a given version: `make matrix` runs that for every version."""
    for item in items:
        asked = getattr(item, "callspec", None)
        if asked is not None and not {*PROMETHEUS, *ALERTMANAGER, "victoria-metrics"}.isdisjoint(
            map(str, asked.params.values())
        ):
            item.add_marker("servers")


@pytest.fixture(scope="session", autouse=True)
def _unhurried_collector() -> Iterator[None]:
    """Prometheus' programs live for seconds here: they need not tidy up before they hold much memory.

    A number stands for "off", which Prometheus 3 does not read, and takes for its own 75.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "100000")
        patch.setenv("GOMEMLIMIT", "512MiB")
        yield


@pytest.fixture(scope="session", params=PROMETHEUS)
def promtool(request: pytest.FixtureRequest) -> Promtool:
    """The real promtool, in the oldest and the newest version that is supported; it answers the same question once."""
    return remembering(request.config, request.param)
