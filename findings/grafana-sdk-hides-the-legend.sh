#!/usr/bin/env bash
# grafana-foundation-sdk 0.0.21 (Python): a panel whose legend nobody speaks of is not left to Grafana, whose editor starts with a
# legend (`@grafana/ui` 10: `legend.showLegend`, default true). The builders write `options.legend.showLegend: false`, and who
# imports such a dashboard sees curves without names:
#
#     timeseries, barchart, piechart, histogram, statetimeline   showLegend: false
#     heatmap, whose option has another name                     show: true
#
# Naming any part of the legend does not help: `legend(VizLegendOptions().placement("right"))` is hidden as well.
# Fails if one of these changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'grafana-foundation-sdk==0.0.21'
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json

from grafana_foundation_sdk.builders import barchart, heatmap, histogram, piechart, statetimeline, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendPlacement


def legend(panel: timeseries.Panel) -> dict[str, object]:
    return json.loads(JSONEncoder().encode(panel.title("One").build()))["options"]["legend"]


for kind in (timeseries, barchart, piechart, histogram, statetimeline):
    found = legend(kind.Panel())
    print(f"{kind.__name__.rpartition('.')[2]}: showLegend {found['showLegend']}")
    assert found["showLegend"] is False, "the behaviour has changed"

placed = legend(timeseries.Panel().legend(VizLegendOptions().placement(LegendPlacement.RIGHT)))
print(f"timeseries with its legend at the right: {placed}")
assert (placed["placement"], placed["showLegend"]) == ("right", False), "the behaviour has changed"
assert legend(heatmap.Panel())["show"] is True, "the behaviour has changed"
PYTHON
