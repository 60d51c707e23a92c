"""Does a team get a small, complete repository, and is a senseless answer told before anything is written?"""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporters.stripe.settings import StripeSettings
from paymon.init.answers import Answers, WrongAnswer
from paymon.init.files import project_files
from paymon.programs import find
from tests import servers

GIVEN: dict[str, Any] = {
    "organisation": 'Acme "Payments" Ltd',
    "domain": "acme.example",
    "team": "till",
    "services": ("checkout", "donations"),
    "environments": ("eu-production", "us-production", "staging"),
    "payment_methods": ("card", "sepa_debit"),
    "currencies": ("eur",),
    "timezone": "Europe/Berlin",
    "pagerduty": "till-oncall",
    "slack": "#till",
    "postgres": False,
    "flag": True,
    "inbox": False,
}


def init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return paymon(folder, "init", *arguments)


def paymon(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from paymon.cli import main; main()", *arguments]
    no_terminal = subprocess.DEVNULL
    return subprocess.run(
        command, cwd=folder, stdin=no_terminal, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_project_is_small_complete_and_well_formed() -> None:
    files = project_files(Answers(**GIVEN))
    assert {path for path in files if not path.startswith("exporter/")} == {
        "paymon.toml",
        "monitoring.py",
        "queue_area.py",
        ".github/workflows/monitoring.yml",
        ".gitlab-ci.yml",
        ".gitignore",
        "README.md",
    }
    assert len(files["README.md"].strip().splitlines()) <= 12
    for path, text in files.items():
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert "<<" not in text, path
        if path.endswith(".py"):
            ast.parse(text)
            assert max(map(len, text.splitlines())) <= 120
        if path.endswith((".yaml", ".yml")):
            assert isinstance(yaml.safe_load(text), dict), path
    for pipeline in (".github/workflows/monitoring.yml", ".gitlab-ci.yml"):
        for command in ("paymon generate --check", "paymon lint", "paymon test", "amtool check-config"):
            assert command in files[pipeline], (pipeline, command)


def test_no_word_of_another_company_is_in_it() -> None:
    for path, text in project_files(Answers(**GIVEN)).items():
        assert "gametriq" not in text.lower(), path


def test_each_service_and_environment_has_its_own_exporter_without_what_is_not_there() -> None:
    files = project_files(Answers(**GIVEN))
    for service in GIVEN["services"]:
        for environment in GIVEN["environments"]:
            written = yaml.safe_load(files[f"exporter/{service}/{environment}.yaml"])
            assert "postgres" not in written
            assert written["flag"]["url"] == f"https://api.{environment}.acme.example/v1/flags/{service}_live"
            assert written["allow_lists"]["file"] == f"generated/{service}/{environment}/deploy/allow-lists.yaml"
            assert written["declared"]["file"] in files


def test_no_exporter_counts_into_another_ones_file() -> None:
    """What two exporters of one machine would share is counted twice, or by neither."""
    files = project_files(Answers(**GIVEN))
    exporters = [text for path, text in files.items() if yaml_of_an_exporter(path)]
    paths = [yaml.safe_load(text)["stripe"]["state"]["path"] for text in exporters]
    assert len(set(paths)) == len(paths) == len(GIVEN["services"]) * len(GIVEN["environments"])


def yaml_of_an_exporter(path: str) -> bool:
    return path.startswith("exporter/") and "/declared-" not in path


@pytest.mark.slow
def test_the_example_of_an_own_area_is_the_first_service_s_alone(tmp_path: Path) -> None:
    """Its metric is the first service's: of the second nobody exports it."""
    services = ("--service", "checkout", "--service", "payouts")
    assert init(tmp_path, "new", "--domain", "acme.example", *services).returncode == 0
    listed = {}
    for service in ("checkout", "payouts"):
        said = paymon(tmp_path / "new", "--service", service, "list")
        assert said.returncode == 0, said.stderr
        listed[service] = "checkout_queue_depth" in said.stdout
    assert listed == {"checkout": True, "payouts": False}


@pytest.mark.slow
def test_explain_names_the_tests_that_generate_writes_for_that_service(tmp_path: Path) -> None:
    services = ("--service", "checkout", "--service", "payouts")
    assert init(tmp_path, "new", "--domain", "acme.example", *services).returncode == 0
    assert paymon(tmp_path / "new", "generate").returncode == 0
    said = paymon(tmp_path / "new", "--service", "checkout", "explain", "CheckoutQueueLong").stdout
    (named,) = (line.split()[1] for line in said.splitlines() if line.startswith("tests "))
    assert (tmp_path / "new" / named).is_file(), named


def test_the_exporter_is_told_where_to_say_whose_webhook_endpoints_count() -> None:
    """Proposed, not set: only who has looked at Stripe's dashboard knows the address that Stripe calls."""
    text = project_files(Answers(**GIVEN))["exporter/checkout/staging.yaml"]
    assert "webhook_urls" not in yaml.safe_load(text)["stripe"]
    stripe = yaml.safe_load(text.replace("# webhook_urls:", "webhook_urls:"))["stripe"]
    read = StripeSettings.model_validate({"webhook_urls": stripe["webhook_urls"], "api_key": "rk_test_1"})
    assert list(map(str, read.webhook_urls)) == ["https://api.staging.acme.example/api/webhooks/stripe"]


def test_production_is_known_by_its_name_and_the_only_environment_is_production() -> None:
    assert [Answers(**GIVEN).pages(name) for name in GIVEN["environments"]] == [True, True, False]
    assert Answers(**GIVEN | {"environments": ("main",)}).pages("main")
    assert not Answers(**GIVEN | {"environments": ("main", "test")}).pages("test")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"organisation": " "}, "--organisation is empty"),
        ({"domain": "https://acme.example"}, "is no domain; write one such as shop.example"),
        ({"team": "The Till"}, "--team 'The Till' cannot be part of labels and file names"),
        ({"services": ("grafana",)}, "--service 'grafana' is the name of a folder that all share; choose another"),
        ({"environments": ("alertmanager",)}, "--environment 'alertmanager' is the name of a folder that all share"),
        ({"services": ("a", "a")}, "--service is given never, or twice the same"),
        ({"environments": ()}, "--environment is given never"),
        ({"environments": ("a-very-long-name-of-an-environment",)}, "shorten one"),
        ({"currencies": ("EUR",)}, "--currency 'EUR' is no currency's code"),
        ({"payment_methods": ("visa",)}, "--payment-method 'visa' is none of Stripe's"),
        ({"timezone": "Berlin"}, "--timezone 'Berlin' is no time zone"),
        ({"slack": "till"}, "--slack 'till' is no channel"),
        ({"pagerduty": "a/b"}, "--pagerduty 'a/b' cannot name a file"),
    ],
)
def test_an_answer_of_which_nothing_can_be_made_is_told(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongAnswer, match=message):
        Answers(**GIVEN | wrong)


def test_a_wrong_answer_writes_nothing_and_is_wrong_use(tmp_path: Path) -> None:
    result = init(tmp_path, "new", "--currency", "euro")
    assert result.returncode == 2
    assert "--currency 'euro' is no currency's code" in result.stderr
    assert not (tmp_path / "new").exists()


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "monitoring.py").write_text("mine")
    result = init(tmp_path)
    assert result.returncode == 2
    assert "has monitoring.py already, and nothing is overwritten" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["monitoring.py"]


def test_without_a_terminal_it_asks_nothing(tmp_path: Path) -> None:
    result = init(tmp_path, "new", "--domain", "acme.example")
    assert result.returncode == 0, result.stderr
    assert "cd new && paymon generate && paymon test" in result.stdout
    assert 'currencies=("usd",)' in (tmp_path / "new/monitoring.py").read_text()


@pytest.mark.slow
def test_the_gate_knows_no_traffic_but_what_the_team_says(tmp_path: Path) -> None:
    assert init(tmp_path, "new", "--domain", "acme.example", "--flag").returncode == 0
    read = "import monitoring; print(monitoring.CATALOG.rollout.baseline_per_minute)"
    monitoring = tmp_path / "new/monitoring.py"

    def baseline() -> str:
        ran = subprocess.run(
            [sys.executable, "-c", read], cwd=tmp_path / "new", capture_output=True, text=True, timeout=300, check=True
        )
        return ran.stdout.strip()

    assert baseline() == "None"
    monitoring.write_text(monitoring.read_text().replace("# attempts_per_minute=40", "attempts_per_minute=40"))
    assert baseline() == "40"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "lacks"),
    [
        ((), {"Webhooks over 3 s"}),
        (("--no-postgres", "--no-flag"), {"Webhooks over 3 s", "Since the last payment"}),
    ],
    ids=["defaults", "neither-postgres-nor-flag"],
)
def test_check_and_status_answer_in_a_repository_as_it_was_written(
    answers: tuple[str, ...], lacks: set[str], tmp_path: Path
) -> None:
    assert init(tmp_path, "new", "--domain", "acme.example", *answers).returncode == 0
    with servers.prometheus(find("prometheus", "3.5"), "global: {}\n", tmp_path / "server") as url:
        for command in ("check", "status"):
            said = paymon(tmp_path / "new", command, "--prometheus", url)
            assert (said.returncode, "Payment success rate" in said.stdout) == (3, True), said.stderr
            assert [title for title in lacks if title in said.stdout] == []
