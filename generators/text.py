"""How is a generated file written, so that people, Go and a diff can read it?"""

import re
from collections.abc import Hashable
from functools import lru_cache
from textwrap import indent
from typing import TypeGuard

import yaml

from rules.vocabulary import Area

__all__ = ["as_yaml", "file_of", "generated_header", "indented", "is_generated"]


class _Dumper(yaml.CSafeDumper):
    """Writes texts of several lines as blocks, and never refers back to a value."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def as_yaml(data: object) -> str:
    """YAML that both people and Go read: blocks for PromQL, keys in the order given.

    More may follow: there is no mark for the end, which the library writes after a text that ends in empty lines.
    Collections are written here, in a fraction of the library's time, and so are texts that are plainly plain.
    """
    return _block(data, "") if _has_parts(data) else f"{_scalar(data, '  ')}\n"


_Collection = dict[str, object] | list[object] | tuple[object, ...]


def _has_parts(value: object) -> TypeGuard[_Collection]:
    return isinstance(value, dict | list | tuple) and bool(value)


def _block(data: _Collection, margin: str) -> str:
    """What is in a collection, each part on lines of its own behind the margin."""
    inside = margin + "  "
    parts = []
    if isinstance(data, dict):
        for key, value in data.items():
            if _has_parts(value):
                text = "\n" + _block(value, inside if isinstance(value, dict) else margin)
            else:
                text = f" {_scalar(value, inside)}\n"
            parts.append(f"{margin}{_scalar(key, inside)}:{text}")
    else:
        for value in data:
            text = _block(value, inside)[len(inside) :] if _has_parts(value) else f"{_scalar(value, inside)}\n"
            parts.append(f"{margin}- {text}")
    return "".join(parts)


_PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null)\Z)[a-z(](?:[!-9;-~]|:(?! |\Z)| (?!#|\Z))*", re.IGNORECASE)
_LINES = re.compile(r"[!-~](?:[!-~]| (?!\n|\Z))*(?:\n(?:[ -~]*[!-~])?)*(?<!\n)")


def _scalar(value: object, margin: str) -> str:
    """One value; further lines of it stand behind the margin."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value):
            return value
        if "\n" in value and _LINES.fullmatch(value):
            return "|-\n" + indent(value, margin)
    if isinstance(value, dict | list | tuple):
        return "{}" if isinstance(value, dict) else "[]"
    return _as_the_library_writes(value).replace("\n  ", f"\n{margin}")


@lru_cache(maxsize=4096, typed=True)
def _as_the_library_writes(value: Hashable) -> str:
    """The value as an item of a list, behind the two columns that it takes."""
    text: str = yaml.dump([value], Dumper=_Dumper, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n")[len("- ") : -1]


def indented(block: str) -> str:
    """A block of YAML as the value of a key: two columns further in, empty lines left empty."""
    return re.sub(r"^(?=.)", "  ", block, flags=re.MULTILINE)


_BY_US = "Written by `paymon generate` from the definitions"


def generated_header(source: str = "", comment: str = "#") -> str:
    """The line that says where a generated file comes from; `source` where that is a part of the definitions."""
    where = f" ({source})" if source else ""
    return f"{comment} {_BY_US}{where}; change these, not this file.\n"


def is_generated(text: str) -> bool:
    """Whether the file says in its first line that it was generated; not all that are do."""
    return _BY_US in text.partition("\n")[0]


def file_of(area: Area) -> str:
    """The file in which an area is defined, and whose it is: a team changes paymon's from its own."""
    file = f"{area.module.replace('.', '/')}.py"
    return f"paymon's {file}" if area.module.startswith("rules.") else file
