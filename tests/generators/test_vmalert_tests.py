"""Do the rules do in VictoriaMetrics what their tests say? Asked of vmalert-tool, in `make matrix`, which builds it."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from generators.rule_tests import rule_test_files
from generators.rule_tests.vmalert import vmalert_test_files
from paymon.generate import generate
from paymon.programs import cache_folder
from rules.catalog import catalog
from rules.promql import selectors
from tests.versions import in_matrix

CATALOG = catalog()
ALERTS = {alert.name: alert for alert in CATALOG.alerts}
SIGNALS = {signal.name: signal for signal in CATALOG.signals}
ENVIRONMENT = CATALOG.organisation.environments[0]
ROOT = Path(__file__).parents[2]

FAILURE = re.compile(
    r'expr: "(?P<expr>(?:\\.|[^"\\])*)", time: (?P<at>\S+),\s*\n'
    r"\s*exp: (?P<exp>.*?)\n\s*got: (?P<got>.*?)\s*(?=\n|\]?\d{4}/\d\d/)"
)
"""One expectation that vmalert-tool found otherwise, as it prints it."""

TAKES_THE_SAMPLE_BEFORE = frozenset({"increase", "rate", "delta", "deriv", "changes", "resets"})
"""Functions that VictoriaMetrics computes without extrapolation, and from the last sample before the window."""


@pytest.mark.slow
def test_the_files_are_promtools_but_for_one_word() -> None:
    ours, theirs = (
        {name: yaml.safe_load(text) for name, text in sorted(files(CATALOG, ENVIRONMENT).items())[:3]}
        for files in (rule_test_files, vmalert_test_files)
    )
    assert ours.keys() == theirs.keys()
    for name, file in ours.items():
        for group in file["tests"]:
            group["metricsql_expr_test"] = group.pop("promql_expr_test")
        assert file == theirs[name]


@pytest.mark.slow
def test_a_folder_of_ones_own_receives_rules_and_tests_of_an_environment(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("stays")
    arguments = ["--environment", ENVIRONMENT.name, "--out", str(tmp_path / "out"), "--vmalert-tests"]
    ran = CliRunner().invoke(generate, [*arguments, str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    tests = list((tmp_path / ENVIRONMENT.name / "tests").iterdir())
    assert f"{len(tests)} test files for vmalert-tool" in ran.output
    for rule_file in yaml.safe_load(tests[0].read_text())["rule_files"]:
        assert (tests[0].parent / rule_file).exists()
    assert (tmp_path / "mine.txt").read_text() == "stays"
    ran = CliRunner().invoke(generate, [*arguments, str(tmp_path / "out" / "generated" / "x")])
    assert ran.exit_code == 2
    assert "name a folder outside" in ran.output


@pytest.mark.parametrize("version", ["1.151"])
@pytest.mark.parametrize("name", sorted(vmalert_test_files(CATALOG, ENVIRONMENT)) if in_matrix() else ())
def test_vmalert_tool_gives_the_verdict_that_is_known_of_it(version: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "rules").symlink_to(ROOT / "generated" / ENVIRONMENT.name / "rules")
    (tmp_path / "tests" / name).write_text(vmalert_test_files(CATALOG, ENVIRONMENT)[name])
    (tool,) = cache_folder().glob(f"vmalert-tool-{version}*/usr/bin/vmalert-tool")
    ran = subprocess.run(
        (tool, "unittest", "--disableAlertgroupLabel", f"--files={name}"),
        cwd=tmp_path / "tests",
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    said = ran.stdout + ran.stderr
    failures = list(FAILURE.finditer(said))
    assert (ran.returncode == 0) == (not failures), said
    assert [failure[0] for failure in failures if not is_known(failure)] == []


def is_known(failure: re.Match[str]) -> bool:
    """Whether it is one of the differences that docs/beyond-one-prometheus.md explains."""
    name = failure["expr"].rpartition("# ")[2].partition(": ")[0]
    if "ALERTS{alertname=" in failure["expr"]:
        alert = re.search(r'alertname=\\"(\w+)', failure["expr"])
        assert alert, failure[0]
        ends_at_once = any(not one.keep_firing for one in ALERTS[alert[1]].thresholds)
        return failure["at"] == "0s" or ("recovered" in failure["expr"] and failure["exp"] == "nil" and ends_at_once)
    if re.sub(r'exported_job="[^"]*", ', "", failure["got"]) == failure["exp"]:
        return True
    signal = SIGNALS[name]
    called = {call for selector in selectors(signal.expr) for call in selector.calls}
    chained = bool({selector.name for selector in selectors(signal.expr)} & SIGNALS.keys())
    of_time = re.search(r"\btime\(\)|\b(?:month|days_in_month|day_of_\w+|hour|timestamp)\(", signal.expr)
    return bool(of_time) or chained or not called.isdisjoint(TAKES_THE_SAMPLE_BEFORE)
