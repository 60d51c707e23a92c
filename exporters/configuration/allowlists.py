"""Which payment methods and currencies are told apart, and by which list?

`paymon generate` writes a service's lists into `deploy/allow-lists.yaml` of each environment, and the rules are tested
with them. The exporter reads that file, never the definitions of a team, and says on its page by which lists it counts.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from exporters.configuration.secrets import Section
from exporters.configuration.spelling import spelled
from rules.payments.organisation import SERVICE
from rules.vocabulary import CURRENCIES, PAYMENT_METHODS, Label

__all__ = ["AllowLists"]


def _unrepeated(values: object) -> object:
    if isinstance(values, list) and len(set(map(str, values))) != len(values):
        raise PydanticCustomError("repeated", "the list names a value twice; name each once")
    return values


Word = Annotated[
    str,
    spelled(
        r"[a-z][a-z0-9_]{0,63}",
        "is not spelled as Stripe spells them; write at most 64 small letters, digits and _",
    ),
]
Words = Annotated[tuple[Word, ...], Field(min_length=1, max_length=100), BeforeValidator(_unrepeated)]


class AllowLists(Section):
    """The values that are counted by name; every other one is counted as `other`."""

    payment_methods: Words = SERVICE.payment_methods
    currencies: Words = SERVICE.currencies

    def values(self, label: Label) -> tuple[str, ...]:
        """Every value of the label, with these lists where a team fills it in."""
        own: Mapping[str, tuple[str, ...]] = {PAYMENT_METHODS: self.payment_methods, CURRENCIES: self.currencies}
        return tuple(value for one in label.values for value in own.get(one, (one,)))

    @property
    def hash(self) -> str:
        """What tells these lists from any others, in twelve characters."""
        text = json.dumps({"currencies": self.currencies, "payment_methods": self.payment_methods})
        return hashlib.sha256(text.encode()).hexdigest()[:12]
