"""Which files does Grafana load?"""

import json
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from generators.dashboards.provisioning import provisioning_files
from generators.dashboards.queries import Queries
from generators.dashboards.schema_v2 import as_resource
from rules.vocabulary import Catalog

__all__ = ["CLASSIC", "V2", "dashboard_files"]

CLASSIC, V2 = "grafana/dashboards/", "grafana/dashboards-v2/"
"""The folders of the two schemas."""

_LINE = 120

_in_one_line = json.JSONEncoder(ensure_ascii=False).encode


@lru_cache(maxsize=16)
def dashboard_files(catalog: Catalog) -> Mapping[str, str]:
    """Every dashboard in both of Grafana's schemas, and the provisioning files, by path below the generated files.

    `id` is null and `version` absent, so that Grafana numbers both itself. Grafana's SDK is imported only here: that
    takes longer than all else, and it warns that newer Grafanas prefer a schema which file provisioning refuses.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder

        from generators.dashboards.board import dashboard_model
    queries = Queries(catalog)
    files: dict[str, str] = {}
    for dashboard in catalog.dashboards:
        data = _without_placement(json.loads(JSONEncoder().encode(dashboard_model(dashboard, catalog, queries))))
        files[f"{CLASSIC}{dashboard.uid}.json"] = _as_json({"id": None, **data}) + "\n"
        files[f"{V2}{dashboard.uid}.json"] = _as_json(as_resource(data)) + "\n"
    return {**files, **provisioning_files(catalog)}


def _without_placement(value: Any) -> Any:
    """Without what the SDK writes unasked: from 12.3, Grafana puts what has `inControlsMenu` away into a menu."""
    match value:
        case dict():
            return {key: _without_placement(one) for key, one in value.items() if key != "placement"}
        case list():
            return [_without_placement(one) for one in value]
        case _:
            return value


_Node = tuple[str, str, tuple[tuple[str, "_Node"], ...]]
"""A value in one line, the bracket that opens it where it has parts, and its parts, each behind its key."""


def _as_json(value: object) -> str:
    """JSON in which whatever fits into a line stands in one, so that a review sees a panel whole."""
    return _laid_out(_node(value), "")


def _node(value: object) -> _Node:
    parts: tuple[tuple[str, _Node], ...]
    match value:
        case dict():
            parts = tuple((f"{_in_one_line(key)}: ", _node(one)) for key, one in value.items())
            opening, closing = "{}"
        case list():
            parts = tuple(("", _node(one)) for one in value)
            opening, closing = "[]"
        case _:
            return str(value) if type(value) is int else _in_one_line(value), "", ()
    return opening + ", ".join([key + line for key, (line, _, _) in parts]) + closing, opening, parts


def _laid_out(node: _Node, margin: str) -> str:
    line, opening, parts = node
    if len(margin) + len(line) <= _LINE or not opening:
        return line
    inner = margin + "  "
    laid_out = ",\n".join([f"{inner}{key}{_laid_out(one, inner)}" for key, one in parts])
    return f"{opening}\n{laid_out}\n{margin}{line[-1]}"
