"""Does a company with nothing but the built wheel get from `init` to files that real servers load, and over a release?

No checkout is on the path there: a virtual environment with the wheel alone, and the packages that it depends on.
"""

import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import pytest
import yaml

from paymon.programs import find
from tests.servers import alertmanager, free_port, prometheus, running, wait_until_ready

PROJECT = Path(__file__).parents[2]
PACKAGES = ("rules", "generators", "exporters", "paymon", "simulator")
SERVICES = ("checkout", "donations")
ENVIRONMENTS = ("eu-production", "us-production", "staging")

pytestmark = pytest.mark.slow


class Machine:
    """A virtual environment that has the wheel, and a folder in which a team works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "acme"
        self.python = folder / "venv/bin/python"
        venv.create(folder / "venv", symlinks=True)
        site = next((folder / "venv/lib").glob("python*/site-packages"))
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, source: Path) -> None:
        """Build the wheel from that source, and put it in the place of what was there."""
        wheels = self.folder / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source])
        (wheel,) = wheels.glob("paymon-*.whl")
        run([*pip, "--python", self.python, "install", "--no-deps", "--force-reinstall", "--no-index", wheel])

    def paymon(self, *arguments: str, status: int = 0, variables: Mapping[str, str] | None = None) -> str:
        """What a command prints, in the team's folder."""
        folder = self.project if self.project.exists() else self.folder
        command: list[str | Path] = [self.folder / "venv/bin/paymon", *arguments]
        path = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        ran = subprocess.run(
            command,
            cwd=folder,
            env=path | dict(variables or {}),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert ran.returncode == status, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr


def run(command: Sequence[str | Path]) -> None:
    ran = subprocess.run(list(command), capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def source_tree(folder: Path, changes: Mapping[str, Sequence[tuple[str, str]]]) -> Path:
    """A copy of what the wheel is built from, with these changes."""
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / file, folder / file)
    for path, pairs in changes.items():
        for old, new in pairs:
            text = (folder / path).read_text()
            assert old in text, (path, old)
            (folder / path).write_text(text.replace(old, new, 1))
    return folder


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which another company has begun: one alert dropped, two changed, an area of its own."""
    folder = tmp_path_factory.mktemp("machine")
    found = Machine(folder)
    found.install(source_tree(folder / "source", {}))
    found.paymon(
        *("init", "acme", "--yes", "--no-postgres", "--organisation", "Acme Ltd", "--domain", "acme.example"),
        *(part for name in SERVICES for part in ("--service", name)),
        *(part for name in ENVIRONMENTS for part in ("--environment", name)),
        *("--team", "till", "--currency", "eur", "--timezone", "Europe/Berlin", "--slack", "#till"),
    )
    monitoring = found.project / "monitoring.py"
    changed = monitoring.read_text().replace(
        "\nCATALOG = (",
        """
OURS = OURS.without("PaymentDisputeRateHigh", because="our acquirer handles disputes")
OURS = OURS.override("PaymentSuccessRateLow", value="0.97", because="our contract promises 97 %")
OURS = OURS.override("PaymentFailuresPerHourHigh", value=80, because="we have more traffic")

CATALOG = (""",
    )
    assert changed != monitoring.read_text()
    monitoring.write_text(changed)
    said = found.paymon("generate")
    assert f"reads monitoring:CATALOG of {found.project}" in said
    return found


def generated(machine: Machine) -> Path:
    return machine.project / "generated"


def test_both_services_have_every_environment_with_the_changes_and_nobody_else_s_names(machine: Machine) -> None:
    for service in SERVICES:
        for environment in ENVIRONMENTS:
            rules = generated(machine) / service / environment / "rules"
            alerts = {
                rule["alert"]: rule
                for file in rules.iterdir()
                for group in yaml.safe_load(file.read_text())["groups"]
                for rule in group["rules"]
                if "alert" in rule
            }
            assert "PaymentDisputeRateHigh" not in alerts
            assert " < 0.97" in alerts["PaymentSuccessRateLow"]["expr"]
            assert " > 80" in alerts["PaymentFailuresPerHourHigh"]["expr"]
            assert ("CheckoutQueueLong" in alerts) is (service == "checkout")
            assert all(rule["labels"]["service"] == service for rule in alerts.values())
            assert all(rule["labels"]["team"] == "till" for rule in alerts.values())
    written = [path for path in generated(machine).rglob("*") if path.is_file()]
    assert len(written) > 500
    for path in written:
        text = path.read_text().lower()
        assert "gametriq" not in text, path
        assert "postgres" not in path.name, path


def test_the_files_follow_from_the_definitions_and_lint_has_no_finding(machine: Machine) -> None:
    assert "follows from the definitions" in machine.paymon("generate", "--check")
    programs = {"PROMTOOL": str(find("promtool")), "AMTOOL": str(find("amtool"))}
    assert "no finding" in machine.paymon("lint", variables=programs)


def test_one_prometheus_loads_the_rules_of_both_services(machine: Machine, tmp_path: Path) -> None:
    folders = [generated(machine) / service / name / "rules" for service in SERVICES for name in ENVIRONMENTS]
    config = f"""
global: {{evaluation_interval: 15s, scrape_interval: 15s}}
rule_files: [{", ".join(f'"{folder}/*.yml"' for folder in folders)}]
"""
    with prometheus(find("prometheus"), config, tmp_path) as url:
        groups = httpx.get(f"{url}/api/v1/rules", timeout=100).json()["data"]["groups"]
    assert len({group["name"] for group in groups}) == len(groups) > 50
    assert {group["name"].split(".")[0] for group in groups} == set(SERVICES)


def test_a_real_alertmanager_loads_the_configuration_of_both(machine: Machine, tmp_path: Path) -> None:
    shutil.copytree(generated(machine) / "alertmanager", tmp_path / "alertmanager")
    with alertmanager(find("alertmanager"), tmp_path / "alertmanager" / "alertmanager.yml") as url:
        status = httpx.get(f"{url}/api/v2/status", timeout=100).json()
    assert "till-p1" in status["config"]["original"]


def exporter_page(machine: Machine, folder: Path) -> str:
    """What the exporter of the staging environment serves, once it serves."""
    config = "exporter/checkout/staging.yaml"
    variables = {
        "PAYMON_STRIPE__API_KEY": "rk_test_x",
        "PAYMON_FLAG__TOKEN": "x",
        "PAYMON_STRIPE__STATE__PATH": str(folder / "state.sqlite3"),
    }
    machine.paymon("exporter", "--config", config, "--check-config", variables=variables)
    port, log = free_port(), folder / "log"
    settings = [f"{name}={value}" for name, value in variables.items()]
    program: tuple[str | Path, ...] = (
        *(
            "env",
            "-u",
            "PYTHONPATH",
            "-C",
            str(machine.project),
            *settings,
            str(machine.folder / "venv/bin/paymon"),
            "exporter",
        ),
        *("--config", config, f"--web.listen-address=127.0.0.1:{port}"),
    )
    with running(program, log) as process:
        wait_until_ready(f"http://127.0.0.1:{port}/-/healthy", process, log)
        deadline = time.monotonic() + 200
        while 'version="' not in (page := httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=100).text):
            assert time.monotonic() < deadline, page
            time.sleep(0.2)
        return page


def test_the_exporter_takes_its_configuration_and_serves_its_page(machine: Machine, tmp_path: Path) -> None:
    assert 'payments_exporter_build_info{version="0.1.0"} 1.0' in exporter_page(machine, tmp_path)


FORMER = """    formerly=Former("{}", until="0.4.0", because="{}"),
"""
RELEASE = {
    "pyproject.toml": (('version = "0.1.0"', 'version = "0.2.0"'),),
    "rules/payments/rollout.py": (('            "0.005",', '            "0.01",'),),
    "rules/payments/budget.py": (
        (
            """    "PaymentFailuresPerHourHigh",
""",
            """    "PaymentFailuresInAnHourHigh",
"""
            + FORMER.format("PaymentFailuresPerHourHigh", "it says so in words"),
        ),
        ("    Example,\n", "    Example,\n    Former,\n"),
    ),
    "rules/payments/monitoring.py": (
        ('"payments_exporter_build_info"', '"payments_exporter_version_info"'),
        (
            '    labels=(Label("version", bounded_by="the releases of this exporter"),),\n',
            '    labels=(Label("version", bounded_by="the releases of this exporter"),),\n'
            + FORMER.format("payments_exporter_build_info", "it is a version"),
        ),
        ("    Example,\n", "    Example,\n    Former,\n"),
    ),
    "rules/payments/latency.py": (
        ('"payment_api_request_duration_seconds"', '"payment_api_duration_seconds"'),
        (
            "    labels=(STATUS_CLASS,),\n    bounds=",
            "    labels=(STATUS_CLASS,),\n"
            + FORMER.format("payment_api_request_duration_seconds", "it is the API's")
            + "    bounds=",
        ),
        ('"payments_api:slow_requests:ratio_rate5m"', '"payments_api:slow:ratio_rate5m"'),
        (
            '    serves=("KM-02",),\n)',
            '    serves=("KM-02",),\n' + FORMER.format("payments_api:slow_requests:ratio_rate5m", "as it is") + ")",
        ),
        ("    Example,\n", "    Example,\n    Former,\n"),
    ),
}
"""A threshold that moves, and an alert, a metric of each side and a signal that have other names."""


def test_the_next_release_says_what_it_changes_for_this_team_before_anything_is_written(
    machine: Machine, tmp_path: Path
) -> None:
    (machine.project / "notes.md").write_text("We look at payments_exporter_build_info after a deployment.\n")
    before = {path: path.read_bytes() for path in generated(machine).rglob("*") if path.is_file()}
    machine.install(source_tree(tmp_path / "source", RELEASE))

    said = machine.paymon("upgrade")

    assert "was written by paymon 0.1.0, this is 0.2.0" in said
    assert "PaymentRolloutDrift: above 0.5 % -> above 1 %, because " in said
    assert "[eu-production, staging, us-production]" in said
    for line in (
        "renamed: payment_api_request_duration_seconds is now payment_api_duration_seconds, because it is the API's; "
        "let your service export the new one, the rules read either until version 0.4.0",
        "renamed: payments_exporter_build_info is now payments_exporter_version_info, because it is a version; "
        "the exporter serves both until version 0.4.0",
        "renamed: payments_api:slow_requests:ratio_rate5m is now payments_api:slow:ratio_rate5m, because as it is; "
        "both are recorded until version 0.4.0",
        "renamed: PaymentFailuresPerHourHigh is now PaymentFailuresInAnHourHigh; silences and routes that name it need "
        "the new one",
        "notes.md:1: payments_exporter_build_info is now payments_exporter_version_info; write that before 0.4.0",
    ):
        assert line in said
    (ours,) = (line for line in said.splitlines() if line.startswith("  monitoring.py:"))
    assert ours.endswith("PaymentFailuresPerHourHigh is now PaymentFailuresInAnHourHigh; write that before 0.4.0")
    assert {path: path.read_bytes() for path in generated(machine).rglob("*") if path.is_file()} == before

    said = machine.paymon("generate")
    assert "notes.md:1" in said
    assert ours.strip() in said


def test_until_it_is_time_the_former_names_of_that_release_work_beside_the_new_ones(
    machine: Machine, tmp_path: Path
) -> None:
    folder = generated(machine) / "checkout/eu-production"
    (alert,) = (
        rule
        for group in yaml.safe_load((folder / "rules/budget.yml").read_text())["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "PaymentFailuresInAnHourHigh"
    )
    assert " > 80" in alert["expr"], "the team's override names the alert as it was called before"
    latency = (folder / "tests").glob("signals-latency-*.yml")
    asked = [path for path in latency if "former names too" in path.read_text()]
    assert asked
    run([find("promtool"), "test", "rules", *asked])

    page = exporter_page(machine, tmp_path)
    assert 'payments_exporter_version_info{version="0.2.0"} 1.0' in page
    assert 'payments_exporter_build_info{version="0.2.0"} 1.0' in page

    for file in ("notes.md", "monitoring.py"):
        text = (machine.project / file).read_text()
        text = text.replace("payments_exporter_build_info", "payments_exporter_version_info")
        (machine.project / file).write_text(text.replace("PaymentFailuresPerHourHigh", "PaymentFailuresInAnHourHigh"))
    assert "nothing changes" in machine.paymon("upgrade")


def test_going_back_to_the_older_release_is_not_done_unasked(machine: Machine, tmp_path: Path) -> None:
    machine.install(source_tree(tmp_path / "older", {}))
    unread = machine.paymon("generate", status=1)
    assert "there is no alert, signal, area or source 'PaymentFailuresInAnHourHigh' to change" in unread
    assert "was written by paymon 0.2.0, and this is 0.1.0" in unread

    monitoring = machine.project / "monitoring.py"
    monitoring.write_text(monitoring.read_text().replace("PaymentFailuresInAnHourHigh", "PaymentFailuresPerHourHigh"))
    refused = machine.paymon("generate", status=1)
    assert "was written by paymon 0.2.0, and this is 0.1.0; install 0.2.0" in refused
