"""Which files does Grafana load?"""

import json
import warnings
from collections.abc import Mapping
from functools import lru_cache

from generators.dashboards.provisioning import provisioning_files
from generators.dashboards.queries import Queries
from rules.vocabulary import Catalog

__all__ = ["dashboard_files"]

_LINE = 120

_in_one_line = json.JSONEncoder(ensure_ascii=False).encode


@lru_cache(maxsize=1)
def dashboard_files(catalog: Catalog) -> Mapping[str, str]:
    """Every dashboard as JSON and the provisioning files, by path below the folder of generated files.

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
        data = json.loads(JSONEncoder().encode(dashboard_model(dashboard, catalog, queries)))
        files[f"grafana/dashboards/{dashboard.uid}.json"] = _as_json({"id": None, **data}) + "\n"
    return {**files, **provisioning_files(catalog)}


def _as_json(value: object, margin: str = "") -> str:
    """JSON in which whatever fits into a line stands in one, so that a review sees a panel whole."""
    line = _in_one_line(value)
    if len(margin) + len(line) <= _LINE:
        return line
    inner = margin + "  "
    match value:
        case dict():
            parts = [f"{inner}{_in_one_line(key)}: {_as_json(one, inner)}" for key, one in value.items()]
            return "{\n" + ",\n".join(parts) + f"\n{margin}}}"
        case list():
            return "[\n" + ",\n".join(inner + _as_json(one, inner) for one in value) + f"\n{margin}]"
        case _:
            return line
