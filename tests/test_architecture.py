"""Do imports point inward?"""

import ast
import re
import sys
from pathlib import Path

import pytest

from rules.catalog import catalog

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "rules": {"rules"},
    "generators": {"generators", "rules"},
    "exporters": {"exporters", "rules"},
    "simulator": {"simulator", "rules"},
    "paymon": {"paymon", "generators", "exporters", "rules", "simulator"},
}


def imports(module: Path) -> set[str]:
    tree = ast.parse(module.read_text())
    nodes = list(ast.walk(tree))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


MODULES = [module for folder in MAY_IMPORT for module in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_module_imports_only_what_lies_further_in(module: Path) -> None:
    ours = {name.split(".")[0] for name in imports(module)} & MAY_IMPORT.keys()
    assert ours <= MAY_IMPORT[module.relative_to(ROOT).parts[0]]


@pytest.mark.slow
def test_generators_know_no_payments() -> None:
    """Catalog in, text out: what an area says reaches them through the catalog alone."""
    areas = {name for module in (ROOT / "generators").rglob("*.py") for name in imports(module)}
    assert not {name for name in areas if name.startswith("rules.payments") or name == "rules.catalog"}
    named = {name for metric in catalog().metrics for name in metric.series_names}
    named |= {signal.name for signal in catalog().signals} | {alert.name for alert in catalog().alerts}
    named |= {label.name for metric in catalog().metrics for label in metric.labels}
    named = {name for name in named if re.search("[_:]|[a-z][A-Z]", name)}  # a plain word is anybody's
    for file in sorted((ROOT / "generators").rglob("*")):
        if file.suffix in (".py", ".j2"):
            told = set(re.findall(r"[A-Za-z_:][A-Za-z0-9_:]*", _without_comments(file)))
            assert (file, told & named) == (file, set())


def _without_comments(file: Path) -> str:
    if file.suffix != ".py":
        return file.read_text()
    tree = ast.parse(file.read_text())
    return "\n".join(n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def test_rules_need_the_promql_parser_in_one_module_and_nothing_else() -> None:
    foreign = {
        (module.name, name.split(".")[0])
        for module in (ROOT / "rules").rglob("*.py")
        for name in imports(module)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "rules"}
    }
    assert foreign == {("expression.py", "promql_parser")}


def test_exporters_see_no_alert_and_no_threshold() -> None:
    for module in (ROOT / "exporters").rglob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"Alert", "Threshold"}, module
        assert "rules.vocabulary.alert" not in imports(module), module


# ---- the map of docs/architecture.md


MAP = (ROOT / "docs/architecture.md").read_text()


def test_the_map_has_every_room_with_the_question_of_its_docstring() -> None:
    rooms = {
        f"{path.parent.relative_to(ROOT)}/": (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
        for folder in MAY_IMPORT
        for path in (ROOT / folder).rglob("__init__.py")
    }
    shown = dict(re.findall(r"^\| `((?:[a-z_]+/)+)` \| (.*) \|$", MAP, re.MULTILINE))
    assert shown == rooms, "mend the table of rooms in docs/architecture.md"


@pytest.mark.slow
def test_the_map_s_arrows_are_the_imports_that_are_allowed_and_used() -> None:
    shown = dict(re.findall(r"^(\w+) +-> (.*)$", MAP, re.MULTILINE))
    used: dict[str, set[str]] = {folder: set() for folder in MAY_IMPORT}
    for module in MODULES:
        folder = module.relative_to(ROOT).parts[0]
        used[folder] |= {name.split(".")[0] for name in imports(module)} & MAY_IMPORT.keys() - {folder}
    assert {folder: set(arrows.split()) & MAY_IMPORT.keys() for folder, arrows in shown.items()} == used
