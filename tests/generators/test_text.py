import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from generators.text import as_yaml, indented

LINES = st.text(
    st.sampled_from("aß:#'\"- {}|>%&*!?\t0") | st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
)
TEXTS = st.lists(LINES, max_size=4).map("\n".join)


WORDS = (
    "true",
    "No",
    "null",
    "~",
    "on",
    "1e3",
    "0x1",
    "2024-01-01",
    "a: b",
    "a:",
    "a #b",
    "a#b",
    "a:b",
    "(a) b",
    "- a",
    "=",
)
VALUES = TEXTS | st.sampled_from(WORDS) | st.booleans() | st.integers() | st.none()
DOCUMENTS = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abno1: '", max_size=5), inner, max_size=3),
)


class _Dumper(yaml.CSafeDumper):
    """The library alone, with blocks for texts of several lines."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


@given(DOCUMENTS)
@example({"a": "up > 0\n  and b\n\nc", "b": ["one\ntwo", " a\nb", "a \nb", "a\n", "a\n\n"]})
@example([["one\ntwo", [{"a": {"b": []}}]], {}])
def test_a_document_is_what_the_library_would_write_and_reads_as_what_it_was(document: object) -> None:
    written = as_yaml(document)

    assert written == as_the_library(document)
    assert yaml.safe_load(written) == document


def as_the_library(document: object) -> str:
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return str(text.removesuffix("...\n"))


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from(("record", "expr", "for")), TEXTS, min_size=1), min_size=1))
def test_a_block_indented_is_what_it_would_be_as_the_value_of_a_key(rules: list[dict[str, str]]) -> None:
    assert "spec:\n" + indented(as_yaml({"groups": rules})) == as_yaml({"spec": {"groups": rules}})
