"""Does a server remark on any expression of ours: a counter that may be none, a histogram that lacks its buckets?"""

import httpx
import pytest

from generators.rules import rule_groups
from paymon.live.prometheus import Prometheus
from rules.catalog import catalog
from rules.payments import rollout
from tests.paymon.live.conftest import Live
from tests.paymon.live.stories import STORIES


@pytest.mark.slow
def test_no_server_has_a_remark_on_any_rule(live: Live) -> None:
    told: dict[str, list[str]] = {}
    answered = 0
    with live.ask() as server:
        for group in rule_groups(catalog(), STORIES[0].environment):
            for rule in group.rules:
                answered += bool(server.query(rule.expr, live.end))
                if remarks := _taken(server):
                    told[rule.expr] = remarks
    assert told == {}
    assert answered > 40, "hardly any rule had series to remark on"


def test_remarks_are_heard(live: Live) -> None:
    with live.ask() as server:
        server.query(f"rate({rollout.rollout}[5m])", live.end)
        remarks = _taken(server)
    assert bool(remarks) == remarked_on_gauges(live)


def remarked_on_gauges(live: Live) -> bool:
    """Since 2.48 Prometheus says that a rate is asked of what has no counter's name; VictoriaMetrics never does.

    A server that was built without a version is a new one.
    """
    version = httpx.get(f"{live.url}/api/v1/status/buildinfo", timeout=100).json()["data"].get("version", "")
    return not version or tuple(int(part) for part in version.split(".")[:2]) >= (2, 48)


def _taken(server: Prometheus) -> list[str]:
    remarks = [*server.doubts, *server.notes]
    server.doubts.clear()
    server.notes.clear()
    return remarks
