#!/usr/bin/env bash
# grafana-foundation-sdk 0.0.21 (Python), dashboard schema v2: what `dashboardv2.Dashboard.from_json` has read cannot be
# written again. `VizConfigKind.from_json` puts `group` and `version` into sets, {'stat'} where 'stat' stood, and the SDK's
# own encoder refuses them:
#
#     TypeError: Object of type set is not JSON serializable
#
# The classic schema's types (`dashboard.Dashboard`) have no such fault. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'grafana-foundation-sdk==0.0.21'
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboardv2 import Dashboard, PanelKind, PanelSpec, VizConfigKind, VizConfigSpec

panel = PanelKind(spec=PanelSpec(id_val=1, title="One", viz_config=VizConfigKind(group="stat", spec=VizConfigSpec(options={}))))
written = JSONEncoder().encode(Dashboard(title="Small", elements={"panel-1": panel}))
assert json.loads(written)["elements"]["panel-1"]["spec"]["vizConfig"]["group"] == "stat"

read = Dashboard.from_json(json.loads(written))
group = read.elements["panel-1"].spec.viz_config.group
print(f"read: group = {group!r}")
assert group == {"stat"}, "the behaviour has changed"
try:
    JSONEncoder().encode(read)
except TypeError as error:
    print(f"written again: TypeError: {error}")
    assert str(error) == "Object of type set is not JSON serializable", "the behaviour has changed"
else:
    raise SystemExit("the behaviour has changed: it can be written again")
PYTHON
