"""How much is an amount in whole units of its currency, as Stripe counts smallest units?"""

from collections.abc import Callable

from rules.vocabulary import OTHER

__all__ = ["in_whole_units"]

_WITHOUT_DECIMALS = (
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
    *("pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"),
)
"""Currencies whose smallest unit is the whole one. Stripe's documentation of zero-decimal currencies (2026) adds that ISK
and UGX, which have no decimals either, are sent as if they had two."""

_THREE_DECIMALS = ("bhd", "jod", "kwd", "omr", "tnd")
"""Currencies of which a thousand smallest units make one, by the same page."""


def in_whole_units(minor_units: str, shape: Callable[[str], str]) -> str:
    """PromQL for amounts by currency in whole units; currencies that are not told apart are left out.

    `minor_units` names a metric of amounts in smallest units with the label `currency`; `shape` makes PromQL, by currency,
    of a selector of it.
    """
    none, thousand = "|".join(_WITHOUT_DECIMALS), "|".join(_THREE_DECIMALS)
    whole = shape(f'{minor_units}{{currency=~"{none}"}}')
    by_thousand = shape(f'{minor_units}{{currency=~"{thousand}"}}')
    by_hundred = shape(f'{minor_units}{{currency!~"{none}|{thousand}|{OTHER}"}}')
    return f"{whole}\nor {by_thousand} / 1000\nor {by_hundred} / 100"
