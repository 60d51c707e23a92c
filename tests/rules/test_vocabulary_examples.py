"""Does every word of the vocabulary have an example, and does each say what it says?"""

import dataclasses
import doctest
import inspect
import sys

import pytest

import rules.vocabulary
from rules.payments.organisation import ORGANISATION
from rules.payments.runbook.stages import ROLLOUT
from rules.vocabulary import Alert, above, shop

WORDS = {
    name: word
    for name in rules.vocabulary.__all__
    if inspect.isclass(word := getattr(rules.vocabulary, name)) or inspect.isfunction(word)
}
SHARED = {name: getattr(shop, name) for name in shop.__all__}
GLOBALS = (
    {name: getattr(rules.vocabulary, name) for name in rules.vocabulary.__all__}
    | SHARED
    | {
        "ORGANISATION": ORGANISATION,
        "ROLLOUT": ROLLOUT,
        "Decimal": __import__("decimal").Decimal,
        "replace": dataclasses.replace,
    }
    | {
        "TEXTS": {
            one.name: getattr(shop.QUEUE_LONG, one.name)
            for one in dataclasses.fields(Alert)
            if one.name in ("thresholds", "summary", "description", "runbook")
        }
    }
)
OF_THE_SAME_SHAPE = {"at_least", "at_most", "below", "above"}
"""They are made by one function; a threshold's example shows them."""


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_word_s_example_says_what_it_says(name: str) -> None:
    word = WORDS[name]
    if name in OF_THE_SAME_SHAPE:
        assert callable(above)
        return
    text = inspect.getdoc(word) or ""
    assert ">>> " in text, f"give {name} an example in its docstring"
    test = doctest.DocTestParser().get_doctest(text, dict(GLOBALS), name, sys.modules[word.__module__].__file__, 0)
    said: list[str] = []
    failures, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert (failures, tried > 0) == (0, True), "".join(said)
