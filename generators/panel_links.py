"""Which panel shows what an alert watches, and where in Grafana is it?"""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from rules.vocabulary import Alert, Catalog, Dashboard, Environment, Panel, Picture

__all__ = ["chosen", "panel_link", "panel_of"]


def panel_of(catalog: Catalog, alert: Alert) -> tuple[Dashboard, Panel] | None:
    """The first panel with that alert that shows its course over time, not only its present state; or None."""
    return _places(catalog).get(alert.name)


@lru_cache(maxsize=64)
def _places(catalog: Catalog) -> Mapping[str, tuple[Dashboard, Panel]]:
    """The panel of every alert that has one, by the alert's name."""
    found: dict[str, tuple[Dashboard, Panel]] = {}
    for dashboard in catalog.dashboards:
        for panel in dashboard.panels:
            if panel.picture is not Picture.STAT:
                for alert in panel.alerts:
                    found.setdefault(alert.name, (dashboard, panel))
    return found


def panel_link(catalog: Catalog, alert: Alert, environment: Environment) -> str:
    """Path and query of that panel, below Grafana's address, in that environment.

    Empty where no panel shows the alert, which `panel_problems` reports. The number behind `viewPanel` is understood by
    Grafana 10 to 13.
    """
    found = panel_of(catalog, alert)
    if found is None:
        return ""
    dashboard, panel = found
    return f"/d/{dashboard.uid}?viewPanel={panel.id}&{chosen(catalog, environment)}"


def chosen(catalog: Catalog, environment: Environment) -> str:
    """What a dashboard's address says so that it opens on that environment, in the data source that has it."""
    data_source = catalog.organisation.at(environment).data_source
    return f"var-datasource={quote(data_source, safe='')}&var-environment={environment.name}"
