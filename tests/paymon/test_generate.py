"""What does `paymon generate` do, and what does it say to somebody who made a mistake?"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rules.catalog import catalog

PROJECT = Path(__file__).parents[2]


def paymon(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the definitions that lie in `folder`."""
    return subprocess.run(
        (sys.executable, "-c", "from paymon.cli import main; main()", *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the definitions, to be spoilt."""
    for package in ("rules", "generators", "paymon"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_what_is_committed_follows_from_the_definitions() -> None:
    result = paymon(PROJECT, "generate", "--check")

    assert (result.returncode, result.stdout) == (0, "generated/ follows from the definitions\n")


@pytest.mark.slow
def test_two_runs_in_two_places_write_the_same_bytes(project: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert paymon(project, "generate", "--out", str(tmp_path / name)).returncode == 0

    first = {path.relative_to(tmp_path / "first"): path.read_bytes() for path in (tmp_path / "first").rglob("*.*")}
    second = {path.relative_to(tmp_path / "second"): path.read_bytes() for path in (tmp_path / "second").rglob("*.*")}
    assert first == second
    assert len(first) > 20


@pytest.mark.slow
def test_a_changed_threshold_is_drift_with_its_diff_and_the_command_that_mends_it(project: Path) -> None:
    paymon(project, "generate")
    _replace(project / "rules/payments/budget.py", "        above(\n            50,", "        above(\n            60,")

    result = paymon(project, "generate", "--check")

    assert result.returncode == 1
    assert "generated/production/rules/budget.yml differs from the definitions" in result.stdout
    assert "-    expr: |-\n" not in result.stdout
    assert (
        '  -        payments:technical_failures:increase1h{environment="production",service="payments"} > 50\n'
        in result.stdout
    )
    assert (
        '  +        payments:technical_failures:increase1h{environment="production",service="payments"} > 60\n'
        in result.stdout
    )
    assert result.stdout.endswith("Mend with: paymon generate && git add generated docs\n")


@pytest.mark.slow
def test_only_one_environment_is_written_when_asked_for(project: Path) -> None:
    result = paymon(project, "generate", "--environment", "staging")

    assert result.returncode == 0
    assert sorted(path.name for path in (project / "generated").iterdir()) == ["staging"]


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["production", "staging"])
def test_one_environment_s_files_are_those_of_a_full_run(project: Path, environment: str) -> None:
    paymon(project, "generate")

    check = paymon(project, "generate", "--check", "--environment", environment)
    again = paymon(project, "generate", "--environment", environment)
    whole = paymon(project, "generate", "--check")

    assert (check.returncode, check.stdout) == (0, "generated/ follows from the definitions\n")
    assert "0 written, 0 removed" in again.stdout
    assert whole.returncode == 0


@pytest.mark.slow
def test_drift_of_one_environment_is_mended_by_a_run_for_that_environment(project: Path) -> None:
    result = paymon(project, "generate", "--check", "--environment", "staging")

    assert result.stdout.endswith("Mend with: paymon generate --environment staging && git add generated\n")


@pytest.mark.slow
def test_an_unknown_environment_is_wrong_use_and_names_those_that_there_are(project: Path) -> None:
    result = paymon(project, "generate", "--environment", "qa")

    assert result.returncode == 2
    assert "there is no environment 'qa'; choose one of production, staging" in result.stderr


def test_a_definition_that_cannot_be_made_is_reported_with_its_place_and_nothing_is_written(project: Path) -> None:
    _replace(project / "rules/payments/outcomes.py", '"payment_attempts_total"', '"payment_attempts"')

    result = paymon(project, "generate")

    assert result.returncode == 1
    place, _, message = result.stderr.partition(": ")
    assert re.fullmatch(r"rules/payments/outcomes\.py:\d+", place)
    assert message == "counter payment_attempts does not end in _total; rename it payment_attempts_total\n"
    assert not (project / "generated").exists()


def test_a_name_that_does_not_exist_is_reported_without_a_traceback(project: Path) -> None:
    _replace(project / "rules/payments/outcomes.py", "watches=failure_ratio_5m", "watches=failure_ratio_6m")

    result = paymon(project, "generate")

    assert result.returncode == 1
    assert re.fullmatch(
        r"rules/payments/outcomes\.py:\d+: name 'failure_ratio_6m' is not defined \(NameError\); "
        r"correct the definition on this line\n",
        result.stderr,
    )


def test_text_that_is_no_python_is_reported_with_its_line(project: Path) -> None:
    (project / "rules/payments/outcomes.py").write_text('"""Broken: is it?"""\nattempts = Counter(\n')

    result = paymon(project, "generate")

    assert result.returncode == 1
    assert result.stderr.startswith("rules/payments/outcomes.py:2: '(' was never closed")


MISTAKES = {
    "an override without a reason": (
        "organisation.py",
        'because="one webhook worker serves all of staging",',
        "",
        r"rules/payments/organisation\.py:\d+: override StripeWebhookDelay lacks because; give because here\n",
    ),
    "a bracket that stays open": (
        "organisation.py",
        "ON_CALL = Contact(",
        "x = (\nON_CALL = Contact(",
        r"rules/payments/organisation\.py:\d+: '\(' was never closed; this is no Python\n",
    ),
    "a bound that is no number": (
        "organisation.py",
        'Decimal("0.05")',
        'Decimal("5 %")',
        r"rules/payments/organisation\.py:\d+: Decimal\(\) of what is no number; "
        r'write digits as text, Decimal\("0\.05"\)\n',
    ),
    "a procedure without its bracket": (
        "runbook/procedures.py",
        "STRIPE_STATUS = Step(",
        "x = (\nSTRIPE_STATUS = Step(",
        r"rules/payments/runbook/procedures\.py:\d+: '\(' was never closed; this is no Python\n",
    ),
    "a procedure by another name": (
        "runbook/procedures.py",
        "MARK_FOR_REVIEW =",
        "MARKED_FOR_REVIEW =",
        r"rules/payments/runbook/procedures\.py:\d+: name 'MARK_FOR_REVIEW' is not defined \(NameError\); .*\n",
    ),
    "a bound that is no number, in an alert": (
        "budget.py",
        "        above(\n            50,",
        '        above(\n            "abc",',
        r"rules/payments/budget\.py:\d+: 'abc' is no number to compare with; "
        r'write a whole number, or a fraction as text: "0\.05"\n',
    ),
    "a comparison that does not exist": (
        "budget.py",
        'only_if(burn_30m, ">",',
        'only_if(burn_30m, "=>",',
        r"rules/payments/budget\.py:\d+: '=>' is no comparison; use one of >, >=, <, <=\n",
    ),
    "an alert without a runbook entry": (
        "budget.py",
        "burn_fast = Alert(",
        'x = Alert(\n    "TooMuch", failures_1h, (), summary="Much.", description="{value}.")\nburn_fast = Alert(',
        r"rules/payments/budget\.py:\d+: alert TooMuch lacks runbook; give runbook here\n",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("command", ["generate", "lint"])
def test_a_mistake_is_told_with_place_cause_and_cure(project: Path, mistake: str, command: str) -> None:
    file, old, new, message = MISTAKES[mistake]
    _replace(project / "rules" / "payments" / file, old, new)

    result = paymon(project, command)

    assert re.fullmatch(message, result.stderr), result.stderr
    assert result.returncode == 1
    assert not (project / "generated").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["explain", "PaymentTimeouts"],
        ["exporter", "--config", "x"],
        ["exporter", "--config", "x", "--check-config"],
        ["test"],
    ],
)
def test_a_mistake_in_the_organisation_is_told_alike_by_whoever_reads_it(project: Path, command: list[str]) -> None:
    file, old, new, message = MISTAKES["an override without a reason"]
    paymon(project, "generate")
    _replace(project / "rules" / "payments" / file, old, new)

    result = paymon(project, *command)

    assert re.fullmatch(message, result.stderr), result.stderr
    assert result.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", ["generate", "lint", "list"])
def test_fields_of_another_type_are_told_all_at_once(project: Path, command: str) -> None:
    _replace(project / "rules/payments/budget.py", "watches=failures_1h,", "watches=None,")
    _replace(project / "rules/payments/latency.py", "lasting=minutes(10)", "lasting=600")

    result = paymon(project, command)

    assert result.returncode == 1
    first, second, last = result.stderr.splitlines()
    assert re.fullmatch(
        r"rules/payments/budget\.py:\d+: alert PaymentFailuresPerHourHigh has None as its watches; give a Signal", first
    )
    assert re.fullmatch(
        r"rules/payments/latency\.py:\d+: alert PaymentApiLatencyHigh has 600 as its thresholds\[0\]\.lasting; "
        r"write seconds\(\), minutes\(\), hours\(\) or days\(\)",
        second,
    )
    assert last == "2 problems in rules/; nothing was written"


@pytest.mark.slow
def test_every_problem_is_listed_at_once_and_nothing_is_written(project: Path) -> None:
    _replace(project / "rules/payments/budget.py", "        above(\n            50,", "        above(\n            -1,")
    _replace(project / "rules/payments/rollout.py", '            "0.005",', '            "1.5",')

    result = paymon(project, "generate")

    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert any("PaymentFailuresPerHourHigh" in line for line in lines)
    assert any("PaymentRolloutDrift" in line for line in lines)
    assert lines[-1] == f"{len(lines) - 1} problems in rules/; nothing was written"
    assert not (project / "generated").exists()


WRONG_VALUES = {
    "a weekday": ("monday", "mondays", "business_hours names 'mondays', which is no weekday; write monday"),
    "a time": ('start="09:00"', 'start="9:00"', "business_hours has the start '9:00', which is no time of day; .*"),
    "a zone": (
        "America/New_York",
        "America/NewYork",
        ".*'America/NewYork', which nobody knows; write America/New_York.*",
    ),
    "an address": ('https://api.gametriq.com"', 'api.gametriq.com"', "api_url is .*; write https://api.gametriq.com"),
    "a mailbox": ("vp-eng@gametriq.com", "vp-eng@gametriq", "contact VP Engineering has the address .*"),
    "a method": ('"sepa_debit"', '"sepa-debit"', "payment_methods lists 'sepa-debit', .*; write sepa_debit, if you .*"),
    "a currency": ('"usd"', '"USD"', "currencies lists 'USD', which is no currency's code; write usd"),
    "a team": ('team="payments"', 'team="Our team"', "team Our team has a name that cannot be .*: our-team"),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_what_alertmanager_would_refuse_at_night_is_told_here_with_its_line(project: Path, wrong: str) -> None:
    old, new, message = WRONG_VALUES[wrong]
    _replace(project / "rules/payments/organisation.py", old, new)

    result = paymon(project, "generate")

    assert result.returncode == 1
    lines = result.stderr.splitlines()
    told = [
        one for one in lines if re.fullmatch(rf"rules/payments/organisation\.py:\d+: {message} \[values/\S+\]", one)
    ]
    assert told, result.stderr
    assert not (project / "generated").exists()


@pytest.mark.slow
def test_a_module_that_no_area_takes_is_told(project: Path) -> None:
    text = (project / "rules/payments/latency.py").read_text()
    (project / "rules/payments/queues.py").write_text(text)

    result = paymon(project, "generate")

    assert result.returncode == 1
    assert re.fullmatch(
        r"rules/payments/queues\.py:\d+: histogram \w+ is in a module that no area takes, so that nothing comes of it; "
        r"add the module to the catalog's areas, with with_area\(\.\.\.\)\n1 problem in rules/; nothing was written\n",
        result.stderr,
    ), result.stderr


def test_a_threshold_without_a_reason_is_told_in_our_words(project: Path) -> None:
    reason = "one missed sample is bad luck, three are a fault; alerts on this source are quiet meanwhile"
    _replace(project / "rules/payments/blindness.py", f'            because="{reason}",\n', "")

    result = paymon(project, "generate")

    assert re.fullmatch(
        r"rules/payments/blindness\.py:\d+: threshold > 3 has no because; say why it is there\n", result.stderr
    ), result.stderr


@pytest.mark.slow
def test_a_place_where_nothing_can_be_written_is_an_error_that_names_it(project: Path) -> None:
    (project / "blocked").write_text("a file, not a folder")

    result = paymon(project, "generate", "--out", "blocked/there")

    assert result.returncode in (1, 2)
    assert "blocked" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_the_readmes_worked_example_goes_as_it_says(project: Path) -> None:
    section = (PROJECT / "README.md").read_text().split("## Add a metric")[1].split("\n## ")[0]
    (definition,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    with (project / "rules/payments/latency.py").open("a") as file:
        file.write("\n" + definition)

    results = [paymon(project, *line.split()[1:]) for line in commands.splitlines()]

    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 3
    generated, explained, tested = (result.stdout for result in results)
    before = catalog()
    assert f"{len(before.alerts) + 1} alerts and {len(before.signals) + 1} signals" in generated
    assert "because 100 payments are what the workers finish in a minute" in explained
    assert "PaymentWorkerQueueLong" in (project / "generated/production/rules/latency.yml").read_text()
    assert "PaymentWorkerQueueLong" in (project / "docs/thresholds.md").read_text()
    assert tested
