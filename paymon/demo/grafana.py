"""How do the dashboards come into a Grafana that is there already, and out of it again?"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from generators.dashboards import dashboard_files
from rules.vocabulary import Catalog

__all__ = ["dashboards_in"]

_OURS = "paymon-demo"
_PREFIX = "grafana/dashboards/"


@contextmanager
def dashboards_in(url: str, token: str | None, catalog: Catalog, prometheus: str) -> Iterator[tuple[str, str]]:
    """The dashboards in the Grafana at `url` until the block ends, beside all that is there; they read `prometheus`.

    `token` is a service account's; without one, the URL's user and password are used. Gives what to tell and the
    address to open, which is empty where Grafana did not take them.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    dashboards = [
        json.loads(text)
        for path, text in dashboard_files(catalog).items()
        if path.startswith(_PREFIX) and path.endswith(".json")
    ]
    with httpx.Client(base_url=url, headers=headers, timeout=10) as client:
        try:
            _put(client, dashboards, prometheus)
            shown = client.base_url.copy_with(username=None, password=None)
            result = (f"{len(dashboards)} dashboards are in Grafana.", f"{str(shown).rstrip('/')}/dashboards/f/{_OURS}")
        except httpx.HTTPError as error:
            why = f"{error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
            result = (f"Grafana did not take the dashboards ({why}); see GRAFANA_URL and GRAFANA_TOKEN.", "")
        try:
            yield result
        finally:
            with suppress(httpx.HTTPError):
                client.delete(f"/api/folders/{_OURS}")
                client.delete(f"/api/datasources/uid/{_OURS}")


def _put(client: httpx.Client, dashboards: list[dict[str, object]], prometheus: str) -> None:
    """What an earlier demo has left is taken away first: it points to a Prometheus that has gone."""
    client.delete(f"/api/folders/{_OURS}")
    client.delete(f"/api/datasources/uid/{_OURS}")
    source = {"name": "Payments demo", "uid": _OURS, "type": "prometheus", "access": "proxy", "url": prometheus}
    client.post("/api/datasources", json={**source, "jsonData": {"timeInterval": "1s"}}).raise_for_status()
    client.post("/api/folders", json={"uid": _OURS, "title": "Payments demo"}).raise_for_status()
    for dashboard in dashboards:
        ours = {**dashboard, "uid": f"{dashboard['uid']}-demo"[:40]}
        client.post(
            "/api/dashboards/db", json={"dashboard": ours, "folderUid": _OURS, "overwrite": True}
        ).raise_for_status()
