"""Here a test that leaves a socket, a process, a thread or a task behind fails itself."""

from tests.leaks import pytest_runtest_call, pytest_runtest_teardown

__all__ = ["pytest_runtest_call", "pytest_runtest_teardown"]
