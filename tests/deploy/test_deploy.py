"""Do the deployment files fit what they are for: Kubernetes, Prometheus, Mimir, systemd, a container, CI?"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml

from generators.alertmanager import alertmanager_files
from generators.deploy import EXPORTER_LABELS, EXPORTER_PORT, deploy_files
from generators.files import environment_files
from generators.rules import rule_groups
from paymon.programs import find
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments import monitoring
from rules.promql import selectors
from rules.vocabulary import Environment, Signal, Source
from tests.servers import free_port, running, wait_until_ready

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
CATALOG = catalog()
ENVIRONMENTS = CATALOG.organisation.environments
PRODUCTION = CATALOG.organisation.environment("production")


def _manifests() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.name}/{document['kind']}", document)
        for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


def _generated(environment: Environment, name: str) -> dict[str, Any]:
    (document,) = _all_generated(environment, name)
    return document


def _all_generated(environment: Environment, name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(deploy_files(CATALOG)[f"{environment.name}/deploy/{name}"]))


def _pods() -> list[dict[str, Any]]:
    """The template of every pod that the manifests start."""
    return [manifest["spec"]["template"] for _, manifest in _manifests() if manifest["kind"] != "Service"]


def _exporter(manifest: dict[str, Any]) -> dict[str, Any]:
    containers = manifest["spec"]["template"]["spec"]["containers"]
    (found,) = [container for container in containers if container["name"] == "paymon-exporter"]
    return dict(found)


@pytest.mark.parametrize("manifest", [pytest.param(document, id=name) for name, document in _manifests()])
def test_a_manifest_is_valid_for_kubernetes(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_a_manifest_with_a_misspelt_field_would_be_refused() -> None:
    (_, manifest), *_ = _manifests()
    manifest["spec"]["template"]["spec"]["containers"][0]["imgae"] = "typo"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", ["sidecar.yaml", "singleton.yaml"])
def test_the_exporter_runs_without_privileges_on_a_read_only_root_with_a_volume_for_its_state(name: str) -> None:
    manifest = next(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))

    exporter = _exporter(manifest)

    assert exporter["securityContext"]["runAsNonRoot"] is True
    assert exporter["securityContext"]["readOnlyRootFilesystem"] is True
    assert exporter["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["mountPath"]: mount.get("readOnly", False) for mount in exporter["volumeMounts"]} == {
        "/etc/paymon": True,
        "/run/secrets": True,
        "/var/lib/paymon": False,
    }
    assert exporter["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert exporter["ports"] == [{"name": "paymon", "containerPort": EXPORTER_PORT}]


def test_an_exporter_that_is_not_ready_takes_no_customers_from_the_payments_service() -> None:
    """Customers are sent to a pod only while each of its containers is ready; without a probe it is, once it runs."""
    together = [pod["spec"]["containers"] for pod in _pods() if len(pod["spec"]["containers"]) > 1]
    assert together
    for containers in together:
        (exporter,) = (one for one in containers if one["name"] == "paymon-exporter")
        assert "readinessProbe" not in exporter
    (alone,) = (pod["spec"]["containers"] for pod in _pods() if len(pod["spec"]["containers"]) == 1)
    assert alone[0]["readinessProbe"]["httpGet"]["path"] == "/-/ready"


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_promtool_accepts_the_scrape_configuration_and_it_sets_the_label_that_the_rules_select_by(
    environment: Environment, promtool: Promtool, tmp_path: Path
) -> None:
    document = _generated(environment, "prometheus.yml")
    rules = tmp_path / "rules"
    rules.mkdir()
    for path, text in environment_files(CATALOG, environment).items():
        if "/rules/" in path:
            (rules / Path(path).name).write_text(text)
    document["rule_files"] = [f"{rules}/*.yml"]
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(document))

    result = promtool.check_config(config)

    assert result.findings == ()
    labels = {
        job["job_name"]: static.get("labels", {})
        for job in document["scrape_configs"]
        for static in job["static_configs"]
    }
    ours = {"environment": environment.name, "service": "payments"}
    assert labels == {"payments-exporter": ours, "payments": ours, "prometheus": {}, "alertmanager": {}}


def test_every_metric_that_the_rules_read_has_a_job_that_scrapes_it() -> None:
    jobs = {job["job_name"] for job in _generated(PRODUCTION, "prometheus.yml")["scrape_configs"]}
    organisation = CATALOG.organisation

    for source in {metric.source for metric in CATALOG.metrics} - {Source.SCRAPE, Source.RULES}:
        job = organisation.jobs.exporter[0] if source.exported else source.value
        assert (organisation.jobs.application[0] if source is Source.APPLICATION else job) in jobs


def test_alerts_go_to_the_alertmanager_that_is_scraped() -> None:
    document = _generated(PRODUCTION, "prometheus.yml")
    (scraped,) = [job for job in document["scrape_configs"] if job["job_name"] == "alertmanager"]

    assert document["alerting"]["alertmanagers"] == [{"static_configs": scraped["static_configs"]}]


def test_alertmanager_counts_failures_of_every_receiver_of_ours_and_of_others_only_where_it_names_none() -> None:
    pattern = _pattern(monitoring.lost_notifications, "receiver_name")

    routes = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/routes.yml"])
    assert all(re.fullmatch(pattern, receiver["name"]) for receiver in routes["receivers"])
    assert re.fullmatch(pattern, "")
    assert not re.fullmatch(pattern, "orders-payments-p1")


def test_prometheus_counts_failures_of_every_group_of_ours_and_of_no_other() -> None:
    pattern = _pattern(monitoring.failing_rules, "rule_group")

    for group in rule_groups(CATALOG, PRODUCTION):
        assert re.fullmatch(pattern, f"/etc/prometheus/paymon/production/rules/{group.area.name}.yml;{group.name}")
    for other in ("/etc/prometheus/rules/node.yml;node", "/etc/payments.d/a.yml;orders", "/rules/a.yml;paymentsteam"):
        assert not re.fullmatch(pattern, other)


@pytest.mark.slow
def test_a_prometheus_that_is_set_up_this_way_measures_itself_and_hears_of_a_rule_of_ours_that_fails(
    tmp_path: Path,
) -> None:
    document = _generated(PRODUCTION, "prometheus.yml")
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    for job in document["scrape_configs"]:
        if job["job_name"] in ports:
            job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    document["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}]
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    rules = {
        "groups": [
            {"name": name, "rules": [{"record": "double:up:now", "expr": "up * on () group_right () up"}]}
            for name in ("payments.production.spoilt", "of_another_team")
        ]
    }
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    document["rule_files"] = [str(tmp_path / "rules.yml")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(document))
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    alertmanager = (
        find("alertmanager"),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
        "--cluster.listen-address=",
    )
    prometheus = (
        find("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    )
    url = f"http://127.0.0.1:{ports['prometheus']}"
    logs = (tmp_path / "alertmanager.log", tmp_path / "prometheus.log")
    with running(alertmanager, logs[0]) as first, running(prometheus, logs[1]) as second:
        wait_until_ready(f"http://127.0.0.1:{ports['alertmanager']}/-/ready", first, logs[0])
        wait_until_ready(f"{url}/-/ready", second, logs[1])

        def asked(expr: str) -> list[dict[str, Any]]:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": expr}).raise_for_status()
            found: list[dict[str, Any]] = answer.json()["data"]["result"]
            return found

        def failing() -> set[str]:
            return {one["metric"]["rule_group"].partition(";")[2] for one in asked(f"{monitoring.rule_failures} > 0")}

        def failures_of_ours() -> bool:
            return any(float(one["value"][1]) > 0 for one in asked(_bound(monitoring.failing_rules).expr))

        _wait_until(lambda: failing() == {"payments.production.spoilt", "of_another_team"})
        _wait_until(failures_of_ours)
        _wait_until(lambda: not asked(_bound(monitoring.unmeasured).expr))
        assert asked(_bound(monitoring.lost_notifications).expr)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_the_operators_and_mimirs_groups_are_those_of_the_rule_files(environment: Environment) -> None:
    files = environment_files(CATALOG, environment)
    groups = [group for path, text in files.items() if "/rules/" in path for group in yaml.safe_load(text)["groups"]]

    assert _generated(environment, "prometheusrule.yaml")["spec"]["groups"] == groups
    assert _generated(environment, "mimir.yml")["groups"] == groups
    assert _generated(environment, "mimir.yml")["namespace"] == f"payments-{environment.name}"


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
@pytest.mark.parametrize(
    ("name", "endpoints"), [("podmonitor", "podMetricsEndpoints"), ("servicemonitor", "endpoints")]
)
def test_the_monitors_scrape_exporter_and_application_and_set_job_and_environment(
    environment: Environment, name: str, endpoints: str
) -> None:
    jobs = {}
    for monitor in _all_generated(environment, f"{name}.yaml"):
        (endpoint,) = monitor["spec"][endpoints]
        labels = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}
        jobs[labels.pop("job")] = (endpoint["port"], monitor["spec"]["selector"]["matchLabels"])
        assert labels == {"environment": environment.name, "service": "payments"}

    assert jobs == {
        "payments-exporter": ("paymon", EXPORTER_LABELS),
        "payments": ("http", {"app": "payments"}),
    }


def test_the_monitors_find_every_pod_with_the_port_that_they_scrape_and_the_singletons_service() -> None:
    (of_exporter, of_application) = _all_generated(ENVIRONMENTS[0], "podmonitor.yaml")
    for monitor in (of_exporter, of_application):
        selected = monitor["spec"]["selector"]["matchLabels"].items()
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        for pod in _pods():
            ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
            assert (selected <= pod["metadata"]["labels"].items()) == (endpoint["port"] in ports)

    (service,) = [manifest for _, manifest in _manifests() if manifest["kind"] == "Service"]
    assert service["metadata"]["labels"].items() >= EXPORTER_LABELS.items()
    assert [port["name"] for port in service["spec"]["ports"]] == ["paymon"]


def test_no_service_of_the_payments_service_takes_the_exporter_on_its_own_for_a_backend() -> None:
    manifest, service = yaml.safe_load_all((DEPLOY / "kubernetes/singleton.yaml").read_text())
    pod = manifest["spec"]["template"]["metadata"]["labels"]

    assert pod["app"] != "payments"
    assert service["spec"]["selector"].items() <= pod.items()
    assert manifest["spec"]["selector"]["matchLabels"].items() <= pod.items()


@pytest.mark.parametrize("name", ["sidecar.yaml", "singleton.yaml"])
def test_a_manifest_says_how_to_make_each_file_that_the_configuration_names(name: str) -> None:
    text = (DEPLOY / "kubernetes" / name).read_text()
    settings = (PROJECT / "examples/exporter.yaml").read_text()
    (configmap, configuration), (secret, secrets) = re.findall(r"# +kubectl create (?:.*) (\w+) (--from-file=.+)", text)

    assert _files(secrets) == set(re.findall(r"^ .*/run/secrets/(\S+)", settings, re.MULTILINE))
    assert _files(configuration) == {"exporter.yaml", *re.findall(r"^ .*/etc/paymon/(\S+)", settings, re.MULTILINE)}
    volumes = next(yaml.safe_load_all(text))["spec"]["template"]["spec"]["volumes"]
    assert [one["configMap"]["name"] for one in volumes if "configMap" in one] == [configmap]
    assert [one["secret"]["secretName"] for one in volumes if "secret" in one] == [secret]


def _files(options: str) -> set[str]:
    return set(re.findall(r"--from-file=(\S+)", options))


def _bound(signal: Signal) -> Signal:
    """The signal as the example's service has it."""
    return next(one for one in CATALOG.signals if one.name == signal.name)


def _pattern(signal: Signal, label: str) -> str:
    """The regular expression with which the signal selects the label's values."""
    found = {
        one[2] for selector in selectors(_bound(signal).expr) for one in selector.matchers if one[:2] == (label, "=~")
    }
    (pattern,) = found
    return pattern


def _wait_until(true: Callable[[], bool], within: float = 200) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"it was not so within {within} s"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_vmalert_accepts_the_rule_files(environment: Environment, tmp_path: Path) -> None:
    for path, text in environment_files(CATALOG, environment).items():
        if "/rules/" in path:
            (tmp_path / Path(path).name).write_text(text)

    result = subprocess.run(
        (find("vmalert"), "-dryRun", f"-rule={tmp_path}/*.yml"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    (tmp_path / "outcomes.yml").write_text("groups: [{name: a, rules: [{alert: A, expr: 'sum('}]}]")
    broken = subprocess.run(
        (find("vmalert"), "-dryRun", f"-rule={tmp_path}/*.yml"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert broken.returncode != 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "paymon-exporter.service"
    unit.write_text(
        (DEPLOY / "systemd/paymon-exporter.service").read_text().replace("/opt/paymon/bin/paymon", "/bin/true")
    )

    result = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", unit), capture_output=True, text=True, timeout=300, check=False
    )

    assert [line for line in result.stderr.splitlines() if "paymon-exporter" in line] == []


@pytest.mark.parametrize(("name", "job"), [("github.yml", "rules"), ("gitlab.yml", "payments-monitoring")])
def test_the_ci_examples_check_drift_lint_and_test(name: str, job: str) -> None:
    document = yaml.safe_load((DEPLOY / "ci" / name).read_text())
    steps = document["jobs"][job]["steps"] if "jobs" in document else document[job]["script"]
    commands = [step.get("run", "") if isinstance(step, dict) else step for step in steps]

    for command in ("paymon generate --check", "paymon lint", "paymon test --junit rules.xml"):
        assert any(line.endswith(command) for line in commands)


def _review(name: str) -> str:
    """The script by which that example tells in a review what a change means, as the runner's shell gets it."""
    document = yaml.safe_load((DEPLOY / "ci" / name).read_text())
    if "jobs" in document:
        return str(document["jobs"]["rules"]["steps"][-1]["run"])
    return "\n".join(document["what-it-means"]["script"])


@pytest.mark.parametrize(
    ("said", "status", "told"), [("what it means", 0, True), ("what it means, with doubts", 3, True), ("", 3, False)]
)
@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_a_review_is_told_what_a_change_means_also_where_part_of_it_cannot_be_judged(
    name: str, said: str, status: int, told: bool, tmp_path: Path
) -> None:
    programs = {
        ".venv/bin/paymon": f"echo -n '{said}'; exit {status}",
        "make": "",
        "jq": "",
        "gh": "cp change.md told",
        "curl": "cp change.md told",
    }
    for place, script in programs.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / place).chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PAYMON_PROMETHEUS_URL": "http://p"}

    done = subprocess.run(["bash", "-eo", "pipefail", "-c", _review(name)], cwd=tmp_path, env=environment, check=False)

    assert done.returncode == status
    assert (tmp_path / "told").exists() == told
    assert not told or (tmp_path / "told").read_text() == said


def test_the_container_is_built_by_the_script_that_is_tested_and_runs_without_privileges() -> None:
    lines = (DEPLOY / "container/Containerfile").read_text().splitlines()

    assert [line for line in lines if line.startswith("RUN ")] == [
        "RUN sh /source/install.sh /source /opt/paymon",
        "RUN mkdir /var/lib/paymon && chown 65532:65532 /var/lib/paymon",
    ]
    assert "USER 65532:65532" in lines


@pytest.mark.slow
def test_the_containers_install_script_works_in_a_clean_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for copied in (DEPLOY / "container/Containerfile").read_text().splitlines():
        if copied.startswith("COPY ") and "--from" not in copied:
            *names, _ = copied.split()[1:]
            for name in names:
                origin = PROJECT / name
                if origin.is_dir():
                    shutil.copytree(origin, source / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(origin, source / origin.name)
    variables = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_")) or name == "PATH"
    }

    installed = subprocess.run(
        ("sh", source / "install.sh", source, tmp_path / "opt"),
        env=variables | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    generated = subprocess.run(
        (tmp_path / "opt/bin/paymon", "generate", "--out", tmp_path / "out"),
        env={"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    helped = subprocess.run(
        (tmp_path / "opt/bin/paymon", "exporter", "--help"),
        env={"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.splitlines()[-1] == "paymon 0.1.0"
    assert generated.returncode == 0, generated.stderr
    assert (tmp_path / "out/generated/production/runbook/index.md").is_file()
    assert helped.returncode == 0, helped.stderr
