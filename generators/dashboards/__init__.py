"""Which files does Grafana load?"""

import json
import warnings
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring
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
_quoted = lru_cache(maxsize=4096)(encode_basestring)


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


def _as_json(value: object, margin: int = 0) -> str:
    """JSON in which whatever fits into a line stands in one, so that a review sees a panel whole.

    What does not fit has each of its parts on a line of its own, two columns further in than `margin`.
    """
    match value:
        case str():
            return _quoted(value)
        case dict():
            parts = [f"{_quoted(key)}: {_as_json(one, margin + 2)}" for key, one in value.items()]
            opening, closing = "{}"
        case list():
            parts = [_as_json(one, margin + 2) for one in value]
            opening, closing = "[]"
        case _:
            return str(value) if type(value) is int else _in_one_line(value)
    if margin + sum(map(len, parts)) + 2 * max(len(parts), 1) <= _LINE or not parts:
        return f"{opening}{', '.join(parts)}{closing}"
    inside = " " * (margin + 2)
    return f"{opening}\n{inside}{f',{chr(10)}{inside}'.join(parts)}\n{' ' * margin}{closing}"
