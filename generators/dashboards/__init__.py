"""Which files does Grafana load?"""

import json
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from generators.dashboards.provisioning import provisioning_files
from generators.dashboards.queries import Queries
from generators.dashboards.schema_v2 import as_resource
from generators.folders import GRAFANA
from rules.vocabulary import Catalog

__all__ = ["CLASSIC", "V2", "dashboard_files"]

CLASSIC, V2 = f"{GRAFANA}/dashboards/", f"{GRAFANA}/dashboards-v2/"
"""The folders of the two schemas."""

_LINE = 120

_in_one_line = lru_cache(maxsize=4096, typed=True)(json.JSONEncoder(ensure_ascii=False).encode)
"""A string, number or nothing: most of them stand in many panels."""


@lru_cache(maxsize=16)
def dashboard_files(catalog: Catalog) -> Mapping[str, str]:
    """Every dashboard in both of Grafana's schemas, and the provisioning files, by path below the generated files.

    `id` is null and `version` absent, so that Grafana numbers both itself. Grafana's SDK is imported only here: that
    takes longer than all else, and it warns that newer Grafanas prefer a schema which file provisioning refuses.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from generators.dashboards.board import dashboard_model
    queries = Queries(catalog)
    files: dict[str, str] = {}
    for dashboard in catalog.dashboards:
        data = _as_data(dashboard_model(dashboard, catalog, queries))
        files[f"{CLASSIC}{dashboard.uid}.json"] = _as_json({"id": None, **data}) + "\n"
        files[f"{V2}{dashboard.uid}.json"] = _as_json(as_resource(data)) + "\n"
    return {**files, **provisioning_files(catalog)}


def _as_data(model: Any) -> Any:
    """What the SDK's encoder would write of a model, as data.

    Left out is what it writes unasked: from 12.3, Grafana puts what has a `placement` away into a menu.
    """
    if isinstance(model, dict):
        return {key: _as_data(one) for key, one in model.items() if key != "placement"}
    if isinstance(model, list):
        return [*map(_as_data, model)]
    return _as_data(model.to_json()) if hasattr(model, "to_json") else model


def _as_json(value: object, margin: int = 0) -> str:
    """JSON in which whatever fits into a line stands in one, so that a review sees a panel whole.

    What does not fit has each of its parts on a line of its own, two columns further in than `margin`.
    """
    if isinstance(value, dict):
        parts = [f"{_in_one_line(key)}: {_as_json(one, margin + 2)}" for key, one in value.items()]
        opening, closing = "{}"
    elif isinstance(value, list):
        parts = [_as_json(one, margin + 2) for one in value]
        opening, closing = "[]"
    else:
        return _in_one_line(value)
    if margin + sum(map(len, parts)) + 2 * max(len(parts), 1) <= _LINE or not parts:
        return f"{opening}{', '.join(parts)}{closing}"
    inside = " " * (margin + 2)
    return f"{opening}\n{inside}{f',{chr(10)}{inside}'.join(parts)}\n{' ' * margin}{closing}"
