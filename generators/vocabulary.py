"""What can a definition say, word by word?"""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import rules.vocabulary
from generators.text import generated_header
from rules.vocabulary import (
    alert,
    catalog,
    dashboard,
    durations,
    former,
    metric,
    objective,
    people,
    places,
    shop,
    signal,
    stage,
    units,
)

__all__ = ["vocabulary_files"]

_INTRODUCTION = """
# Vocabulary

Everything that a definition can say, from the code's own docstrings. Each example is run by a test. A team takes every
word from one place: `from paymon.api import Alert, Signal, above`.

The examples speak of this shop:
"""

_CHAPTERS: tuple[tuple[str, ModuleType], ...] = (
    ("What is exported", metric),
    ("What is recorded", signal),
    ("What is watched", alert),
    ("Units", units),
    ("Durations", durations),
    ("What is promised", objective),
    ("People, services and environments", people),
    ("Places that each team fills in", places),
    ("Dashboards", dashboard),
    ("Rollouts", stage),
    ("What belongs together", catalog),
    ("Names that change", former),
)


def vocabulary_files() -> Mapping[str, str]:
    """The page, by its path below the project's root."""
    lines = [
        generated_header("paymon's rules/vocabulary/", "<!--").rstrip() + " -->",
        *_INTRODUCTION.strip().splitlines(),
    ]
    source = inspect.getsource(shop)
    lines += ["", "```python", source[source.index("ORDERS = ") :].rstrip(), "```"]
    for title, module in _CHAPTERS:
        lines += ["", f"## {title}", "", _sentence(module)]
        for name in module.__all__:
            if name in rules.vocabulary.__all__:
                lines += ["", *_word(name, getattr(module, name), module)]
    return {"docs/vocabulary.md": "\n".join(lines) + "\n"}


def _sentence(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").split("\n\n")[0]


def _word(name: str, word: Any, module: ModuleType) -> Iterator[str]:
    yield f"### {name}"
    if not callable(word):
        yield from ("", _comments(module).get(name, f"The place of {name.lower().replace('_', ' ')}."))
        return
    text = inspect.getdoc(word) or ""
    prose, _, example = text.partition(">>> ")
    yield from ("", prose.strip())
    if inspect.isclass(word) and issubclass(word, Enum):
        yield from ("", ", ".join(f"`{member.name}` ({member.value})" for member in word))
    elif inspect.isclass(word) and is_dataclass(word):
        comments = _comments(module)
        yield from ("", "| field | type | default | |", "|---|---|---|---|")
        for field in fields(word):
            comment = " ".join(comments.get(f"{name}.{field.name}", "").split())
            yield f"| `{field.name}` | `{_type(field)}` | {_default(field)} | {comment} |".replace("|  |", "| |")
    elif inspect.isfunction(word):
        yield from ("", f"`{name}{inspect.signature(word)}`")
    if example:
        yield from ("", "```python", f">>> {example.rstrip()}", "```")


def _type(field: Field[object]) -> str:
    text = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    plain = str(field.type) if not isinstance(field.type, type) or "[" in str(field.type) else text
    return re.sub(r"\b(?:rules|datetime|decimal|typing)(?:\.\w+)*\.", "", plain).replace("|", "or").replace("'", "")


def _default(field: Field[object]) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    value = field.default_factory() if field.default_factory is not MISSING else field.default
    match value:
        case "" | () | None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case _:
            return f"`{value}`"


@cache
def _comments(module: ModuleType) -> Mapping[str, str]:
    """What stands below an assignment, as a string: by the name, or `Class.field`."""
    found: dict[str, str] = {}

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for one, after in pairwise(body):
            names: list[ast.expr] = []
            if isinstance(one, ast.AnnAssign):
                names = [one.target]
            elif isinstance(one, ast.Assign):
                names = one.targets
            said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
            for name in names:
                if isinstance(name, ast.Name) and isinstance(said, str):
                    found[f"{prefix}{name.id}"] = inspect.cleandoc(said)

    tree = ast.parse(inspect.getsource(module))
    collect(tree.body, "")
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            collect(node.body, f"{node.name}.")
    return found
