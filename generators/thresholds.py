"""Which threshold holds in which environment, and why?"""

from collections.abc import Iterator, Mapping

from generators.text import generated_header
from generators.wording import spoken_value
from rules.vocabulary import Alert, Branch, Catalog, Environment, Threshold, spoken_duration

__all__ = ["thresholds_files"]

_INTRODUCTION = """
# Thresholds by environment

Every threshold as each environment has it. Where an environment differs from the first, its cell says so in bold, and
the reason stands below. Thresholds are defined in `rules/`; what differs between environments,
where each environment is: there an Override names the threshold as it stands in the first column. An alert with several
branches has a line for each: they last alike, so how long is overridden under the alert's name alone.
"""


def thresholds_files(catalog: Catalog) -> Mapping[str, str]:
    """The page, by its path below the project's root."""
    environments = catalog.organisation.environments
    lines = [generated_header(comment="<!--").rstrip() + " -->", *_INTRODUCTION.strip().splitlines(), ""]
    for area in catalog.areas:
        if not area.alerts:
            continue
        lines += [f"## {area.title}", ""]
        lines.append("| threshold | signal | " + " | ".join(e.name for e in environments) + " | because |")
        lines.append("|---|---|" + "---|" * len(environments) + "---|")
        lines += [row for alert in area.alerts for row in _rows(alert, environments)]
        lines.append("")
    for environment in environments:
        if environment.overrides:
            lines += [f"## Why {environment.name} differs", ""]
            lines += [f"- `{override.threshold}`: {override.because}" for override in environment.overrides]
            lines.append("")
        if not environment.pages:
            lines += [f"In {environment.name} nobody is woken: what is P1 or P2 elsewhere is P3 there.", ""]
    return {"docs/thresholds.md": "\n".join(lines)}


def _rows(alert: Alert, environments: tuple[Environment, ...]) -> Iterator[str]:
    """A line for each branch of each threshold."""
    for index, threshold in enumerate(alert.thresholds):
        for place, branch in enumerate(alert.branches(threshold)):
            cells: list[str] = []
            for environment in environments:
                there = alert.thresholds_in(environment)[index]
                text = _cell(there, alert.branches(there, environment)[place])
                cells.append(text if not cells or text == cells[0] else f"**{text}**")
            name = alert.bound_id(threshold, branch)
            yield f"| `{name}` | `{branch.watches}` | " + " | ".join(cells) + f" | {branch.because} |"


def _cell(threshold: Threshold, branch: Branch) -> str:
    words = f"{branch.comparison.words} {spoken_value(branch.value, branch.watches.unit)}"
    lasting = f" for {spoken_duration(threshold.lasting)}" if threshold.lasting else ""
    return f"{words}{lasting}, {threshold.severity.value}, {threshold.priority.value}"
