"""Here a test that leaves a socket or a process behind fails itself."""

from tests.leaks import pytest_runtest_call, pytest_runtest_teardown

__all__ = ["pytest_runtest_call", "pytest_runtest_teardown"]
