"""How do the generated rules reach a Prometheus, an Operator, a Mimir, and the exporter its scrape?"""

from collections.abc import Mapping

from generators.rules import RuleGroup, rule_groups, rules_document
from generators.text import as_yaml, generated_header
from rules.vocabulary import Catalog, Environment, prometheus_duration

__all__ = ["EXPORTER_PORT", "deploy_files"]

EXPORTER_PORT = 9877
"""Where the exporter listens, unless it is told otherwise."""

APPLICATION_PORT = 8080


def deploy_files(catalog: Catalog) -> Mapping[str, str]:
    """For each environment: scrape configuration, PrometheusRule, PodMonitor, ServiceMonitor and Mimir namespace.

    Paths are below `generated/`.
    """
    files: dict[str, str] = {}
    for environment in catalog.organisation.environments:
        folder = f"{environment.name}/deploy"
        groups = rule_groups(catalog, environment)
        documents = {
            "prometheus.yml": _prometheus(catalog, environment),
            "prometheusrule.yaml": _prometheus_rule(catalog, environment, groups),
            "podmonitor.yaml": _monitor(catalog, environment, "PodMonitor"),
            "servicemonitor.yaml": _monitor(catalog, environment, "ServiceMonitor"),
            "mimir.yml": {"namespace": f"{catalog.organisation.service}-{environment.name}", **rules_document(groups)},
        }
        for name, document in documents.items():
            files[f"{folder}/{name}"] = generated_header("rules/") + as_yaml(document)
    return files


def _prometheus(catalog: Catalog, environment: Environment) -> dict[str, object]:
    """What to add to prometheus.yml; the label `environment` is what the rules select by."""
    organisation = catalog.organisation
    targets = ((organisation.exporter_job, EXPORTER_PORT), (organisation.application_job, APPLICATION_PORT))
    return {
        "global": {
            "scrape_interval": prometheus_duration(organisation.scrape_interval),
            "evaluation_interval": prometheus_duration(organisation.evaluation_interval),
        },
        "rule_files": [f"/etc/prometheus/paymon/{environment.name}/rules/*.yml"],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {
                        "targets": [f"127.0.0.1:{port}"],
                        "labels": {"environment": environment.name, "service": organisation.service},
                    }
                ],
            }
            for job, port in targets
        ],
    }


def _metadata(catalog: Catalog, environment: Environment) -> dict[str, object]:
    service = catalog.organisation.service
    return {
        "name": f"{service}-{environment.name}",
        "labels": {"app.kubernetes.io/name": "paymon", "app.kubernetes.io/part-of": service},
    }


def _prometheus_rule(catalog: Catalog, environment: Environment, groups: tuple[RuleGroup, ...]) -> dict[str, object]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _metadata(catalog, environment),
        "spec": rules_document(groups),
    }


def _monitor(catalog: Catalog, environment: Environment, kind: str) -> dict[str, object]:
    organisation = catalog.organisation
    endpoints = [
        {
            "port": "paymon",
            "interval": prometheus_duration(organisation.scrape_interval),
            "relabelings": [
                {"targetLabel": "environment", "replacement": environment.name, "action": "replace"},
                {"targetLabel": "service", "replacement": organisation.service, "action": "replace"},
                {"targetLabel": "job", "replacement": organisation.exporter_job, "action": "replace"},
            ],
        }
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "metadata": _metadata(catalog, environment),
        "spec": {
            "selector": {"matchLabels": {"app": organisation.service}},
            "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints": endpoints,
        },
    }
