#!/usr/bin/env bash
# grafana-foundation-sdk 0.0.21 (Python), classic dashboards: the builder gives each panel its place, without an error, where Grafana
# cannot draw it or nobody meant it to be:
#
#     panels of 8, 8 and 12 columns       the third is at 16 to 28: a dashboard has 24, and no new line is begun
#     a panel after a row that holds one  starts in column 12, beside that panel, which is hidden: the left half stays empty
#     a row with a panel in it            is collapsed, though nobody asked for it (`collapsed` was not called)
#     the same builder added twice        both at the place of the second: the first one's is lost, and they overlap
#
# Fails if one of these changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'grafana-foundation-sdk==0.0.21'
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.stat import Panel


def places(dashboard: Dashboard) -> list[tuple[str, int, int, int]]:
    """Title, first column, first line and width of each panel that is seen."""
    return [(one.title, one.grid_pos.x, one.grid_pos.y, one.grid_pos.w) for one in dashboard.build().panels]


def seen(what: str, found: object, expected: object) -> None:
    print(f"{what}: {found}")
    assert found == expected, f"the behaviour has changed: it was {expected}"


wide = Dashboard("One")
for title, columns in (("a", 8), ("b", 8), ("c", 12)):
    wide.with_panel(Panel().title(title).span(columns))
seen("8, 8 and 12 columns", places(wide), [("a", 0, 0, 8), ("b", 8, 0, 8), ("c", 16, 0, 12)])

row = Row("row").with_panel(Panel().title("inside").span(12))
after = Dashboard("One").with_row(row).with_panel(Panel().title("after").span(12))
seen("after a row", places(after), [("row", 0, 0, 24), ("after", 12, 1, 12)])
seen("the row is collapsed", after.build().panels[0].collapsed, True)

twice = Panel().title("twice").span(12)
seen("the same twice", places(Dashboard("One").with_panel(twice).with_panel(twice)), [("twice", 12, 0, 12)] * 2)
PYTHON
