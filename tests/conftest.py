"""Fixtures for more than one module of tests."""

import signal
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import settings

from paymon.promtool import Promtool
from simulator.postgres_server import installations
from tests.promtools import remembering
from tests.versions import ALERTMANAGER, PROMETHEUS, in_matrix

pytest_plugins = ("tests.leaks", "tests.postgres")

settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
settings.register_profile("fuzz", max_examples=5_000, deadline=None)
"""What `make fuzz` tries of each test that draws its input, instead of the hundred of the suite."""


def pytest_configure() -> None:
    """Ctrl-C reaches what tests start also where a shell runs them in the background, and has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what asks a real server of a given version, and leave out what another version is asked this time.

    `make matrix` runs what is so marked, for every version.
    """
    older = installations()[1:]
    versions = {*PROMETHEUS, *ALERTMANAGER, "victoria-metrics"}
    for item in items:
        asked = getattr(item, "callspec", None)
        if asked and any(str(one) in versions or one in older for one in asked.params.values()):
            item.add_marker("servers")
    if left_out := set() if in_matrix() else _of_other_turns(items):
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def _of_other_turns(items: list[pytest.Item]) -> set[pytest.Item]:
    """Of each case marked `by_turns` all versions but one: the same one each time, and each for about as many cases."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("by_turns") and item.get_closest_marker("servers"):
            case = item.nodeid
            for version in PROMETHEUS:
                case = case.replace(version, "")
            cases.setdefault(case, []).append(item)
    return {
        item
        for case, versions in cases.items()
        for turn, item in enumerate(versions)
        if turn != zlib.crc32(case.encode()) % len(versions)
    }


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
