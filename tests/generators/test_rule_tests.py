"""Do the generated rule tests pass, say enough, and notice when a rule is wrong?"""

import contextlib
import os
import re
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from generators.rule_tests import rule_test_files
from generators.rule_tests.known import Known
from generators.rule_tests.rendering import rendered
from generators.rule_tests.text import Firing, Firings, Probe, TestFile, TestGroup
from generators.rule_tests.without_data import value_without_data
from generators.rules import Expressions, rule_file, rule_groups
from generators.text import as_yaml
from paymon.promtool import Promtool
from paymon.rule_testing import Remembered, RuleFile, Suite, coverage, run_suites, silent_passes
from rules.catalog import catalog
from rules.promql import parse
from rules.promtool.series import Series
from rules.vocabulary import (
    Catalog,
    Environment,
    Example,
    Priority,
    Severity,
    Signal,
    Unit,
    at_least,
    minutes,
    seconds,
)
from tests.promtools import answers_of
from tests.rules import small
from tests.stated.durations import duration

CATALOG = catalog()
PRODUCTION = CATALOG.organisation.environment("production")


@pytest.fixture(scope="module")
def production() -> dict[str, str]:
    return dict(rule_test_files(CATALOG, PRODUCTION))


# ---- the whole


@pytest.mark.slow
def test_every_rule_of_every_environment_does_what_its_tests_say(
    promtool: Promtool, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    answers = answers_of(pytestconfig)
    # What two environments have in common but for their name is run once, and not again in the next run.
    remembered = Remembered(answers.parent / "rule-tests-passed" if answers else None)
    failures = {}
    for environment in CATALOG.organisation.environments:
        files, suites = _on_disk(environment, tmp_path / environment.name)
        failures[environment.name] = run_suites(
            suites, files, promtool, environment=environment.name, remembered=remembered
        )
    with contextlib.suppress(OSError):
        remembered.keep()
    assert failures == {environment.name: () for environment in CATALOG.organisation.environments}


@pytest.mark.slow
def test_the_tests_ask_about_every_aspect_of_every_rule(tmp_path: Path) -> None:
    for environment in CATALOG.organisation.environments:
        files, suites = _on_disk(environment, tmp_path / environment.name)
        rules = [rule for file in files.values() for rule in file.rules]
        assert list(silent_passes(rules, suites)) == []
        assert [f"{rule.title}: {aspect}" for rule, aspect in coverage(rules, suites).gaps] == []


def test_promtool_runs_a_test_file_where_it_lies(promtool: Promtool, tmp_path: Path) -> None:
    _on_disk(PRODUCTION, tmp_path)
    tests = [tmp_path / "tests" / name for name in ("PaymentsDegraded.yml", "signals-rollout-8m.yml")]
    assert [(result.failures, result.warnings) for result in promtool.run_tests(tests)] == [((), ()), ((), ())]


def test_each_alert_and_each_moment_of_an_area_has_a_file(production: dict[str, str]) -> None:
    alerts = {f"{alert.name}.yml" for alert in CATALOG.alerts}
    assert alerts <= production.keys()
    others = production.keys() - alerts
    assert {name for name in others if not re.fullmatch(r"signals-[a-z]+-[0-9dhms]+\.yml", name)} == {
        f"{alert.removesuffix('.yml')}-waits.yml"
        for alert in alerts
        if "evaluation_interval: 30s" not in production[alert]
    }


def test_every_group_has_an_interval_and_nothing_is_newer_than_prometheus_2_42(production: dict[str, str]) -> None:
    for name, text in production.items():
        groups = text.split("\n- name: ")[1:]
        assert groups, name
        assert all("\n  interval: " in group for group in groups), name
        assert not re.search("fuzzy_compare|start_timestamp|NaN\n|{{schema", text), name
        assert text.startswith("# Written by `paymon generate` from the definitions"), name


def test_the_tests_of_an_environment_stay_small_enough_to_review(production: dict[str, str]) -> None:
    """About two screens a rule: 3.5 million characters, when there were 285 rules, many with several branches."""
    rules = sum(len(group.rules) for group in rule_groups(CATALOG, PRODUCTION))
    assert sum(map(len, production.values())) < rules * 13_000


@pytest.mark.slow
def test_the_files_are_the_same_in_every_process(production: dict[str, str]) -> None:
    program = (
        "import hashlib; from generators.rule_tests import rule_test_files; from rules.catalog import catalog;"
        "c = catalog(); files = rule_test_files(c, c.organisation.environment('production'));"
        "print(hashlib.sha256(repr(list(files.items())).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


# ---- what they contain


@pytest.mark.parametrize(
    ("alert", "expectations"),
    [
        (
            "PaymentsDegraded",
            [
                ("at 0.0999, inside the bound", "3m", 0),
                ("at 0.1, inside the bound", "6m", 0),
                ("past the bound for less than 2m", "8m", 0),
                ("past the bound for 2m", "11m", 1),
                ("recovered for less than 5m", "18m30s", 1),
                ("recovered", "19m", 0),
                ("unmet at 4: payments:technical_failures:increase5m >= 5", "2m30s", 0),
                ('missing: payments_exporter:source_age:intervals{source="stripe_events"} < 3', "17m30s", 0),
                ("counted from the crossing", "4m", 1),
            ],
        ),
        (
            "PaymentsTrafficStopped",
            [
                # It waits for nothing, so that each value takes two evaluations, a minute. Seven come before: of what
                # was to be expected 19, 19.98 and none, a week ago 0 and 0.999, and after a roll-back 19 and 19.98.
                ("branch 1: met at 1: payments:kill_switch:engaged_in10m >= 1", "7m30s", 0),
                # Behind it two more switches, the database's word, three ages of the source, none of it here, and
                # nothing here at all.
                ("branch 1: every condition met", "16m", 1),
                # Here what was usual at this time alone stands for what was to be expected and for a week ago.
                ("branch 5: every condition met", "14m", 1),
            ],
        ),
        (
            "PaymentDisputeRateHigh",
            [
                ("one past the bound, only the other's guards met", "1h4m", 0),
                ("both past the bound", "3h12m", 2),
            ],
        ),
        ("PaymentMetricsAbsent", [("no series, not for long", "4m30s", 0), ("no series", "6m", 1)]),
        ("PaymentsWatchdog", [("from the first evaluation", "0s", 1), ("and on", "10m", 1)]),
    ],
)
def test_an_alert_is_asked_at_its_bound_and_at_its_times(
    alert: str, expectations: list[tuple[str, str, int]], production: dict[str, str]
) -> None:
    asked = [
        (found[1].replace("''", "'"), found[2], 0 if found[3] == "[]" else int(found[3][-3]))
        for found in re.finditer(
            r" # (.*)', eval_time: (\w+), exp_samples: (.*)}$", production[f"{alert}.yml"], re.MULTILINE
        )
    ]
    for what, at, firing in expectations:
        assert any(one[0].endswith(what) and one[1:] == (at, firing) for one in asked), (what, asked)


def test_every_wait_is_tested_at_a_pace_at_which_one_evaluation_less_would_show(production: dict[str, str]) -> None:
    evaluation = CATALOG.organisation.evaluation_interval
    for alert in CATALOG.alerts:
        text = production.get(f"{alert.name}-waits.yml", production[f"{alert.name}.yml"])
        (found,) = re.findall(r"^evaluation_interval: (\w+)$", text, re.MULTILINE)
        pace = duration(found)
        for threshold in alert.thresholds_in(PRODUCTION):
            for wait in filter(None, (threshold.lasting, threshold.keep_firing)):
                moments = (count * pace for count in range(wait // pace + 1))
                assert any(wait - evaluation <= moment < wait for moment in moments), (alert.name, wait)


@pytest.mark.parametrize(
    ("aspect", "said", "wrong", "noticed_by"),
    [
        ("for", "10m", "9m30s", "PaymentAttemptsFallen-waits.yml"),
        ("for", "10m", "10m30s", "PaymentAttemptsFallen.yml"),
        ("keep_firing_for", "15m", "14m30s", "PaymentAttemptsFallen-waits.yml"),
        ("keep_firing_for", "15m", "15m30s", "PaymentAttemptsFallen.yml"),
        ("expr", "[20m15s]", "[19m15s]", "PaymentAttemptsFallen.yml"),
        ("expr", "[20m15s]", "[21m15s]", "PaymentAttemptsFallen.yml"),
    ],
)
def test_a_wait_or_a_window_over_louder_alerts_that_is_off_by_an_evaluation_is_noticed(
    aspect: str, said: str, wrong: str, noticed_by: str, production: dict[str, str], promtool: Promtool, tmp_path: Path
) -> None:
    assert _failing_with(aspect, said, wrong, production, promtool, tmp_path) == [noticed_by]


def test_a_guard_that_forbids_at_its_bound_already_is_noticed(
    production: dict[str, str], promtool: Promtool, tmp_path: Path
) -> None:
    """A rollout of exactly 95 % of what it was has not gone back."""
    below = 'least_of_most3h{environment="production",service="payments"} < 0.95'
    failing = _failing_with("expr", below, below.replace("<", "<="), production, promtool, tmp_path)
    assert "PaymentAttemptsFallen.yml" in failing


def _failing_with(
    aspect: str, said: str, wrong: str, production: dict[str, str], promtool: Promtool, folder: Path
) -> list[str]:
    """The test files of PaymentAttemptsFallen that fail where it says that instead."""
    (traffic,) = (group for group in rule_groups(CATALOG, PRODUCTION) if group.area.name == "traffic")
    (group,) = yaml.safe_load(rule_file(traffic))["groups"]
    (alone,) = (rule for rule in group["rules"] if rule.get("alert") == "PaymentAttemptsFallen")
    off = alone | {aspect: alone[aspect].replace(said, wrong, 1)}
    assert off != alone
    names = ("PaymentAttemptsFallen.yml", "PaymentAttemptsFallen-waits.yml")
    texts = {"rules/traffic.yml": as_yaml({"groups": [group | {"rules": [off]}]})}
    for path, text in (texts | {f"tests/{one}": production[one] for one in names}).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    results = promtool.run_tests([folder / "tests" / one for one in names])
    return [one for one, result in zip(names, results, strict=True) if result.failures]


def test_a_tier_ends_the_tiers_that_it_passes(production: dict[str, str]) -> None:
    """Past the bound of both, the stricter one alone fires: it says the same thing louder. It is evaluated first."""
    text = production["PaymentDisputeRateRising.yml"]
    excessive, elevated = re.findall(r"exp_alerts:\n((?:    - exp_labels.*\n(?:      .*\n)+)+)", text)
    assert re.findall("tier: '(\\w+)'", excessive) == ["excessive"]
    assert re.findall("tier: '(\\w+)'", elevated) == ["elevated"]


def test_a_signal_is_asked_for_all_of_its_results_and_their_labels(production: dict[str, str]) -> None:
    target = 'environment="production",instance="rules",job="paymon"'  # labels stand in the order of their names
    assert (
        "{expr: 'round(payment_method:technical_failure:ratio_rate5m * 1e9) / 1e9 "
        "# example', eval_time: 10m30s, exp_samples: ["
        f"""{{labels: '{{{target},payment_method="card",service="payments"}}', value: 0.1}}, """
        f"""{{labels: '{{{target},payment_method="link",service="payments"}}', value: 0.25}}]}}"""
    ) in production["signals-declines-10m30s.yml"]


# ---- series


def test_a_series_keeps_its_labels_in_order_and_changes_them_in_place() -> None:
    series = Series.parse('up{job="payments", instance="a"}')
    assert str(series.having(job="other", pod="b")) == 'up{job="other",instance="a",pod="b"}'
    assert str(Series.parse("up")) == "up"
    assert series.selected_by("up", (("job", "=~", "pay.*"), ("instance", "!=", "b"), ("pod", "!~", ".+")))
    assert not series.selected_by("up", (("job", "=", "pay"),))


# ---- what is said without data


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        ("vector(1)", 1),
        ("absent(up)", 1),
        ("min(up) or 0 * max(absent(up))", 0),
        ("(sum(increase(up[5m])) or vector(0)) + (sum(up) or vector(2))", 2),
        ("1 - absent(up)", 0),
        ("sum(up)", None),
        ("sum(up) or 0 * sum(other)", None),
        ("absent(vector(1))", None),
        ("vector(1) / sum(up)", None),
    ],
)
def test_an_expression_without_series_says_something_only_by_itself(expr: str, value: int | None) -> None:
    assert value_without_data(parse(expr), lambda _name: None) == value


def test_the_signals_that_speak_without_data_are_known() -> None:
    known = Known(Expressions(CATALOG, PRODUCTION))
    spoken = {signal.name: known.without_data(signal) for signal in CATALOG.signals}
    assert {name: value for name, value in spoken.items() if value is not None} == {
        "payments:attempts:absent": 1,
        "payments_exporter:up:min": 0,
        "payments_application:up:min": 0,
        "payments_monitoring:notifications_lost:increase10m": 0,
        "payments_monitoring:own_metrics:absent": 1,
        "payments_monitoring:heartbeat:constant": 1,
    }


# ---- an alert on the absence of what a source exports


AGE = Signal(
    "shop:age:max",
    "Age of each source's data",
    Unit.INTERVALS,
    "max by (source) (sample_age_intervals)",
    Example(
        series=(('sample_age_intervals{source="postgres"}', "1x20"),),
        at=minutes(10) + seconds(30),
        gives=(('source="postgres"', "1"),),
    ),
)
STOCK = Signal(
    "shop:stock:sum",
    "Stock",
    Unit.COUNT,
    "sum(max without (instance, pod) (stock_items))",
    Example(series=(('stock_items{shelf="top"}', "1x20"),), at=minutes(10) + seconds(30), gives=(("", "1"),)),
)


def missing_stock(expr: str) -> Catalog:
    """A catalog whose one alert misses what Postgres tells of the stock."""
    example = Example(series=(("queue_length", "1x20"),), at=minutes(10) + seconds(30), gives=(("", "1"),))
    missing = Signal("shop:stock:absent", "No stock is told", Unit.BOOLEAN, expr, example)
    bound = at_least(1, Severity.WARNING, Priority.P3, because="nobody knows the stock", lasting=minutes(2))
    return small.catalog(small.area(AGE, STOCK, missing, alerts=(small.alert(missing, thresholds=(bound,)),)))


@pytest.mark.parametrize(
    "expr", ["absent(stock_items)", "absent_over_time(stock_items[5m])", "absent_over_time(shop:stock:sum[5m])"]
)
def test_an_alert_on_absence_does_not_wait_for_fresh_data_of_the_source_that_is_gone(
    expr: str, promtool: Promtool, tmp_path: Path
) -> None:
    definitions = missing_stock(expr)
    files, suites = _on_disk(small.PRODUCTION, tmp_path, definitions)
    (rule,) = (rule for file in files.values() for rule in file.rules if rule.name == "TooMuch")
    assert AGE.name not in rule.expr
    (suite,) = (suite for suite in suites if suite.path.name == "TooMuch.yml")
    assert 'count(ALERTS{alertname="TooMuch",alertstate="firing"}) # no series, ' in suite.path.read_text()
    assert run_suites(suites, files, promtool) == ()


# ---- templates


def test_templates_are_rendered_as_prometheus_does(promtool: Promtool, tmp_path: Path) -> None:
    templates = (
        "{{ $value | humanizePercentage }} of {{ $labels.side }}",
        "{{ $value | humanizeDuration }}",
        "{{ $value | humanize1024 }}B",
        '{{ $value | printf "%.0f" }}',
        '{{ $value | printf "%.1f" }}',
    )
    values = [
        "0.0501",
        "0.1001",
        "1",
        "1.5",
        "59.94",
        "300.3",
        "3603.6",
        "93693.6",
        "2594592",
        "-0.001",
        "-540",
        "0.25",
        "2048",
        "123456789",
    ]
    rules = [
        {
            "alert": f"A{index}",
            "expr": "x:y:z > -1000",
            "annotations": {f"a{number}": template for number, template in enumerate(templates)},
        }
        for index in range(1)
    ]
    (tmp_path / "rules.yml").write_text(as_yaml({"groups": [{"name": "g", "rules": rules}]}))
    groups = []
    for text in values:
        annotations = tuple(
            (f"a{number}", rendered(template, Decimal(text), {"side": "stripe"}))
            for number, template in enumerate(templates)
        )
        series = Series("x:y:z", (("side", "stripe"),))
        firing = Firings("A0", timedelta(0), (Firing(series.labels, annotations),))
        groups.append(TestGroup(text, timedelta(minutes=1), ((series, text),), (), (firing,)))
    tests = tmp_path / "tests.yml"
    tests.write_text(str(TestFile("rules/x.py", ("rules.yml",), timedelta(minutes=1), tuple(groups))))
    (result,) = promtool.run_tests([tests])
    assert result.failures == ()


@pytest.mark.parametrize("template", ["{{ $value | humanize }}", "{{ query `up` }}"])
def test_a_template_that_is_not_known_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="is not known here"):
        rendered(template, Decimal(1), {})


def test_a_text_of_several_lines_is_refused() -> None:
    probe = Probe("up # one\ntwo", timedelta(0), ())
    group = TestGroup("x", timedelta(minutes=1), (), (probe,))
    with pytest.raises(ValueError, match="has a line break; write it on one line"):
        str(TestFile("rules/x.py", ("rules.yml",), timedelta(minutes=1), (group,)))


def _on_disk(
    environment: Environment, folder: Path, definitions: Catalog = CATALOG
) -> tuple[dict[Path, RuleFile], list[Suite]]:
    (folder / "rules").mkdir(parents=True)
    (folder / "tests").mkdir()
    for group in rule_groups(definitions, environment):
        (folder / "rules" / f"{group.area.name}.yml").write_text(rule_file(group))
    for name, text in rule_test_files(definitions, environment).items():
        (folder / "tests" / name).write_text(text)
    files = [RuleFile.read(path) for path in sorted((folder / "rules").iterdir())]
    return {file.path: file for file in files}, [Suite.read(path) for path in sorted((folder / "tests").iterdir())]
