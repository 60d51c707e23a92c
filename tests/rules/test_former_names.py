"""What has another name from one version to the next: does whatever says the old name work until it is time?"""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from exporters.configuration.secrets import Section
from exporters.configuration.settings import Settings
from generators.files import environment_files
from generators.problems import problems
from generators.rules import RecordingRule, rule_groups
from generators.text import as_yaml
from paymon.promtool import Promtool
from paymon.renames import renames
from paymon.versions import newer
from rules.catalog import PAYMENTS
from rules.checks import check
from rules.composition import Definitions
from rules.payments import outcomes
from rules.payments.organisation import PEOPLE, SERVICE
from rules.promql import with_either
from rules.vocabulary import (
    Catalog,
    Counter,
    Example,
    Former,
    Gauge,
    Histogram,
    Label,
    Metric,
    Signal,
    Source,
    Unit,
    minutes,
)

OTHER = {"new": "old", "old": "new", "new_bucket": "old_bucket"}
TRIES = Former("payment_tries_total", until="0.4.0", because="the runbook says attempts")
SHARE = Former("payments:failing:ratio5m", until="0.4.0", because="it is a share of attempts")
LOW = Former("PaymentsFail", until="0.4.0", because="it watches those that succeed")


def renamed(definitions: Definitions) -> Definitions:
    """The definitions as a next release would have them: a metric, a signal, an alert and an area have other names."""

    def given(one: Any) -> Any:
        words = {
            outcomes.attempts.name: TRIES,
            outcomes.failure_ratio_5m.name: SHARE,
            outcomes.success_rate_low.name: LOW,
        }
        return replace(one, formerly=words[one.name]) if one.name in words else one

    return replace(
        definitions,
        areas=tuple(
            replace(
                area,
                metrics=tuple(map(given, area.metrics)),
                signals=tuple(map(given, area.signals)),
                alerts=tuple(map(given, area.alerts)),
                formerly=Former("results", until="0.4.0", because="so") if area.name == "outcomes" else None,
            )
            for area in definitions.areas
        ),
    )


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return renamed(PAYMENTS).of(PEOPLE, SERVICE)


@pytest.mark.parametrize(
    ("expr", "read"),
    [
        ("sum(new)", "sum((new or old))"),
        ('new{a="x"} offset 5m > 3', '(new{a="x"} offset 5m or old{a="x"} offset 5m) > 3'),
        ('sum(rate(new{a="y)"}[5m]))', 'sum((rate(new{a="y)"}[5m]) or rate(old{a="y)"}[5m])))'),
        ("rate(new[5m]) / rate(old[1h])", "(rate(new[5m]) or rate(old[5m])) / (rate(old[1h]) or rate(new[1h]))"),
        ("max_over_time(new[5m:1m])", "max_over_time((new or old)[5m:1m])"),
        ('absent(new{a="x"})', '(absent(new{a="x"}) and absent(old{a="x"}))'),
        ("absent_over_time(new[5m])", "(absent_over_time(new[5m]) and absent_over_time(old[5m]))"),
        ("increase(new_bucket[5m])", "(increase(new_bucket[5m]) or increase(old_bucket[5m]))"),
        ('renew{new="new"}', 'renew{new="new"}'),
    ],
)
def test_a_selector_reads_either_name(expr: str, read: str) -> None:
    assert with_either(expr, OTHER.get) == read


def test_of_two_names_a_target_that_serves_both_counts_once_and_others_by_what_they_serve(
    promtool: Promtool, tmp_path: Path
) -> None:
    served = {"a": ("new",), "b": ("old",), "c": ("new", "old")}
    expr = with_either("sum(increase(new[5m]))", OTHER.get)
    (tmp_path / "rules.yml").write_text("groups: []\n")
    (tmp_path / "test.yml").write_text(
        as_yaml(
            {
                "rule_files": ["rules.yml"],
                "evaluation_interval": "1m",
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [
                            {"series": f'{name}{{pod="{pod}"}}', "values": "0+4x20"}
                            for pod, names in served.items()
                            for name in names
                        ],
                        "promql_expr_test": [
                            {"expr": expr, "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": 60}]},
                            {
                                "expr": with_either("absent(new)", OTHER.get),
                                "eval_time": "10m",
                                "exp_samples": [],
                            },
                        ],
                    }
                ],
            }
        )
    )
    (result,) = promtool.run_tests([tmp_path / "test.yml"])
    assert result.failures == ()  # three pods, 4 a minute, 5 minutes


def test_a_signal_is_recorded_under_both_names_and_rules_read_a_metric_under_either(catalog: Catalog) -> None:
    assert problems(catalog) == ()
    groups = rule_groups(catalog, catalog.organisation.environments[0])
    recorded = {rule.signal.name: rule for group in groups for rule in group.rules if isinstance(rule, RecordingRule)}

    old = recorded["payments:failing:ratio5m"]
    assert old.expr.startswith(f"{outcomes.failure_ratio_5m}{{")
    assert old.labels == recorded[outcomes.failure_ratio_5m.name].labels
    assert "payment_tries_total{" in recorded[outcomes.failure_ratio_5m.name].expr
    drawn = [panel.title for dashboard in catalog.dashboards for panel in dashboard.panels]
    assert not [title for title in drawn if "former name" in title]


def test_the_generated_tests_ask_for_both_names_and_promtool_agrees(
    catalog: Catalog, promtool: Promtool, tmp_path: Path
) -> None:
    files = environment_files(catalog, catalog.organisation.environments[0])
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    tests = (tmp_path / "generated/production/tests").glob("signals-outcomes-*.yml")
    asked = [path for path in tests if "payments:failing:ratio5m: former names too" in path.read_text()]

    assert [result.failures for result in promtool.run_tests(asked)] == [()]


def test_a_team_s_changes_that_say_the_old_name_still_find_it() -> None:
    definitions = renamed(PAYMENTS)
    changed = definitions.override("PaymentsFail", value="0.97", because="our contract promises 97 %")
    (alert,) = (one for area in changed.areas for one in area.alerts if one.name == outcomes.success_rate_low.name)
    assert str(alert.thresholds[0].value) == "0.97"
    with pytest.raises(ValueError, match=r"still needed|leave these out too"):
        definitions.without("results", because="so")


@pytest.mark.parametrize("attempts", ["payment_tries_total", outcomes.attempts.name])
def test_a_team_s_own_definitions_hold_whether_they_read_the_old_name_or_the_new(attempts: str) -> None:
    tries = Signal(
        "ours:tries:sum",
        "Payments that were tried",
        Unit.COUNT,
        f"sum(max without (instance, pod) (increase({attempts}[5m])))",
        Example.over(
            minutes(5),
            ((f'{attempts}{{payment_method="card",result="success",initiator="api"}}', "9x6 13 17 17 21"),),
            (("", "10"),),
        ),
    )
    often = replace(
        outcomes.success_rate_low, name="OursFails", watches=tries, guards=(), stays_while=None, hidden_by=(), serves=()
    )
    area = replace(PAYMENTS.areas[0], name="ours", module="ours", metrics=(), signals=(tries,), alerts=(often,))
    catalog = renamed(PAYMENTS).with_area(area, because="ours").of(PEOPLE, SERVICE)
    assert [str(one) for one in check(catalog)] == []


def test_a_former_name_that_something_else_has_now_is_a_problem() -> None:
    taken = replace(outcomes.attempts, formerly=replace(TRIES, name=outcomes.successes.name))
    areas = tuple(
        replace(area, metrics=tuple(taken if one is outcomes.attempts else one for one in area.metrics))
        for area in PAYMENTS.areas
    )
    (problem,) = check(replace(PAYMENTS, areas=areas).of(PEOPLE, SERVICE))
    assert f"series {outcomes.successes}" in problem.where
    assert "defined 2 times" in str(problem)


@pytest.mark.parametrize(
    ("kind", "more", "series"),
    [
        (Counter, {}, ("orders_total",)),
        (Gauge, {}, ("orders",)),
        (Histogram, {"bounds": (1,)}, ("orders_bucket", "orders_count", "orders_sum")),
    ],
)
def test_a_metric_of_each_kind_had_the_series_of_its_kind(
    kind: type[Metric], more: dict[str, Any], series: tuple[str, ...]
) -> None:
    ending = "_total" if kind is Counter else ""
    metric = kind(
        f"parcels{ending}",
        "Parcels that left",
        Unit.COUNT,
        Source.APPLICATION,
        formerly=Former(f"orders{ending}", until="0.4.0", because="they are parcels"),
        **more,
    )
    assert tuple(metric.former_series_names) == series
    assert tuple(metric.former_series_names.values()) == metric.series_names


def test_only_what_the_exporter_sends_can_have_a_label_under_two_names() -> None:
    label = Label("shelf", ("top",), formerly=Former("rack", until="0.4.0", because="it is a shelf"))
    Gauge("stock_items", "Items in stock", Unit.COUNT, Source.POSTGRES, labels=(label,))
    with pytest.raises(ValueError, match="stock_items is not our exporter's"):
        Gauge("stock_items", "Items in stock", Unit.COUNT, Source.APPLICATION, labels=(label,))


@pytest.mark.parametrize(("until", "because"), [("soon", "so"), ("0.4.0", " ")])
def test_a_former_name_says_until_when_and_why(until: str, because: str) -> None:
    with pytest.raises(ValueError, match="former name 'orders' is not whole"):
        Former("orders", until=until, because=because)


def test_no_release_has_a_former_name_that_has_outlived_its_version() -> None:
    words = [one.former for one in renames((PAYMENTS.of(PEOPLE, SERVICE),))]
    assert issubclass(Settings, Section)  # with every section of the exporter's
    words += [word for section in Section.__subclasses__() for word in section.FORMERLY.values()]
    lasting = [word for word in words if not newer(word.until, version("paymon"))]
    assert lasting == [], "delete the former names, and say in CHANGELOG.md that they are gone"
