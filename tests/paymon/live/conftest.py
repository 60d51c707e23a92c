"""Servers that have seen every rollout of the tests, one of each kind in a session."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from paymon.live.access import Access
from paymon.live.prometheus import Prometheus
from tests.paymon.live.stories import STORIES
from tests.paymon.live.world import SERVERS, server, soon


@dataclass(frozen=True)
class Live:
    """A server, and the moment at which its stories end."""

    url: str
    end: float

    def ask(self) -> Prometheus:
        return Prometheus(Access(url=self.url))


@pytest.fixture(scope="session", params=SERVERS)
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Prometheus in the oldest and the newest version that is supported, and VictoriaMetrics."""
    end = soon()
    with server(request.param, STORIES, end, tmp_path_factory.mktemp("live")) as url:
        yield Live(url, end)
