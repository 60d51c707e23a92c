from hypothesis import given
from hypothesis import strategies as st

from generators.text import as_yaml, indented

LINES = st.text(
    st.sampled_from("aß:#'\"- {}|>%&*!?\t0") | st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
)
TEXTS = st.lists(LINES, max_size=4).map("\n".join)


@given(st.lists(st.dictionaries(st.sampled_from(("record", "expr", "for")), TEXTS, min_size=1), min_size=1))
def test_a_block_indented_is_what_it_would_be_as_the_value_of_a_key(rules: list[dict[str, str]]) -> None:
    assert "spec:\n" + indented(as_yaml({"groups": rules})) == as_yaml({"spec": {"groups": rules}})
