"""How does Grafana find the dashboards and Prometheus in its files?"""

from collections.abc import Mapping

from generators.folders import GRAFANA
from generators.text import as_yaml, generated_header
from rules.vocabulary import Catalog, prometheus_duration

__all__ = ["provisioning_files"]


def provisioning_files(catalog: Catalog) -> Mapping[str, str]:
    """Grafana's provisioning of dashboards and data source, by path; places come from environment variables."""
    interval = catalog.organisation.scrape_interval
    dashboards = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "paymon",
                "folder": "Payments",
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": "${PAYMON_DASHBOARDS}"},
            }
        ],
    }
    datasource = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Payments Prometheus",
                "uid": catalog.organisation.data_source,
                "type": "prometheus",
                "access": "proxy",
                "url": "${PAYMON_PROMETHEUS_URL}",
                "editable": False,
                "jsonData": {
                    "httpMethod": "POST",
                    "timeInterval": prometheus_duration(interval),
                    "manageAlerts": False,
                },
            }
        ],
    }
    return {
        f"{GRAFANA}/provisioning/dashboards.yml": _HEADER + _PLACES_DASHBOARDS + as_yaml(dashboards),
        f"{GRAFANA}/provisioning/datasource.yml": _HEADER + _PLACES_DATASOURCE + as_yaml(datasource),
    }


_HEADER = generated_header()
_PLACES_DASHBOARDS = """\
# Belongs into Grafana's folder provisioning/dashboards/.
# PAYMON_DASHBOARDS, in Grafana's environment, names the folder that holds the dashboards' JSON files.
"""
_PLACES_DATASOURCE = """\
# Belongs into Grafana's folder provisioning/datasources/.
# PAYMON_PROMETHEUS_URL, in Grafana's environment, is where Grafana reaches Prometheus.
"""
