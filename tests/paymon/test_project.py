"""Does a folder's own project say which definitions are read, and is nothing written where that is in doubt?"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner

from paymon.now.check import check
from paymon.programs import find
from tests import servers
from tests.paymon.acme import acme
from tests.servers import free_port
from tests.versions import ALERTMANAGER

ROOT = Path(__file__).parents[2]


def paymon(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, run in that folder."""
    return subprocess.run(
        (Path(sys.executable).parent / "paymon", *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def written(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of another company's project."""
    folder = acme(tmp_path_factory.mktemp("acme"))
    result = paymon(folder, "generate")
    assert (result.returncode, result.stderr.splitlines()) == (
        0,
        [f"paymon 0.1.0 reads monitoring:CATALOG of {folder}"],
    )
    return written(folder / "generated")


@pytest.mark.slow
def test_another_companys_files_name_nobody_elses(generated: dict[str, str]) -> None:
    assert [path for path, text in generated.items() if "gametriq" in text.lower() or "⟦" in text] == []


def test_what_a_team_changed_is_changed_everywhere_and_the_rest_stays(generated: dict[str, str]) -> None:
    rules = generated["us-production/rules/outcomes.yml"]
    assert 'payments:technical_success:ratio_rate5m{environment="us-production",service="shop"} < 0.97' in rules
    assert "our contract promises 97 %" in rules
    assert "for: 3m" in rules.partition("alert: PaymentsDegraded\n")[2].partition("- alert:")[0]
    assert "More than 100 payments wait for a worker." in generated["staging/rules/checkout.yml"]
    assert "staging/tests/CheckoutQueueLong.yml" in generated


def test_an_alert_that_is_left_out_takes_all_that_was_made_of_it_along(generated: dict[str, str]) -> None:
    assert [path for path, text in generated.items() if "PaymentTimeouts" in text or "PaymentTimeouts" in path] == []


@pytest.mark.slow
def test_the_alert_that_always_fires_cannot_be_left_out_and_the_place_is_told(tmp_path: Path) -> None:
    folder = acme(tmp_path / "acme")
    monitoring = folder / "monitoring.py"
    text = monitoring.read_text().replace('.without("PaymentTimeouts"', '.without("PaymentsWatchdog"')
    monitoring.write_text(text)

    result = paymon(folder, "generate")

    assert result.returncode == 1
    line = text[: text.index('service("shop")')].count("\n") + 1
    assert f"monitoring.py:{line}: service shop has no alert that always fires" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "generated").exists()


def test_a_source_that_is_left_out_takes_its_rules_panels_and_pages_along(generated: dict[str, str]) -> None:
    assert [path for path, text in generated.items() if "payments_db_" in text] == []
    assert "us-production/rules/database.yml" not in generated


def test_an_environment_has_its_own_hosts_and_jobs(generated: dict[str, str]) -> None:
    eu, us = (generated[f"{name}/runbook/health.md"] for name in ("eu-production", "us-production"))
    assert "https://api.eu.acme.example/health/payments" in eu
    assert "https://api.acme.example" not in eu
    assert "https://api.acme.example/health/payments" in us
    assert "environment=eu-production service=shop" in eu
    assert (
        'up{environment="eu-production",service="shop",job=~"eu-exporter|eu-exporter-2"}'
        in (generated["eu-production/rules/monitoring.yml"])
    )
    assert (
        'up{environment="us-production",service="shop",job="shop-exporter"}'
        in (generated["us-production/rules/monitoring.yml"])
    )


@pytest.mark.slow
def test_every_command_finds_the_project_from_a_folder_inside_it(tmp_path: Path) -> None:
    folder = acme(tmp_path / "acme")
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)

    result = paymon(deep, "explain", "CheckoutQueueLong")

    assert result.returncode == 0
    assert result.stderr == f"paymon 0.1.0 reads monitoring:CATALOG of {folder}\n"
    assert "our workers finish 100 a minute" in result.stdout


@pytest.mark.slow
def test_of_two_projects_in_nested_folders_the_nearest_counts(tmp_path: Path) -> None:
    acme(tmp_path / "outer")
    inner = acme(tmp_path / "outer" / "inner")

    assert paymon(inner, "list", "alerts").stderr == f"paymon 0.1.0 reads monitoring:CATALOG of {inner}\n"
    assert paymon(tmp_path / "outer", "generate").returncode == 0, "the inner one's areas are no strays of the outer's"


@pytest.mark.slow
def test_definitions_of_another_checkout_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "__init__.py").write_text("")
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "ours.yml").write_text("ours")

    for arguments in (("generate",), ("generate", "--check"), ("lint",)):
        result = paymon(tmp_path, *arguments)
        assert (result.returncode, result.stderr) == (
            2,
            f"{tmp_path}/rules is not read by this paymon, which reads {ROOT}/rules; run the paymon of that checkout "
            "(.venv/bin/paymon), or, where it is a project of your own, name the folder otherwise\n",
        )
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    assert paymon(outside, "generate", "--out", str(tmp_path)).returncode == 2
    assert written(tmp_path) == {"rules/__init__.py": "", "generated/ours.yml": "ours"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("catalog", "more", "status", "said"),
    [
        ("nowhere:CATALOG", "", 2, "there is no module nowhere in FOLDER; name a file that lies there, without .py"),
        ("monitoring:CATALOGUE", "", 2, "monitoring has no CATALOGUE; it has CATALOG"),
        ("monitoring", "", 2, "catalog 'monitoring' names nothing; write module:ATTRIBUTE, such as monitoring:CATALOG"),
        (
            "monitoring:PEOPLE",
            "",
            2,
            "monitoring:PEOPLE is a People and no catalog; "
            "let it be PAYMENTS.of(people, service), a tuple of these, or a callable that gives one",
        ),
        (
            "monitoring:CATALOG",
            'requires = ">=9.1"\n',
            2,
            "needs paymon 9.1 or newer, and this is 0.1.0; upgrade paymon",
        ),
        (
            "monitoring:CATALOG",
            'requires = "~=0.1"\n',
            2,
            "requires '~=0.1' is not understood; write the oldest version that will do, such as \">=0.1\"",
        ),
        (
            "monitoring:service",
            "",
            2,
            "monitoring:service cannot be called without arguments (missing a required argument: 'name'); "
            "let it be a catalog, or a callable that needs none",
        ),
        ("monitoring:CATALOG", 'catalogue = "x"\n', 2, "catalogue is unknown here; there are catalog and requires"),
    ],
)
def test_a_project_file_that_is_wrong_is_told_with_place_cause_and_cure(
    tmp_path: Path, catalog: str, more: str, status: int, said: str
) -> None:
    folder = acme(tmp_path, catalog, more)

    result = paymon(folder, "generate")

    assert (result.returncode, result.stderr.splitlines()[-1]) == (
        status,
        f"{folder}/pyproject.toml: {said.replace('FOLDER', str(folder))}",
    )
    assert not (folder / "generated").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("added", "said"),
    [
        (
            'CATALOG = PAYMENTS.without("PaymentTimeout", because="x").of(PEOPLE, service("shop"))\n',
            "there is no alert, signal, area or source 'PaymentTimeout' to change; do you mean PaymentTimeouts or",
        ),
        (
            'CATALOG = PAYMENTS.override("PaymentTimeouts", because="x", threshold=3).of(PEOPLE, service("shop"))\n',
            "PaymentTimeouts has nothing called 'threshold' to override; choose among description, formerly, guards, "
            "hidden_by, keep_firing, lasting, or_else, own_incident, priority, respond_within, runbook, serves, "
            "severity, stays_while, summary, told_at_once, value",
        ),
        (
            'CATALOG = PAYMENTS.override("PaymentTimeouts", value=3).of(PEOPLE, service("shop"))\n',
            "override() has no because; say why your team differs",
        ),
        (
            'CATALOG = PAYMENTS.without("disputes", because="").of(PEOPLE, service("shop"))\n',
            "without() has no because; say why your team differs",
        ),
        (
            'CATALOG = PAYMENTS.without(because="x").of(PEOPLE, service("shop"))\n',
            "without() names nothing to leave out; name an area, alert, signal or source, or take the line away",
        ),
        (
            'CATALOG = PAYMENTS.override("PaymentTimeouts", because="x").of(PEOPLE, service("shop"))\n',
            "override of PaymentTimeouts changes nothing; say what, such as value, lasting or priority, or take",
        ),
        (
            'CATALOG = PAYMENTS.without("PaymentTimeouts", because=5).of(PEOPLE, service("shop"))\n',
            "without() has 5 as its because; write as text why your team differs",
        ),
        (
            'CATALOG = PAYMENTS.without(5, because="x").of(PEOPLE, service("shop"))\n',
            "5 is no alert, signal, area or source; write its name as text, or Source. and one of its members",
        ),
        ("CATALOG = Channel.TEAMS\n", "Channel has no TEAMS; choose one of "),
        ('JOBS = Jobs(exporter=(), application=("shop",))\n', "jobs has no exporter; name the job under which"),
        ("CATALOG = 1 / 0\n", "division by zero (ZeroDivisionError); correct the definition on this line"),
        (
            'CATALOG = PAYMENTS.with_area(checkout).with_area(checkout).of(PEOPLE, service("shop"))\n',
            "two areas are named checkout, and their files would be one; rename yours",
        ),
    ],
)
def test_a_change_that_does_not_hold_is_told_with_its_line(tmp_path: Path, added: str, said: str) -> None:
    folder = acme(tmp_path)
    text = (folder / "monitoring.py").read_text()
    (folder / "monitoring.py").write_text(text + added)

    result = paymon(folder, "generate")

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"monitoring.py:{text.count(chr(10)) + 1}: {said}")
    assert not (folder / "generated").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "right", "wrong", "line_of", "said"),
    [
        (
            "checkout.py",
            'gives=(("", "42"),)',
            'gives=("", "42")',
            "queue = Signal(",
            "signal checkout_workers:queue_depth:sum has '' as its example.gives[0]",
        ),
        (
            "checkout.py",
            "watches=queue,",
            'watches="checkout_workers:queue_depth:sum",',
            "queue_long = Alert(",
            "alert CheckoutQueueLong has 'checkout_wor...eue_depth:sum' as its watches; give a Signal",
        ),
        (
            "monitoring.py",
            'Environment(name="us-production", pages=True)',
            'Environment(name="us-production", pages="yes")',
            'Environment(name="us-production"',
            "environment us-production has 'yes' as its environments[1].pages; give a bool",
        ),
    ],
)
def test_a_value_of_another_type_is_told_where_it_was_written(
    tmp_path: Path, file: str, right: str, wrong: str, line_of: str, said: str
) -> None:
    folder = acme(tmp_path)
    text = (folder / file).read_text()
    assert text.count(right) == 1
    (folder / file).write_text(text.replace(right, wrong))

    result = paymon(folder, "generate")

    assert result.returncode == 1
    line = text[: text.index(line_of)].count("\n") + 1
    told = [one for one in result.stderr.splitlines() if said in one]
    assert [int(one.split(":")[1]) - line for one in told if one.startswith(f"{file}:")][:1] in ([0], [1]), (
        result.stderr
    )
    assert "Error" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("check", "--prometheus", "http://127.0.0.1:1"),
        ("status", "--prometheus", "http://127.0.0.1:1"),
        ("drift", "--prometheus", "http://127.0.0.1:1"),
        ("backtest", "--prometheus", "http://127.0.0.1:1"),
        ("diff", "--prometheus", "http://127.0.0.1:1"),
        ("rehearse", "PaymentsDegraded", "--yes", "--alertmanager", "http://127.0.0.1:1"),
    ],
    ids=lambda command: command[0],
)
def test_definitions_that_cannot_be_made_are_no_finding_about_what_runs(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Their status 1 says that something is breached, fires, has drifted, was missed or was refused."""
    folder = acme(tmp_path)
    (folder / "monitoring.py").write_text("1 / 0\n")

    result = paymon(folder, *command)

    assert (result.returncode, "division by zero" in result.stderr) == (3, True), result.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ZeroDivisionError(), "cannot judge: ZeroDivisionError; this is a mistake in paymon"),
        (click.ClickException("there is no room"), "there is no room"),
        (BrokenPipeError(), ""),
    ],
)
def test_a_mistake_of_paymon_is_no_finding_about_what_runs(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("paymon.now.check.load", fails)
    monkeypatch.setattr("os.dup2", lambda *_: None)  # the test's own output goes on
    result = CliRunner().invoke(check, ["--prometheus", "http://127.0.0.1:1"])
    assert (result.exit_code, words in result.output) == (3, True), result.output


@pytest.mark.slow
def test_of_several_services_a_command_says_which_there_are(tmp_path: Path) -> None:
    folder = acme(tmp_path, "monitoring:TWO")

    result = paymon(folder, "list", "alerts")
    assert (result.returncode, result.stderr.splitlines()[-1]) == (
        2,
        "which service? choose one of shop, donations: paymon --service NAME ...",
    )
    assert "CheckoutQueueLong" in paymon(folder, "--service", "shop", "list", "alerts").stdout
    assert "CheckoutQueueLong" not in paymon(folder, "--service", "donations", "list", "alerts").stdout


@pytest.mark.slow
def test_an_environment_that_goes_leaves_nothing_behind_and_says_what_is_left_to_do(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    assert paymon(folder, "generate").returncode == 0
    text = (folder / "monitoring.py").read_text()
    (folder / "monitoring.py").write_text(
        text.replace('            Environment(name="us-production", pages=True),\n', "")
    )

    result = paymon(folder, "generate")

    assert result.returncode == 0
    assert not (folder / "generated" / "us-production").exists()
    assert "environment us-production of shop is gone: take its rules out of Prometheus" in result.stderr
    assert "amtool alert query environment=us-production service=shop " in result.stderr
    assert [path for path, text in written(folder / "generated").items() if "us-production" in text] == []
    assert paymon(folder, "generate", "--check").returncode == 0


@pytest.mark.slow
def test_another_companys_rules_pass_their_tests_also_where_two_jobs_reach_the_exporter(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    assert paymon(folder, "generate").returncode == 0

    result = paymon(folder, "test", "--environment", "eu-production", "monitoring", "scraping", "checkout")

    assert (result.returncode, result.stdout.splitlines()[:-2]) == (0, [])


@pytest.fixture(params=ALERTMANAGER)
def alertmanager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager without a configuration of ours, by its address."""
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    program = find("alertmanager", version_prefix=request.param)
    with servers.alertmanager(program, tmp_path / "alertmanager.yml") as url:
        yield url


def test_of_an_environment_that_goes_upgrade_names_what_still_fires(alertmanager: str, tmp_path: Path) -> None:
    folder = acme(tmp_path / "acme")
    assert paymon(folder, "generate").returncode == 0
    monitoring = folder / "monitoring.py"
    monitoring.write_text(
        monitoring.read_text().replace('            Environment(name="us-production", pages=True),\n', "")
    )
    fires = {"alertname": "PaymentsDegraded", "environment": "us-production", "service": "shop", "priority": "P1"}
    others = (fires | {"environment": "staging", "alertname": "Here"}, fires | {"service": "other", "alertname": "Not"})
    sent = [{"labels": labels, "annotations": {}} for labels in (fires, *others)]
    assert httpx.post(f"{alertmanager}/api/v2/alerts", json=sent, timeout=100).status_code == 200

    unasked = paymon(folder, "upgrade")
    asked = paymon(folder, "upgrade", "--alertmanager", alertmanager)
    unreachable = paymon(folder, "upgrade", "--alertmanager", f"http://127.0.0.1:{free_port()}")

    assert "environment us-production of shop is gone: take its rules out of Prometheus" in unasked.stdout
    assert "With --alertmanager URL, what still fires there is said here." in unasked.stdout
    assert asked.returncode == 0, asked.stderr
    assert re.search(r"shop in us-production: PaymentsDegraded \(P1\) since \S+Z? still fires\n", asked.stdout)
    assert "Here" not in asked.stdout
    assert "Not (" not in asked.stdout
    assert unreachable.returncode == 3
    assert "cannot tell what still fires there" in unreachable.stderr

    monitoring.write_text(monitoring.read_text().replace("us-production", "elsewhere"))
    assert paymon(folder, "generate").returncode == 0
    assert "us-production" not in paymon(folder, "upgrade", "--alertmanager", alertmanager).stdout


@pytest.mark.slow
def test_a_service_that_comes_and_one_that_goes_are_told(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    assert paymon(folder, "generate").returncode == 0
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace("monitoring:CATALOG", "monitoring:TWO"))

    comes = paymon(folder, "upgrade")
    assert comes.returncode == 0, comes.stderr
    assert "donations is a new service" in comes.stdout
    assert paymon(folder, "generate").returncode == 0

    project.write_text(project.read_text().replace("monitoring:TWO", "monitoring:CATALOG"))
    goes = paymon(folder, "upgrade")
    assert goes.returncode == 0, goes.stderr
    assert "environment staging of donations is gone, as its service is" in goes.stdout
    written_now = paymon(folder, "generate")
    assert "environment staging of donations is gone, as its service is" in written_now.stderr
    assert not (folder / "generated/donations").exists()


def _with(folder: Path, catalog: str) -> None:
    """Let the project be of that catalog, or of those catalogs."""
    project = folder / "pyproject.toml"
    project.write_text(re.sub(r"monitoring:\w+", f"monitoring:{catalog}", project.read_text()))


@pytest.mark.slow
def test_when_a_second_service_comes_and_goes_nothing_is_left_of_where_files_were_before(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    theirs = folder / "docs/handbook/checks.md"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("# What we check by hand\n")
    assert paymon(folder, "generate").returncode == 0
    before = written(folder / "generated") | written(folder / "docs")

    _with(folder, "TWO")
    said = paymon(folder, "generate", "--check")
    assert said.returncode == 1
    assert "\ndocs/thresholds.md is no longer generated\n" in said.stdout
    assert paymon(folder, "generate").returncode == 0
    assert {path for path in written(folder / "docs") if path.count("/") == 0} == set()
    assert paymon(folder, "generate", "--check").returncode == 0

    _with(folder, "CATALOG")
    assert "docs/donations/thresholds.md is no longer generated" in paymon(folder, "generate", "--check").stdout
    assert paymon(folder, "generate").returncode == 0
    assert written(folder / "generated") | written(folder / "docs") == before
    assert not (folder / "docs/shop").exists()
    assert theirs.read_text() == "# What we check by hand\n"


@pytest.mark.slow
def test_files_that_move_as_a_second_service_comes_are_told_with_what_still_names_their_old_place(
    tmp_path: Path,
) -> None:
    """Whatever loads `generated/staging/rules/*.yml` finds nothing there any more, and no alert fires."""
    folder = acme(tmp_path)
    assert paymon(folder, "generate").returncode == 0
    (folder / "prometheus.yml").write_text("rule_files:\n  - generated/staging/rules/*.yml\n")
    _with(folder, "TWO")
    moved = (
        "the files of shop move from generated/ to generated/shop/: whatever loads them (Prometheus' rule_files,"
        " Grafana, Kustomize, the exporter's allow_lists.file) has to look there"
    )
    named = "prometheus.yml:2: names generated/staging, which is generated/shop/staging now"
    assert all(one in paymon(folder, "upgrade").stdout for one in (moved, named))
    assert paymon(folder, "generate").stderr.splitlines()[-2:] == [moved, named]
    assert "the files of" not in paymon(folder, "generate").stderr

    (folder / "prometheus.yml").write_text("rule_files:\n  - generated/shop/staging/rules/*.yml\n")
    _with(folder, "CATALOG")
    said = paymon(folder, "generate").stderr.splitlines()
    assert said[-2].startswith("the files of shop move from generated/shop/ to generated/: whatever loads them")
    assert said[-1] == "prometheus.yml:2: names generated/shop, which is generated now"


@pytest.mark.slow
def test_what_a_newer_paymon_wrote_is_not_overwritten_as_a_second_service_comes_or_goes(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    for was, becomes in (("CATALOG", "TWO"), ("TWO", "CATALOG")):
        _with(folder, was)
        assert paymon(folder, "generate", "--older").returncode == 0
        for manifest in (folder / "generated").rglob("manifest.json"):
            manifest.write_text(manifest.read_text().replace('"paymon": "', '"paymon": "9'))
        before = written(folder / "generated")
        _with(folder, becomes)

        refused = paymon(folder, "generate")

        assert refused.returncode == 1
        assert "was written by paymon 9" in refused.stderr
        assert written(folder / "generated") == before


@pytest.mark.slow
def test_files_that_somebody_else_wrote_are_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    theirs = {folder / "generated/api/client.py": "import grpc\n", folder / "docs/checks.md": "# What we check\n"}
    for path, text in theirs.items():
        path.parent.mkdir(parents=True)
        path.write_text(text)

    refused = paymon(folder, "generate")

    assert (refused.returncode, refused.stderr.splitlines()[1:]) == (
        1,
        [
            f"Error: {folder}/generated has 1 file that paymon did not write, generated/api/client.py, and would lose"
            " it; move that elsewhere, or name another folder with --out"
        ],
    )
    assert {path: path.read_text() for path in theirs} == theirs
    (folder / "generated").rename(folder / "theirs")
    refused = paymon(folder, "generate")
    assert refused.stderr.splitlines()[1:] == [
        f"Error: {folder}/docs/checks.md was not written by paymon and would be overwritten; move it elsewhere, or name"
        " another folder with --out"
    ]
    (folder / "docs/checks.md").unlink()
    assert paymon(folder, "generate").returncode == 0
    (folder / "generated/manifest.json").unlink()
    assert paymon(folder, "generate").returncode == 0, "what it began itself, it goes on with"


@pytest.mark.slow
def test_a_problem_of_people_or_environments_names_the_line_of_the_team_s_own_file(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    monitoring = folder / "monitoring.py"
    monitoring.write_text(
        monitoring.read_text()
        .replace('channel=Channel.SLACK, address="#acme-pay"', 'channel=Channel.SLACK, address="acme pay"')
        .replace("evaluation_interval=seconds(30)", "evaluation_interval=minutes(9)")
    )
    lines = monitoring.read_text().splitlines()
    chat = next(number for number, line in enumerate(lines, 1) if line.startswith("CHAT = "))
    interval = next(number for number, line in enumerate(lines, 1) if "evaluation_interval" in line)

    result = paymon(folder, "generate")

    assert result.returncode == 1
    assert re.search(rf"^monitoring\.py:{chat}: contact Chat ", result.stderr, re.MULTILINE), result.stderr
    assert re.search(rf"^monitoring\.py:{interval}: evaluation_interval is 9 minutes", result.stderr, re.MULTILINE)


def test_a_project_that_ends_the_program_is_told_so(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    (folder / "monitoring.py").write_text("import sys\nsys.exit(7)\n")

    result = paymon(folder, "generate")

    assert (result.returncode, result.stderr.splitlines()[-1]) == (
        2,
        f"{folder}/pyproject.toml: monitoring:CATALOG ends the program with status 7; "
        "let it give a catalog, and raise ValueError with the cause where it cannot",
    )


@pytest.mark.slow
def test_a_change_that_breaks_a_promise_is_told_with_the_line_of_the_team_s_own_file_once_for_all_services(
    tmp_path: Path,
) -> None:
    folder = acme(tmp_path, "monitoring:BOTH")
    monitoring = folder / "monitoring.py"
    text = monitoring.read_text().replace('value="0.97"', 'value="97"')
    monitoring.write_text(text + 'BOTH = (CATALOG, CHANGED.of(PEOPLE, service("gifts")))\n')
    line = next(number for number, one in enumerate(text.splitlines(), 1) if 'value="97"' in one)

    result = paymon(folder, "generate")

    assert result.returncode == 1
    (said,) = (one for one in result.stderr.splitlines() if "outside its range" in one)
    assert said.startswith(f"monitoring.py:{line}: alert PaymentSuccessRateLow compares")


@pytest.mark.slow
def test_the_rules_of_several_services_lie_in_folders_of_their_own_also_where_prometheus_reads_them(
    tmp_path: Path,
) -> None:
    folder = acme(tmp_path, "monitoring:TWO")
    assert paymon(folder, "generate").returncode == 0

    for service in ("shop", "donations"):
        text = (folder / f"generated/{service}/staging/deploy/prometheus.yml").read_text()
        assert f"/etc/prometheus/paymon/{service}/staging/rules/*.yml" in text


@pytest.mark.slow
def test_files_of_several_services_do_not_drift_and_a_review_of_one_tells_its_changes(tmp_path: Path) -> None:
    folder = acme(tmp_path, "monitoring:TWO")
    assert paymon(folder, "generate").returncode == 0
    git = ("git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b.example")
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "as it was")):
        subprocess.run((*git, *command), check=True, timeout=60)

    assert "as defined  files" in paymon(folder, "--service", "shop", "drift").stdout

    monitoring = folder / "monitoring.py"
    monitoring.write_text(monitoring.read_text().replace('value="0.97"', 'value="0.98"'))
    assert "DRIFT       files\n  docs/shop/thresholds.md differs" in paymon(folder, "--service", "shop", "drift").stdout
    shop, donations = (paymon(folder, "--service", name, "diff").stdout for name in ("shop", "donations"))
    assert "PaymentSuccessRateLow: below 97 % -> below 98 %" in shop
    assert "1 page follow" in shop
    assert "Nothing that the definitions say." in donations
