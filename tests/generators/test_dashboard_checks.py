"""Does each rule hold for the dashboards that are generated, and does each notice when it does not?"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from generators.dashboard_checks import LINTER_RULES, dashboard_problems, panel_problems
from generators.dashboards import dashboard_files
from generators.dashboards.looks import GRAFANA_UNITS
from rules.catalog import catalog
from rules.payments import outcomes
from rules.payments.dashboards import DASHBOARDS
from rules.vocabulary import Catalog, Curve, Dashboard, Panel, Picture, Row, Unit

CATALOG = replace(catalog(), dashboards=DASHBOARDS)
FILES = dashboard_files(CATALOG)

PANEL = "dashboard small: panel 1 'Attempts'"
SCOPED = '{job=~"$job",instance=~"$instance"}'

SMALL = replace(
    CATALOG,
    dashboards=(
        Dashboard(
            uid="small",
            title="Small",
            description="One panel.",
            rows=(
                Row(
                    title="Row",
                    panels=(
                        Panel(
                            id=1,
                            title="Attempts",
                            description="Attempts by outcome.",
                            picture=Picture.TIMESERIES,
                            unit=Unit.EVENTS_PER_SECOND,
                            curves=(
                                Curve(f"sum by (result) (rate({outcomes.attempts}[$__rate_interval]))", "{{result}}"),
                            ),
                            width=24,
                        ),
                    ),
                ),
            ),
        ),
    ),
)
SMALL_FILE = "grafana/dashboards/small.json"

Break = Callable[[dict[str, Any]], object]


def small() -> dict[str, Any]:
    board: dict[str, Any] = json.loads(dashboard_files(SMALL)[SMALL_FILE])
    return board


def said_of(board: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in dashboard_problems({SMALL_FILE: json.dumps(board)})]


def variable(board: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in board["templating"]["list"] if one["name"] == name)
    return found


def panel(board: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = board["panels"][1]
    return found


def target(board: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = panel(board)["targets"][0]
    return found


def asks(expr: str) -> Break:
    return lambda board: target(board).update(expr=expr)


# ---- what holds


def test_no_generated_dashboard_breaks_a_rule() -> None:
    assert dashboard_problems(FILES) == ()
    assert panel_problems(CATALOG) == ()


def test_the_small_dashboard_breaks_none_before_it_is_broken() -> None:
    assert said_of(small()) == []


def test_the_linters_17_rules_are_all_there_by_their_own_names() -> None:
    assert sorted(LINTER_RULES) == [
        "panel-datasource-rule",
        "panel-no-targets-rule",
        "panel-title-description-rule",
        "panel-units-rule",
        "target-counter-agg-rule",
        "target-instance-rule",
        "target-job-rule",
        "target-logql-auto-rule",
        "target-logql-rule",
        "target-promql-rule",
        "target-rate-interval-rule",
        "template-datasource-rule",
        "template-instance-rule",
        "template-job-rule",
        "template-label-promql-rule",
        "template-on-time-change-reload-rule",
        "uneditable-dashboard",
    ]


def test_every_unit_that_is_used_is_one_that_the_linter_knows() -> None:
    known = {"none", "percentunit", "locale", "bytes", "dateTimeFromNow", "s", "cps", "cpm"}

    assert set(GRAFANA_UNITS) == set(Unit)
    assert set(GRAFANA_UNITS.values()) == known


# ---- the linter's rules, each broken once


BROKEN: dict[str, tuple[Break, str]] = {
    "template-datasource-rule": (
        lambda board: variable(board, "datasource").update(label="Source"),
        "dashboard small has the data source variables [('datasource', 'Source')]; "
        "let there be one, named datasource and labelled 'Data source'",
    ),
    "template-job-rule": (
        lambda board: variable(board, "job").update(multi=False),
        "dashboard small: variable job has multi False; set it to True",
    ),
    "template-instance-rule": (
        lambda board: variable(board, "instance").update(allValue=".*"),
        "dashboard small: variable instance has allValue '.*'; set it to '.+'",
    ),
    "template-label-promql-rule": (
        lambda board: variable(board, "environment").update(query="values_of(up, environment)"),
        "dashboard small: variable environment asks 'values_of(up, environment)'; "
        "ask with one of label_names, label_values, metrics, query_result",
    ),
    "template-on-time-change-reload-rule": (
        lambda board: variable(board, "environment").update(refresh=1),
        "dashboard small: variable environment has refresh 1; set it to 2: whenever the time range changes",
    ),
    "panel-datasource-rule": (
        lambda board: panel(board).update(datasource={"type": "prometheus", "uid": "P1"}),
        f"{PANEL} asks the data source 'P1'; ask ${{datasource}}",
    ),
    "panel-title-description-rule": (
        lambda board: panel(board).update(description=" "),
        f"{PANEL} has no description; say in words what it shows",
    ),
    "panel-units-rule": (
        lambda board: panel(board)["fieldConfig"]["defaults"].update(unit="parsecs"),
        f"{PANEL} has the unit 'parsecs'; use one of generators.dashboards.looks",
    ),
    "panel-no-targets-rule": (
        lambda board: panel(board).update(targets=[]),
        f"{PANEL} has no query; say what it shows",
    ),
    "target-logql-rule": (
        lambda board: target(board).update(datasource={"type": "tempo", "uid": "${datasource}"}),
        f"{PANEL}, query A does not ask a Prometheus; ask Prometheus; no LogQL is checked here",
    ),
    "target-promql-rule": (
        asks("sum("),
        f"{PANEL}, query A asks 'sum(', which is no PromQL: unclosed left parenthesis; correct it",
    ),
    "target-rate-interval-rule": (
        asks(f"rate(payment_attempts_total{SCOPED}[5m])"),
        f"{PANEL}, query A asks rate() of payment_attempts_total over another range than the rule for it; "
        "use $__rate_interval in rate, irate and increase (increase also over $__range), and only there",
    ),
    "target-job-rule": (
        asks('up{instance=~"$instance"}'),
        f'{PANEL}, query A selects up without job=~"$job"; add the matcher',
    ),
    "target-instance-rule": (
        asks('up{job=~"$job",instance="$instance"}'),
        f'{PANEL}, query A selects up without instance=~"$instance"; add the matcher',
    ),
    "target-counter-agg-rule": (
        asks(f"sum(payment_attempts_total{SCOPED})"),
        f"{PANEL}, query A shows the counter payment_attempts_total as it is; ask for its rate or increase",
    ),
    "uneditable-dashboard": (
        lambda board: board.update(editable=True),
        "dashboard small is editable; set editable to false; it is generated",
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_named_alone_and_in_full(rule: str) -> None:
    break_it, message = BROKEN[rule]
    board = small()
    break_it(board)

    assert said_of(board) == [message]


def test_loki_asked_over_a_fixed_range_breaks_both_rules_for_logs() -> None:
    board = small()
    target(board).update(datasource={"type": "loki", "uid": "${datasource}"}, expr='rate({app="payments"}[5m])')

    said = said_of(board)

    assert f"{PANEL}, query A does not ask a Prometheus; ask Prometheus; no LogQL is checked here" in said
    assert f"{PANEL}, query A asks Loki over a fixed range; use [$__auto]" in said


def test_no_rule_of_the_linter_goes_untried() -> None:
    assert {*BROKEN, "target-logql-auto-rule"} == set(LINTER_RULES)


def test_every_way_to_break_the_job_variable_is_named() -> None:
    board = small()
    variable(board, "job").update(
        type="custom", label="Target", multi=False, allValue=".*", datasource={"uid": "P1"}, query="a,b"
    )

    assert said_of(board) == [
        "dashboard small: variable job has type 'custom'; set it to 'query'",
        "dashboard small: variable job has label 'Target'; set it to 'Job'",
        "dashboard small: variable job has multi False; set it to True",
        "dashboard small: variable job has allValue '.*'; set it to '.+'",
        "dashboard small: variable job asks the data source 'P1'; ask ${datasource}",
    ]


def test_a_missing_job_variable_is_named() -> None:
    board = small()
    board["templating"]["list"].remove(variable(board, "job"))

    assert said_of(board) == ["dashboard small has no variable job; add it, as a query for the label's values"]


@pytest.mark.parametrize(
    ("expr", "accepted"),
    [
        (f"increase(payment_attempts_total{SCOPED}[$__range])", True),
        (f"increase(payment_attempts_total{SCOPED}[1h])", False),
        (f"rate(payment_attempts_total{SCOPED}[$__range])", False),
        (f"max_over_time(up{SCOPED}[$__rate_interval])", False),
        (f"max_over_time(up{SCOPED}[1h])", True),
        ("vector(0.95)", True),
    ],
)
def test_the_rate_interval_belongs_to_rates(expr: str, accepted: bool) -> None:
    board = small()
    target(board)["expr"] = expr

    assert (said_of(board) == []) is accepted


# ---- our own rules


def test_a_hole_an_overlap_and_a_panel_beyond_the_grid_are_named() -> None:
    hole, overlap, beyond = small(), small(), small()
    panel(hole)["gridPos"]["w"] = 20
    panel(overlap)["gridPos"]["y"] = 0
    panel(beyond)["gridPos"]["w"] = 25

    assert said_of(hole) == ["dashboard small has a hole in line 1, from column 20; let the panels of a line fill it"]
    assert said_of(overlap) == [f"{PANEL} overlaps panel 1001; move one of them"]
    assert said_of(beyond) == [f"{PANEL} reaches beyond column 24; make it narrower"]


def test_a_title_that_is_cut_off_on_a_small_screen_is_named() -> None:
    board = small()
    panel(board)["title"] = "x" * 160

    assert said_of(board) == [
        f"dashboard small: panel 1 {'x' * 160!r} has a title of 160 letters, of which 159 fit at 1280 pixels; "
        "shorten it, or make the panel wider"
    ]


def test_a_colour_without_a_line_style_is_named() -> None:
    board = small()
    override = panel(board)["fieldConfig"]["overrides"][0]
    override["properties"] = [one for one in override["properties"] if one["id"] == "color"]

    assert said_of(board) == [f"{PANEL} tells 'success' apart by colour alone; give it a line style as well"]


def test_a_colour_has_a_word_where_the_name_of_the_series_stands_beside_the_number() -> None:
    board = small()
    override = panel(board)["fieldConfig"]["overrides"][0]
    override["properties"] = [one for one in override["properties"] if one["id"] == "color"]
    panel(board)["fieldConfig"]["overrides"] = [override]
    panel(board)["options"]["textMode"] = "value_and_name"
    assert said_of(board) == []

    panel(board)["options"]["textMode"] = "value"
    assert said_of(board) == [f"{PANEL} tells 'success' apart by colour alone; give it a line style as well"]


def test_a_breach_that_is_told_by_colour_alone_is_named() -> None:
    board = small()
    panel(board)["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": [{}, {"value": 1}]}

    assert said_of(board) == [f"{PANEL} says by colour alone what is breached; map its values to words"]


def test_a_uid_that_is_there_twice_is_named() -> None:
    text = json.dumps(small())

    problems = dashboard_problems({"grafana/dashboards/a.json": text, "grafana/dashboards/b.json": text})

    assert [str(problem) for problem in problems] == [
        "dashboard small is there 2 times; give each dashboard its own uid"
    ]


# ---- the definitions


def drawn(*panels: Panel) -> list[str]:
    """What is said of panels that stand in for the overview's first row, apart from what is no longer drawn."""
    first, *others = CATALOG.dashboards
    changed = replace(first, rows=(*first.rows, Row(title="More", panels=panels)))
    return [str(problem) for problem in panel_problems(replace(CATALOG, dashboards=(changed, *others)))]


def more(**changes: Any) -> Panel:
    return replace(SMALL.dashboards[0].panels[0], id=999, **changes)


def test_a_variable_whose_promql_cannot_be_read_is_named() -> None:
    board = small()
    variable(board, "environment")["query"] = "label_values(up{, environment)"

    (said,) = said_of(board)

    assert said.startswith("dashboard small: variable environment asks 'label_values(up{, environment)', which is no")


def test_an_id_that_two_panels_have_is_named() -> None:
    assert drawn(more(), more()) == [
        "dashboard paymon-overview has 2 panels with the id 999; give each its own, for good"
    ]


def test_a_signal_and_an_alert_that_are_on_no_dashboard_are_named() -> None:
    without: Catalog = replace(
        CATALOG,
        dashboards=tuple(
            replace(
                dashboard,
                rows=tuple(
                    Row(
                        title=row.title,
                        panels=tuple(
                            replace(
                                one,
                                curves=tuple(c for c in one.curves if c.shows is not outcomes.failure_ratio_5m)
                                or (Curve("vector(1)", "one"),),
                                alerts=tuple(alert for alert in one.alerts if alert.name != outcomes.degraded.name),
                            )
                            for one in row.panels
                        ),
                    )
                    for row in dashboard.rows
                ),
            )
            for dashboard in DASHBOARDS
        ),
    )

    assert [str(problem) for problem in panel_problems(without)] == [
        "rules.payments.outcomes: signal payments:technical_failure:ratio_rate5m is on no dashboard; add it to a panel",
        "rules.payments.outcomes: alert PaymentsDegraded leads to no panel; "
        "name it in alerts= of a panel that shows its signal over time",
    ]


def table(*columns: str) -> Panel:
    curves = tuple(Curve(f"sum by ({label}) (increase({outcomes.attempts}[$__range]))", label) for label in columns)
    return more(picture=Picture.TABLE, curves=curves)


def test_a_table_that_joins_what_has_no_label_in_common_is_named() -> None:
    assert drawn(table("result", "payment_method")) == [
        "dashboard paymon-overview: panel 999 'Attempts' is a table that joins rows by result with rows by "
        "payment_method; make a table of each"
    ]
    assert drawn(table("result", "result")) == drawn(table("result")) == []


def test_a_catalog_without_dashboards_has_nothing_to_answer_for() -> None:
    assert panel_problems(replace(CATALOG, dashboards=())) == ()
