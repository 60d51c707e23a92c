"""Do the dashboards show what the definitions say, and does Prometheus have an answer to everything they ask?"""

import json
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from generators.dashboards import CLASSIC, V2, dashboard_files
from generators.dashboards.looks import HUES, TONE_COLOURS, style
from generators.dashboards.queries import Queries
from generators.files import environment_files
from generators.panel_links import panel_link, panel_of
from generators.rules import Expressions
from generators.runbook_pages import first_queries
from paymon.programs import find
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments import (
    budget,
    database,
    declines,
    disputes,
    health,
    latency,
    monitoring,
    outcomes,
    rollout,
    scraping,
    silence,
    webhooks,
)
from rules.payments.dashboards import DASHBOARDS
from rules.payments.dashboards.shapes import told
from rules.promql import selectors
from rules.vocabulary import Curve, Environment, Hue, Level, Panel, Picture, Row, State, Tone, Unit
from tests.generators.history import import_history, openmetrics
from tests.servers import prometheus
from tests.versions import PROMETHEUS

CATALOG = replace(catalog(), dashboards=DASHBOARDS)
PRODUCTION, STAGING = CATALOG.organisation.environments
FILES = dashboard_files(CATALOG)
BOARDS = {path: json.loads(text) for path, text in FILES.items() if path.startswith(CLASSIC)}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Every panel in the order in which it is read, those of collapsed rows too."""
    inside = [(row, *row.get("panels", ())) for row in board["panels"]]
    return [panel for line in inside for panel in line if panel["type"] != "row"]


def panel(uid: str, title: str) -> dict[str, Any]:
    return next(one for one in panels(BOARDS[f"grafana/dashboards/{uid}.json"]) if one["title"] == title)


def drawing(**changes: Any) -> Panel:
    """A panel that shows the 5-minute share of technical failures, with its alert."""
    panel_ = Panel(
        id=1,
        title="Technical failures",
        description="Their share.",
        picture=Picture.TIMESERIES,
        unit=Unit.RATIO,
        curves=(Curve(outcomes.failure_ratio_5m, "share"),),
        alerts=(outcomes.degraded,),
        width=24,
    )
    return replace(panel_, **changes)


# ---- what Grafana imports


def test_the_files_are_four_dashboards_in_both_schemas_and_their_provisioning() -> None:
    assert list(FILES) == [
        "grafana/dashboards/paymon-overview.json",
        "grafana/dashboards-v2/paymon-overview.json",
        "grafana/dashboards/paymon-stripe.json",
        "grafana/dashboards-v2/paymon-stripe.json",
        "grafana/dashboards/paymon-database.json",
        "grafana/dashboards-v2/paymon-database.json",
        "grafana/dashboards/paymon-monitoring.json",
        "grafana/dashboards-v2/paymon-monitoring.json",
        "grafana/provisioning/dashboards.yml",
        "grafana/provisioning/datasource.yml",
    ]


@pytest.mark.parametrize("path", BOARDS)
def test_a_dashboard_survives_the_round_trip_through_grafanas_own_types(path: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models.dashboard import Dashboard

    board = BOARDS[path]
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))

    assert {"id": None, **without("placement", again)} == board


def without(key: str, value: Any) -> Any:
    """The same without that key at any depth."""
    if isinstance(value, dict):
        return {name: without(key, one) for name, one in value.items() if name != key}
    return [without(key, one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", BOARDS)
def test_links_and_annotations_stay_in_sight(path: str) -> None:
    assert "inControlsMenu" not in FILES[path]
    assert BOARDS[path]["links"]
    assert BOARDS[path]["annotations"]["list"]


def test_the_overview_opens_on_the_past_hour_and_asks_for_what_is_needed_first() -> None:
    board = BOARDS["grafana/dashboards/paymon-overview.json"]
    asked = [target for one in board["panels"] if one["type"] != "row" for target in one["targets"]]

    assert board["time"] == {"from": "now-1h", "to": "now"}
    assert len(asked) <= 51
    assert next(row["title"] for row in board["panels"] if row["type"] == "row" and row["collapsed"]) == (
        "Is it switched off, or not as planned?"
    )


@pytest.mark.parametrize("path", BOARDS)
def test_grafana_numbers_the_dashboard_and_its_versions_itself(path: str) -> None:
    board = BOARDS[path]

    assert board["schemaVersion"] == 42
    assert board["id"] is None
    assert "version" not in board
    assert path == f"grafana/dashboards/{board['uid']}.json"


def test_the_files_are_the_same_every_time() -> None:
    assert list(dashboard_files(CATALOG).items()) == list(FILES.items())


def test_links_and_definitions_do_not_load_grafanas_sdk() -> None:
    code = (
        "import sys, generators.dashboards, generators.panel_links, rules.payments.dashboards;"
        "sys.exit(any(name.startswith('grafana_foundation_sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_provisioning_names_a_fixed_data_source_and_forbids_changes_in_the_browser() -> None:
    dashboards = yaml.safe_load(FILES["grafana/provisioning/dashboards.yml"])
    datasource = yaml.safe_load(FILES["grafana/provisioning/datasource.yml"])

    (provider,) = dashboards["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert provider["disableDeletion"] is True
    assert provider["options"] == {"path": "${PAYMON_DASHBOARDS}"}
    (source,) = datasource["datasources"]
    assert source["uid"] == "paymon-prometheus"
    assert source["url"] == "${PAYMON_PROMETHEUS_URL}"
    assert source["jsonData"]["timeInterval"] == "15s"


# ---- schema v2


def resource(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILES[path.replace(CLASSIC, V2)])
    return found


@pytest.mark.parametrize("path", BOARDS)
def test_a_dashboard_of_schema_v2_survives_the_round_trip_through_grafanas_own_types(path: str) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboardv2 import Dashboard

    said = resource(path)
    read = Dashboard.from_json(said["spec"])
    for element in read.elements.values():
        chosen: Any = element.spec.viz_config  # type: ignore[union-attr]
        (chosen.group,), (chosen.version,) = chosen.group, chosen.version  # 0.0.21 reads both as sets
    again = json.loads(JSONEncoder().encode(read))
    for element in (*again["elements"].values(), *said["spec"]["elements"].values()):
        element["spec"]["vizConfig"]["spec"]["fieldConfig"]["defaults"].setdefault("custom", {})

    assert (said["apiVersion"], said["kind"]) == ("dashboard.grafana.app/v2", "Dashboard")
    assert without("placement", again) == said["spec"]


@pytest.mark.parametrize("path", BOARDS)
def test_both_schemas_ask_the_same_with_the_same_bounds_and_looks(path: str) -> None:
    elements = resource(path)["spec"]["elements"]

    classic = {
        f"panel-{one['id']}": (
            one["title"],
            one["type"],
            [(target["refId"], target["expr"], target["legendFormat"]) for target in one["targets"]],
            one["fieldConfig"],
            one["options"],
        )
        for one in panels(BOARDS[path])
    }
    newer = {
        name: (
            one["spec"]["title"],
            one["spec"]["vizConfig"]["group"],
            [
                (query["spec"]["refId"], asked["expr"], asked["legendFormat"])
                for query in one["spec"]["data"]["spec"]["queries"]
                for asked in [query["spec"]["query"]["spec"]]
            ],
            one["spec"]["vizConfig"]["spec"]["fieldConfig"],
            one["spec"]["vizConfig"]["spec"]["options"],
        )
        for name, one in elements.items()
    }
    assert newer == classic


@pytest.mark.parametrize("path", BOARDS)
def test_both_schemas_put_panels_in_the_same_places(path: str) -> None:
    rows = resource(path)["spec"]["layout"]["spec"]["rows"]

    newer = [
        (row["spec"]["title"], row["spec"]["collapse"], item["spec"]["element"]["name"], item["spec"]["x"])
        for row in rows
        for item in row["spec"]["layout"]["spec"]["items"]
    ]
    classic = []
    for one in BOARDS[path]["panels"]:
        if one["type"] == "row":
            title, collapsed = one["title"], one["collapsed"]
        for panel_ in one.get("panels", ()) if one["type"] == "row" else (one,):
            classic.append((title, collapsed, f"panel-{panel_['id']}", panel_["gridPos"]["x"]))
    assert newer == classic
    assert all(item["spec"]["y"] >= 0 for row in rows for item in row["spec"]["layout"]["spec"]["items"])


# ---- what they show


def test_the_catalogs_panels_are_all_there_under_their_own_ids() -> None:
    for dashboard in DASHBOARDS:
        drawn = [(one["id"], one["title"]) for one in panels(BOARDS[f"grafana/dashboards/{dashboard.uid}.json"])]
        assert drawn == [(one.id, one.title) for one in dashboard.panels]


def test_every_selector_follows_the_variables() -> None:
    (target, *_) = panel("paymon-overview", "Success")["targets"]

    assert target["expr"] == (
        'payments:technical_success:ratio_rate5m{environment="$environment",service="payments",job=~"$job",instance=~"$instance"}'
    )


def test_what_tells_payment_methods_apart_follows_that_variable_too() -> None:
    target, _ = panel("paymon-overview", "Technical failures by payment method, as a share")["targets"]

    assert target["expr"] == (
        "payment_method:technical_failure:ratio_rate5m{"
        'environment="$environment",service="payments",job=~"$job",instance=~"$instance",payment_method=~"$payment_method"}'
    )


def test_a_dashboard_asks_for_a_payment_method_where_a_panel_tells_them_apart() -> None:
    names = {path: [variable["name"] for variable in board["templating"]["list"]] for path, board in BOARDS.items()}

    common = ["datasource", "environment", "job", "instance"]
    for uid in ("paymon-overview", "paymon-monitoring"):
        assert names.pop(f"grafana/dashboards/{uid}.json") == [*common, "payment_method"]
    assert all(found == common for found in names.values())


def test_threshold_lines_are_the_alerts_own_with_their_names() -> None:
    found = Queries(CATALOG).bounds(drawing())

    assert [(line.expr, line.legend) for line in found] == [("vector(0.1)", "PaymentsDegraded: above 10 %")]


def test_a_line_moves_with_its_threshold() -> None:
    (threshold,) = outcomes.degraded.thresholds
    stricter = replace(outcomes.degraded, thresholds=(replace(threshold, value=Decimal("0.07")),))

    (line,) = Queries(CATALOG).bounds(drawing(alerts=(stricter,)))

    assert (line.expr, line.legend) == ("vector(0.07)", "PaymentsDegraded: above 7 %")


def test_where_environments_differ_the_line_is_that_of_the_environment_chosen() -> None:
    shown = drawing(curves=(Curve(latency.api_slow, "slow"),), alerts=(latency.api_latency_high,))

    (line,) = Queries(CATALOG).bounds(shown)

    chosen = 'environment="$environment",service="payments",job=~"$job",instance=~"$instance"'
    always = f"payments_monitoring:heartbeat:constant{{{chosen},"
    assert line.legend == "PaymentApiLatencyHigh: above {{bound}}"
    assert line.expr == (
        f'label_replace(vector(0.05) and on () {always}environment="production"}}, "bound", "5 %", "", "")\n'
        "or\n"
        f'label_replace(vector(0.2) and on () {always}environment="staging"}}, "bound", "20 %", "", "")'
    )


@pytest.mark.parametrize("version", PROMETHEUS)
@pytest.mark.parametrize(("environment", "bound", "value"), [(PRODUCTION, "5 %", 0.05), (STAGING, "20 %", 0.2)])
def test_the_legend_of_a_line_says_the_bound_of_the_environment_chosen(
    version: str, environment: Environment, bound: str, value: float, tmp_path: Path
) -> None:
    shown = drawing(curves=(Curve(latency.api_slow, "slow"),), alerts=(latency.api_latency_high,))
    (line,) = Queries(CATALOG).bounds(shown)
    beats = [
        f'payments_monitoring:heartbeat:constant{{environment="{one.name}",service="payments",job="paymon",instance="rules"}}'
        for one in (PRODUCTION, STAGING)
    ]

    answers(
        version,
        tmp_path,
        with_defaults(line.expr, environment),
        dict.fromkeys(beats, "1"),
        {f'{{bound="{bound}"}}': value},
    )


def test_each_branch_and_each_tier_has_a_line_of_its_own() -> None:
    queries = Queries(CATALOG)
    burns = drawing(
        unit=Unit.BUDGETS,
        curves=(Curve(budget.burn_1h, "1 h"), Curve(budget.burn_6h, "6 h")),
        alerts=(budget.burn_fast,),
    )
    activity = drawing(curves=(Curve(disputes.activity_ratio, "{{network}}"),), alerts=(disputes.dispute_rate_rising,))

    assert [line.legend for line in queries.bounds(burns)] == [
        "PaymentErrorBudgetBurnFast: above 14.4 times the budget",
        "PaymentErrorBudgetBurnFast: above 6 times the budget",
    ]
    assert [line.legend for line in queries.bounds(activity)] == [
        "PaymentDisputeRateRising (elevated): above 0.5 %",
        "PaymentDisputeRateRising (excessive): above 0.75 %",
    ]


def test_a_panel_without_the_watched_signal_has_no_line_for_it() -> None:
    assert Queries(CATALOG).bounds(drawing(curves=(Curve(silence.attempts_5m, "attempts"),))) == ()


RECORDED = 'environment="production",instance="rules",job="paymon",service="payments"'
ATTEMPTS = f"{silence.attempts_5m}{{{RECORDED}}}"
STOPPED = f'ALERTS{{alertname="PaymentsTrafficStopped",priority="P1",{RECORDED}}}'
BEATS = f"{monitoring.heartbeat}{{{RECORDED}}}"
SAMPLED = f'{monitoring.source_age}{{source="stripe_events",{RECORDED}}}'
JUDGED = {BEATS: "1", SAMPLED: "1"}
"""The rules are evaluated, on data that are an interval old."""


@pytest.mark.parametrize("version", PROMETHEUS)
@pytest.mark.parametrize(
    ("alertstates", "word"),
    [((), "OK"), (("pending",), "PENDING"), (("firing",), "P1 FIRING"), (("pending", "firing"), "P1 FIRING")],
)
def test_no_attempt_at_night_is_ok_and_by_day_what_its_alert_says(
    version: str, alertstates: tuple[str, ...], word: str, tmp_path: Path
) -> None:
    (target,) = panel("paymon-overview", "Attempts in 5 min")["targets"]
    alerts = {STOPPED.replace("{", f'{{alertstate="{state}",'): "1" for state in alertstates}

    answers(
        version,
        tmp_path,
        with_defaults(target["expr"]),
        {ATTEMPTS: "0", **JUDGED, **alerts},
        {ATTEMPTS.replace("}", f',state="{word}"}}'): 0},
    )
    assert target["legendFormat"] == "{{state}}"


@pytest.mark.parametrize(
    "beside",
    [{}, {SAMPLED: "1"}, {BEATS: "1"}, {BEATS: "1", SAMPLED: "3"}],
    ids=["no rule", "no rule on what is sampled", "rules on what is not sampled", "rules on what is old"],
)
def test_a_number_at_which_no_rule_looks_is_not_called_ok(beside: dict[str, str], tmp_path: Path) -> None:
    (target,) = panel("paymon-overview", "Attempts in 5 min")["targets"]

    answers(
        "3.5",
        tmp_path,
        with_defaults(target["expr"]),
        {ATTEMPTS: "0", **beside},
        {ATTEMPTS.replace("}", ',state="NOT JUDGED"}'): 0},
    )


def test_an_alert_that_fires_is_told_where_there_is_nothing_to_measure_too(tmp_path: Path) -> None:
    shown = panel("paymon-stripe", "Webhooks accepted")
    disabled = f'ALERTS{{alertname="StripeWebhookEndpointDisabled",alertstate="firing",priority="P2",{RECORDED}}}'
    expr = with_defaults(shown["targets"][0]["expr"])

    answers(
        "3.5", tmp_path, f"count by (state) ({expr} != {expr})", {disabled: "1", BEATS: "1"}, {'{state="P2 FIRING"}': 1}
    )
    (nothing,) = (one for one in shown["fieldConfig"]["defaults"]["mappings"] if one["type"] == "special")
    assert nothing["options"] == {"match": "nan", "result": {"text": "none counted", "index": 0}}
    assert shown["fieldConfig"]["defaults"]["noValue"] == "none counted"


SUCCESS = f"{outcomes.success_ratio_2m}{{{RECORDED}}}"


def test_the_share_that_succeeds_is_judged_by_the_most_urgent_of_all_alerts_on_it(tmp_path: Path) -> None:
    (target,) = panel("paymon-overview", "Payments succeed")["targets"]
    declines = f'ALERTS{{alertname="PaymentDeclineRateAnomalous",alertstate="firing",priority="P3",{RECORDED}}}'
    degraded = f'ALERTS{{alertname="PaymentsDegraded",alertstate="firing",priority="P2",{RECORDED}}}'

    answers(
        "3.5",
        tmp_path,
        with_defaults(target["expr"]),
        {SUCCESS: "0.48", BEATS: "1", declines: "1", degraded: "1"},
        {SUCCESS.replace("}", ',state="P2 FIRING"}'): 0.48},
    )


def test_where_nothing_is_unfinished_its_age_is_0_and_not_unknown(tmp_path: Path) -> None:
    (target,) = panel("paymon-database", "Oldest unfinished")["targets"]
    scraped = 'environment="production",service="payments",job="payments-exporter",instance="a"'
    none_left = f'{database.unfinished}{{status="pending",{scraped}}}'
    sampled = f'{monitoring.source_age}{{source="postgres",{RECORDED}}}'

    answers(
        "3.5",
        tmp_path,
        with_defaults(target["expr"]),
        {none_left: "0", BEATS: "1", sampled: "1"},
        {'{state="OK"}': 0},
    )


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast by WCAG 2.2, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("tone", Tone)
def test_the_text_that_grafana_writes_on_a_tile_can_be_read(tone: Tone) -> None:
    filled = TONE_COLOURS[tone]
    red, green, blue = (int(filled[at : at + 2], 16) for at in (1, 3, 5))
    written = "#202226" if (red * 299 + green * 587 + blue * 114) / 1000 > 180 else "#FFFFFF"

    assert contrast(filled, written) >= 4.5


@pytest.mark.parametrize("background", ["#181B1F", "#FFFFFF"])
@pytest.mark.parametrize("hue", Hue)
def test_a_line_stands_out_on_the_dark_and_on_the_light_background(hue: Hue, background: str) -> None:
    assert contrast(HUES[hue], background) >= 3


@pytest.mark.parametrize(("left", "word"), [(0.4, "LEFT"), (0, "SPENT"), (-0.2, "SPENT")])
def test_a_budget_of_which_nothing_is_left_is_called_spent(left: float, word: str, tmp_path: Path) -> None:
    (target,) = panel("paymon-overview", "Budget left")["targets"]
    series = f'{budget.budget_left}{{environment="production",instance="rules",job="paymon",service="payments"}}'

    answers(
        "3.5",
        tmp_path,
        with_defaults(target["expr"]),
        {series: str(left), **JUDGED},
        {series.replace("}", f',state="{word}"}}'): left},
    )


def answers(version: str, folder: Path, query: str, series: dict[str, str], expected: dict[str, float]) -> None:
    """promtool evaluates the query over constant series and finds exactly these samples."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{value}x3"} for name, value in series.items()],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "2m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
            }
        ],
    }
    file = folder / "answers.yml"
    file.write_text(yaml.safe_dump({"tests": [test]}))
    ran = subprocess.run(
        [find("promtool", version), "test", "rules", file], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def colours(board_panel: dict[str, Any]) -> dict[str, str]:
    """The colour of each word that can stand beside a stat's number."""
    return {
        override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
        for override in board_panel["fieldConfig"]["overrides"]
    }


def test_a_number_has_the_colour_of_its_word_and_no_other() -> None:
    attempts, refunds = panel("paymon-overview", "Attempts in 5 min"), panel("paymon-stripe", "Refund rate")
    left = panel("paymon-overview", "Budget left")

    good, warning, bad = (TONE_COLOURS[tone] for tone in (Tone.GOOD, Tone.WARNING, Tone.BAD))
    neutral = TONE_COLOURS[Tone.NEUTRAL]
    either_way = {"PENDING": warning, "NOT JUDGED": neutral}
    assert colours(attempts) == {"P1 FIRING": bad, "P2 FIRING": bad, "OK": good, **either_way}
    assert colours(refunds) == {"P3 FIRING": warning, "OK": good, **either_way}
    louder = {"P1 FIRING": bad, "P2 FIRING": bad}
    assert colours(left) == {**louder, "P3 FIRING": warning, "LEFT": good, "SPENT": warning, **either_way}
    for one in (attempts, refunds, left):
        assert len(one["fieldConfig"]["defaults"]["thresholds"]["steps"]) == 1
        assert one["options"]["textMode"] == "value_and_name"


def words(board_panel: dict[str, Any]) -> dict[str, tuple[str, str]]:
    (mapping,) = board_panel["fieldConfig"]["defaults"]["mappings"]
    return {value: (said["text"], said["color"]) for value, said in mapping["options"].items()}


def test_a_backup_processor_is_ready_or_not_while_a_switch_is_engaged_or_off() -> None:
    good, warning, neutral = (TONE_COLOURS[tone] for tone in (Tone.GOOD, Tone.WARNING, Tone.NEUTRAL))
    switches, backup = panel("paymon-overview", "Switches"), panel("paymon-overview", "Backup processor")

    assert words(switches) == {"0": ("Off", good), "1": ("Engaged", warning)}
    assert words(backup) == {"0": ("Not ready", neutral), "1": ("Ready", good)}
    assert not any(str(rollout.backup_processor) in target["expr"] for target in switches["targets"])
    assert any(str(rollout.backup_processor) in target["expr"] for target in backup["targets"])


def test_whose_fault_it_is_and_what_changed_stand_in_one_line_below_the_status() -> None:
    board = BOARDS["grafana/dashboards/paymon-overview.json"]
    status, answers_, *_ = [one["gridPos"]["y"] for one in board["panels"] if one["type"] == "row"]
    line = [one["id"] for one in panels(board) if one["gridPos"]["y"] == answers_ + 1]

    assert status == 0
    assert line == [40, 76, 70, 74]
    assert max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels(board) if one["id"] in line) <= 26


def test_the_reasons_of_disputes_and_their_outcomes_are_two_tables() -> None:
    (opened,) = panel("paymon-stripe", "Disputes opened in the time shown")["targets"]
    (closed,) = panel("paymon-stripe", "Disputes closed in the time shown")["targets"]

    assert opened["expr"].startswith("sum by (reason)")
    assert closed["expr"].startswith("sum by (outcome)")


def test_early_fraud_warnings_are_counted_over_the_time_shown_as_their_title_says() -> None:
    (target,) = panel("paymon-stripe", "Early fraud warnings in the time shown")["targets"]

    assert "[$__range:5m]" in target["expr"]
    assert target["instant"] is True


def test_no_two_of_a_dozen_series_look_alike_and_neighbours_differ_twice() -> None:
    styles = [style(index) for index in range(12)]

    assert len(set(styles)) == 12
    for one, next_ in pairwise(styles):
        assert one.colour != next_.colour
        assert one.dash != next_.dash


def test_what_is_stacked_is_counted_once() -> None:
    """Two counts of the same payments in one stack would make twice as many of them."""
    stacked = [one for board in DASHBOARDS for one in board.panels if one.picture is Picture.STACKED]

    assert len(stacked) > 5
    assert [one.title for one in stacked if len(one.curves) > 1] == []


def test_a_table_without_rows_does_not_say_that_there_is_nothing() -> None:
    """Grafana cannot tell a table of which every row is 0 from one of which nothing is known."""
    tables = [one for board in BOARDS.values() for one in panels(board) if one["type"] == "table"]

    assert {one["fieldConfig"]["defaults"]["noValue"] for one in tables} == {"none known"}


@pytest.mark.parametrize(
    ("uid", "title"),
    [
        ("paymon-overview", "Webhooks that wait"),
        ("paymon-stripe", "Webhooks accepted"),
        ("paymon-stripe", "Events that wait"),
    ],
)
def test_while_webhooks_are_refused_no_tile_on_webhooks_says_ok(uid: str, title: str) -> None:
    (target,) = panel(uid, title)["targets"]

    assert "StripeWebhookSignatureFailures" in target["expr"]
    assert "StripeWebhookEndpointDisabled" in target["expr"]


def test_series_are_styled_by_the_names_that_their_legends_give_them() -> None:
    queries_ = Queries(CATALOG)

    assert queries_.series_names(Curve(silence.attempts_5m, "attempts")) == ("attempts",)
    assert queries_.series_names(Curve(database.gap, "missing in {{side}}")) == (
        "missing in database",
        "missing in stripe",
    )
    assert queries_.series_names(Curve(health.certificate_left, "{{host}}")) == ()
    gone = queries_.series_names(Curve(scraping.application_metrics_gone, "gone: {{metric}}"))
    assert {f"gone: {webhooks.events}", f"gone: {latency.api_request_duration}_bucket"} <= set(gone)
    assert queries_.series_names(Curve(health.headers, "{{host}} {{header}}")) == ()


@pytest.mark.parametrize("path", BOARDS)
def test_every_series_of_a_chart_has_its_own_colour_and_dashes_where_its_name_is_known(path: str) -> None:
    for one in (chart for chart in panels(BOARDS[path]) if chart["type"] == "timeseries"):
        drawn = [
            tuple(json.dumps(property_["value"]) for property_ in override["properties"])
            for override in one["fieldConfig"]["overrides"]
            if override["properties"][0]["id"] == "color"
        ]
        bounds = sum(target["refId"].startswith("L") for target in one["targets"])
        series_ = drawn[: len(drawn) - bounds]
        assert len(set(series_)) == len(series_), one["title"]


def test_a_panel_leads_to_the_runbook_entry_of_each_of_its_alerts() -> None:
    links = [(link["title"], link["url"]) for link in panel("paymon-overview", "Health checks")["links"]]

    assert links == [
        (
            "Runbook: PaymentsStripeUnreachable",
            "https://wiki.gametriq.com/payments/runbook/${environment}/health#paymentsstripeunreachable",
        ),
        (
            "Runbook: PaymentHealthDown",
            "https://wiki.gametriq.com/payments/runbook/${environment}/health#paymenthealthdown",
        ),
        (
            "Runbook: PaymentHealthCheckFailing",
            "https://wiki.gametriq.com/payments/runbook/${environment}/health#paymenthealthcheckfailing",
        ),
    ]


def test_the_description_says_why_each_bound_is_where_it_is() -> None:
    description = panel("paymon-overview", "API requests over 0.5 s, as a share")["description"]

    (threshold,) = latency.api_latency_high.thresholds
    assert description.splitlines()[2] == f"- PaymentApiLatencyHigh, P3: above 5 % for 10 minutes; {threshold.because}"
    assert description.splitlines()[3] == (
        "- These bounds are those of production; lines, words and alerts follow the environment chosen."
    )


@pytest.mark.parametrize("path", BOARDS)
def test_a_dashboard_leads_to_the_runbook_to_stripe_and_to_error_tracking(path: str) -> None:
    titles = [link["title"] for link in BOARDS[path]["links"]]

    assert titles[:2] == ["Payments dashboards", "Runbook"]
    assert {"Stripe dashboard", "Stripe status", "Error tracking"} < set(titles)
    assert "Payments dashboard" not in titles


@pytest.mark.parametrize("path", BOARDS)
def test_a_dashboard_marks_alerts_rollout_changes_and_deployments(path: str) -> None:
    assert [one["name"] for one in BOARDS[path]["annotations"]["list"]] == [
        "P1 and P2 begin",
        "Rollout changes",
        "Deployments",
    ]


# ---- from an alert to its panel


@pytest.mark.parametrize("alert", CATALOG.alerts, ids=str)
def test_every_alert_leads_to_a_panel_that_shows_what_it_watches(alert: Any) -> None:
    found = panel_of(CATALOG, alert)

    assert found is not None
    dashboard, shown = found
    assert any(alert.watches.name in curve.expr for curve in shown.curves)
    assert panel_link(CATALOG, alert, STAGING) == (
        f"/d/{dashboard.uid}?viewPanel={shown.id}&var-datasource=paymon-prometheus&var-environment=staging"
    )


def test_an_alert_leads_to_its_course_over_time_not_to_a_stat() -> None:
    assert panel_link(CATALOG, outcomes.success_rate_low, PRODUCTION) == (
        "/d/paymon-overview?viewPanel=20&var-datasource=paymon-prometheus&var-environment=production"
    )


def test_an_alert_that_is_on_no_dashboard_leads_nowhere() -> None:
    assert panel_link(replace(CATALOG, dashboards=()), outcomes.degraded, PRODUCTION) == ""


# ---- what the vocabulary refuses


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": 0}, "panel 'Technical failures' has the id 0; choose one from 1 to 999"),
        (
            {"description": "Their share"},
            "panel 'Technical failures' lacks a description; write sentences, with full stops",
        ),
        ({"curves": ()}, "panel 'Technical failures' has no curve; say which signal it shows"),
        (
            {"curves": (Curve(outcomes.failure_ratio_5m, "share"),) * 9},
            "panel 'Technical failures' has 9 curves; nobody tells more than 8 apart, so let another panel show some",
        ),
        (
            {"picture": Picture.STATE_TIMELINE},
            "panel 'Technical failures' needs words where its values are states, and only there",
        ),
        (
            {"levels": (Level("LEFT", Tone.GOOD),)},
            "panel 'Technical failures' has levels; only a stat has them",
        ),
        (
            {"picture": Picture.STAT},
            "panel 'Technical failures' needs a word for nothing where it is a stat, and only there",
        ),
        (
            {
                "picture": Picture.STAT,
                "nothing": "none counted",
                "levels": (Level("SPENT", Tone.WARNING), Level("LEFT", Tone.GOOD, above=Decimal(0))),
            },
            "panel 'Technical failures' has levels of which not exactly the last is without a bound",
        ),
        (
            {"states": (State(1, "OK", Tone.GOOD),)},
            "panel 'Technical failures' needs words where its values are states, and only there",
        ),
    ],
)
def test_a_panel_that_cannot_be_drawn_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as refused:
        drawing(**changes)
    assert str(refused.value) == message


def test_a_row_with_a_hole_in_it_is_refused() -> None:
    with pytest.raises(ValueError) as at_the_end:
        Row(title="Row", panels=(drawing(width=12),))
    with pytest.raises(ValueError) as too_wide:
        Row(title="Row", panels=(drawing(width=12), drawing(width=13)))
    with pytest.raises(ValueError) as uneven:
        Row(title="Row", panels=(drawing(width=12), drawing(width=12, height=4)))

    assert str(at_the_end.value) == (
        "row 'Row' ends in a gap after panel 'Technical failures'; let its last line be 24 columns wide"
    )
    assert str(too_wide.value) == str(uneven.value)
    assert str(uneven.value) == (
        "row 'Row' has a gap or an overlap at panel 'Technical failures'; "
        "let the panels of a line be of one height and 24 columns wide together"
    )


# ---- what Prometheus answers


@pytest.mark.slow
@pytest.mark.parametrize("version", PROMETHEUS)
def test_every_query_of_panels_and_runbook_pages_returns_series_from_a_real_prometheus(
    version: str, tmp_path: Path
) -> None:
    with production(version, tmp_path) as url, httpx.Client(base_url=url, timeout=100) as client:
        asked = dict(queries()) | dict(runbook_queries())
        waiting = {place: query for place, query in asked.items() if not any(one in query for one in _OF_FAULTS)}
        deadline = time.monotonic() + 200
        while waiting and time.monotonic() < deadline:
            now = time.time()
            waiting = {place: query for place, query in waiting.items() if not series(client, query, now)}

        assert waiting == {}
        for _, query in annotations():
            series(client, query, now)


def production(version: str, folder: Path) -> Any:
    """A Prometheus with eight days of every metric, on which it evaluates production's own rules."""
    rules = folder / "rules"
    rules.mkdir()
    for path, text in environment_files(CATALOG, PRODUCTION).items():
        if "/rules/" in path:
            (rules / Path(path).name).write_text(text.replace("interval: 30s", "interval: 1s"))
    history = openmetrics(CATALOG, PRODUCTION, int(time.time()))
    import_history(find("promtool", version), history, folder / "server" / "data")
    return prometheus(find("prometheus", version), f'rule_files: ["{rules}/*.yml"]', folder / "server")


def queries() -> Iterator[tuple[str, str]]:
    """What panels ask, but for recorded series of days ago: the rules have only just begun to record."""
    for board in BOARDS.values():
        for one in panels(board):
            for target in one["targets"]:
                if (
                    target["expr"].endswith((" offset 1d", " offset 1w"))
                    or "payments_exporter:unread:count" in target["expr"]
                ):
                    continue
                yield f"{board['uid']}, {one['title']}, {target['refId']}", target["expr"]


_SILENT_WHERE_ALL_IS_WELL = (
    "PaymentMetricsAbsent",
    "PaymentMonitoringUnmeasured",
    "PaymentLabelsUnread",
    "PaymentSourceMissing",
)

_OF_FAULTS = (
    "payments_application:series_gone:count",
    "payments_db:since_completed_unseen:seconds",
    "payments_db:since_completed_untold:seconds",
    "payments_db:completions_missed:of_days_before",
    "payments:known_customer_attempts:since_switch10m",
    "payments:issuer_declines:besides_a_bank30m",
)
"""Signals without series unless a metric has gone, Stripe's events are old or late, nothing has been completed for
long, payments are switched off, or more is declined than usual."""


def runbook_queries() -> Iterator[tuple[str, str]]:
    """What the pages tell people to ask first; where nothing is missing, absent() has no answer."""
    expressions = Expressions(CATALOG, PRODUCTION)
    for alert in CATALOG.alerts:
        for query in first_queries(alert, expressions):
            if alert.name not in _SILENT_WHERE_ALL_IS_WELL:
                yield f"runbook, {alert.name}, {query}", query


def annotations() -> Iterator[tuple[str, str]]:
    for board in BOARDS.values():
        for one in board["annotations"]["list"]:
            yield f"{board['uid']}, {one['name']}", one["expr"]


def series(client: httpx.Client, query: str, at: float) -> list[dict[str, Any]]:
    """What Grafana would get with every variable at its default. Fails where Prometheus complains."""
    answer = client.post("/api/v1/query", data={"query": with_defaults(query), "time": at}).json()
    assert answer["status"] == "success", (query, answer)
    assert not answer.get("warnings"), (query, answer)
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def with_defaults(query: str, environment: Environment = PRODUCTION) -> str:
    for variable, value in (
        ("$__rate_interval", "5m"),
        ("$__range", "6h"),
        ("$environment", environment.name),
        ("$job", ".+"),
        ("$instance", ".+"),
        ("$payment_method", ".+"),
    ):
        query = query.replace(variable, value)
    return query


# ---- what a live Grafana does with them


@pytest.mark.grafana
def test_a_live_grafana_imports_them_and_answers_every_query() -> None:
    """At GRAFANA_URL; GRAFANA_TOKEN, where it is set, is a token of a service account that may write dashboards."""
    url = os.environ.get("GRAFANA_URL")
    if not url:
        pytest.skip("no live Grafana: GRAFANA_URL is not set")
    token = os.environ.get("GRAFANA_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, headers=headers, timeout=100) as grafana:
        sources = grafana.get("/api/datasources").raise_for_status().json()
        source = next(one["uid"] for one in sources if one["type"] == "prometheus")
        for board in BOARDS.values():
            body = {"dashboard": board, "overwrite": True, "message": "paymon test"}
            assert grafana.post("/api/dashboards/db", json=body).raise_for_status().json()["status"] == "success"
            stored = grafana.get(f"/api/dashboards/uid/{board['uid']}").raise_for_status().json()["dashboard"]
            assert [one["title"] for one in stored["panels"]] == [one["title"] for one in board["panels"]]
        proxy = f"{url.rstrip('/')}/api/datasources/proxy/uid/{source}"
        complaints = {}
        for place, query in queries():
            answer = grafana.post(f"{proxy}/api/v1/query", data={"query": with_defaults(query)})
            if answer.status_code != 200 or answer.json()["status"] != "success":
                complaints[place] = answer.text
        assert complaints == {}


# ---- what does not go wrong

MINUTES = 125


def replicas() -> list[dict[str, str]]:
    """Every series that a query reads, from two exporters that run side by side, and from two services' instances."""
    places = [
        f'environment="production",service="payments",job="{job}",instance="{instance}"'
        for job in (*CATALOG.organisation.jobs.exporter, *CATALOG.organisation.jobs.application, "paymon")
        for instance in ("a", "b")
    ]
    names = sorted(
        {selector.name for _, query in queries() for selector in selectors(with_defaults(query))}
        - {"ALERTS", "ALERTS_FOR_STATE"}
    )
    return [{"series": f"{name}{{{place}}}", "values": f"1+1x{MINUTES}"} for name in names for place in places]


@pytest.mark.parametrize("version", PROMETHEUS)
def test_prometheus_refuses_no_query_where_everything_is_there_twice(version: str, tmp_path: Path) -> None:
    asked = sorted({with_defaults(query) for _, query in queries()})
    alerts = [
        {"series": f"{name}{{{labels}}}", "values": f"1x{MINUTES}"}
        for name in ("ALERTS", "ALERTS_FOR_STATE")
        for labels in (
            f'alertname="{alert.name}",alertstate="{state}",priority="P2",environment="production",service="payments",'
            f'job="paymon",instance="{instance}"'
            for alert in CATALOG.alerts
            for state in ("pending", "firing")
            for instance in ("a", "b")
        )
    ]
    test = {
        "interval": "1m",
        "input_series": [*replicas(), *alerts],
        "promql_expr_test": [{"expr": one, "eval_time": f"{MINUTES - 1}m", "exp_samples": []} for one in asked],
    }
    file = tmp_path / "twice.yml"
    file.write_text(yaml.safe_dump({"tests": [test]}))

    (result,) = Promtool.find(version_prefix=version).run_tests([file])

    assert [failure.raw for failure in result.failures if failure.error] == []
    assert len({failure.expr for failure in result.failures}) > len(asked) / 2


@pytest.mark.parametrize("version", PROMETHEUS)
def test_a_table_over_hours_counts_what_was_counted(version: str, tmp_path: Path) -> None:
    """One decline a minute over two hours, recorded every minute: in the hour shown there were 60."""
    recorded = f"{declines.declines_by_code}{{{RECORDED},decline_code="
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f'{recorded}"do_not_honor"}}', "values": f"5x{MINUTES}"},
            {"series": f'{recorded}"expired_card"}}', "values": f"0x{MINUTES}"},
        ],
        "promql_expr_test": [
            {
                "expr": told(declines.declines_by_code, "decline_code").replace("$__range", "1h"),
                "eval_time": "120m30s",
                "exp_samples": [{"labels": '{decline_code="do_not_honor"}', "value": 60}],
            },
            {
                "expr": told(declines.declines_by_code, "decline_code").replace("$__range", "1m"),
                "eval_time": "122m30s",
                "exp_samples": [{"labels": '{decline_code="do_not_honor"}', "value": 5}],
            },
        ],
    }
    file = tmp_path / "table.yml"
    file.write_text(yaml.safe_dump({"tests": [test]}))

    (result,) = Promtool.find(version_prefix=version).run_tests([file])

    assert result.passed, result.raw


def test_whatever_reaches_back_over_the_time_shown_or_a_day_reads_recorded_series() -> None:
    """What is scraped every 15 seconds has 172,800 samples of a series in a month."""
    long_range = r"\[(?:\$__range|\d+[dwy])"
    recorded = {signal.name for signal in CATALOG.signals}
    read = [
        (place, name)
        for place, query in queries()
        for name in re.findall(rf"([\w:]+)\{{[^{{}}]*\}}{long_range}", query)
    ]

    assert len(read) == sum(len(re.findall(long_range, query)) for _, query in queries())
    assert {"Decline codes in the time shown", "What our queries cost"} <= {place.split(", ")[1] for place, _ in read}
    assert [(place, name) for place, name in read if name not in recorded] == []


def test_a_state_is_judged_by_its_own_alerts_so_that_a_louder_one_does_not_contradict_it() -> None:
    (target,) = panel("paymon-overview", "Service's health")["targets"]

    assert "PaymentHealthDown" in target["expr"]
    assert "PaymentsCompleteFailure" not in target["expr"]


def test_a_bound_that_differs_between_environments_is_on_the_axis_too() -> None:
    custom = panel("paymon-overview", "API requests over 0.5 s, as a share")["fieldConfig"]["defaults"]["custom"]

    assert (custom["axisSoftMin"], custom["axisSoftMax"]) == (0, 0.4)


def test_no_axis_of_a_share_reaches_beyond_100_percent() -> None:
    shares = [one.title for board in DASHBOARDS for one in board.panels if one.unit is Unit.RATIO]
    drawn = [one for board in BOARDS.values() for one in panels(board) if one["title"] in shares]
    axes = [one["fieldConfig"]["defaults"]["custom"]["axisSoftMax"] for one in drawn if one["type"] == "timeseries"]

    assert len(axes) > 10
    assert max(axes) == 1


def test_where_95_must_be_told_from_99_percent_the_axis_does_not_begin_at_0() -> None:
    custom = panel("paymon-overview", "Success by payment method, as a share")["fieldConfig"]["defaults"]["custom"]

    assert "axisSoftMin" not in custom
    assert custom["axisSoftMax"] == 1


def test_amounts_are_whole_units() -> None:
    for title in ("Balance by currency", "Volume and refunds by currency, in the time shown"):
        assert panel("paymon-stripe", title)["fieldConfig"]["defaults"]["decimals"] == 0


def test_a_link_names_the_environments_own_data_source_as_an_address_must() -> None:
    elsewhere = replace(STAGING, data_source="Prometheus (staging)")
    organisation = replace(CATALOG.organisation, environments=(PRODUCTION, elsewhere))

    assert "&var-datasource=Prometheus%20%28staging%29&" in panel_link(
        replace(CATALOG, organisation=organisation), outcomes.success_rate_low, elsewhere
    )
