"""What does `paymon generate` do, and what does it say to somebody who made a mistake?"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def paymon(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the definitions that lie in `folder`."""
    return subprocess.run(
        (sys.executable, "-c", "from paymon.cli import main; main()", *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
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


def test_what_is_committed_follows_from_the_definitions() -> None:
    result = paymon(PROJECT, "generate", "--check")

    assert (result.returncode, result.stdout) == (0, "generated/ follows from the definitions\n")


def test_two_runs_in_two_places_write_the_same_bytes(project: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert paymon(project, "generate", "--out", str(tmp_path / name)).returncode == 0

    first = {path.relative_to(tmp_path / "first"): path.read_bytes() for path in (tmp_path / "first").rglob("*.*")}
    second = {path.relative_to(tmp_path / "second"): path.read_bytes() for path in (tmp_path / "second").rglob("*.*")}
    assert first == second
    assert len(first) > 20


def test_a_changed_threshold_is_drift_with_its_diff_and_the_command_that_mends_it(project: Path) -> None:
    paymon(project, "generate")
    _replace(project / "rules/budget.py", "        above(\n            50,", "        above(\n            60,")

    result = paymon(project, "generate", "--check")

    assert result.returncode == 1
    assert "generated/production/rules/budget.yml differs from the definitions" in result.stdout
    assert "-    expr: |-\n" not in result.stdout
    assert '  -      payments:technical_failures:increase1h{environment="production"} > 50\n' in result.stdout
    assert '  +      payments:technical_failures:increase1h{environment="production"} > 60\n' in result.stdout
    assert result.stdout.endswith("Mend with: paymon generate && git add generated\n")


def test_only_one_environment_is_written_when_asked_for(project: Path) -> None:
    result = paymon(project, "generate", "--environment", "staging")

    assert result.returncode == 0
    assert sorted(path.name for path in (project / "generated").iterdir()) == ["staging"]


def test_an_unknown_environment_is_wrong_use_and_names_those_that_there_are(project: Path) -> None:
    result = paymon(project, "generate", "--environment", "qa")

    assert result.returncode == 2
    assert "there is no environment 'qa'; choose one of production, staging" in result.stderr


def test_a_definition_that_cannot_be_made_is_reported_with_its_place_and_nothing_is_written(project: Path) -> None:
    _replace(project / "rules/outcomes.py", '"payment_attempts_total"', '"payment_attempts"')

    result = paymon(project, "generate")

    assert result.returncode == 1
    place, _, message = result.stderr.partition(": ")
    assert re.fullmatch(r"rules/outcomes\.py:\d+", place)
    assert message == "counter payment_attempts does not end in _total; rename it payment_attempts_total\n"
    assert not (project / "generated").exists()


def test_a_name_that_does_not_exist_is_reported_without_a_traceback(project: Path) -> None:
    _replace(project / "rules/outcomes.py", "watches=failure_ratio_5m", "watches=failure_ratio_6m")

    result = paymon(project, "generate")

    assert result.returncode == 1
    assert re.fullmatch(
        r"rules/outcomes\.py:\d+: name 'failure_ratio_6m' is not defined \(NameError\); "
        r"correct the definition on this line\n",
        result.stderr,
    )


def test_text_that_is_no_python_is_reported_with_its_line(project: Path) -> None:
    (project / "rules/outcomes.py").write_text('"""Broken: is it?"""\nattempts = Counter(\n')

    result = paymon(project, "generate")

    assert result.returncode == 1
    assert result.stderr.startswith("rules/outcomes.py:2: '(' was never closed")


def test_every_problem_is_listed_at_once_and_nothing_is_written(project: Path) -> None:
    _replace(project / "rules/budget.py", "        above(\n            50,", "        above(\n            -1,")
    _replace(project / "rules/rollout.py", '            "0.005",', '            "1.5",')

    result = paymon(project, "generate")

    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert any("PaymentFailuresPerHourHigh" in line for line in lines)
    assert any("PaymentRolloutDrift" in line for line in lines)
    assert lines[-1] == f"{len(lines) - 1} problems in rules/; nothing was written"
    assert not (project / "generated").exists()


def test_a_place_where_nothing_can_be_written_is_an_error_that_names_it(project: Path) -> None:
    (project / "blocked").write_text("a file, not a folder")

    result = paymon(project, "generate", "--out", "blocked/there")

    assert result.returncode in (1, 2)
    assert "blocked" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_readmes_worked_example_goes_as_it_says(project: Path) -> None:
    section = (PROJECT / "README.md").read_text().split("## Add a metric")[1].split("\n## ")[0]
    (definition,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    with (project / "rules/latency.py").open("a") as file:
        file.write("\n" + definition)

    results = [paymon(project, *line.split()[1:]) for line in commands.splitlines()]

    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 3
    generated, explained, tested = (result.stdout for result in results)
    assert "64 alerts and 98 signals" in generated
    assert "because 100 payments are what the workers finish in a minute" in explained
    assert "PaymentWorkerQueueLong" in (project / "generated/production/rules/latency.yml").read_text()
    assert "PaymentWorkerQueueLong" in (project / "docs/thresholds.md").read_text()
    assert tested
