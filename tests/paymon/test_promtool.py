"""Is what promtool says understood, in every version that is supported?"""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from paymon.lint import lint
from paymon.mutation.command import mutate
from paymon.promtool import (
    Finding,
    NotPromtoolError,
    Promtool,
    PromtoolError,
    PromtoolMissing,
    TestFailure,
)

RULES = """\
groups:
  - name: payments
    rules:
      - record: payments:rate
        expr: rate(pay_total[5m])
      - alert: High
        expr: payments:rate > 1
        for: 5m
        labels: {severity: critical}
        annotations: {summary: "v {{ $value }}"}
"""


@pytest.fixture
def promtool(promtool: Promtool) -> Promtool:
    """Here it is asked each time: what it says, and how, is the question."""
    return Promtool(promtool.path, promtool.version)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a folder of its own, with good rules in it, and stands in it."""
    monkeypatch.chdir(tmp_path)
    Path("rules.yml").write_text(RULES)
    return tmp_path


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def stand_in(folder: Path, script: str) -> Path:
    """A program that says it is promtool, and then does what `script` says."""
    path = folder / "promtool"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "promtool, version 2.42.0" && exit\n{script}\n')
    path.chmod(0o755)
    return path


# ---- which promtool


def test_its_version_is_known(promtool: Promtool, request: pytest.FixtureRequest) -> None:
    asked = tuple(int(part) for part in request.node.callspec.params["promtool"].split("."))
    built_without_one = asked == (3, 16)
    assert promtool.version[:2] == asked or promtool.version > asked or built_without_one


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("promtool, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5)", (2, 42, 0)),
        ("promtool, version 3.5.0 (branch: HEAD, revision: 8be3a9560fbdd18a94dedec4b747c35178177202)", (3, 5, 0)),
        ("promtool, version 3.10.0-rc.1 (branch: HEAD, revision: 8be3a95)", (3, 10, 0)),
        ("promtool, version  (branch: , revision: unknown)", ()),
    ],
)
def test_the_version_is_read_as_debian_and_the_project_write_it_and_go_install_leaves_it_away(
    folder: Path, said: str, version: tuple[int, ...]
) -> None:
    path = folder / "promtool"
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)

    assert Promtool.find(path).version == version


def test_a_missing_promtool_is_reported_with_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMTOOL", raising=False)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    with pytest.raises(PromtoolMissing) as caught:
        Promtool.find()

    assert str(caught.value) == (
        f"promtool is needed and not here; looked at: PROMTOOL (not set), PATH, {folder}/cache/paymon/programs. "
        "To get it: `apt-get install prometheus` on Debian, or there without root `python -m paymon.programs --only "
        "promtool`; elsewhere the Prometheus release from the project's download page, which has promtool in it. If it "
        "is not on the PATH, say where with --promtool or PROMTOOL."
    )


def test_another_program_is_not_taken_for_promtool() -> None:
    with pytest.raises(NotPromtoolError) as caught:
        Promtool.find("/bin/true")

    assert str(caught.value) == (
        f"`/bin/true --version` says {caught.value.said!r}, so that is not promtool; "
        "point --promtool or PROMTOOL at promtool, or leave both away"
    )
    assert "true" in caught.value.said


def test_a_file_that_cannot_run_is_reported(folder: Path) -> None:
    path = folder / "promtool"
    path.write_bytes(b"\x00\x01\x02\x03")
    path.chmod(0o755)

    with pytest.raises(PromtoolError) as caught:
        Promtool.find(path)

    assert str(caught.value) == f"`{path} --version` could not be started: Exec format error"


# ---- promtool that does not answer


def test_a_promtool_that_takes_too_long_is_ended(folder: Path) -> None:
    slow = Promtool.find(stand_in(folder, "exec sleep 60"), timeout_seconds=0.5)

    with pytest.raises(PromtoolError) as caught:
        slow.check_metrics("up 1\n")

    assert str(caught.value) == f"`{slow.path} check metrics` did not finish within 0.5 s"


def test_a_crash_is_an_error_and_not_a_finding(folder: Path) -> None:
    crashing = Promtool.find(stand_in(folder, "kill -SEGV $$"))

    with pytest.raises(PromtoolError) as caught:
        crashing.check_metrics("up 1\n")

    assert str(caught.value) == f"`{crashing.path} check metrics` was ended by SIGSEGV"


def test_a_panic_is_an_error_that_quotes_it(folder: Path) -> None:
    panicking = Promtool.find(stand_in(folder, "echo 'panic: oh' >&2; exit 2"))

    with pytest.raises(PromtoolError) as caught:
        panicking.run_tests(["t.yml"])

    assert str(caught.value) == f"`{panicking.path} test rules t.yml` ended with exit status 2: panic: oh"


@pytest.mark.parametrize("said", ["something new", ""])
def test_a_failure_that_is_not_understood_does_not_pass_for_success(folder: Path, said: str) -> None:
    changed = Promtool.find(stand_in(folder, f"echo '{said}'; exit 1"))
    ending = f"ended with exit status 1: {said or 'no output'}"

    for ask in (
        lambda: changed.run_tests(["t.yml"]),
        lambda: changed.check_rules(["t.yml"]),
        lambda: changed.check_config("t.yml"),
    ):
        with pytest.raises(PromtoolError) as caught:
            ask()
        assert caught.value.cause == ending


def test_a_file_that_does_not_exist_is_an_error(promtool: Promtool) -> None:
    with pytest.raises(PromtoolError) as caught:
        promtool.run_tests(["nothere.yml"])

    assert str(caught.value) == f"`{promtool.path} test rules nothere.yml` says: path 'nothere.yml' does not exist"


# ---- check rules


def test_good_rules_are_counted(promtool: Promtool) -> None:
    result = promtool.check_rules(["rules.yml", write("empty.yml", "groups: []\n")])

    assert (result.findings, result.rules) == ((), 2)


def test_no_rule_files_have_no_findings(promtool: Promtool) -> None:
    assert promtool.check_rules([]).findings == ()


def test_a_bad_expression_is_found_with_its_file_line_and_rule(promtool: Promtool) -> None:
    bad = write(
        "bad.yml",
        """\
groups:
  - name: payments
    rules:
      - record: payments:rate
        expr: rate(pay_total[5m
      - alert: Templated
        expr: up
        annotations: {summary: "{{ $valu }}"}
""",
    )

    result = promtool.check_rules(["rules.yml", bad])

    assert result.rules == 2  # those of the good file
    assert result.findings == (
        Finding(
            "could not parse expression: 1:18: parse error: unclosed left parenthesis",
            file=Path("bad.yml"),
            line=5,
            column=15,
            subject='group "payments", rule 1, "payments:rate"',
        ),
        Finding(
            'annotation "summary": template: __alert_Templated:1: undefined variable "$valu"',
            file=Path("bad.yml"),
            subject='group "payments", rule 2, "Templated"',
        ),
    )
    assert str(result.findings[0]) == (
        'bad.yml:5:15: group "payments", rule 1, "payments:rate": '
        "could not parse expression: 1:18: parse error: unclosed left parenthesis"
    )


def test_a_duplicate_rule_is_a_finding_of_the_file_it_is_in(promtool: Promtool) -> None:
    twice = write(
        "twice.yml",
        """\
groups:
  - name: payments
    rules:
      - {record: a, expr: up}
      - {record: a, expr: up}
      - {record: b, expr: up, labels: {x: "1", y: "2"}}
      - {record: b, expr: up, labels: {x: "1", y: "2"}}
""",
    )

    assert promtool.check_rules(["rules.yml", twice]).findings == (
        Finding("more than one rule records this", file=Path("twice.yml"), subject="a"),
        Finding("more than one rule records this with the labels x: 1, y: 2", file=Path("twice.yml"), subject="b"),
    )


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("groups: [\n", "broken.yml:1: yaml: line 1: did not find expected node content"),
        (
            "groups:\n  - name: a\n    rulez: []\n",
            "broken.yml:3: yaml: unmarshal errors:\n  line 3: field rulez not found in type rulefmt.RuleGroup",
        ),
    ],
)
def test_a_file_that_is_no_rule_file_is_found_once(promtool: Promtool, text: str, finding: str) -> None:
    findings = promtool.check_rules([write("broken.yml", text)]).findings

    assert [str(one) for one in findings] == [finding]


# ---- check config


def test_a_good_configuration_is_checked_with_its_rule_files(promtool: Promtool) -> None:
    result = promtool.check_config(write("prometheus.yml", "rule_files: [rules.yml]\n"))

    assert (result.findings, result.rules) == ((), 2)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('rule_files: ["missing.yml"]\n', 'prometheus.yml: "missing.yml" does not point to an existing file'),
        (
            "global: {scrape_intervall: 1m}\n",
            "prometheus.yml:1: parsing YAML file prometheus.yml: yaml: unmarshal errors:\n"
            "  line 1: field scrape_intervall not found in type config.plain",
        ),
    ],
)
def test_a_bad_configuration_is_found(promtool: Promtool, text: str, finding: str) -> None:
    findings = promtool.check_config(write("prometheus.yml", text)).findings

    assert [str(one) for one in findings] == [finding]


# ---- check metrics


def test_well_named_metrics_have_no_findings(promtool: Promtool) -> None:
    assert promtool.check_metrics("# HELP a_total x\n# TYPE a_total counter\na_total 1\n") == ()


def test_badly_named_metrics_are_found_by_name(promtool: Promtool) -> None:
    assert promtool.check_metrics("# TYPE barMs counter\nbarMs 2\n") == (
        Finding('counter metrics should have "_total" suffix', subject="barMs"),
        Finding("metric names should be written in 'snake_case' not 'camelCase'", subject="barMs"),
        Finding("no help text", subject="barMs"),
    )


def test_text_that_is_no_metrics_is_found_by_line(promtool: Promtool) -> None:
    assert promtool.check_metrics("# HELP foo x\nfoo{ 1\n") == (
        Finding('text format parsing error in line 2: invalid label name for metric "foo"', line=2),
    )


# ---- test rules


def test_tests_that_pass_have_no_failures(promtool: Promtool) -> None:
    passing = write(
        "passing.yml",
        """\
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: 'pay_total{a="1"}', values: '0+120x20'}]
    promql_expr_test:
      - {expr: payments:rate, eval_time: 10m, exp_samples: [{labels: 'payments:rate{a="1"}', value: 2}]}
""",
    )

    (result,) = promtool.run_tests([passing])

    assert (result.file, result.passed, result.failures, result.warnings) == (Path("passing.yml"), True, (), ())


def test_failures_say_what_was_expected_and_what_came(promtool: Promtool) -> None:
    failing = write(
        "failing.yml",
        r"""
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - name: the busy hour, second half
    interval: 1m
    input_series:
      - {series: 'pay_total{a="1"}', values: '0+120x20'}
      - {series: 'pay_total{a="2"}', values: '0+180x20'}
    alert_rule_test:
      - alertname: High
        eval_time: 10m
        exp_alerts:
          - {exp_labels: {severity: warning, a: "1"}, exp_annotations: {summary: "one\n\ntwo [x], got:[]"}}
      - {alertname: Unknown, eval_time: 11m, exp_alerts: [{exp_labels: {severity: warning}}]}
    promql_expr_test:
      - {expr: "payments:rate{a=\"1\"}\n  + 1", eval_time: 90s, exp_samples: [{labels: '{a="1"}', value: 0.1}]}
      - {expr: nothere, eval_time: 0s, exp_samples: [{value: 1}]}
      - {expr: 'vector(1)', eval_time: 2h30m, exp_samples: []}
      - {expr: 'sum(', eval_time: 1m, exp_samples: [{value: 1}]}
  - interval: 1m
    input_series: [{series: 'pay_total', values: '0+120x20'}]
    alert_rule_test:
      - {alertname: High, eval_time: 10m, exp_alerts: []}
""",
    )

    (result,) = promtool.run_tests([failing])

    def seen(failure: TestFailure) -> tuple[str | None, ...]:
        flat = (" ".join(text.split()) if text else text for text in (failure.expected, failure.got))
        return failure.group_name, failure.alertname or failure.expr, failure.eval_time, *flat, failure.error

    assert not result.passed
    assert {failure.file for failure in result.failures} == {Path("failing.yml")}
    assert [seen(failure) for failure in result.failures] == [
        (
            "the busy hour, second half",
            "High",
            "10m",
            r"""[ 0: Labels:{a="1", alertname="High", severity="warning"} """
            r"""Annotations:{summary="one\n\ntwo [x], got:[]"} ]""",
            """[ 0: Labels:{a="1", alertname="High", severity="critical"} Annotations:{summary="v 2"}, """
            """1: Labels:{a="2", alertname="High", severity="critical"} Annotations:{summary="v 3"} ]""",
            None,
        ),
        (
            "the busy hour, second half",
            "Unknown",
            "11m",
            '[ 0: Labels:{alertname="Unknown", severity="warning"} Annotations:{} ]',
            "[]",
            None,
        ),
        (None, 'payments:rate{a="1"}\n  + 1', "1m30s", '{a="1"} 1E-01', '{a="1"} 1.4E+00', None),
        (None, "nothere", "0s", "{} 1E+00", "nil", None),
        (None, "vector(1)", "2h30m", "nil", "{} 1E+00", None),
        (None, "sum(", "1m", None, None, "1:5: parse error: unclosed left parenthesis"),
        (
            None,
            "High",
            "10m",
            "[]",
            '[ 0: Labels:{alertname="High", severity="critical"} Annotations:{summary="v 2"} ]',
            None,
        ),
    ]
    assert result.failures[3].raw == '    expr: "nothere", time: 0s,\n        exp: {} 1E+00\n        got: nil'


def test_a_rule_that_cannot_be_evaluated_is_a_failure_with_its_record(promtool: Promtool) -> None:
    write("rules.yml", "groups: [{name: g, rules: [{record: y, expr: x * on() x}]}]\n")
    tests = write(
        "t.yml",
        """\
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: 'x{a="1"}', values: '0x20'}, {series: 'x{a="2"}', values: '0x20'}]
    promql_expr_test: [{expr: y, eval_time: 10m, exp_samples: []}]
""",
    )

    (failure,) = promtool.run_tests([tests])[0].failures

    assert (failure.record, failure.eval_time) == ("y", "0s")
    assert failure.error is not None
    assert failure.error.startswith("found duplicate series for the match group {} on the right hand-side")


def test_a_test_file_that_cannot_be_read_is_a_failure_that_says_why(promtool: Promtool) -> None:
    (failure,) = promtool.run_tests([write("t.yml", "rule_files: [rules.yml]\ntestz: []\n")])[0].failures

    assert failure.error == "yaml: unmarshal errors:\n  line 2: field testz not found in type main.unitTestFile"


def test_a_rule_file_that_does_not_exist_is_a_warning(promtool: Promtool) -> None:
    tests = "tests: [{interval: 1m, promql_expr_test: [{expr: up, eval_time: 1m, exp_samples: []}]}]\n"

    (result,) = promtool.run_tests([write("t.yml", f"rule_files: [nowhere.yml]\n{tests}")])

    assert (result.passed, result.warnings) == (True, ("no file match pattern nowhere.yml",))


def test_each_test_file_has_a_result_of_its_own_in_the_order_given(promtool: Promtool) -> None:
    def expecting(value: int) -> str:
        return (
            "tests: [{interval: 1m, promql_expr_test: "
            f"[{{expr: vector(1), eval_time: 1m, exp_samples: [{{labels: '{{}}', value: {value}}}]}}]}}]\n"
        )

    names = [write("b.yml", expecting(2)), write("a.yml", expecting(1)), write("c.yml", expecting(3))]

    results = promtool.run_tests(names)

    assert [(str(result.file), result.passed) for result in results] == [
        ("b.yml", False),
        ("a.yml", True),
        ("c.yml", False),
    ]


def test_promtool_is_found_where_the_environment_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_in(folder, "exit 0")
    monkeypatch.setenv("PROMTOOL", os.fspath(path))

    assert Promtool.find().path == path


@pytest.mark.slow
@pytest.mark.parametrize("command", [lint, mutate], ids=["lint", "mutate"])
def test_a_promtool_that_is_not_there_is_no_finding(command: click.Command, tmp_path: Path) -> None:
    found = CliRunner().invoke(command, ["--promtool", str(tmp_path / "promtool")])
    assert found.exit_code == 3, found.output
    assert str(tmp_path / "promtool") in found.output
