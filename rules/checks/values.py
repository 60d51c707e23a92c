"""Can a clock, a mail server, a browser and Alertmanager read what the organisation says?

Each would otherwise say so itself: at night, in the log of a server that keeps its old configuration.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from rules.checks.problem import Problem
from rules.index import Index
from rules.vocabulary import OTHER, Channel, Contact, Delivery, Environment, Organisation

__all__ = ["CHECKS"]

PLACE = "organisation"

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CURRENCIES = frozenset(
    [
        "aed",
        "afn",
        "all",
        "amd",
        "ang",
        "aoa",
        "ars",
        "aud",
        "awg",
        "azn",
        "bam",
        "bbd",
        "bdt",
        "bgn",
        "bhd",
        "bif",
        "bmd",
        "bnd",
        "bob",
        "brl",
        "bsd",
        "btn",
        "bwp",
        "byn",
        "bzd",
        "cad",
        "cdf",
        "chf",
        "clp",
        "cny",
        "cop",
        "crc",
        "cup",
        "cve",
        "czk",
        "djf",
        "dkk",
        "dop",
        "dzd",
        "egp",
        "ern",
        "etb",
        "eur",
        "fjd",
        "fkp",
        "gbp",
        "gel",
        "ghs",
        "gip",
        "gmd",
        "gnf",
        "gtq",
        "gyd",
        "hkd",
        "hnl",
        "hrk",
        "htg",
        "huf",
        "idr",
        "ils",
        "inr",
        "iqd",
        "irr",
        "isk",
        "jmd",
        "jod",
        "jpy",
        "kes",
        "kgs",
        "khr",
        "kmf",
        "kpw",
        "krw",
        "kwd",
        "kyd",
        "kzt",
        "lak",
        "lbp",
        "lkr",
        "lrd",
        "lsl",
        "lyd",
        "mad",
        "mdl",
        "mga",
        "mkd",
        "mmk",
        "mnt",
        "mop",
        "mru",
        "mur",
        "mvr",
        "mwk",
        "mxn",
        "myr",
        "mzn",
        "nad",
        "ngn",
        "nio",
        "nok",
        "npr",
        "nzd",
        "omr",
        "pab",
        "pen",
        "pgk",
        "php",
        "pkr",
        "pln",
        "pyg",
        "qar",
        "ron",
        "rsd",
        "rub",
        "rwf",
        "sar",
        "sbd",
        "scr",
        "sdg",
        "sek",
        "sgd",
        "shp",
        "sle",
        "sll",
        "sos",
        "srd",
        "ssp",
        "stn",
        "syp",
        "szl",
        "thb",
        "tjs",
        "tmt",
        "tnd",
        "top",
        "try",
        "ttd",
        "twd",
        "tzs",
        "uah",
        "ugx",
        "usd",
        "uyu",
        "uzs",
        "ves",
        "vnd",
        "vuv",
        "wst",
        "xaf",
        "xcd",
        "xof",
        "xpf",
        "yer",
        "zar",
        "zmw",
    ]
)
"""ISO 4217, as Stripe writes it."""
PAYMENT_METHODS = frozenset(
    [
        "acss_debit",
        "affirm",
        "afterpay_clearpay",
        "alipay",
        "alma",
        "amazon_pay",
        "apple_pay",
        "au_becs_debit",
        "bacs_debit",
        "bancontact",
        "billie",
        "blik",
        "boleto",
        "card",
        "card_present",
        "cashapp",
        "crypto",
        "customer_balance",
        "eps",
        "fpx",
        "giropay",
        "google_pay",
        "grabpay",
        "ideal",
        "interac_present",
        "kakao_pay",
        "klarna",
        "konbini",
        "kr_card",
        "link",
        "mb_way",
        "mobilepay",
        "multibanco",
        "naver_pay",
        "nz_bank_account",
        "oxxo",
        "p24",
        "pay_by_bank",
        "payco",
        "paynow",
        "paypal",
        "pix",
        "promptpay",
        "revolut_pay",
        "samsung_pay",
        "satispay",
        "sepa_debit",
        "sofort",
        "swish",
        "twint",
        "us_bank_account",
        "wechat_pay",
        "zip",
    ]
)
"""Stripe's own names, and those of the wallets that it reports on a card; there are new ones every year."""

_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?\Z")
_METHOD = re.compile(r"[a-z][a-z0-9_]*\Z")
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z|24:00\Z")
_MAIL = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\".]+(?:\.[^\s@<>,;\".]+)+\Z")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_CHANNEL = re.compile(r"(?:#[^\s#@,.A-Z]{1,79}|[CGUD][A-Z0-9]{8,}|@\S+)\Z")
_LONGEST_NAME = 30


def names(index: Index) -> Iterator[Problem]:
    """The team, the service and each environment have names that fit into labels, files, addresses and Kubernetes."""
    organisation = index.organisation
    if not organisation.name.strip():
        yield Problem(f"{PLACE}: name", "is empty", "say what the organisation is called")
    for what, name in (
        ("team", organisation.team),
        ("service", organisation.service),
        *(("environment", environment.name) for environment in organisation.environments),
    ):
        if not _NAME.match(name) or len(name) > _LONGEST_NAME:
            yield Problem(
                f"{PLACE}: {what} {name}",
                f"has a name that cannot be part of labels, file names and addresses alike: {name!r}",
                f"use lower-case letters, digits and hyphens, at most {_LONGEST_NAME}: {_as_name(name)}",
            )
    if not organisation.environments:
        yield Problem(f"{PLACE}: environments", "are none", "name at least one environment")
    if not _WORD.match(organisation.feature_flag):
        yield Problem(
            f"{PLACE}: feature_flag",
            f"is {organisation.feature_flag!r}, which cannot be part of an address",
            "write the flag's key as the flag service has it, without spaces",
        )


def business_hours(index: Index) -> Iterator[Problem]:
    """Alertmanager refuses a weekday, an hour or a time zone that it does not know."""
    hours = index.organisation.business_hours
    where = f"{PLACE}: business_hours"
    for day in hours.weekdays:
        if day not in WEEKDAYS:
            close = get_close_matches(day.lower(), WEEKDAYS, n=1, cutoff=0.4)
            yield Problem(where, f"names {day!r}, which is no weekday", f"write {close[0] if close else WEEKDAYS[0]}")
    if not hours.weekdays:
        yield Problem(where, "has no weekdays, so that no ticket is ever told", "name at least one weekday")
    if len(set(hours.weekdays)) != len(hours.weekdays):
        yield Problem(where, "names a weekday twice", "name each once")
    times = (("start", hours.start), ("end", hours.end))
    for what, time in times:
        if not _CLOCK.match(time):
            yield Problem(where, f"has the {what} {time!r}, which is no time of day", "write it as 09:00, in 24 hours")
    if all(_CLOCK.match(time) for _, time in times) and hours.start >= hours.end:
        yield Problem(
            where,
            f"ends at {hours.end}, which is not after {hours.start}",
            "end after the start, on the same day; Alertmanager knows no hours across midnight",
        )
    try:
        ZoneInfo(hours.timezone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        zones = available_timezones()
        if not zones:  # a machine without the list cannot tell
            return
        close = get_close_matches(hours.timezone, sorted(zones), n=1)
        yield Problem(
            where,
            f"has the time zone {hours.timezone!r}, which nobody knows",
            f"write {close[0] if close else 'Europe/Berlin, or Etc/UTC'}, as the IANA's list has it",
        )


def addresses(index: Index) -> Iterator[Problem]:
    """What is opened, asked or linked to is an address that a browser and Alertmanager understand."""
    organisation = index.organisation
    holders: list[tuple[str, Organisation | Delivery | Environment]] = [
        (PLACE, organisation),
        (PLACE, organisation.delivery),
        *((f"{PLACE}: environment {one.name}", one) for one in organisation.environments),
    ]
    for where, holder in holders:
        for name in (field.name for field in fields(holder) if field.name.endswith("_url")):
            value = getattr(holder, name)
            if value is not None:
                yield from _bad_url(f"{where}: {name}" if where == PLACE else f"{where}, {name}", value, base=True)
    for link in organisation.links:
        yield from _bad_url(f"{PLACE}: link {link.title!r}", link.url, base=False)
    if organisation.runbook_suffix and not re.fullmatch(r"\.[A-Za-z0-9]+", organisation.runbook_suffix):
        yield Problem(
            f"{PLACE}: runbook_suffix",
            f"is {organisation.runbook_suffix!r}, with which no page's name ends",
            "write .md or .html, or nothing",
        )


def contacts(index: Index) -> Iterator[Problem]:
    """An address suits the way by which it is reached."""
    for contact in index.organisation.contacts:
        what = _wrong_contact(contact) if contact.address.strip() else None
        if what is not None:
            yield Problem(f"{PLACE}: contact {contact.name}", *what)
    delivery = index.organisation.delivery
    where = f"{PLACE}: delivery"
    if not _MAIL.match(delivery.mail_sender):
        yield Problem(
            where, f"sends from {delivery.mail_sender!r}, which is no e-mail address", "write name@host.domain"
        )
    host, _, port = delivery.mail_host.rpartition(":")
    if not _HOST.match(host) or not port.isdecimal() or not 0 < int(port) < 65536:
        yield Problem(
            where, f"has the mail server {delivery.mail_host!r}", "write host and port, as smtp.example.com:587"
        )
    if not re.fullmatch(r"(?:/[A-Za-z0-9._-]+)+", delivery.secrets_folder):
        yield Problem(
            where,
            f"has the secrets in {delivery.secrets_folder!r}",
            "write an absolute path without a slash at its end: /etc/alertmanager/secrets",
        )


def allow_lists(index: Index) -> Iterator[Problem]:
    """A value that Stripe never sends would be counted as `other`, for ever and without a word."""
    organisation = index.organisation
    for name, values in (("payment_methods", organisation.payment_methods), ("currencies", organisation.currencies)):
        where = f"{PLACE}: {name}"
        if not values:
            yield Problem(where, "is empty, so that all counts as other", "list those that you accept")
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield Problem(where, f"lists {value!r} twice", "list each once")
    for method in organisation.payment_methods:
        where = f"{PLACE}: payment_methods"
        close = get_close_matches(method.lower().replace("-", "_").replace(" ", "_"), sorted(PAYMENT_METHODS), n=1)
        if method == OTHER:
            yield Problem(where, f"lists {OTHER!r}, which stands for all that is not listed", "leave it out")
        elif not _METHOD.match(method) or (method not in PAYMENT_METHODS and close):
            cure = f"write {close[0]}, if you mean that" if close else "write it as Stripe does: sepa_debit"
            yield Problem(where, f"lists {method!r}, which Stripe does not send", cure)
    for currency in organisation.currencies:
        if currency not in CURRENCIES:
            lower = currency.lower()
            cure = f"write {lower}" if lower in CURRENCIES else "write its three letters in lower case, as Stripe does"
            yield Problem(f"{PLACE}: currencies", f"lists {currency!r}, which is no currency's code", cure)


def quantities(index: Index) -> Iterator[Problem]:
    """Times and rates that people are held to are above nothing."""
    organisation = index.organisation
    for policy in organisation.policies:
        if policy.respond_within <= timedelta(0):
            yield Problem(
                f"{PLACE}: policy {policy.priority.value}",
                f"asks for a response within {policy.respond_within}",
                "give a time above 0",
            )
    attempts = organisation.attempts_per_minute
    if attempts is not None and not (Decimal(attempts).is_finite() and attempts > 0):
        yield Problem(
            f"{PLACE}: attempts_per_minute",
            "is not above 0",
            "give the mean of attempts a minute at 100 %, or leave it away where nobody knows",
        )
    if organisation.rate_limit_per_minute <= 0:
        yield Problem(
            f"{PLACE}: rate_limit_per_minute", "is not above 0", "give the requests a minute that one may make"
        )
    if organisation.stakeholder_update_every < timedelta(minutes=1):
        yield Problem(f"{PLACE}: stakeholder_update_every", "is under a minute", "give at least a minute")


def _as_name(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return words if _NAME.match(words) else "payments"


def _bad_url(where: str, url: str, *, base: bool) -> Iterator[Problem]:
    parts = None
    port: int | None = None
    with suppress(ValueError):
        read = urlsplit(url)
        port = read.port
        parts = read
    fine = parts is not None and parts.scheme in ("http", "https") and _HOST.match(parts.hostname or "")
    if not fine or port == 0 or re.search(r"[\s\"'<>{}|\\^`]", url):
        cure = f"write https://{url}" if _HOST.match(url.split("/")[0]) and "." in url else "write https://host/path"
        yield Problem(where, f"is {url!r}, which is no address", cure)
    elif base and (url.endswith("/") or parts is None or parts.query or parts.fragment):
        yield Problem(where, f"is {url!r}, behind which no path can stand", f"write {url.rstrip('/?#').split('?')[0]}")


def _wrong_contact(contact: Contact) -> tuple[str, str] | None:
    address = contact.address
    match contact.channel:
        case Channel.EMAIL if not _MAIL.match(address):
            return f"has the address {address!r}, which is no e-mail address", "write name@host.domain"
        case Channel.SLACK if not _CHANNEL.match(address):
            return (
                f"has the address {address!r}, which is no channel",
                "write #channel in lower case without spaces, or the channel's id",
            )
        case Channel.PAGERDUTY | Channel.TICKET | Channel.DEAD_MAN_SWITCH if not _WORD.match(address):
            return (
                f"has the address {address!r}, which becomes part of a file's name or of an address",
                "use letters, digits, hyphens and underscores, without spaces",
            )
        case Channel.PHONE if not re.fullmatch(r"\+?[0-9][0-9 ()./-]{4,}", address):
            return f"has the number {address!r}", "write it as +1-888-926-2289"
    return None


CHECKS = (names, business_hours, addresses, contacts, allow_lists, quantities)
