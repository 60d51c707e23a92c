"""Does `paymon test` run promtool's tests, say what fails, and object to what promtool passes in silence?"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from paymon.promtool import Promtool
from paymon.rule_testing import (
    Failure,
    JunitCase,
    JunitSuite,
    Remembered,
    RuleFile,
    Suite,
    UnreadableError,
    coverage,
    digest,
    run_suites,
    silent_passes,
    write_junit,
)
from paymon.rule_testing.remembered import code_files
from paymon.rule_testing.slices import put_slice
from paymon.test import test as command
from tests.paymon.acme import acme

RULES = """
groups:
- name: shop
  interval: 30s
  rules:
  - record: shop:orders:increase5m
    expr: sum(increase(orders_total[5m]))
    labels: {environment: production}
  - record: shop:visits:increase5m
    expr: sum(increase(visits_total[5m]))
    labels: {environment: production}
  - alert: OrdersMany
    expr: |-
      shop:orders:increase5m{environment="production"} > 10
      and on () shop:visits:increase5m{environment="production"} >= 5
    for: 2m
    keep_firing_for: 1m
    labels: {environment: production, severity: warning}
    annotations: {summary: Many orders., description: '{{ $value | printf "%.0f" }} orders.'}
"""

ALERT_TESTS = """
rule_files: [../rules/shop.yml]
evaluation_interval: 1m
tests:
- name: bound and times
  interval: 1m
  input_series:
  - {series: 'shop:orders:increase5m{environment="production"}', values: '10x3 11x4 10x4'}
  - {series: 'shop:visits:increase5m{environment="production"}', values: '5x20'}
  promql_expr_test:
  - {expr: 'count(ALERTS{alertname="OrdersMany",alertstate="firing"}) # inside', eval_time: 3m, exp_samples: []}
  - {expr: 'count(ALERTS{alertname="OrdersMany",alertstate="firing"}) # too short', eval_time: 5m, exp_samples: []}
  - expr: 'count(ALERTS{alertname="OrdersMany",alertstate="firing"}) # long'
    eval_time: 6m
    exp_samples: [{labels: '{}', value: 1}]
  - expr: 'count(ALERTS{alertname="OrdersMany",alertstate="firing"}) # kept'
    eval_time: 9m
    exp_samples: [{labels: '{}', value: 1}]
  alert_rule_test:
  - alertname: OrdersMany
    eval_time: 6m
    exp_alerts:
    - exp_labels: {environment: production, severity: warning}
      exp_annotations: {summary: Many orders., description: 11 orders.}
- name: guard
  interval: 1m
  input_series:
  - {series: 'shop:orders:increase5m{environment="production"}', values: '11x9'}
  - {series: 'shop:visits:increase5m{environment="production"}', values: '4x9'}
  promql_expr_test:
  - {expr: 'count(ALERTS{alertname="OrdersMany",alertstate="firing"}) # unmet', eval_time: 8m, exp_samples: []}
"""

SIGNAL_TESTS = """
rule_files: [../rules/shop.yml]
evaluation_interval: 10m30s
tests:
- name: example
  interval: 1m
  input_series:
  - {series: 'orders_total{environment="production"}', values: '1+2x10'}
  - {series: 'visits_total{environment="production"}', values: '2+4x10'}
  promql_expr_test:
  - expr: 'shop:orders:increase5m # orders'
    eval_time: 10m30s
    exp_samples: [{labels: 'shop:orders:increase5m{environment="production"}', value: 10}]
  - expr: 'shop:visits:increase5m # visits'
    eval_time: 10m30s
    exp_samples: [{labels: 'shop:visits:increase5m{environment="production"}', value: 20}]
- name: nothing there
  interval: 1m
  promql_expr_test:
  - {expr: 'shop:orders:increase5m # none', eval_time: 10m30s, exp_samples: []}
  - {expr: 'shop:visits:increase5m # none', eval_time: 10m30s, exp_samples: []}
"""

Change = tuple[str, str]
Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes a small `generated/`; changes are made to whichever of its three files has the text."""

    def write(*changes: Change) -> Path:
        folder = tmp_path / "generated" / "production"
        texts = {"rules/shop.yml": RULES, "tests/OrdersMany.yml": ALERT_TESTS, "tests/signals-shop.yml": SIGNAL_TESTS}
        for old, new in changes:
            assert any(old in text for text in texts.values()), f"nowhere: {old}"
            texts = {path: text.replace(old, new) for path, text in texts.items()}
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder.parent

    return write


@pytest.fixture(autouse=True)
def passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command remembers what passed, for the length of a test."""
    file = tmp_path / "cache" / "passed"
    monkeypatch.setattr("paymon.test.usual_file", lambda: file)
    return file


def _run(promtool: Promtool, generated: Path, *arguments: str) -> Result:
    return _run_all(promtool, generated, "--environment", "production", *arguments)


def _run_all(promtool: Promtool, generated: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--promtool", str(promtool.path), "--generated", str(generated), *arguments])


def _read(generated: Path) -> tuple[dict[Path, RuleFile], list[Suite]]:
    folder = generated / "production"
    files = [RuleFile.read(path) for path in sorted((folder / "rules").iterdir())]
    return {file.path: file for file in files}, [Suite.read(path) for path in sorted((folder / "tests").iterdir())]


def _findings(generated: Path) -> list[str]:
    files, suites = _read(generated)
    rules = [rule for file in files.values() for rule in file.rules]
    gaps = [f"{rule.title}: {aspect}" for rule, aspect in coverage(rules, suites).gaps]
    return [*silent_passes(rules, suites), *gaps]


# ---- the command


def test_sound_rules_and_tests_pass(promtool: Promtool, project: Project) -> None:
    result = _run(promtool, project())
    assert result.exit_code == 0, result.stdout
    version = ".".join(map(str, promtool.version)) or "of no version"
    assert re.fullmatch(
        r"production: 1 alerting and 2 recording rules, 0 failures, 0 findings; "
        r"12 of 12 aspects asked about \(100 %\)\n"
        rf"4 cases in \d+\.\d s, promtool {re.escape(version)}\n",
        result.stdout,
    )


def test_a_wrong_rule_is_told_in_one_line_each(promtool: Promtool, project: Project) -> None:
    result = _run(promtool, project(("> 10", "> 11")))
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if line.startswith("production: OrdersMany: bound")]
    assert lines == [
        "production: OrdersMany: bound and times: at 6m: expected firing, got nothing",
        "production: OrdersMany: bound and times: long at 6m: expected 1, got nothing",
        "production: OrdersMany: bound and times: kept at 9m: expected 1, got nothing",
    ]


def test_of_two_lists_of_labels_only_the_difference_is_told(promtool: Promtool, project: Project) -> None:
    files, suites = _read(project(("%.0f", "%.1f"), ("severity: warning}\n    ann", "severity: info}\n    ann")))
    assert [str(failure) for failure in run_suites(suites, files, promtool)] == [
        "OrdersMany: bound and times: at 6m: "
        'expected severity="warning", description="11 orders.", got severity="info", description="11.0 orders."'
    ]


def test_a_signals_value_is_told_with_its_labels(promtool: Promtool, project: Project) -> None:
    files, suites = _read(project(("sum(increase(orders_total[5m]))", "sum(increase(orders_total[5m])) / 3")))
    (failure,) = run_suites(suites, files, promtool)
    assert failure == Failure(
        "signals-shop",
        "example",
        'orders at 10m30s: expected shop:orders:increase5m{environment="production"} 10, '
        'got shop:orders:increase5m{environment="production"} 3.33333333333',
    )


def test_a_rule_that_does_not_load_is_told(promtool: Promtool, project: Project) -> None:
    files, suites = _read(project(("sum(increase(orders_total[5m]))", "sum(increase(orders_total[5m])")))
    failures = run_suites(suites, files, promtool)
    assert {failure.suite for failure in failures} == {"OrdersMany", "signals-shop"}
    assert all("parse error" in failure.what for failure in failures)


def test_only_the_tests_of_the_names_given_are_run(promtool: Promtool, project: Project) -> None:
    """Another area has a test that fails."""
    generated = project()
    folder = generated / "production"
    (folder / "rules" / "web.yml").write_text("groups: [{name: web, rules: [{record: 'a:b:c', expr: count(hits)}]}]")
    (folder / "tests" / "signals-web.yml").write_text(
        "{rule_files: [../rules/web.yml], tests: [{name: hits, interval: 1m, promql_expr_test: "
        "[{expr: 'a:b:c', eval_time: 1m, exp_samples: [{labels: 'a:b:c', value: 1}]}]}]}"
    )
    assert _run(promtool, generated, "OrdersMany").exit_code == 0
    assert _run(promtool, generated, "shop").exit_code == 0
    assert _run(promtool, generated, "web").exit_code == 1


def test_with_an_alert_run_the_examples_of_the_signals_that_it_reads(promtool: Promtool, project: Project) -> None:
    """A guard's record is wrong, which the alert's own tests cannot notice: they feed what is recorded."""
    result = _run(promtool, project(("sum(increase(visits", "max(increase(clicks")), "OrdersMany")
    assert result.exit_code == 1
    assert "production: signals-shop: example: visits at 10m30s: expected shop:visits:increase5m" in result.output
    assert "production: OrdersMany:" not in result.output


def test_with_an_alert_run_the_examples_of_signals_that_its_signals_read(promtool: Promtool, project: Project) -> None:
    generated = project(
        ("expr: sum(increase(visits_total[5m]))", "expr: shop:visits_seen:increase5m / 2"),
        (
            "  - alert: OrdersMany",
            "  - record: shop:visits_seen:increase5m\n"
            "    expr: sum(increase(visits_total[5m]))\n    labels: {environment: production}\n"
            "  - alert: OrdersMany",
        ),
    )
    seen = generated / "production" / "tests" / "signals-seen.yml"
    seen.write_text(SIGNAL_TESTS.replace("shop:visits:", "shop:visits_seen:").replace("value: 20}", "value: 21}"))
    result = _run(promtool, generated, "OrdersMany")
    assert "production: signals-seen: example: visits at 10m30s: expected shop:visits_seen:increase5m" in result.output


def test_coverage_is_printed_on_request(promtool: Promtool, project: Project) -> None:
    output = _run(promtool, project(), "--coverage").output
    assert re.search(r"^  OrdersMany +8 of 8$", output, re.MULTILINE)
    assert "    x quiet for want of shop:visits:increase5m >= 5\n" in output
    assert re.search(
        r"^  shop:orders:increase5m +2 of 2\n    x a value\n    x none of its series$", output, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["OrderMany"], "no alert and no area is called 'OrderMany'; did you mean OrdersMany?"),
        (["zzz"], "no alert and no area is called 'zzz'; see paymon list"),
        (["--environment", "moon"], "there is no environment 'moon'; choose one of production"),
    ],
)
def test_wrong_use_is_explained(promtool: Promtool, project: Project, arguments: list[str], message: str) -> None:
    result = _run(promtool, project(), *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_folder_without_tests_is_wrong_use(promtool: Promtool, tmp_path: Path) -> None:
    result = _run(promtool, tmp_path)
    assert result.exit_code == 2
    assert "has no rule tests; write them with paymon generate" in result.output


@pytest.mark.parametrize("gone", ["production/tests", "production/rules", "production"])
def test_an_environment_without_rules_or_tests_does_not_pass(promtool: Promtool, project: Project, gone: str) -> None:
    generated = project()
    shutil.copytree(generated / "production", generated / "staging")
    assert _run_all(promtool, generated).exit_code == 0
    shutil.rmtree(generated / gone)

    result = _run_all(promtool, generated)

    assert result.exit_code == 1
    assert f"{generated}/{gone}" in result.output
    assert "lack files; write them with paymon generate" in result.output


def test_a_promtool_that_is_not_there_is_named(project: Project) -> None:
    given = ["--generated", str(project()), "--environment", "production"]
    result = CliRunner().invoke(command, ["--promtool", "/nowhere/promtool", *given])
    assert result.exit_code == 3
    assert "/nowhere/promtool (no such program)" in result.output


# ---- what promtool passes in silence


@pytest.mark.parametrize(
    ("changes", "findings"),
    [
        pytest.param(
            [
                ("alertname: OrdersMany\n", "alertname: OrdersMeny\n"),
                ("exp_alerts:\n    - exp_labels", "exp_alerts: []\n    was:\n    - exp_labels"),
            ],
            ["OrdersMany.yml: tests alert OrdersMeny, which no rule file has", "OrdersMany: labels and annotations"],
            id="an alert that no rule file has",
        ),
        pytest.param(
            [
                (
                    "rule_files: [../rules/shop.yml]\nevaluation_interval: 1m\n",
                    "rule_files: [../rules/shop.yml, ../rules/shap*.yml]\nevaluation_interval: 1m\n",
                )
            ],
            ["OrdersMany.yml: rule_files pattern ../rules/shap*.yml matches no file"],
            id="a pattern that matches no file",
        ),
        pytest.param(
            [
                (
                    "  - record: shop:visits",
                    "  - {record: 'shop:orders:increase5m', expr: vector(1), labels: {environment: production}}\n"
                    "  - record: shop:visits",
                )
            ],
            ['2 rules make record shop:orders:increase5m{environment="production"}'],
            id="a duplicate",
        ),
        pytest.param(
            [("- name: guard\n  interval: 1m\n", "- name: guard\n")],
            ["OrdersMany.yml: guard: has no interval; long durations then go wrong"],
            id="a group without interval",
        ),
        pytest.param(
            [("expr: 'shop:visits:increase5m # none'", "expr: 'shop:vists:increase5m # none'")],
            [
                "signals-shop.yml: reads shop:vists:increase5m, which nothing records and nothing feeds",
                "shop:visits:increase5m: none of its series",
            ],
            id="a name that nobody records",
        ),
        pytest.param(
            [("eval_time: 8m, exp_samples: []", "eval_time: 1m, exp_samples: []"), ("values: '4x9'", "values: '5x9'")],
            ["OrdersMany: quiet for want of shop:visits:increase5m >= 5"],
            id="a guard that no test shows unmet",
        ),
        pytest.param(
            [
                (
                    "exp_annotations: {summary: Many orders., description: 11 orders.}",
                    "exp_annotations: {summary: Many orders.}",
                )
            ],
            ["OrdersMany: labels and annotations"],
            id="an annotation that no test pins",
        ),
        pytest.param(
            [("eval_time: 9m", "eval_time: 7m")],
            ["OrdersMany: keeps firing"],
            id="a time to keep firing that no test shows",
        ),
        pytest.param(
            [("shop:visits:increase5m # visits", "vector(20) # visits")],
            ["shop:visits:increase5m: a value"],
            id="a signal without an example",
        ),
    ],
)
def test_what_promtool_passes_in_silence_is_found(changes: list[Change], findings: list[str], project: Project) -> None:
    assert _findings(project(*changes)) == findings


def test_promtool_itself_passes_a_pattern_that_matches_no_file(promtool: Promtool, project: Project) -> None:
    generated = project(
        (
            "rule_files: [../rules/shop.yml]\nevaluation_interval: 1m\n",
            "rule_files: [../rules/shop.yml, ../nowhere*.yml]\nevaluation_interval: 1m\n",
        )
    )
    (result,) = promtool.run_tests([generated / "production/tests/OrdersMany.yml"])
    assert result.passed
    assert _run(promtool, generated).exit_code == 1


def test_an_alert_without_a_firing_and_a_quiet_case_fails(promtool: Promtool, project: Project) -> None:
    generated = project()
    (generated / "production/tests/OrdersMany.yml").unlink()
    result = _run(promtool, generated)
    assert result.exit_code == 1
    assert "production: OrdersMany: no test asks: fires\n" in result.output
    assert "production: OrdersMany: no test asks: stays quiet\n" in result.output


def test_branches_count_only_where_each_fires_alone(project: Project) -> None:
    expr = 'shop:orders:increase5m{environment="production"} > 10\n      or shop:orders:increase5m > 20'
    guarded = '\n      and on () shop:visits:increase5m{environment="production"} >= 5'
    findings = _findings(project((f'shop:orders:increase5m{{environment="production"}} > 10{guarded}', expr)))
    assert "OrdersMany: fires by branch 2 alone" in findings
    assert "OrdersMany: fires by branch 1 alone" not in findings


@pytest.mark.parametrize(
    ("file", "text", "cause"),
    [
        ("tests/OrdersMany.yml", "tests: [", "is no YAML"),
        ("tests/OrdersMany.yml", "tests: 5", "is no file of rule tests (KeyError('rule_files'))"),
        ("rules/shop.yml", "groups: [{name: x}]", "is no rule file (KeyError('rules'))"),
    ],
)
def test_an_unreadable_file_is_a_finding(
    promtool: Promtool, project: Project, file: str, text: str, cause: str
) -> None:
    generated = project()
    (generated / "production" / file).write_text(text)
    with pytest.raises(UnreadableError, match=re.escape(cause)):
        (RuleFile if file.startswith("rules") else Suite).read(generated / "production" / file)
    result = _run(promtool, generated)
    assert result.exit_code == 1
    assert cause in result.output


# ---- slices


def test_a_slice_has_the_alert_and_the_records_that_it_reads_and_no_more(project: Project, tmp_path: Path) -> None:
    other = "  - {record: 'shop:other:sum', expr: sum(up), labels: {environment: production}}\n  - record: shop:visits"
    files, suites = _read(project(("  - record: shop:visits", other)))
    tests = put_slice(suites[0], files, tmp_path / "slice")
    (path,) = Suite.read(tests).rule_files
    assert [rule.name for rule in RuleFile.read(path).rules] == [
        "shop:orders:increase5m",
        "shop:visits:increase5m",
        "OrdersMany",
    ]


def test_a_slice_has_the_records_that_records_read(project: Project, tmp_path: Path) -> None:
    files, suites = _read(project(("expr: sum(increase(visits_total[5m]))", "expr: 2 * shop:orders:increase5m")))
    signals = suites[1]
    text = signals.path.read_text().replace("shop:orders:increase5m # ", "vector(1) # ")
    signals.path.write_text(text)
    tests = put_slice(Suite.read(signals.path), files, tmp_path / "slice")
    (path,) = Suite.read(tests).rule_files
    assert [rule.name for rule in RuleFile.read(path).rules] == ["shop:orders:increase5m", "shop:visits:increase5m"]


# ---- JUnit


def test_junit_names_every_case_and_its_failures(promtool: Promtool, project: Project, tmp_path: Path) -> None:
    target = tmp_path / "reports" / "junit.xml"
    result = _run(promtool, project(("value: 20}", "value: 21}")), "--junit", str(target))
    assert result.exit_code == 1
    root = ET.parse(target).getroot()
    assert (root.get("tests"), root.get("failures")) == ("5", "1")
    cases = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert list(cases) == [
        ("production.OrdersMany", "bound and times"),
        ("production.OrdersMany", "guard"),
        ("production.signals-shop", "example"),
        ("production.signals-shop", "nothing there"),
        ("production.soundness", "what promtool passes"),
    ]
    (failure,) = cases["production.signals-shop", "example"].iter("failure")
    assert (failure.get("message") or "").startswith("visits at 10m30s: expected shop:visits:increase5m")


def test_a_junit_file_is_old_or_new_but_never_half(tmp_path: Path) -> None:
    target = tmp_path / "junit.xml"
    target.write_text("old")
    with pytest.raises(TypeError):
        write_junit(target, [JunitSuite("x", (JunitCase(b"no text", ()),))], 1.0)  # type: ignore[arg-type]
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_unwritable_junit_file_is_named(promtool: Promtool, project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = _run(promtool, project(), "--junit", str(tmp_path / "file" / "junit.xml"))
    assert result.exit_code == 1
    assert "cannot be written" in result.output


# ---- what has passed already


@pytest.fixture
def watched(promtool: Promtool, tmp_path: Path) -> tuple[Promtool, Callable[[], list[str]]]:
    """promtool, and which files of tests it was given since one asked last."""
    log, program = tmp_path / "asked", tmp_path / "promtool"
    program.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {promtool.path} "$@"\n')
    program.chmod(0o755)

    def asked() -> list[str]:
        words = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(Path(word).stem for word in words if word.endswith(".yml"))

    return Promtool.find(program), asked


Watched = tuple[Promtool, Callable[[], list[str]]]
BOTH = ["OrdersMany", "signals-shop"]


def test_what_passed_is_not_run_again_and_says_the_same(watched: Watched, project: Project) -> None:
    tool, asked = watched
    first = _run(tool, project())
    assert asked() == BOTH
    second = _run(tool, project())
    assert asked() == []
    assert second.exit_code == 0
    assert second.output.splitlines()[:-1] == first.output.splitlines()[:-1]
    assert re.fullmatch(
        r"4 cases in \d+\.\d s, promtool ([\d.]+|of no version); all is as it passed before",
        second.output.splitlines()[-1],
    )


def test_of_a_change_only_the_tests_that_read_it_are_run(watched: Watched, project: Project) -> None:
    tool, asked = watched
    _run(tool, project())
    asked()
    result = _run(tool, project(("summary: Many orders.", "summary: Very many orders.")))
    assert asked() == ["OrdersMany"]
    assert result.exit_code == 0
    assert result.output.endswith("; 1 of 2 files had passed already\n")
    assert _run(tool, project(("# orders'", "# all orders'"))).exit_code == 0
    assert asked() == ["signals-shop"]


def test_what_fails_is_run_again_until_it_passes(watched: Watched, project: Project) -> None:
    tool, asked = watched
    wrong = ("> 10", "> 11")
    said = _run(tool, project(wrong)).output
    asked()
    assert _run(tool, project(wrong)).output.splitlines()[:-1] == said.splitlines()[:-1]
    assert set(asked()) == {"OrdersMany"}
    assert _run(tool, project()).exit_code == 0


def test_a_gap_in_the_tests_is_found_again_although_every_test_passes(watched: Watched, project: Project) -> None:
    tool, asked = watched
    gap = (("values: '4x9'", "values: '9x9'"), ("# unmet', eval_time: 8m", "# unmet', eval_time: 0m"))
    first = _run(tool, project(*gap))
    assert first.exit_code == 1
    asked()
    second = _run(tool, project(*gap))
    assert (second.exit_code, second.output.splitlines()[:-1]) == (1, first.output.splitlines()[:-1])
    assert asked() == []


@pytest.mark.parametrize("service", ["shop", "donations"])
def test_of_several_services_each_ones_rules_are_read_again(promtool: Promtool, tmp_path: Path, service: str) -> None:
    folder = acme(tmp_path / "acme", "monitoring:TWO")
    texts = {"rules/shop.yml": RULES, "tests/OrdersMany.yml": ALERT_TESTS, "tests/signals-shop.yml": SIGNAL_TESTS}
    for name in ("shop", "donations"):
        for path, text in texts.items():
            file = folder / "generated" / name / "staging" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (Path(sys.executable).parent / "paymon", "test", "--promtool", promtool.path, "--environment", "staging"),
            cwd=folder,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert run().returncode == 0
    assert "; all is as it passed before" in run().stdout
    (folder / "generated" / service / "staging" / "rules" / "shop.yml").write_text(RULES.replace("> 10", "> 11"))
    broken = run()
    assert broken.returncode == 1, broken.stdout
    assert f"{service}/staging: OrdersMany: " in broken.stdout


def test_without_the_cache_everything_is_run_and_nothing_remembered(
    watched: Watched, project: Project, passed: Path
) -> None:
    tool, asked = watched
    _run(tool, project(), "--no-cache")
    assert not passed.exists()
    _run(tool, project())
    asked()
    before = passed.read_bytes()
    assert _run(tool, project(), "--no-cache").exit_code == 0
    assert asked() == BOTH
    assert passed.read_bytes() == before


def test_another_promtool_runs_everything_again(watched: Watched, promtool: Promtool, project: Project) -> None:
    tool, asked = watched
    _run(promtool, project())
    _run(tool, project())
    assert asked() == BOTH


def _torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def _of_another_version(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b", 1, ", b", 0, ", 1))


def _forged(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"production", b"everything"))


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [_torn, _of_another_version, _forged, _a_folder, Path.unlink])
def test_a_cache_that_is_damaged_is_not_trusted(
    damage: Callable[[Path], None], watched: Watched, project: Project, passed: Path
) -> None:
    tool, asked = watched
    _run(tool, project())
    asked()
    damage(passed)
    result = _run(tool, project())
    assert result.exit_code == 0
    assert asked() == BOTH


def test_a_cache_that_cannot_be_written_is_told_and_fails_nothing(
    promtool: Promtool, project: Project, passed: Path
) -> None:
    passed.parent.write_text("a file in the folder's place")
    result = _run(promtool, project())
    assert result.exit_code == 0
    assert result.stderr.split("\n", 1)[1] == (  # the first line says which definitions were read
        f"paymon test: what passed is not remembered: {passed.parent}: File exists. "
        "Set XDG_CACHE_HOME to a folder with room in which you may write, or say --no-cache.\n"
    )


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path) -> None:
    file = tmp_path / "passed"
    before = Remembered(file)
    before.passed("a" * 64)
    before.keep()
    known = file.read_bytes()
    program = (
        "import resource, sys; from pathlib import Path; from paymon.rule_testing import Remembered\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"more = Remembered(Path({str(file)!r})); more.passed('b' * 64)\n"
        "try: more.keep()\n"
        "except OSError as error: print(error.strerror)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert said.stdout == "File too large\n"
    assert file.read_bytes() == known
    assert list(tmp_path.iterdir()) == [file]


def test_two_runs_at_once_remember_what_either_saw(tmp_path: Path) -> None:
    file = tmp_path / "passed"
    one, other = Remembered(file), Remembered(file)
    one.passed("one", "of it")
    other.passed("other")
    one.keep()
    other.keep()
    assert [Remembered(file).note(key) for key in ("one", "other", "third")] == ["of it", "", None]


def test_the_oldest_are_forgotten_when_there_are_too_many(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "passed")
    for number in range(8193):
        remembered.passed(str(number))
    remembered.keep()
    again = Remembered(tmp_path / "passed")
    assert [again.note(key) for key in ("0", "1", "8192")] == [None, "", ""]


# ---- environments that differ in nothing but their name


def _for(environment: str, text: str) -> dict[str, str]:
    return {"a.yml": text.replace("HERE", environment)}


ALIKE = (
    'x{environment="HERE"} > 1',
    "labels:\n  environment: HERE\n  team: payments",
    "exp_labels: {environment: 'HERE', team: 'payments'}",
    "- name: payments.HERE.health",
    "dashboard_url: https://example.com/d/x?viewPanel=41&var-environment=HERE",
)
TOLD_APART = (
    "because: HERE has fewer machines",
    'x{environment="production"} > 1',
    'x{environment=~"prod.*",other="HERE"}',
    'x{environment="HERE"} and x{environment=~"prod.*"}',
    'x{environment="HERE"} and label_replace(x, "a", "b", "environment", "prod.*")',
    'x{environment="HERE"} # {{ if match "prod" .Labels.environment }}',
    'HERE(x{environment="HERE"}[5m])',
    'x{environment="HERE-east"}',
)


@pytest.mark.parametrize("text", ALIKE)
def test_the_name_of_an_environment_decides_nothing_where_it_is_compared_and_copied(
    text: str, promtool: Promtool
) -> None:
    ours, theirs = (digest(promtool, _for(name, text), name) for name in ("production", "staging"))
    assert ours == theirs


@pytest.mark.parametrize("text", TOLD_APART)
def test_environments_are_told_apart_where_their_name_is_more(text: str, promtool: Promtool) -> None:
    ours, theirs = (digest(promtool, _for(name, text), name) for name in ("production", "staging"))
    assert ours != theirs


@pytest.mark.parametrize("name", ["5m", "Production", "a.b", ""])
def test_a_name_that_could_be_something_else_is_not_looked_for(name: str, promtool: Promtool) -> None:
    text = 'x{environment="HERE"}'
    assert digest(promtool, _for(name, text), name) == digest(promtool, _for(name, text))


def test_what_passed_is_known_by_all_the_code_that_judges_it() -> None:
    """Where a later version reads rules or tests otherwise, nothing of what passed before is known to pass."""
    code = (
        "import sys, paymon.rule_testing\n"
        "print(*(one.__file__ for name, one in sys.modules.items() if name.split('.')[0] in ('paymon', 'rules')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True)
    judging = {Path(one) for one in loaded.stdout.split()}
    others = {one for one in judging if one.name in ("__init__.py", "programs.py") or one.parent.name == "vocabulary"}
    assert {one.stem for one in judging} >= {"expression", "rows", "coverage"}
    assert judging - others <= set(code_files())
    assert {"test.py", "text.py"} <= {one.name for one in code_files()}
