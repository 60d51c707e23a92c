"""Fixtures for more than one module of tests."""

import pytest

from paymon.promtool import Promtool

pytest_plugins = ("tests.postgres",)


@pytest.fixture(scope="session", params=("2.42", "3.5"))
def promtool(request: pytest.FixtureRequest) -> Promtool:
    """The real promtool, in the oldest and the newest version that is supported."""
    return Promtool.find(version_prefix=request.param)
