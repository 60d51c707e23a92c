"""Do the deployment files fit what they are for: Kubernetes, Prometheus, Mimir, systemd, a container, CI?"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from generators.deploy import EXPORTER_PORT, deploy_files
from generators.files import environment_files
from paymon.programs import find
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.vocabulary import Environment

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
CATALOG = catalog()
ENVIRONMENTS = CATALOG.organisation.environments


def _manifests() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.name}/{document['kind']}", document)
        for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


def _generated(environment: Environment, name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(deploy_files(CATALOG)[f"{environment.name}/deploy/{name}"])
    return document


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
    assert exporter["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert exporter["ports"] == [{"name": "paymon", "containerPort": EXPORTER_PORT}]


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
    labels = [static["labels"] for job in document["scrape_configs"] for static in job["static_configs"]]
    assert all(found["environment"] == environment.name for found in labels)


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
def test_the_monitors_scrape_the_exporters_port_and_set_job_and_environment(
    environment: Environment, name: str, endpoints: str
) -> None:
    (endpoint,) = _generated(environment, f"{name}.yaml")["spec"][endpoints]
    manifests = [manifest for _, manifest in _manifests() if manifest["kind"] != "Service"]
    ports = {port["name"] for manifest in manifests for port in _exporter(manifest)["ports"]}

    assert endpoint["port"] in ports
    labels = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}
    assert labels == {"environment": environment.name, "service": "payments", "job": "payments-exporter"}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_vmalert_accepts_the_rule_files(environment: Environment, tmp_path: Path) -> None:
    for path, text in environment_files(CATALOG, environment).items():
        if "/rules/" in path:
            (tmp_path / Path(path).name).write_text(text)

    result = subprocess.run(
        (find("vmalert"), "-dryRun", f"-rule={tmp_path}/*.yml"), capture_output=True, text=True, timeout=60, check=False
    )

    assert result.returncode == 0, result.stderr
    (tmp_path / "outcomes.yml").write_text("groups: [{name: a, rules: [{alert: A, expr: 'sum('}]}]")
    broken = subprocess.run(
        (find("vmalert"), "-dryRun", f"-rule={tmp_path}/*.yml"), capture_output=True, text=True, timeout=60, check=False
    )
    assert broken.returncode != 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "paymon-exporter.service"
    unit.write_text(
        (DEPLOY / "systemd/paymon-exporter.service").read_text().replace("/opt/paymon/bin/paymon", "/bin/true")
    )

    result = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", unit), capture_output=True, text=True, timeout=60, check=False
    )

    assert [line for line in result.stderr.splitlines() if "paymon-exporter" in line] == []


@pytest.mark.parametrize(("name", "job"), [("github.yml", "rules"), ("gitlab.yml", "payments-monitoring")])
def test_the_ci_examples_check_drift_lint_and_test(name: str, job: str) -> None:
    document = yaml.safe_load((DEPLOY / "ci" / name).read_text())
    steps = document["jobs"][job]["steps"] if "jobs" in document else document[job]["script"]
    commands = [step.get("run", "") if isinstance(step, dict) else step for step in steps]

    for command in ("paymon generate --check", "paymon lint", "paymon test --junit rules.xml"):
        assert any(line.endswith(command) for line in commands)


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
        timeout=60,
        check=False,
    )
    helped = subprocess.run(
        (tmp_path / "opt/bin/paymon", "exporter", "--help"),
        env={"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.splitlines()[-1] == "paymon 0.1.0"
    assert generated.returncode == 0, generated.stderr
    assert (tmp_path / "out/generated/runbook/index.md").is_file()
    assert helped.returncode == 0, helped.stderr
