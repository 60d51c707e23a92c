"""Which threshold holds in which environment, and why?"""

from collections.abc import Mapping

from generators.text import generated_header
from generators.wording import spoken_value
from rules.vocabulary import Alert, Catalog, Environment, Threshold, spoken_duration

__all__ = ["thresholds_files"]

_INTRODUCTION = """
# Thresholds by environment

Every threshold as each environment has it. Where an environment differs from the first, its cell says so in bold, and
the reason stands below. Thresholds are defined in `rules/`; what differs between environments, in
`rules/organisation.py`.
"""


def thresholds_files(catalog: Catalog) -> Mapping[str, str]:
    """The page, by its path below the project's root."""
    environments = catalog.organisation.environments
    lines = [generated_header("rules/", "<!--").rstrip() + " -->", *_INTRODUCTION.strip().splitlines(), ""]
    for area in catalog.areas:
        if not area.alerts:
            continue
        lines += [f"## {area.title}", ""]
        lines.append("| threshold | signal | " + " | ".join(e.name for e in environments) + " | because |")
        lines.append("|---|---|" + "---|" * len(environments) + "---|")
        lines += [_row(alert, index, environments) for alert in area.alerts for index in range(len(alert.thresholds))]
        lines.append("")
    for environment in environments:
        if environment.overrides:
            lines += [f"## Why {environment.name} differs", ""]
            lines += [f"- `{override.threshold}`: {override.because}" for override in environment.overrides]
            lines.append("")
        if not environment.pages:
            lines += [f"In {environment.name} nobody is woken: what is P1 or P2 elsewhere is P3 there.", ""]
    return {"docs/thresholds.md": "\n".join(lines)}


def _row(alert: Alert, index: int, environments: tuple[Environment, ...]) -> str:
    cells: list[str] = []
    for environment in environments:
        text = _cell(alert, alert.thresholds_in(environment)[index])
        cells.append(text if not cells or text == cells[0] else f"**{text}**")
    threshold = alert.thresholds[index]
    name = alert.threshold_id(threshold)
    return f"| `{name}` | `{alert.watches}` | " + " | ".join(cells) + f" | {threshold.because} |"


def _cell(alert: Alert, threshold: Threshold) -> str:
    words = f"{threshold.comparison.words} {spoken_value(threshold.value, alert.watches.unit)}"
    lasting = f" for {spoken_duration(threshold.lasting)}" if threshold.lasting else ""
    return f"{words}{lasting}, {threshold.severity.value}, {threshold.priority.value}"
