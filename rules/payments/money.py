"""How many of Stripe's smallest units make a whole unit of a currency, and how much is an amount in whole units?"""

from collections.abc import Callable

from rules.vocabulary import OTHER

__all__ = ["in_whole_units", "smallest_units"]

_WITHOUT_DECIMALS = (
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
    *("pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"),
)
"""Currencies whose smallest unit is the whole one. Stripe's documentation of zero-decimal currencies (2026) adds that ISK
and UGX, which have no decimals either, are sent as if they had two; that HUF and TWD are without decimals in payouts, and
have two in payments; and that MGA has none, although five of its smallest units make one."""

_THREE_DECIMALS = ("bhd", "jod", "kwd", "omr", "tnd")
"""Currencies of which a thousand smallest units make one, by the same page; the last digit is always 0."""


def smallest_units(currency: str) -> int:
    """How many of Stripe's smallest units make one whole unit of the currency, given in lower case.

    >>> [smallest_units(currency) for currency in ("jpy", "eur", "kwd", "isk")]
    [1, 100, 1000, 100]
    """
    if currency in _WITHOUT_DECIMALS:
        return 1
    return 1000 if currency in _THREE_DECIMALS else 100


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
