"""How do the generated rules reach a Prometheus, an Operator, a Mimir, and whoever exports metrics its scrape?"""

from collections.abc import Mapping

from generators.rules import RuleGroup, groups_text, rule_groups
from generators.text import as_yaml, generated_header, indented
from rules.vocabulary import Catalog, Environment, Source, prometheus_duration

__all__ = ["EXPORTER_LABELS", "EXPORTER_PORT", "deploy_files"]

EXPORTER_PORT = 9877
"""Where the exporter listens, unless it is told otherwise."""

EXPORTER_LABELS: Mapping[str, str] = {"app.kubernetes.io/name": "paymon"}
"""What every pod and Service that carries the exporter is labelled with in Kubernetes, and nothing else is."""

APPLICATION_PORT = 8080
PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093

_HEADER = generated_header("rules/")
_SCRAPES = """\
# The addresses are those of one machine; put yours. Prometheus and Alertmanager are scraped too: without their own
# metrics nobody hears of rules that fail and of notifications that are lost. They serve all environments, and so carry
# the label of none.
"""
_ALLOW_LISTS = """\
# What the exporter counts under a name of its own, once its configuration names this file: allow_lists: {file: ...}
"""
_ONE_OF_TWO = """\
# Apply this or {other}, never both: each series would be there twice.
# It selects {selects}
"""
_PODS = "pods, so that it fits the exporter both as a sidecar and on its own."
_SERVICES = "Services: the singleton's, and the application's with a port named http. A sidecar has none."


def deploy_files(catalog: Catalog) -> Mapping[str, str]:
    """For each environment: scrape configuration, PrometheusRule, PodMonitor, ServiceMonitor and Mimir namespace.

    Paths are below `generated/`.
    """
    files: dict[str, str] = {}
    for environment in catalog.organisation.environments:
        folder = f"{environment.name}/deploy"
        groups = rule_groups(catalog, environment)
        namespace = f"{catalog.organisation.service}-{environment.name}"
        texts = {
            "prometheus.yml": _SCRAPES + as_yaml(_prometheus(catalog, environment)),
            "prometheusrule.yaml": _prometheus_rule(catalog, environment, groups),
            "podmonitor.yaml": _ONE_OF_TWO.format(other="servicemonitor.yaml", selects=_PODS)
            + _monitors(catalog, environment, "PodMonitor"),
            "servicemonitor.yaml": _ONE_OF_TWO.format(other="podmonitor.yaml", selects=_SERVICES)
            + _monitors(catalog, environment, "ServiceMonitor"),
            "mimir.yml": as_yaml({"namespace": namespace}) + groups_text(groups),
            "allow-lists.yaml": _ALLOW_LISTS + as_yaml(_allow_lists(catalog)),
        }
        for name, text in texts.items():
            files[f"{folder}/{name}"] = _HEADER + text
    return files


def _allow_lists(catalog: Catalog) -> dict[str, object]:
    organisation = catalog.organisation
    return {"payment_methods": list(organisation.payment_methods), "currencies": list(organisation.currencies)}


def _prometheus(catalog: Catalog, environment: Environment) -> dict[str, object]:
    """What to add to prometheus.yml; the label `environment` is what the rules select by."""
    organisation = catalog.organisation
    of_environment = {"environment": environment.name, "service": organisation.service}
    jobs = organisation.jobs_in(environment)
    targets: tuple[tuple[str, int, dict[str, str]], ...] = (
        *((job, EXPORTER_PORT, of_environment) for job in jobs.exporter),
        *((job, APPLICATION_PORT, of_environment) for job in jobs.application),
        (Source.PROMETHEUS.value, PROMETHEUS_PORT, {}),
        (Source.ALERTMANAGER.value, ALERTMANAGER_PORT, {}),
    )
    return {
        "global": {
            "scrape_interval": prometheus_duration(organisation.scrape_interval),
            "evaluation_interval": prometheus_duration(organisation.evaluation_interval),
        },
        "rule_files": [f"/etc/prometheus/paymon/{environment.name}/rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [_target(ALERTMANAGER_PORT, {})]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [_target(port, labels)]} for job, port, labels in targets
        ],
    }


def _target(port: int, labels: dict[str, str]) -> dict[str, object]:
    return {"targets": [f"127.0.0.1:{port}"], **({"labels": labels} if labels else {})}


def _metadata(catalog: Catalog, environment: Environment, name: str) -> dict[str, object]:
    return {
        "name": f"{name}-{environment.name}",
        "labels": {**EXPORTER_LABELS, "app.kubernetes.io/part-of": catalog.organisation.service},
    }


def _prometheus_rule(catalog: Catalog, environment: Environment, groups: tuple[RuleGroup, ...]) -> str:
    heading = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _metadata(catalog, environment, catalog.organisation.service),
    }
    return as_yaml(heading) + "spec:\n" + indented(groups_text(groups))


def _monitors(catalog: Catalog, environment: Environment, kind: str) -> str:
    """One document for the exporter and one for the application: they may share a pod, and need not."""
    organisation = catalog.organisation
    jobs = organisation.jobs_in(environment)
    watched = (
        *((job, "paymon", EXPORTER_LABELS) for job in jobs.exporter),
        *((job, "http", {"app": organisation.service}) for job in jobs.application),
    )
    return "---\n".join(as_yaml(_monitor(catalog, environment, kind, *one)) for one in watched)


def _monitor(
    catalog: Catalog, environment: Environment, kind: str, job: str, port: str, selected: Mapping[str, str]
) -> dict[str, object]:
    organisation = catalog.organisation
    endpoint = {
        "port": port,
        "interval": prometheus_duration(organisation.scrape_interval),
        "relabelings": [
            {"targetLabel": "environment", "replacement": environment.name, "action": "replace"},
            {"targetLabel": "service", "replacement": organisation.service, "action": "replace"},
            {"targetLabel": "job", "replacement": job, "action": "replace"},
        ],
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "metadata": _metadata(catalog, environment, job),
        "spec": {
            "selector": {"matchLabels": dict(selected)},
            "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints": [endpoint],
        },
    }
