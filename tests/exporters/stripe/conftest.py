"""Fixtures of Stripe's sources."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exporters.stripe.shop import Watched, watched


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Watched]:
    """A shop without customers so far, and an exporter that has not sampled yet."""
    with watched(tmp_path) as one:
        yield one
