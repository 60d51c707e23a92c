"""Which generated dashboard breaks a rule of Grafana's dashboard-linter, or one of our own?

The 17 rules of github.com/grafana/dashboard-linter (June 2026) hold without exclusion. Where it looks at some kinds of
panels only, or misses what it means to catch, these look at all of them. Two of its rules, target-job-rule and
target-instance-rule, demand `job=~"$job"` and `instance=~"$instance"` of every selector, and two others that all jobs
and all instances be `.+`, which a series without the label never matches. They make no exception for recorded series:
these therefore carry both labels, written by their recording rules.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from generators.dashboards import CLASSIC
from generators.dashboards.looks import GRAFANA_UNITS
from generators.dashboards.queries import Queries, without_variables
from generators.panel_links import panel_of
from rules.checks import Problem
from rules.index import index_of
from rules.promql import PromqlError, Selector, selectors
from rules.vocabulary import COLUMNS, Catalog, Panel, Picture

__all__ = ["LINTER_RULES", "dashboard_problems", "panel_problems"]

_Json = dict[str, Any]

_DATASOURCES = ("$datasource", "${datasource}")
_ON_TIME_CHANGE = 2
_LABEL_QUERY = re.compile(r"([a-z_]+)\((.+)\)")
_LABEL_FUNCTIONS = ("label_names", "label_values", "metrics", "query_result")
_RATE_INTERVAL = timedelta(seconds=8_869_991)
_SHOWN_RANGE = timedelta(seconds=6_069_771)
_PACES = ("rate", "irate", "increase")

_COLUMN_PIXELS = 50
"""Width of a column where the window is 1280 pixels wide."""
_LETTER_PIXELS = 7.2
_FRAME_PIXELS = 50


def dashboard_problems(files: Mapping[str, str]) -> tuple[Problem, ...]:
    """What is wrong with the classic dashboards among these files, everything at once; the others are made of them."""
    classic = ((path, text) for path, text in files.items() if path.startswith(CLASSIC))
    dashboards = [_Dashboard(path, json.loads(text)) for path, text in classic]
    found = [problem for one in dashboards for rule in (*LINTER_RULES.values(), *_OWN_RULES) for problem in rule(one)]
    return (*found, *_doubled_uids(dashboards))


def panel_problems(catalog: Catalog) -> tuple[Problem, ...]:
    """What no dashboard shows, which panels share an id, and which tables join what has nothing to do with each other.

    Everything at once; nothing where there are no dashboards.

    What a panel shows that does not exist, `rules.checks` reports.
    """
    if not catalog.dashboards:
        return ()
    return (*_doubled_ids(catalog), *_joined_by_nothing(catalog), *_not_drawn(catalog))


@dataclass(frozen=True)
class _Dashboard:
    """One dashboard's JSON."""

    path: str
    data: _Json

    @property
    def where(self) -> str:
        return f"dashboard {self.data.get('uid', self.path)}"

    @property
    def variables(self) -> list[_Json]:
        return list(self.data["templating"]["list"])

    @property
    def panels(self) -> list[_Json]:
        """Every panel that is no row, those in collapsed rows too."""
        inner = [panel for row in self.data["panels"] for panel in row.get("panels", ())]
        return [panel for panel in (*self.data["panels"], *inner) if panel["type"] != "row"]

    @cached_property
    def targets(self) -> list[tuple[str, _Json]]:
        """Every query, with its place."""
        return [
            (f"{self.at(panel)}, query {target.get('refId', '?')}", target)
            for panel in self.panels
            for target in panel.get("targets", [])
        ]

    @cached_property
    def selectors(self) -> list[tuple[str, Selector]]:
        """Every selector of every query that can be read, with its place; the others are target-promql-rule's."""
        found = []
        for where, target in self.targets:
            with contextlib.suppress(PromqlError):
                found += [(where, one) for one in selectors(_with_sentinels(target.get("expr", "")))]
        return found

    def at(self, panel: _Json) -> str:
        return f"{self.where}: panel {panel['id']} {panel.get('title', '')!r}"


def _template_datasource(dashboard: _Dashboard) -> Iterator[Problem]:
    found = [variable for variable in dashboard.variables if variable["type"] == "datasource"]
    named = [(variable["name"], variable.get("label")) for variable in found]
    if named != [("datasource", "Data source")]:
        yield Problem(
            dashboard.where,
            f"has the data source variables {named}",
            "let there be one, named datasource and labelled 'Data source'",
        )


def _template(name: str) -> Callable[[_Dashboard], Iterator[Problem]]:
    def check(dashboard: _Dashboard) -> Iterator[Problem]:
        variable = next((one for one in dashboard.variables if one["name"] == name), None)
        if variable is None:
            yield Problem(dashboard.where, f"has no variable {name}", "add it, as a query for the label's values")
            return
        wanted: dict[str, object] = {"type": "query", "label": name.capitalize(), "multi": True, "allValue": ".+"}
        for key, value in wanted.items():
            if variable.get(key) != value:
                yield Problem(
                    f"{dashboard.where}: variable {name}", f"has {key} {variable.get(key)!r}", f"set it to {value!r}"
                )
        if _datasource(variable) not in _DATASOURCES:
            yield Problem(
                f"{dashboard.where}: variable {name}",
                f"asks the data source {_datasource(variable)!r}",
                "ask ${datasource}",
            )

    return check


def _template_label_promql(dashboard: _Dashboard) -> Iterator[Problem]:
    for where, variable in _query_variables(dashboard):
        query = variable["query"] if isinstance(variable["query"], str) else variable["query"].get("query", "")
        found = _LABEL_QUERY.fullmatch(query)
        if found is None or found[1] not in _LABEL_FUNCTIONS:
            yield Problem(where, f"asks {query!r}", f"ask with one of {', '.join(_LABEL_FUNCTIONS)}")
            continue
        try:
            selectors(found[2].rpartition(",")[0] or found[2])
        except PromqlError as error:
            yield Problem(where, f"asks {query!r}, which is no PromQL: {error.message}", "correct it")


def _template_on_time_change_reload(dashboard: _Dashboard) -> Iterator[Problem]:
    for where, variable in _query_variables(dashboard):
        if variable.get("refresh") != _ON_TIME_CHANGE:
            yield Problem(
                where, f"has refresh {variable.get('refresh')}", "set it to 2: whenever the time range changes"
            )


def _query_variables(dashboard: _Dashboard) -> Iterator[tuple[str, _Json]]:
    for variable in dashboard.variables:
        if variable["type"] == "query":
            yield f"{dashboard.where}: variable {variable['name']}", variable


def _panel_datasource(dashboard: _Dashboard) -> Iterator[Problem]:
    places = [(dashboard.at(panel), panel) for panel in dashboard.panels]
    for where, asked in (*places, *dashboard.targets):
        if _datasource(asked) not in _DATASOURCES:
            yield Problem(where, f"asks the data source {_datasource(asked)!r}", "ask ${datasource}")


def _datasource(data: _Json) -> str:
    source = data.get("datasource") or {}
    return source if isinstance(source, str) else str(source.get("uid", ""))


def _panel_title_description(dashboard: _Dashboard) -> Iterator[Problem]:
    for panel in dashboard.panels:
        for key in ("title", "description"):
            if not panel.get(key, "").strip():
                yield Problem(dashboard.at(panel), f"has no {key}", "say in words what it shows")


def _panel_units(dashboard: _Dashboard) -> Iterator[Problem]:
    for panel in dashboard.panels:
        config = panel.get("fieldConfig", {})
        overridden = [
            one["value"]
            for override in config.get("overrides", [])
            for one in override["properties"]
            if one["id"] == "unit"
        ]
        for unit in (config.get("defaults", {}).get("unit"), *overridden):
            if unit not in GRAFANA_UNITS.values():
                yield Problem(dashboard.at(panel), f"has the unit {unit!r}", "use one of generators.dashboards.looks")


def _panel_no_targets(dashboard: _Dashboard) -> Iterator[Problem]:
    for panel in dashboard.panels:
        if not panel.get("targets"):
            yield Problem(dashboard.at(panel), "has no query", "say what it shows")


def _target_logql(dashboard: _Dashboard) -> Iterator[Problem]:
    for where, target in dashboard.targets:
        if (target.get("datasource") or {}).get("type") != "prometheus":
            yield Problem(where, "does not ask a Prometheus", "ask Prometheus; no LogQL is checked here")


def _target_logql_auto(dashboard: _Dashboard) -> Iterator[Problem]:
    for where, target in dashboard.targets:
        loki = (target.get("datasource") or {}).get("type") == "loki"
        if loki and re.search(r"\[(?!\$__auto\])", target.get("expr", "")):
            yield Problem(where, "asks Loki over a fixed range", "use [$__auto]")


def _target_promql(dashboard: _Dashboard) -> Iterator[Problem]:
    for where, target in dashboard.targets:
        expr = target.get("expr", "")
        try:
            selectors(_with_sentinels(expr))
        except PromqlError as error:
            yield Problem(where, f"asks {expr!r}, which is no PromQL: {error.message}", "correct it")


def _target_rate_interval(dashboard: _Dashboard) -> Iterator[Problem]:
    for where, selector in dashboard.selectors:
        if selector.range is None or not selector.calls:
            continue
        function = selector.calls[0]
        fits = (_RATE_INTERVAL, _SHOWN_RANGE) if function == "increase" else (_RATE_INTERVAL,)
        if (function in _PACES and selector.range not in fits) or (
            function not in _PACES and selector.range == _RATE_INTERVAL
        ):
            yield Problem(
                where,
                f"asks {function}() of {selector.name} over another range than the rule for it",
                "use $__rate_interval in rate, irate and increase (increase also over $__range), and only there",
            )


def _target_matcher(label: str) -> Callable[[_Dashboard], Iterator[Problem]]:
    def check(dashboard: _Dashboard) -> Iterator[Problem]:
        for where, selector in dashboard.selectors:
            if (label, "=~", f"${label}") not in selector.matchers:
                yield Problem(where, f'selects {selector.name} without {label}=~"${label}"', "add the matcher")

    return check


def _target_counter_agg(dashboard: _Dashboard) -> Iterator[Problem]:
    for where, selector in dashboard.selectors:
        if selector.name.endswith("_total") and (
            selector.range is None or not selector.calls or selector.calls[0] not in _PACES
        ):
            yield Problem(where, f"shows the counter {selector.name} as it is", "ask for its rate or increase")


def _with_sentinels(expr: str) -> str:
    """The expression with recognisable ranges in place of Grafana's two variables."""
    for name, value in (("$__rate_interval", _RATE_INTERVAL), ("$__range", _SHOWN_RANGE)):
        expr = expr.replace(f"[{name}", f"[{value // timedelta(seconds=1)}s")
    return expr


def _uneditable(dashboard: _Dashboard) -> Iterator[Problem]:
    if dashboard.data.get("editable", True):
        yield Problem(dashboard.where, "is editable", "set editable to false; it is generated")


LINTER_RULES: Mapping[str, Callable[[_Dashboard], Iterator[Problem]]] = {
    "template-datasource-rule": _template_datasource,
    "template-job-rule": _template("job"),
    "template-instance-rule": _template("instance"),
    "template-label-promql-rule": _template_label_promql,
    "template-on-time-change-reload-rule": _template_on_time_change_reload,
    "panel-datasource-rule": _panel_datasource,
    "panel-title-description-rule": _panel_title_description,
    "panel-units-rule": _panel_units,
    "panel-no-targets-rule": _panel_no_targets,
    "target-logql-rule": _target_logql,
    "target-logql-auto-rule": _target_logql_auto,
    "target-promql-rule": _target_promql,
    "target-rate-interval-rule": _target_rate_interval,
    "target-job-rule": _target_matcher("job"),
    "target-instance-rule": _target_matcher("instance"),
    "target-counter-agg-rule": _target_counter_agg,
    "uneditable-dashboard": _uneditable,
}
"""The linter's rules, by the linter's own names."""


def _grid(dashboard: _Dashboard) -> Iterator[Problem]:
    """Every cell from the top to the lowest panel belongs to one panel."""
    cells: dict[tuple[int, int], _Json] = {}
    for panel in dashboard.data["panels"]:
        place = panel["gridPos"]
        hit = None
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                hit = cells.setdefault((x, y), panel) if hit is None or hit is panel else hit
        if place["x"] + place["w"] > COLUMNS:
            yield Problem(dashboard.at(panel), f"reaches beyond column {COLUMNS}", "make it narrower")
        if hit is not None and hit is not panel:
            yield Problem(dashboard.at(panel), f"overlaps panel {hit['id']}", "move one of them")
    bottom = max((y for _, y in cells), default=-1) + 1
    for y in range(bottom):
        missing = [x for x in range(COLUMNS) if (x, y) not in cells]
        if missing:
            yield Problem(
                dashboard.where, f"has a hole in line {y}, from column {missing[0]}", "let the panels of a line fill it"
            )
            return


def _titles_fit(dashboard: _Dashboard) -> Iterator[Problem]:
    """No title is cut off where the window is 1280 pixels wide."""
    for panel in dashboard.panels:
        longest = int((panel["gridPos"]["w"] * _COLUMN_PIXELS - _FRAME_PIXELS) / _LETTER_PIXELS)
        if len(panel.get("title", "")) > longest:
            yield Problem(
                dashboard.at(panel),
                f"has a title of {len(panel['title'])} letters, of which {longest} fit at 1280 pixels",
                "shorten it, or make the panel wider",
            )


def _not_by_colour_alone(dashboard: _Dashboard) -> Iterator[Problem]:
    """Whatever has a colour has a line style or a word too; the name of a series beside its number is such a word."""
    for panel in dashboard.panels:
        config = panel.get("fieldConfig", {})
        names_shown = panel.get("options", {}).get("textMode") == "value_and_name"
        for override in config.get("overrides", []):
            ids = {one["id"] for one in override["properties"]}
            named = names_shown and override["matcher"]["id"] == "byName"
            if "color" in ids and "custom.lineStyle" not in ids and not named:
                yield Problem(
                    dashboard.at(panel),
                    f"tells {override['matcher'].get('options')!r} apart by colour alone",
                    "give it a line style as well",
                )
        defaults = config.get("defaults", {})
        as_lines = defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode") == "dashed"
        coloured = len(defaults.get("thresholds", {}).get("steps", [])) > 1 and not as_lines
        worded = bool(defaults.get("mappings")) or any(
            one["id"] == "mappings" for override in config.get("overrides", []) for one in override["properties"]
        )
        if coloured and not worded:
            yield Problem(dashboard.at(panel), "says by colour alone what is breached", "map its values to words")


def _in_sight(dashboard: _Dashboard) -> Iterator[Problem]:
    """No link and no annotation is put away into a menu, which Grafana's SDK asks for where nobody did."""
    listed = [("link", one) for one in dashboard.data.get("links", ())]
    listed += [("annotation", one) for one in dashboard.data.get("annotations", {}).get("list", ())]
    listed += [(f"panel {panel['id']}'s link", one) for panel in dashboard.panels for one in panel.get("links", ())]
    for kind, one in listed:
        if "placement" in one:
            yield Problem(
                f"{dashboard.where}: {kind} {one.get('title', one.get('name'))!r}",
                f"has the placement {one['placement']!r}, which hides it",
                "remove the key",
            )


_OWN_RULES = (_grid, _titles_fit, _not_by_colour_alone, _in_sight)


def _doubled_uids(dashboards: list[_Dashboard]) -> Iterator[Problem]:
    for uid, times in Counter(dashboard.data.get("uid") for dashboard in dashboards).items():
        if uid is None or times > 1:
            yield Problem(f"dashboard {uid}", f"is there {times} times", "give each dashboard its own uid")


def _panels(catalog: Catalog) -> Iterator[tuple[str, Panel]]:
    for dashboard in catalog.dashboards:
        for panel in dashboard.panels:
            yield f"dashboard {dashboard.uid}: panel {panel.id} {panel.title!r}", panel


def _doubled_ids(catalog: Catalog) -> Iterator[Problem]:
    for dashboard in catalog.dashboards:
        for id_, times in Counter(panel.id for panel in dashboard.panels).items():
            if times > 1:
                yield Problem(
                    f"dashboard {dashboard.uid}", f"has {times} panels with the id {id_}", "give each its own, for good"
                )


def _joined_by_nothing(catalog: Catalog) -> Iterator[Problem]:
    """Grafana joins a table's queries by the labels that they share, and each row with each where they share none."""
    queries = Queries(catalog)
    for where, panel in _panels(catalog):
        if panel.picture is not Picture.TABLE or len(panel.curves) == 1:
            continue
        try:
            columns = {", ".join(sorted(queries.labels(curve))): None for curve in panel.curves}
        except PromqlError:
            continue
        if len(columns) > 1:
            yield Problem(
                where, f"is a table that joins rows by {' with rows by '.join(columns)}", "make a table of each"
            )


def _not_drawn(catalog: Catalog) -> Iterator[Problem]:
    drawn = set(index_of(catalog).former_signals)
    for _, panel in _panels(catalog):
        for curve in panel.curves:
            try:
                drawn.update(selector.name for selector in selectors(without_variables(curve.expr)))
            except PromqlError:
                continue
    for area in catalog.areas:
        for signal in area.signals:
            if signal.name not in drawn:
                yield Problem(f"{area.module}: signal {signal.name}", "is on no dashboard", "add it to a panel")
        for alert in area.alerts:
            if panel_of(catalog, alert) is None:
                yield Problem(
                    f"{area.module}: alert {alert.name}",
                    "leads to no panel",
                    "name it in alerts= of a panel that shows its signal over time",
                )
