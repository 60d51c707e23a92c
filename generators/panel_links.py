"""Which panel shows what an alert watches, and where in Grafana is it?"""

from rules.vocabulary import Alert, Catalog, Dashboard, Environment, Panel, Picture

__all__ = ["panel_link", "panel_of"]


def panel_of(catalog: Catalog, alert: Alert) -> tuple[Dashboard, Panel] | None:
    """The first panel with that alert that shows its course over time, not only its present state; or None."""
    name = alert.name
    for dashboard in catalog.dashboards:
        for row in dashboard.rows:
            for panel in row.panels:
                if panel.alerts and panel.picture is not Picture.STAT and name in [one.name for one in panel.alerts]:
                    return dashboard, panel
    return None


def panel_link(catalog: Catalog, alert: Alert, environment: Environment) -> str:
    """Path and query of that panel, below Grafana's address, in that environment.

    Empty where no panel shows the alert, which `panel_problems` reports. The number behind `viewPanel` is understood by
    Grafana 10 to 13.
    """
    found = panel_of(catalog, alert)
    if found is None:
        return ""
    dashboard, panel = found
    return f"/d/{dashboard.uid}?viewPanel={panel.id}&var-environment={environment.name}"
