"""Does a folder's own project say which definitions are read, and is nothing written where that is in doubt?"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.paymon.acme import acme

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


def test_every_command_finds_the_project_from_a_folder_inside_it(tmp_path: Path) -> None:
    folder = acme(tmp_path / "acme")
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)

    result = paymon(deep, "explain", "CheckoutQueueLong")

    assert result.returncode == 0
    assert result.stderr == f"paymon 0.1.0 reads monitoring:CATALOG of {folder}\n"
    assert "our workers finish 100 a minute" in result.stdout


def test_of_two_projects_in_nested_folders_the_nearest_counts(tmp_path: Path) -> None:
    acme(tmp_path / "outer")
    inner = acme(tmp_path / "outer" / "inner")

    assert paymon(inner, "list", "alerts").stderr == f"paymon 0.1.0 reads monitoring:CATALOG of {inner}\n"


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


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (
            'CATALOG = PAYMENTS.without("PaymentTimeout", because="x").of(PEOPLE, service("shop"))\n',
            "there is no alert, signal, area or source 'PaymentTimeout' to change; do you mean PaymentTimeouts or",
        ),
        (
            'CATALOG = PAYMENTS.override("PaymentTimeouts", because="x", threshold=3).of(PEOPLE, service("shop"))\n',
            "PaymentTimeouts has nothing called 'threshold' to override; choose among ",
        ),
        (
            'CATALOG = PAYMENTS.without("disputes", because="").of(PEOPLE, service("shop"))\n',
            "without() has no because; say why your team differs",
        ),
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


def test_of_several_services_a_command_says_which_there_are(tmp_path: Path) -> None:
    folder = acme(tmp_path, "monitoring:TWO")

    result = paymon(folder, "list", "alerts")
    assert (result.returncode, result.stderr.splitlines()[-1]) == (
        2,
        "which service? choose one of shop, donations: paymon --service NAME ...",
    )
    assert "CheckoutQueueLong" in paymon(folder, "--service", "shop", "list", "alerts").stdout
    assert "CheckoutQueueLong" not in paymon(folder, "--service", "donations", "list", "alerts").stdout


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
