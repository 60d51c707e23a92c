"""How does a classic dashboard read in Grafana's dashboard schema v2, which Grafana 13 stores?

Both are made of the same model, so that they say the same. Grafana 13 takes v2 through its API
(`dashboard.grafana.app`) and from Git Sync; file provisioning refuses it.
"""

from typing import Any

__all__ = ["as_resource"]

_Json = dict[str, Any]

_CURSOR_SYNC = {0: "Off", 1: "Crosshair", 2: "Tooltip"}
_REFRESH = {0: "never", 1: "onDashboardLoad", 2: "onTimeRangeChanged"}
_SORT = {0: "disabled", 1: "alphabeticalAsc", 2: "alphabeticalDesc"}
_DATASOURCE = {"name": "${datasource}"}
_OF_A_QUERY = ("refId", "datasource", "hide")


def as_resource(classic: _Json) -> _Json:
    """The same dashboard as a resource of Grafana's API, named by its uid.

    `classic` is a dashboard in the classic schema whose panels all lie below a row.
    """
    return {
        "apiVersion": "dashboard.grafana.app/v2",
        "kind": "Dashboard",
        "metadata": {"name": classic["uid"]},
        "spec": {
            "title": classic["title"],
            "description": classic["description"],
            "tags": classic["tags"],
            "editable": classic["editable"],
            "preload": False,
            "cursorSync": _CURSOR_SYNC[classic["graphTooltip"]],
            "timeSettings": {
                "timezone": classic["timezone"],
                "from": classic["time"]["from"],
                "to": classic["time"]["to"],
                "autoRefresh": classic["refresh"],
                "autoRefreshIntervals": ["5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "2h", "1d"],
                "hideTimepicker": False,
                "fiscalYearStartMonth": classic["fiscalYearStartMonth"],
            },
            "links": classic["links"],
            "variables": [_variable(one) for one in classic["templating"]["list"]],
            "annotations": [_annotation(one) for one in classic["annotations"]["list"]],
            "elements": {_name(panel): _panel(panel) for panel in _panels(classic)},
            "layout": {"kind": "RowsLayout", "spec": {"rows": _rows(classic)}},
        },
    }


def _panels(classic: _Json) -> list[_Json]:
    lines = [(row, *row.get("panels", ())) for row in classic["panels"]]
    return [panel for line in lines for panel in line if panel["type"] != "row"]


def _name(panel: _Json) -> str:
    return f"panel-{panel['id']}"


def _rows(classic: _Json) -> list[_Json]:
    """Each row with its panels; their places are counted from the row's own top."""
    rows: list[tuple[_Json, list[_Json]]] = []
    for panel in classic["panels"]:
        if panel["type"] == "row":
            rows.append((panel, list(panel.get("panels", ()))))
        else:
            rows[-1][1].append(panel)
    return [_row(row, panels) for row, panels in rows]


def _row(row: _Json, panels: list[_Json]) -> _Json:
    top = row["gridPos"]["y"] + 1
    items = [
        {
            "kind": "GridLayoutItem",
            "spec": {
                "x": panel["gridPos"]["x"],
                "y": panel["gridPos"]["y"] - top,
                "width": panel["gridPos"]["w"],
                "height": panel["gridPos"]["h"],
                "element": {"kind": "ElementReference", "name": _name(panel)},
            },
        }
        for panel in panels
    ]
    layout = {"kind": "GridLayout", "spec": {"items": items}}
    return {
        "kind": "RowsLayoutRow",
        "spec": {"title": row["title"], "collapse": row.get("collapsed", False), "layout": layout},
    }


def _panel(panel: _Json) -> _Json:
    return {
        "kind": "Panel",
        "spec": {
            "id": panel["id"],
            "title": panel["title"],
            "description": panel["description"],
            "links": [
                {"title": link["title"], "url": link["url"], "targetBlank": link["targetBlank"]}
                for link in panel.get("links", ())
            ],
            "data": {
                "kind": "QueryGroup",
                "spec": {
                    "queries": [_panel_query(target) for target in panel["targets"]],
                    "transformations": [
                        {"kind": "Transformation", "group": one["id"], "spec": {"options": one["options"]}}
                        for one in panel.get("transformations", ())
                    ],
                    "queryOptions": {},
                },
            },
            "vizConfig": {
                "kind": "VizConfig",
                "group": panel["type"],
                "version": "",
                "spec": {"options": panel["options"], "fieldConfig": panel["fieldConfig"]},
            },
        },
    }


def _panel_query(target: _Json) -> _Json:
    asked = {key: value for key, value in target.items() if key not in _OF_A_QUERY}
    return {"kind": "PanelQuery", "spec": {"query": _query(asked), "refId": target["refId"], "hidden": False}}


def _query(asked: _Json) -> _Json:
    return {"kind": "DataQuery", "group": "prometheus", "version": "v0", "datasource": _DATASOURCE, "spec": asked}


def _variable(classic: _Json) -> _Json:
    of_both: _Json = {
        "name": classic["name"],
        "label": classic["label"],
        "hide": "dontHide",
        "skipUrlSync": classic["skipUrlSync"],
        "multi": classic["multi"],
        "includeAll": classic["includeAll"],
        "allowCustomValue": classic["allowCustomValue"],
        "options": [],
        "regex": classic.get("regex", ""),
        **{key: classic[key] for key in ("allValue", "description") if key in classic},
    }
    if classic["type"] == "datasource":
        of_one: _Json = {
            "pluginId": classic["query"],
            "refresh": "onDashboardLoad",
            "current": {"text": "", "value": ""},
        }
        return {"kind": "DatasourceVariable", "spec": of_both | of_one}
    return {
        "kind": "QueryVariable",
        "spec": of_both
        | {
            "current": classic["current"],
            "refresh": _REFRESH[classic["refresh"]],
            "sort": _SORT[classic["sort"]],
            "regexApplyTo": "value",
            "definition": classic["query"],
            "query": _query({"query": classic["query"], "refId": f"Variable-{classic['name']}"}),
        },
    }


def _annotation(classic: _Json) -> _Json:
    return {
        "kind": "AnnotationQuery",
        "spec": {
            "name": classic["name"],
            "enable": classic["enable"],
            "hide": classic["hide"],
            "builtIn": False,
            "iconColor": classic["iconColor"],
            "query": _query({key: classic[key] for key in ("expr", "step")}),
            "legacyOptions": {key: classic[key] for key in ("expr", "step", "titleFormat")},
        },
    }
