"""Which promises do definitions keep, and by which name is one excused?"""

from collections.abc import Mapping

from generators.problems import OUTPUT_CHECKS
from generators.text import generated_header
from rules.checks import CHECKS
from rules.vocabulary import Catalog

__all__ = ["checks_files"]

_ROOMS = {
    "names": "Names",
    "values": "What the organisation says of itself",
    "expressions": "Expressions",
    "examples": "Examples",
    "alerts": "Alerts",
    "organisation": "People and the runbook",
}


def checks_files(catalog: Catalog) -> Mapping[str, str]:
    """The page of all checks, by its path below the project's root."""
    lines = [
        generated_header("paymon's rules/checks/", "<!--").rstrip() + " -->",
        "",
        "# Checks",
        "",
        f"{len(CHECKS)} promises that every definition keeps. `paymon generate` and `paymon lint` tell of each that is "
        "broken, with the place, the cause and the cure. A definition that must not keep one is excused by its name "
        "and a reason, in the catalog's `excuses`:",
        "",
        "```python",
        'Excuse(check="expressions/means-of-ratios", definition="shop:quality:ratio", because="a survey, not a count")',
        "```",
    ]
    for room, title in _ROOMS.items():
        lines += ["", f"## {title}", "", "| check | promise |", "|---|---|"]
        for one in CHECKS:
            if one.name.startswith(f"{room}/"):
                lines.append(f"| `{one.name}` | {' '.join(one.promise.split())} |")
    lines += [
        "",
        "## What definitions become",
        "",
        "Of the generated files; nothing is excused from these.",
        "",
        "| check | promise |",
        "|---|---|",
        *(f"| `{one.name}` | {one.promise} |" for one in OUTPUT_CHECKS),
    ]
    lines += ["", "## Excused", ""]
    lines += [f"- {one.definition} from `{one.check}`: {one.because}" for one in catalog.excuses] or ["Nothing."]
    return {"docs/checks.md": "\n".join(lines) + "\n"}
