"""What do the processes that run the tests side by side have in common?"""

import os
from pathlib import Path

import pytest

__all__ = ["of_all_workers"]


def of_all_workers(factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that every worker knows."""
    own = factory.getbasetemp()
    return own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own
