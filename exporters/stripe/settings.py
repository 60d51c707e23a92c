"""What may be set about Stripe and about the state that makes its counters exact?

Durations are seconds (`15`) or ISO 8601 (`PT15S`).
"""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, HttpUrl, model_validator
from pydantic_core import PydanticCustomError

from exporters.configuration.dsn import Dsn
from exporters.configuration.secrets import Secret, Section

__all__ = ["StateSettings", "StripeSettings"]

Duration = Annotated[timedelta, Field(gt=timedelta(), le=timedelta(days=1))]


def _api(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None or url.query is not None or (url.path or "/") != "/":
        raise PydanticCustomError("api_url", "the address holds more than scheme, host and port; write those alone")
    if url.scheme != "https" and not _loopback(url.host or ""):
        raise PydanticCustomError("api_url", "the key would travel in the clear; write https://")
    return url


def _loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _key(key: Secret) -> Secret:
    if not _is_a_key(key.get_secret_value()):
        raise PydanticCustomError("api_key", "not a secret or restricted key; Stripe's begin with rk_ or sk_")
    return key.only_if(_is_a_key)


def _is_a_key(text: str) -> bool:
    return text.startswith(("rk_", "sk_")) and text.isascii() and text.isprintable()


def _address(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None or url.query is not None:
        what = "the address holds a user name, a password or a query; leave them out, they are not compared"
        raise PydanticCustomError("webhook_url", what)
    return url


def _account(id_: str) -> str:
    if id_ and not re.fullmatch(r"acct_[A-Za-z0-9]+", id_):
        raise PydanticCustomError("account", "not the id of an account; Stripe's begin with acct_")
    return id_


class StateSettings(Section):
    """Where counters, seen events and day buckets are kept between two starts."""

    backend: Literal["sqlite", "memory", "postgres"] = "sqlite"
    path: Path = Path("/var/lib/paymon/stripe.sqlite3")
    dsn: Dsn | None = None
    largest_bytes: Annotated[int, Field(ge=1024 * 1024)] = 4 * 1024**3
    """Where the SQLite file stops growing; 30 days of a million payments take about 150 MB."""

    @model_validator(mode="after")
    def _dsn_for_postgres(self) -> "StateSettings":
        if (self.backend == "postgres") != (self.dsn is not None):
            raise PydanticCustomError("state_dsn", "the backend postgres needs a dsn, and only that one")
        return self


class StripeSettings(Section):
    """Stripe's API: how to reach it, and how many of the account's reads may be used."""

    PACE = frozenset({"read_share", "interval", "timeout", "first_scrapes"})

    api_key: Annotated[Secret, AfterValidator(_key)]
    api_url: Annotated[HttpUrl, AfterValidator(_api)] = HttpUrl("https://api.stripe.com")
    account: Annotated[str, AfterValidator(_account)] = ""
    """The connected account whose payments are watched with a platform's key (`acct_...`); empty for the key's own."""
    event_destination: bool = False
    """Whether events reach the payments service by an event destination (EventBridge, Event Grid, a thin webhook).

    Stripe lists those apart from webhook endpoints: nothing is said of endpoints then, nor of what they subscribe to.
    """
    webhook_urls: tuple[Annotated[HttpUrl, AfterValidator(_address)], ...] = ()
    """The addresses of the payments service's webhook endpoints, as Stripe's dashboard shows them.

    Other endpoints of the account (analytics, accounting) are not looked at then. Where none is said, it is the address
    in `probe.webhook_url`, if Stripe has an endpoint there.
    """
    webhook_api_version: str = ""
    """The API version that the payments service expects of its webhooks; empty where it does not care."""
    read_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The exporter's share of what Stripe allots to the account's reads."""
    interval: Duration = timedelta(seconds=15)
    """How often events are read where the allowance permits it."""
    timeout: Annotated[timedelta, Field(gt=timedelta(), le=timedelta(seconds=30))] = timedelta(seconds=10)
    first_scrapes: Annotated[timedelta, Field(ge=timedelta(), le=timedelta(hours=1))] = timedelta(seconds=60)
    """How long a new state shows its counters at 0 before it counts, so that no increase is lost to Prometheus."""
    backfill: bool = True
    """Whether the windows of a new state are filled from the 30 days of events that Stripe keeps."""
    state: StateSettings = StateSettings()

    @property
    def has_full_access(self) -> bool:
        """True where the key may do everything to the live account, which no monitoring needs."""
        return self.api_key.get_secret_value().startswith("sk_live_")

    @property
    def is_for_tests(self) -> bool:
        """True where the key reads a sandbox or test mode, and sees no real payment."""
        return self.api_key.get_secret_value().startswith(("rk_test_", "sk_test_"))

    @property
    def payments(self) -> str:
        """Whose payments are read, as far as it is said: `test` or `live`, and which connected account's."""
        return f"{'test' if self.is_for_tests else 'live'} {self.account}".strip()
