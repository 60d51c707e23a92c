"""Which environments were generated the last time and are no more, and what is left to do about each, elsewhere?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generators.folders import MANIFEST
from paymon.versions import NotAManifest, read_manifest
from rules.vocabulary import Catalog

if TYPE_CHECKING:
    from paymon.live.access import Access

__all__ = ["Gone", "gone", "still_firing"]


@dataclass(frozen=True, slots=True)
class Gone:
    """An environment of a service that has no definitions any more."""

    service: str
    environment: str
    alertmanager_url: str
    with_its_service: bool

    def __str__(self) -> str:
        what = f"environment {self.environment} of {self.service}"
        return (
            f"{what} is gone{', as its service is' if self.with_its_service else ''}: "
            "take its rules out of Prometheus, stop its exporter, load Alertmanager's configuration anew, and end its "
            "heartbeat's check. What still fires there is shown by\n"
            f"  amtool alert query environment={self.environment} service={self.service} "
            f"--alertmanager.url={self.alertmanager_url}\n"
            "and ends once its rules are out; until then its runbook's address leads nowhere."
        )


def gone(folder: Path, catalogs: Sequence[Catalog]) -> tuple[Gone, ...]:
    """What the manifests in the folder of generated files have, and no catalog any more."""
    now = {(one.organisation.service, its.name) for one in catalogs for its in one.organisation.environments}
    services = {service for service, _ in now}
    urls = {one.organisation.service: one.organisation.alertmanager_url for one in catalogs}
    first = catalogs[0].organisation.alertmanager_url
    return tuple(
        Gone(service, environment, urls.get(service, first), service not in services)
        for service, environment in sorted(set(_before(folder)))
        if (service, environment) not in now
    )


def _before(folder: Path) -> Iterator[tuple[str, str]]:
    for path in (folder / MANIFEST, *folder.glob(f"*/{MANIFEST}")):
        try:
            found = read_manifest(path)
        except NotAManifest:
            continue
        for environment in found["environments"]:
            yield str(found.get("service", "")), environment


def still_firing(missing: Sequence[Gone], access: Access) -> Iterator[str]:
    """What of these environments Alertmanager still has, one line for each alert. Raises NoAnswerError."""
    from paymon.live.http import alerts

    with access.client() as client:
        for one in missing:
            query = {"active": "true", "filter": f'environment="{one.environment}"'}
            ours = [
                {**alert["labels"], "since": str(alert.get("startsAt", "nobody knows when"))}
                for alert in alerts(client, access, query)
                if alert["labels"].get("service") == one.service
            ]
            for labels in sorted(ours, key=lambda its: (its.get("priority", ""), its["alertname"])):
                said = f"{labels['alertname']} ({labels.get('priority', 'no priority')}) since {labels['since'][:16]}"
                yield f"{one.service} in {one.environment}: {said} still fires"
            if not ours:
                yield f"{one.service} in {one.environment}: nothing fires"
