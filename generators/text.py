"""How is a generated file written, so that people, Go and a diff can read it?"""

import re

import yaml

from rules.vocabulary import Area

__all__ = ["as_yaml", "file_of", "generated_header", "indented"]


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
    """
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n") if text.endswith("\n...\n") else text


def indented(block: str) -> str:
    """A block of YAML as the value of a key: two columns further in, empty lines left empty."""
    return re.sub(r"^(?=.)", "  ", block, flags=re.MULTILINE)


def generated_header(source: str = "", comment: str = "#") -> str:
    """The line that says where a generated file comes from; `source` where that is a part of the definitions."""
    where = f" ({source})" if source else ""
    return f"{comment} Written by `paymon generate` from the definitions{where}; change these, not this file.\n"


def file_of(area: Area) -> str:
    """The file in which an area is defined, and whose it is: a team changes paymon's from its own."""
    file = f"{area.module.replace('.', '/')}.py"
    return f"paymon's {file}" if area.module.startswith("rules.") else file
