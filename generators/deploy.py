"""How do the generated rules reach a Prometheus, an Operator, a Mimir, and whoever exports metrics its scrape?"""

import re
from collections.abc import Mapping, Sequence

from generators.revision import all_groups_text
from generators.text import as_yaml, generated_header, indented
from rules.vocabulary import Catalog, Environment, Source, prometheus_duration

__all__ = ["EXPORTER_LABELS", "EXPORTER_PORT", "deploy_files"]

EXPORTER_PORT = 9877
"""Where the exporter listens, unless it is told otherwise."""

EXPORTER_LABELS: Mapping[str, str] = {"app.kubernetes.io/name": "paymon"}
"""What every pod and Service that carries the exporter is labelled with in Kubernetes, and nothing else is."""

OF_SERVICE = "app.kubernetes.io/part-of"
"""The label that names the service, by which exporters of several are told apart."""

APPLICATION_PORT = 8080
PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093

_HEADER = generated_header()
_SCRAPES = """\
# The addresses are those of one machine; put yours. Prometheus and Alertmanager are scraped too: without their own
# metrics nobody hears of rules that fail and of notifications that are lost. They serve all environments, and so carry
# the label of none.
"""
_ANNOTATED = """\
# For a Prometheus that finds pods in Kubernetes. Put the namespace of your pods where it says {namespace}:
# pods of another environment, and other services' exporters, look the same. The exporter is found by the label of its
# pod and the name of its port, paymon; the application by the annotations prometheus.io/scrape: "true" and
# prometheus.io/port, of which a pod has one. Job, service and environment are set, whatever the pod is called.
"""
_AGENT = """\
# For a Prometheus in agent mode (or another agent that reads this format), which scrapes here and sends it on.
# The labels are set here, before anything is sent; the rules are evaluated where it arrives.
"""
_FEDERATION = """\
# For the Prometheus that evaluates the rules, where another one scrapes: its labels are kept (honor_labels), for the
# rules select by them. What looks like a job here is the name of the copying only.
"""
_ALLOW_LISTS = """\
# What the exporter counts under a name of its own, once its configuration names this file: allow_lists: {file: ...}
"""
_ONE_OF_TWO = """\
# Apply this or {other}, never both: each series would be there twice.
# It selects {selects}
"""
_OF_SEVERAL = f"""\
# There are exporters of several services: label this one's pods, and its Service, with {OF_SERVICE}.
"""
_PODS = "pods, so that it fits the exporter both as a sidecar and on its own."
_SERVICES = "Services: the singleton's, and the application's with a port named http. A sidecar has none."


def deploy_files(catalog: Catalog, beside: Sequence[Catalog] = ()) -> Mapping[str, str]:
    """For each environment: scrape configuration, PrometheusRule, PodMonitor, ServiceMonitor and Mimir namespace.

    Paths are below `generated/`. `beside` are the catalogs of other services that the same Prometheus may watch.
    """
    files: dict[str, str] = {}
    for environment in catalog.organisation.environments:
        folder = f"{environment.name}/deploy"
        groups = all_groups_text(catalog, environment)
        namespace = _namespace(catalog, environment)
        several = _OF_SEVERAL if beside else ""
        texts = {
            "prometheus.yml": _SCRAPES + as_yaml(_prometheus(catalog, environment, shared=bool(beside))),
            "prometheusrule.yaml": _prometheus_rule(catalog, environment, groups),
            "podmonitor.yaml": _ONE_OF_TWO.format(other="servicemonitor.yaml", selects=_PODS)
            + several
            + _monitors(catalog, environment, "PodMonitor", shared=bool(beside)),
            "servicemonitor.yaml": _ONE_OF_TWO.format(other="podmonitor.yaml", selects=_SERVICES)
            + several
            + _monitors(catalog, environment, "ServiceMonitor", shared=bool(beside)),
            "mimir.yml": as_yaml({"namespace": namespace}) + groups,
            "scrape-annotated-pods.yml": _ANNOTATED.format(namespace=namespace)
            + several
            + as_yaml(_annotated(catalog, environment, shared=bool(beside))),
            "scrape-agent.yml": _AGENT + as_yaml(_agent(catalog, environment)),
            "scrape-federation.yml": _FEDERATION + as_yaml(_federation(catalog, environment)),
            "allow-lists.yaml": _ALLOW_LISTS + as_yaml(_allow_lists(catalog)),
        }
        for name, text in texts.items():
            files[f"{folder}/{name}"] = _HEADER + text
    return files


def _allow_lists(catalog: Catalog) -> dict[str, object]:
    organisation = catalog.organisation
    return {"payment_methods": list(organisation.payment_methods), "currencies": list(organisation.currencies)}


def _prometheus(catalog: Catalog, environment: Environment, *, shared: bool) -> dict[str, object]:
    """What to add to prometheus.yml; the label `environment` is what the rules select by."""
    organisation = catalog.organisation
    below = f"{organisation.service}/" if shared else ""
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
        "rule_files": [f"/etc/prometheus/paymon/{below}{environment.name}/rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [_target(ALERTMANAGER_PORT, {})]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [_target(port, labels)]} for job, port, labels in targets
        ],
    }


def _exporter_labels(catalog: Catalog, *, shared: bool) -> Mapping[str, str]:
    """What the exporter's pods are labelled with: where there are exporters of several services, with their own too."""
    return {**EXPORTER_LABELS, **({OF_SERVICE: catalog.organisation.service} if shared else {})}


def _jobs(
    catalog: Catalog, environment: Environment, *, shared: bool = False
) -> tuple[tuple[str, int, Mapping[str, str]], ...]:
    """Every job of ours with its port and the labels of its pods."""
    organisation = catalog.organisation
    jobs = organisation.jobs_in(environment)
    return (
        *((job, EXPORTER_PORT, _exporter_labels(catalog, shared=shared)) for job in jobs.exporter),
        *((job, APPLICATION_PORT, {"app": organisation.service}) for job in jobs.application),
    )


def _set(catalog: Catalog, environment: Environment, job: str) -> list[dict[str, object]]:
    """The relabelling that sets what the rules select by, whatever the target had."""
    wanted = {"job": job, "service": catalog.organisation.service, "environment": environment.name}
    return [{"target_label": label, "replacement": value, "action": "replace"} for label, value in wanted.items()]


def _annotated(catalog: Catalog, environment: Environment, *, shared: bool) -> dict[str, object]:
    meta = "__meta_kubernetes_pod_"
    annotation = f"{meta}annotation_prometheus_io_"
    of_exporter = (_keep(f"{meta}container_port_name", "paymon"),)
    of_application = (
        _keep(f"{annotation}scrape", "true"),
        {
            "source_labels": ["__address__", f"{annotation}port"],
            "regex": r"([^:]+)(?::\d+)?;(\d+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
            "action": "replace",
        },
        {"source_labels": ["__address__"], "regex": f".+:{EXPORTER_PORT}", "action": "drop"},
    )
    return {
        "scrape_configs": [
            {
                "job_name": f"{catalog.organisation.service}-{environment.name}-{job}",
                "scrape_interval": prometheus_duration(catalog.organisation.scrape_interval),
                "kubernetes_sd_configs": [{"role": "pod"}],
                "relabel_configs": [
                    _keep("__meta_kubernetes_namespace", _namespace(catalog, environment)),
                    {"source_labels": [f"{meta}phase"], "regex": "Succeeded|Failed", "action": "drop"},
                    *(
                        _keep(f"{meta}label_" + re.sub(r"[^a-zA-Z0-9_]", "_", name), value)
                        for name, value in pods.items()
                    ),
                    *(of_exporter if port == EXPORTER_PORT else of_application),
                    {"source_labels": [f"{meta}name"], "target_label": "pod", "action": "replace"},
                    *_set(catalog, environment, job),
                ],
            }
            for job, port, pods in _jobs(catalog, environment, shared=shared)
        ]
    }


def _keep(label: str, value: str) -> dict[str, object]:
    return {"source_labels": [label], "regex": value, "action": "keep"}


def _namespace(catalog: Catalog, environment: Environment) -> str:
    """Of the pods in Kubernetes, as the kustomize overlay has it, and of the rules in Mimir."""
    return f"{catalog.organisation.service}-{environment.name}"


def _agent(catalog: Catalog, environment: Environment) -> dict[str, object]:
    return {
        "global": {"scrape_interval": prometheus_duration(catalog.organisation.scrape_interval)},
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [_target(port, {})],
                "relabel_configs": _set(catalog, environment, job),
            }
            for job, port, _ in _jobs(catalog, environment)
        ],
        "remote_write": [{"url": f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/write"}],
    }


def _federation(catalog: Catalog, environment: Environment) -> dict[str, object]:
    ours = f'{{service="{catalog.organisation.service}",environment="{environment.name}"}}'
    return {
        "scrape_configs": [
            {
                "job_name": f"federate-{catalog.organisation.service}-{environment.name}",
                "scrape_interval": prometheus_duration(catalog.organisation.scrape_interval),
                "honor_labels": True,
                "metrics_path": "/federate",
                "params": {"match[]": [ours]},
                "static_configs": [_target(PROMETHEUS_PORT, {})],
            }
        ]
    }


def _target(port: int, labels: dict[str, str]) -> dict[str, object]:
    return {"targets": [f"127.0.0.1:{port}"], **({"labels": labels} if labels else {})}


def _metadata(catalog: Catalog, environment: Environment, name: str) -> dict[str, object]:
    return {
        "name": f"{name}-{environment.name}",
        "labels": {**EXPORTER_LABELS, OF_SERVICE: catalog.organisation.service},
    }


def _prometheus_rule(catalog: Catalog, environment: Environment, groups: str) -> str:
    heading = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _metadata(catalog, environment, catalog.organisation.service),
    }
    return as_yaml(heading) + "spec:\n" + indented(groups)


def _monitors(catalog: Catalog, environment: Environment, kind: str, *, shared: bool) -> str:
    """One document for the exporter and one for the application: they may share a pod, and need not."""
    organisation = catalog.organisation
    jobs = organisation.jobs_in(environment)
    watched = (
        *((job, "paymon", _exporter_labels(catalog, shared=shared)) for job in jobs.exporter),
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
