"""Are the dashboards in Grafana those that are generated?"""

import json
from collections.abc import Mapping
from typing import Any

from generators.dashboards import CLASSIC, dashboard_files
from paymon.drift.layers import Layer, Verdict, layer
from rules.vocabulary import Catalog

__all__ = ["grafana"]


def grafana(catalog: Catalog, models: Mapping[str, Mapping[str, Any] | None]) -> Layer:
    """Are the dashboards in Grafana, by uid, those that are generated? None stands for one that is not there."""
    findings = []
    if not any(models.values()):
        said = f"none of the {len(models)} dashboards is there; load them, or see whether this is the right Grafana"
        return Layer("grafana", Verdict.DRIFT, (said,))
    for path, text in dashboard_files(catalog).items():
        if not path.startswith(CLASSIC):
            continue
        ours = json.loads(text)
        theirs = models.get(ours["uid"])
        if theirs is None:
            findings.append(f"dashboard {ours['uid']} is not there")
            continue
        changed = sorted(key for key in ours if key not in ("id", "version") and ours[key] != theirs.get(key))
        if changed:
            findings.append(f"dashboard {ours['uid']} differs in {', '.join(changed)}")
    return layer("grafana", findings)
