"""Does `paymon mutate` find what tests do not notice, in anybody's promtool files?"""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from paymon.mutation.command import mutate
from paymon.mutation.expressions import changes
from paymon.mutation.mutants import mutants_of
from paymon.mutation.relations import Rule, read_suite
from paymon.mutation.running import examine
from paymon.mutation.sharing import alone, scope_of
from paymon.promtool import Promtool
from rules.promql import read, written
from tests.versions import PROMETHEUS as VERSIONS

RULES = """
groups:
- name: shop
  interval: 30s
  rules:
  - record: shop:orders:increase5m
    expr: sum by (country) (increase(orders_total{env="live"}[5m]))
  - alert: OrdersFew
    expr: shop:orders:increase5m < 10 and on () shop_open == 1
    for: 1m
    labels: {severity: warning}
    annotations: {summary: 'Only {{ $value }} orders.'}
"""

TESTS = """
rule_files: [rules.yml]
evaluation_interval: 30s
tests:
- name: few orders while open
  interval: 30s
  input_series:
  - {series: 'orders_total{env="live",country="de",pod="a"}', values: '0+0.5x40'}
  - {series: 'shop_open', values: '1x40'}
  alert_rule_test:
  - alertname: OrdersFew
    eval_time: 10m
    exp_alerts:
    - exp_labels: {severity: warning, country: de}
      exp_annotations: {summary: 'Only 5 orders.'}
"""

MORE_TESTS = """
- name: enough orders
  interval: 30s
  input_series:
  - {series: 'orders_total{env="live",country="de",pod="a"}', values: '0+1.5x40'}
  - {series: 'shop_open', values: '1x40'}
  promql_expr_test:
  - {expr: 'count(ALERTS)', eval_time: 10m, exp_samples: []}
"""


TOOL = lru_cache(Promtool.find)
"""Found before the cache folder is another."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's files, in a folder with nothing of ours; what is known of mutants is kept there too."""
    monkeypatch.setenv("PROMTOOL", str(TOOL().path))
    for prefix in VERSIONS:
        TOOL(version_prefix=prefix)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "tests.yml").write_text(TESTS)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(mutate, arguments, catch_exceptions=False)


def survivors(result: Result) -> set[str]:
    found = json.loads(result.stdout)["mutants"]
    return {f"{one['rule']}: {one['mistake']}: {one['what']}" for one in found if one["outcome"] == "survived"}


@pytest.mark.slow
def test_it_says_which_mistakes_the_tests_would_not_notice(folder: Path) -> None:
    result = run("rules.yml", "tests.yml", "--json")
    assert result.exit_code == 1
    left = survivors(result)
    # 5 orders fire it: nothing asks where the bound is, what a closed shop does, or what a wait is for.
    assert "OrdersFew (warning): number: shop:orders:increase5m: 10 is 9" in left
    assert "OrdersFew (warning): comparison: shop:orders:increase5m: < is <=" in left
    assert "OrdersFew (warning): guard: dropped: and shop_open == 1" in left
    assert "OrdersFew (warning): for: 1m is 30s" in left
    assert 'shop:orders:increase5m: matcher: orders_total: env="live" is dropped' in left
    # The message, its labels and the value are pinned.
    assert "OrdersFew (warning): annotations: summary is dropped" not in left
    assert "OrdersFew (warning): labels: severity is another" not in left
    assert "OrdersFew (warning): comparison: shop:orders:increase5m: < is >" not in left
    assert "shop:orders:increase5m: window: orders_total: 5m is 10m" not in left
    assert "shop:orders:increase5m: aggregation's labels: orders_total: by lacks country" not in left
    assert "shop:orders:increase5m: 1 % off: it is 1 % too large" not in left


def test_a_survivor_is_told_with_its_diff_and_the_nearest_test(folder: Path) -> None:
    said = run("rules.yml", "tests.yml").stdout
    assert (
        "rules.yml: alert OrdersFew (warning): guard: dropped: and shop_open == 1\n"
        "  - expr: shop:orders:increase5m < 10 and on () shop_open == 1\n"
        "  + expr: shop:orders:increase5m < 10\n"
        "  nearest test: tests.yml: few orders while open\n"
    ) in said
    assert re.search(r"^comparison +8 +\d+ +\d+ ", said, re.MULTILINE), said
    assert re.search(r"^alerts: noticed \d+ of \d+ \(", said, re.MULTILINE)


@pytest.mark.slow
def test_another_test_notices_more(folder: Path) -> None:
    before = survivors(run("rules.yml", "tests.yml", "--json"))
    (folder / "tests.yml").write_text(
        TESTS + MORE_TESTS.replace("count(ALERTS)", 'count(ALERTS{alertname="OrdersFew"})')
    )
    after = survivors(run("rules.yml", "tests.yml", "--json"))
    assert after < before
    assert "OrdersFew (warning): comparison: shop:orders:increase5m: < is dropped" in before - after


@pytest.mark.parametrize("text", ["{{ $labels.query }} fails, a query of ours", "no query", "{{ .Labels.query }}"])
def test_a_label_that_is_called_query_asks_nothing(text: str) -> None:
    assert rule_with(text).reads == frozenset({"up"})


@pytest.mark.parametrize("text", ['{{ with query "a" }}{{ end }}', "{{query `a`}}", '{{ "a" |query | first }}'])
def test_a_template_that_asks_a_query_could_read_anything(text: str) -> None:
    assert rule_with(text).reads is None


def rule_with(description: str) -> Rule:
    data = {"alert": "Gone", "expr": "up == 0", "annotations": {"description": description}}
    return Rule(Path("rules.yml"), 0, 0, "", data)


@pytest.mark.slow
def test_a_selector_that_could_read_anything_makes_each_mutant_run_alone(folder: Path) -> None:
    """`count(ALERTS)` counts every alert, whatever its name: copies side by side would be counted too."""
    (folder / "tests.yml").write_text(TESTS + MORE_TESTS)
    open_ended = survivors(run("rules.yml", "tests.yml", "--json"))
    (folder / "tests.yml").write_text(
        TESTS + MORE_TESTS.replace("count(ALERTS)", 'count(ALERTS{alertname="OrdersFew"})')
    )
    named = survivors(run("rules.yml", "tests.yml", "--json"))
    # Alone differ the two alike but for what `count(ALERTS)` sees beyond: an alert of another name.
    assert open_ended <= named
    assert open_ended


@pytest.mark.parametrize("prefix", VERSIONS)
def test_sharing_a_run_changes_no_verdict(folder: Path, prefix: str) -> None:
    (folder / "tests.yml").write_text(
        TESTS + MORE_TESTS.replace("count(ALERTS)", 'count(ALERTS{alertname="OrdersFew"})')
    )
    tool = TOOL(version_prefix=prefix)
    suite = read_suite(folder / "tests.yml", {})
    for rule in suite.rules:
        scope = scope_of(rule, suite)
        assert scope is not None
        assert scope.affected
        mutants = list(mutants_of(rule, timedelta(seconds=30)))
        together = {mutant: bool(by) for mutant, by in examine(tool, [scope], mutants)}
        for number, mutant in enumerate(mutants):
            job = alone(scope, scope.cases, mutant)
            place = folder / "alone" / f"{rule.name.replace(':', '_')}{number}"
            place.mkdir(parents=True)
            for name, text in {**job.rules, "tests.yml": job.tests}.items():
                (place / name).write_text(text)
            ran = subprocess.run([tool.path, "test", "rules", place / "tests.yml"], capture_output=True, check=False)
            assert together[mutant] is (ran.returncode != 0), (mutant.what, ran.stdout)


def test_what_stands_plainly_in_yaml_stays_plain(folder: Path) -> None:
    """Quoted numbers are none to promtool, and unquoted text may be one."""
    (folder / "tests.yml").write_text(
        """
rule_files: [rules.yml]
evaluation_interval: 30s
fuzzy_compare: true
tests:
- interval: 30s
  external_labels: {on: "yes", number: "1e3"}
  input_series:
  - series: 'orders_total{env="live",country="no",pod="0x1"}'
    values: 0+1e0x40
  - {series: shop_open, values: 1}
  promql_expr_test:
  - expr: shop:orders:increase5m
    eval_time: 10m
    exp_samples:
    - {labels: 'shop:orders:increase5m{country="no"}', value: 1e+01}
  alert_rule_test:
  - alertname: OrdersFew
    eval_time: 10m
    exp_alerts:
"""
    )
    result = run("rules.yml", "tests.yml", "--json")
    assert "shop:orders:increase5m: 1 % off: it is 1 % too large" not in survivors(result)


# ---- what can be wrong


def test_rules_that_do_not_parse_are_refused(folder: Path) -> None:
    (folder / "rules.yml").write_text(RULES.replace("sum by (country) (", "sum by (country) (("))
    result = run("rules.yml", "tests.yml")
    assert result.exit_code == 2
    assert "promtool does not load the rules" in result.stderr
    assert "shop:orders:increase5m" in result.stderr


def test_tests_that_fail_already_are_refused_with_their_failure(folder: Path) -> None:
    (folder / "tests.yml").write_text(TESTS.replace("Only 5 orders", "Only 6 orders"))
    result = run("rules.yml", "tests.yml")
    assert result.exit_code == 1
    assert "tests fail already" in result.stderr
    assert "Only 6 orders" in result.stderr


def test_a_promtool_that_is_too_old_is_refused(folder: Path) -> None:
    old = folder / "promtool"
    old.write_text("#!/bin/sh\necho 'promtool, version 2.37.0 (branch: HEAD)'\n")
    old.chmod(0o755)
    for path in (str(old), "./promtool"):
        result = run("rules.yml", "tests.yml", "--promtool", path)
        assert result.exit_code == 1
        assert f"{old} is promtool 2.37.0; this needs 2.42 or newer" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("rules.yml",), "rules.yml has no tests; name the file of promtool tests too"),
        (("nowhere.yml", "tests.yml"), "nowhere.yml: cannot be read (No such file or directory)"),
        (("other.yml", "tests.yml"), "other.yml: is not among the rule_files of tests.yml"),
        (("broken.yml", "tests.yml"), "broken.yml: is no YAML"),
        (("text.yml", "tests.yml"), "text.yml: is neither a rule file (with `groups`) nor a file of rule tests"),
        (("lost.yml",), "rule_files has gone.yml, which is no file here"),
        (("rules.yml", "tests.yml", "--environment", "production"), "--environment is for generated rules"),
    ],
)
def test_files_that_cannot_be_used_are_named_with_the_cause(
    folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    (folder / "other.yml").write_text(RULES)
    (folder / "broken.yml").write_text("groups: [")
    (folder / "text.yml").write_text("hello: world")
    (folder / "lost.yml").write_text("rule_files: [gone.yml]\ntests: []\n")
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr.replace(str(folder) + "/", "")


@pytest.mark.slow
def test_a_rule_that_our_parser_does_not_know_is_left_out_and_said(folder: Path) -> None:
    (folder / "rules.yml").write_text(
        RULES
        + "  - {record: 'shop:odd', expr: 'orders_total[300:60]' }\n".replace(
            "orders_total[300:60]", "sum_over_time(orders_total[300s:60])"
        )
    )
    result = run("rules.yml", "tests.yml", "--promtool", str(TOOL(version_prefix="3.5").path))
    assert "left out: record shop:odd: duration 60 has no unit" in result.stderr


# ---- what is known already


@pytest.mark.slow
def test_what_is_known_is_not_examined_again(folder: Path) -> None:
    first = json.loads(run("rules.yml", "tests.yml", "--json").stdout)
    slow = folder / "promtool-that-counts"
    slow.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\nexec {TOOL().path} "$@"\n')
    slow.chmod(0o755)
    arguments = ("rules.yml", "tests.yml", "--json", "--promtool", str(slow))
    assert json.loads(run(*arguments).stdout) == first
    asked = (folder / "asked").read_text().count("test rules")
    assert json.loads(run(*arguments).stdout) == first
    once_more = (folder / "asked").read_text().count("test rules") - asked
    assert once_more == 1 < asked  # the tests without a mistake, no mutant


@pytest.mark.slow
def test_another_expectation_makes_every_verdict_new(folder: Path) -> None:
    before = survivors(run("rules.yml", "tests.yml", "--json"))
    (folder / "tests.yml").write_text(
        TESTS.replace("'0+0.5x40'", "'0+0.5x20 10x20'").replace("eval_time: 10m", "eval_time: 9m")
    )
    after = survivors(run("rules.yml", "tests.yml", "--json"))
    assert before == survivors(run("rules.yml", "tests.yml", "--json", "--no-cache")) or after != before


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(folder: Path) -> None:
    slow = folder / "slow-promtool"
    slow.write_text(f'#!/bin/sh\ncase "$1" in test) sleep 0.3;; esac\nexec {TOOL().path} "$@"\n')
    slow.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "paymon",
        "mutate",
        "rules.yml",
        "tests.yml",
        "--json",
        "--processes",
        "1",
        "--promtool",
        str(slow),
    ]
    known = folder / "cache" / "paymon" / "mutants.sqlite"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 300
        while not _count(known) and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "interrupted; what is known so far is kept" in said
    assert "Traceback" not in said
    kept = _count(known)
    assert kept
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    total = len(json.loads(result.stdout)["mutants"])
    assert kept < total == _count(known)


@pytest.mark.slow
def test_two_runs_at_once_find_the_same(folder: Path) -> None:
    command = [sys.executable, "-m", "paymon", "mutate", "rules.yml", "tests.yml", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=600) for one in both]
    assert [one.returncode for one in both] == [1, 1], said
    assert json.loads(said[0][0]) == json.loads(said[1][0])


def test_what_is_kept_may_be_damaged(folder: Path) -> None:
    known = folder / "cache" / "paymon" / "mutants.sqlite"
    known.parent.mkdir(parents=True)
    known.write_bytes(b"no database at all, but long enough to look at" * 100)
    assert run("rules.yml", "tests.yml").exit_code == 1
    assert _count(known)


def test_where_nothing_can_be_kept_it_says_so_and_goes_on(folder: Path) -> None:
    (folder / "cache").write_text("no folder")
    result = run("rules.yml", "tests.yml")
    assert "nothing can be kept in" in result.stderr
    assert result.exit_code == 1
    assert "alerts: noticed" in result.stdout


def _count(file: Path) -> int:
    if not file.exists():
        return 0
    connection = sqlite3.connect(file)
    try:
        return int(connection.execute("SELECT count(*) FROM verdicts").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        connection.close()


# ---- some of all


@pytest.mark.slow
def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another(folder: Path) -> None:
    def drawn(seed: str) -> list[str]:
        found = json.loads(run("rules.yml", "tests.yml", "--json", "--sample", "12", "--seed", seed).stdout)["mutants"]
        return [f"{one['rule']}{one['mistake']}{one['what']}" for one in found]

    assert drawn("1") == drawn("1")
    assert len(drawn("1")) == 12
    assert drawn("1") != drawn("2")


@pytest.mark.slow
def test_enough_is_enough(folder: Path) -> None:
    assert run("rules.yml", "tests.yml", "--alerts-at-least", "20", "--records-at-least", "20").exit_code == 0
    assert run("rules.yml", "tests.yml", "--alerts-at-least", "99", "--records-at-least", "20").exit_code == 1


# ---- equivalent mutants


def test_an_equivalent_mutant_does_not_count_and_an_entry_without_one_is_stale(folder: Path) -> None:
    (folder / "equivalent.yml").write_text(
        "- rules: ['Orders*']\n  mutants: ['comparison: * < is <=']\n  because: orders come in halves here\n"
        "- rules: ['Orders*']\n  mutants: ['never: *']\n  because: this one is noticed, so that it is stale\n"
    )
    result = run(
        "rules.yml", "tests.yml", "--equivalent", "equivalent.yml", "--alerts-at-least", "0", "--records-at-least", "0"
    )
    assert result.exit_code == 1
    assert "no mutant survives any more of: Orders*: never: *; take the entry away" in result.stderr
    assert re.search(r"alerts: noticed \d+ of \d+ \(.*\), 1 equivalent", result.stdout)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello", "is no list of entries"),
        ("- rules: [a]\n  mutants: [b]\n", "entry 1: because: Field required"),
        (
            "- rules: [a]\n  mutants: [b]\n  because: short\n",
            "entry 1: because: String should have at least 10 characters",
        ),
        ("- [", "is no YAML"),
    ],
)
def test_a_list_of_equivalent_mutants_that_is_none_is_refused(folder: Path, text: str, told: str) -> None:
    (folder / "equivalent.yml").write_text(text)
    result = run("rules.yml", "tests.yml", "--equivalent", "equivalent.yml")
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_star_that_is_meant_is_written_with_a_backslash(folder: Path) -> None:
    (folder / "equivalent.yml").write_text(
        r"""- {rules: ['*'], mutants: ['comparison: \* < is <='], because: nothing is called so}""" + "\n"
    )
    result = run("rules.yml", "tests.yml", "--equivalent", "equivalent.yml")
    assert "no mutant survives any more of" in result.stderr


LISTED = """
- rules: [OrdersFew]
  mutants: ['comparison: shop_open: == is >=']
  because: a shop is open or not, 1 or 0
- rules: [OrdersFew]
  mutants: ['guard: dropped: and shop_open == 1']
  because: somebody thought that shops never close
"""


@pytest.mark.parametrize("prefix", VERSIONS)
def test_what_is_listed_as_changing_nothing_is_evaluated_beside_its_rule(folder: Path, prefix: str) -> None:
    """Both survive: the tests have an open shop only. On random courses the shop closes, too."""
    (folder / "equivalent.yml").write_text(LISTED)
    tool = str(TOOL(version_prefix=prefix).path)
    arguments = ("rules.yml", "tests.yml", "--equivalent", "equivalent.yml", "--confirm", "30", "--promtool", tool)
    seen = json.loads(run(*arguments, "--json").stdout)["confirmed"]
    assert seen["equal"] == ["OrdersFew (warning): comparison: shop_open: == is >="]
    assert seen["different"] == ["OrdersFew (warning): guard: dropped: and shop_open == 1"]
    said = run(*arguments).stdout
    assert "equivalent: 1 of 2 give what their rule gives on 30 random courses each\n" in said
    assert "  differs on random series: OrdersFew (warning): guard: dropped: and shop_open == 1\n" in said


# ---- the mistakes


def what(expr: str) -> set[str]:
    return {written(one.expression) for one in changes(read(expr))}


def test_the_mistakes_of_a_comparison() -> None:
    assert what("a > 5") == {"a < 5", "a >= 5", "a", "a > bool 5", "a > 4.5", "a > 4.95", "a > 5.05", "a > 5.5"}


def test_the_mistakes_of_a_window_and_an_offset() -> None:
    assert {"rate(a[5m] offset 1h)", "rate(a[9m] offset 1h)", "rate(a[20m] offset 1h)", "rate(a[10m])"} <= what(
        "rate(a[10m] offset 1h)"
    )
    assert {f"{name}(a[10m])" for name in ("increase", "irate", "delta", "deriv")} <= what("rate(a[10m])")


def test_the_mistakes_of_matchers_and_labels() -> None:
    assert {
        'sum by (x) (a{c=~"d|e"})',
        'sum by (x) (a{b="1"})',
        'sum by (x) (a{b="1",c=~"d"})',
        'sum by () (a{b="1",c=~"d|e"})',
        'sum(a{b="1",c=~"d|e"})',
    } <= what('sum by (x) (a{b="1",c=~"d|e"})')


def test_the_mistakes_of_joins() -> None:
    assert {"a", "b", "a or on (x) b", "a unless on (x) b", "a and b", "a and on () b", "a and ignoring (x) b"} == what(
        "a and on (x) b"
    )
    assert {"a", "clamp_max(a, 2)"} <= what("clamp_min(a, 2)")


def test_what_to_match_by_is_no_mistake_where_it_changes_nothing() -> None:
    """Sides without labels agree on everything, and sides that have the same ones alone agree on those anyway."""
    of_matching = {"sum(a) / sum(b)", "sum(a) / ignoring () sum(b)"}
    assert not of_matching & what("sum(a) / on () sum(b)")
    assert not of_matching & what("(sum(a) or vector(0)) / on () (0.5 * sum(b) > 0)")
    assert "sum by (x) (a) / sum by (x) (b)" not in what("sum by (x) (a) / on (x) sum by (x) (b)")
    assert "sum by (x) (a) / on () sum by (x) (b)" in what("sum by (x) (a) / on (x) sum by (x) (b)")
    assert "sum by (x) (a) / sum(b)" in what("sum by (x) (a) / on (x) sum(b)")
    assert "a / sum(b)" in what("a / on () sum(b)")
    assert "sum without (x) (a) / sum(b)" in what("sum without (x) (a) / on () sum(b)")
    on_sunday = "min_over_time(sum(a)[1h:5m]) * {} (day_of_week(vector(time())) > bool 0)"
    assert on_sunday.format("ignoring ()") not in what(on_sunday.format("on ()"))
    assert "min_over_time(a[1h:5m]) * sum(b)" in what("min_over_time(a[1h:5m]) * on () sum(b)")


def test_what_is_0_is_added_or_taken_away_alike() -> None:
    assert "a - 0 * b" not in what("a + 0 * b")
    assert "a + 0 * b" not in what("a - 0 * b")
    assert "0 * b - a" in what("0 * b + a")
    assert "a - 1 * b" in what("a + 1 * b")


expressions = st.recursive(
    st.sampled_from(["a", 'a{b="c"}', "rate(a[5m])", "1", "vector(2)", "max_over_time(a[5m:1m])", "a offset 1h", "-a"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "^", "and", "or", "unless", "> bool"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
        inner.map(lambda one: f"sum by (b) ({one})"),
        inner.map(lambda one: f"clamp_min({one}, 3)"),
    ),
    max_leaves=6,
)


@given(expressions)
def test_an_expression_is_written_so_that_it_reads_as_the_same_tree(expr: str) -> None:
    try:
        tree = read(expr)
    except ValueError:
        return  # such as a sum of a number
    assert read(written(tree)) == tree


@given(expressions)
def test_every_mutant_differs(expr: str) -> None:
    try:
        tree = read(expr)
    except ValueError:
        return
    texts = [written(one.expression) for one in changes(tree)]
    assert len(texts) == len(set(texts))
    assert written(tree) not in texts
