"""Cards: at which network, in which country and after which authentication do payments fail?

Each dimension is a counter of its own, for attempts by card: their product would be hundreds of series.
"""

from dataclasses import replace
from textwrap import indent

from rules.payments import outcomes
from rules.payments.outcomes import RESULT, each_in_5m
from rules.payments.runbook.procedures import CALL_STRIPE, STRIPE_STATUS
from rules.vocabulary import (
    OTHER,
    Alert,
    Counter,
    Example,
    Label,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    excluding,
    minutes,
    only_if,
)

NETWORK = Label("network", ("visa", "mastercard", "amex", OTHER))
COUNTRY = Label("country", ("au", "br", "ca", "de", "es", "fr", "gb", "in", "it", "jp", "mx", "nl", "us", OTHER))
"""Where most of the world's online payments by card come from (ISO 3166); the rest is told apart by no label."""
AUTHENTICATION = Label("authentication", ("none", "frictionless", "challenge", "failed", OTHER))

attempts_by_network = Counter(
    "payment_attempts_by_network_total",
    "Payment attempts by card, by result and the network that processed them",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(RESULT, NETWORK),
    serves=("RSP-02",),
)

attempts_by_country = Counter(
    "payment_attempts_by_country_total",
    "Payment attempts by card, by result and the country of the card's issuer",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(RESULT, COUNTRY),
    serves=("RSP-02",),
)

attempts_by_authentication = Counter(
    "payment_attempts_by_authentication_total",
    "Payment attempts by card, by result and how 3-D Secure authenticated the customer",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(RESULT, AUTHENTICATION),
    serves=("RSP-02",),
)

by_authentication = Signal(
    "authentication_result:payment_attempts:increase5m",
    "Attempts by card in 5 minutes, by authentication and result",
    Unit.COUNT,
    each_in_5m(attempts_by_authentication),
    Example.over(
        minutes(5),
        (
            (attempts_by_authentication.where(authentication="none", result="success"), "0+1x10"),
            (attempts_by_authentication.where(authentication="none", result="blocked"), "0+2x10"),
        ),
        (
            ('authentication="none",result="success"', "5"),
            ('authentication="none",result="blocked"', "10"),
        ),
    ),
)

_FAILED = ("issuer_declined", "blocked", "technical_failure")


def _grown(counter: Counter, by: Label, window: str, offset: str, *, failed: bool, function: str) -> str:
    selector = counter.where(result=_FAILED if failed else excluding("abandoned"))
    of = f"[{window}]{f' offset {offset}' if offset else ''}"
    return f"sum by ({by.name}) (max without (instance, pod) ({function}({selector}{of})))"


def _failures(counter: Counter, by: Label) -> str:
    """PromQL for the attempts that failed in 10 minutes, by that label."""
    whole = _grown(counter, by, "10m", "", failed=False, function="increase")
    return f"{_grown(counter, by, '10m', '', failed=True, function='increase')}\nor 0 * {whole}"


def _gap(counter: Counter, by: Label, window: str, offset: str = "") -> str:
    """PromQL for the share of attempts that fail, less that of all the others; no result where there are no others.

    The others' share is not computed: the share of all is made of both, each with its weight, so that what a share is
    above the one of all is as much smaller as all the others weigh less than all.
    """
    whole = _grown(counter, by, window, offset, failed=False, function="rate")
    failed = f"({_grown(counter, by, window, offset, failed=True, function='rate')} or 0 * {whole})"
    every = counter.where(result=excluding("abandoned"))
    of_all = outcomes.share(counter.where(result=_FAILED), every, window, offset)
    others = f"1 - {whole} / on () group_left () ({outcomes.total(every, window, 'rate', offset)} > 0)"
    return (
        f"(\n  {failed}\n  / on ({by.name}) ({whole} > 0)\n  - on () group_left () (\n{indent(of_all, '    ')}\n  )\n)\n"
        f"/ on ({by.name}) (\n  {others}\n  > 0\n)"
    )


def _excess(gap: Signal, usual: Signal, by: Label) -> str:
    return f"{gap}\n- on ({by.name}) {usual}"


def _now(counter: Counter, by: Label, worse: str, well: str) -> tuple[tuple[str, str], ...]:
    """Eleven samples of which the last five hold 10 attempts at one, half of them failed, and 50 at the other, 5 failed.

    A third one has had attempts, but has none now.
    """
    return (
        (counter.where(result="success", **{by.name: OTHER}), "7x10"),
        (counter.where(result="success", **{by.name: worse}), "0+1x10"),
        (counter.where(result="issuer_declined", **{by.name: worse}), "0x5 1 1 3 5 5"),
        (counter.where(result="success", **{by.name: well}), "0+9x10"),
        (counter.where(result="technical_failure", **{by.name: well}), "0x5 1 1 3 5 5"),
    )


def _since_today(counter: Counter, by: Label, worse: str, well: str) -> Example:
    """At both one in ten failed for a day; for ten minutes, at one of them it is half."""
    return Example(
        series=(
            (counter.where(result="success", **{by.name: worse}), "0+9x896 8069+5x10"),
            (counter.where(result="issuer_declined", **{by.name: worse}), "0+1x896 901+5x10"),
            (counter.where(result="success", **{by.name: well}), "0+9x906"),
            (counter.where(result="technical_failure", **{by.name: well}), "0+1x906"),
        ),
        every=minutes(2),
        at=minutes(1801),
        gives=((f'{by.name}="{worse}"', "0.4"), (f'{by.name}="{well}"', "-0.4")),
    )


def _for_a_day(counter: Counter, by: Label, worse: str, well: str) -> Example:
    """At one of them, half failed for all of a day, and none before it."""
    return Example(
        series=(
            (counter.where(result="success", **{by.name: worse}), "0+1x906"),
            (counter.where(result="issuer_declined", **{by.name: worse}), "0x175 1+1x730"),
            (counter.where(result="success", **{by.name: well}), "0+9x906"),
            (counter.where(result="technical_failure", **{by.name: well}), "0+1x906"),
            (counter.where(result="success", **{by.name: OTHER}), "7x906"),
        ),
        every=minutes(2),
        at=minutes(1801),
        gives=((f'{by.name}="{worse}"', "0.4"), (f'{by.name}="{well}"', "-0.4")),
    )


def _alone(worse: str, example: Example) -> Example:
    """Attempts at one of them alone, so that there are no others to compare with."""
    return replace(example, series=tuple(one for one in example.series if f'="{worse}"' in one[0]), gives=())


_NETWORKS = (attempts_by_network, NETWORK, "amex", "visa")
_COUNTRIES = (attempts_by_country, COUNTRY, "fr", "us")

network_failures = Signal(
    "payment_network:failures:increase10m",
    "Attempts by card that failed in 10 minutes, for any reason, by network",
    Unit.COUNT,
    _failures(attempts_by_network, NETWORK),
    Example.over(
        minutes(10),
        _now(*_NETWORKS),
        (('network="amex"', "5"), ('network="visa"', "5"), ('network="other"', "0")),
    ),
)

_NETWORK_NOW = Example.over(minutes(10), _now(*_NETWORKS), (('network="amex"', "0.4"), ('network="visa"', "-0.4")))

network_gap = Signal(
    "payment_network:failure_gap:ratio_rate10m",
    "Share of attempts by card that fail at a network, less the share at all others, over 10 minutes",
    Unit.EXCESS,
    _gap(attempts_by_network, NETWORK, "10m"),
    _NETWORK_NOW,
    also=(_alone("amex", _NETWORK_NOW),),
)

network_usual_gap = Signal(
    "payment_network:failure_gap:ratio_rate1d",
    "Share of attempts by card that fail at a network, less the share at all others, over the day before",
    Unit.EXCESS,
    _gap(attempts_by_network, NETWORK, "1d", "10m"),
    _for_a_day(*_NETWORKS),
)

network_excess = Signal(
    "payment_network:failure_excess:ratio10m",
    "By how much a network fails more than all others, compared with the day before",
    Unit.EXCESS,
    _excess(network_gap, network_usual_gap, NETWORK),
    _since_today(*_NETWORKS),
)

country_failures = Signal(
    "payment_country:failures:increase10m",
    "Attempts by card that failed in 10 minutes, for any reason, by the card's country",
    Unit.COUNT,
    _failures(attempts_by_country, COUNTRY),
    Example.over(
        minutes(10),
        _now(*_COUNTRIES),
        (('country="fr"', "5"), ('country="us"', "5"), ('country="other"', "0")),
    ),
)

_COUNTRY_NOW = Example.over(minutes(10), _now(*_COUNTRIES), (('country="fr"', "0.4"), ('country="us"', "-0.4")))

country_gap = Signal(
    "payment_country:failure_gap:ratio_rate10m",
    "Share of attempts by card that fail in a country, less the share in all others, over 10 minutes",
    Unit.EXCESS,
    _gap(attempts_by_country, COUNTRY, "10m"),
    _COUNTRY_NOW,
    also=(_alone("fr", _COUNTRY_NOW),),
)

country_usual_gap = Signal(
    "payment_country:failure_gap:ratio_rate1d",
    "Share of attempts by card that fail in a country, less the share in all others, over the day before",
    Unit.EXCESS,
    _gap(attempts_by_country, COUNTRY, "1d", "10m"),
    _for_a_day(*_COUNTRIES),
)

country_excess = Signal(
    "payment_country:failure_excess:ratio10m",
    "By how much cards of a country fail more than all others, compared with the day before",
    Unit.EXCESS,
    _excess(country_gap, country_usual_gap, COUNTRY),
    _since_today(*_COUNTRIES),
)

_BECAUSE = (
    "countries and networks differ in what they decline, so that each is compared with its own day before; a quarter "
    "more than that, while the others are as ever, is no issuer's mood"
)
_FLOOR = "fewer than ten failures in ten minutes may be chance"

network_failing = Alert(
    "PaymentNetworkFailing",
    watches=network_excess,
    thresholds=(
        above(
            "0.25",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(10),
            because=_BECAUSE,
        ),
    ),
    guards=(only_if(network_failures, ">=", 10, _FLOOR),),
    summary="Cards of one network fail while those of the others work.",
    description="Attempts with {network} fail {value} more often than with other networks, compared with the day before.",
    runbook=Runbook(
        meaning="One card network, or the way to it, is broken: its attempts fail, the others' do not.",
        impact="Customers with these cards have to pay in another way, or leave.",
        diagnosis=(
            Step("Look at the decline codes: issuer_not_available and processing_error mean the network's own fault."),
            STRIPE_STATUS,
            Step("Ask whether a fraud rule of ours was changed that names this network."),
        ),
        mitigation=(Step("Tell customers in the checkout that another card may work."), CALL_STRIPE),
    ),
    hidden_by=(outcomes.complete_failure, outcomes.degraded),
    serves=("SEV-P3", "RSP-02"),
)

country_failing = Alert(
    "PaymentCardCountryFailing",
    watches=country_excess,
    thresholds=(
        above(
            "0.25",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(10),
            because=_BECAUSE,
        ),
    ),
    guards=(only_if(country_failures, ">=", 10, _FLOOR),),
    summary="Cards of one country fail while those of the others work.",
    description="Attempts with cards of {country} fail {value} more often than others, compared with the day before.",
    runbook=Runbook(
        meaning="Issuers of one country decline, or the authentication there is broken; elsewhere payments work.",
        impact="Customers of that country cannot pay.",
        diagnosis=(
            Step("Look at attempts by authentication: did challenges begin to fail? That is the issuers' 3-D Secure."),
            Step("Look at the decline codes: do_not_honor from everybody is a large bank's or a processor's fault."),
            STRIPE_STATUS,
            Step("Ask whether a fraud rule of ours was changed that names this country."),
        ),
        mitigation=(Step("Offer another method of payment to these customers."), CALL_STRIPE),
    ),
    hidden_by=(outcomes.complete_failure, outcomes.degraded),
    serves=("SEV-P3", "RSP-02"),
)
