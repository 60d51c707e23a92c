"""Which words of a definition does each team fill in?

A definition quotes a place as it would the word itself: `f"curl {API_URL}/health"`, `Label("currency", (CURRENCIES, OTHER))`.
Until a catalog is made for a service, the place stands there as a mark. So nothing may be formatted, sorted or compared by
it before: `rules.composition` fills every place, and whatever is made of a catalog is made after that.
"""

import re

__all__ = [
    "API_HOST",
    "API_URL",
    "APPLICATION_JOB",
    "APPLICATION_JOBS",
    "CURRENCIES",
    "ENVIRONMENT",
    "EXPORTER_JOB",
    "EXPORTER_JOBS",
    "FLAG",
    "FLAGS_URL",
    "PAYMENT_METHODS",
    "RATE_LIMIT",
    "SERVICE",
    "TEAM",
    "is_place",
    "places_in",
]

_PLACE = re.compile("⟦([a-z_]+)⟧")


def _place(name: str) -> str:
    return f"⟦{name}⟧"


SERVICE = _place("service")
TEAM = _place("team")
ENVIRONMENT = _place("environment")
API_URL = _place("api_url")
API_HOST = _place("api_host")
"""The host of the API alone, for what asks about its certificate and its headers."""
FLAGS_URL = _place("flags_url")
FLAG = _place("feature_flag")
RATE_LIMIT = _place("rate_limit_per_minute")
EXPORTER_JOBS = _place("exporter_jobs")
"""Every scrape job of the exporter, in a matcher: `job="..."`."""
EXPORTER_JOB = _place("exporter_job")
"""The first of them, in a series of an example and in prose."""
APPLICATION_JOBS = _place("application_jobs")
APPLICATION_JOB = _place("application_job")
PAYMENT_METHODS = _place("payment_methods")
CURRENCIES = _place("currencies")


def is_place(text: str) -> bool:
    """Whether the text is a place and nothing else.

    >>> is_place(API_URL), is_place(f"{API_URL}/health")
    (True, False)
    """
    return _PLACE.fullmatch(text) is not None


def places_in(text: str) -> tuple[str, ...]:
    """The names of the places in the text.

    >>> places_in(f"curl {API_URL}/flags/{FLAG}")
    ('api_url', 'feature_flag')
    """
    return tuple(_PLACE.findall(text))
