"""What does a new project need to know, and which answers make sense?"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from generators.folders import OF_ALL
from rules.checks.values import CURRENCIES, PAYMENT_METHODS

__all__ = ["Answers", "WrongAnswer"]

_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?\Z")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\Z")
_PRODUCTION = re.compile(r"prod|live")
_LONGEST_GROUP = 40
_LONGEST_AREA = len("governance")


class WrongAnswer(ValueError):  # noqa: N818 - an answer, not a failure of the program
    """An answer of which nothing can be made: which, why, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Everything that a new project is made of. Raises WrongAnswer for the first that makes no sense."""

    organisation: str
    domain: str
    team: str
    services: tuple[str, ...]
    environments: tuple[str, ...]
    payment_methods: tuple[str, ...]
    currencies: tuple[str, ...]
    timezone: str
    pagerduty: str
    slack: str
    postgres: bool
    flag: bool
    inbox: bool

    def __post_init__(self) -> None:
        if not self.organisation.strip() or "\n" in self.organisation:
            raise WrongAnswer("--organisation is empty; say what it is called, on one line")
        if not _DOMAIN.match(self.domain):
            raise WrongAnswer(f"--domain {self.domain!r} is no domain; write one such as shop.example")
        for option, names in (("team", (self.team,)), ("service", self.services), ("environment", self.environments)):
            for name in names:
                if not _NAME.match(name):
                    raise WrongAnswer(
                        f"--{option} {name!r} cannot be part of labels and file names; "
                        "use lower-case letters, digits and hyphens"
                    )
                if option != "team" and name in OF_ALL:
                    raise WrongAnswer(f"--{option} {name!r} is the name of a folder that all share; choose another")
            if not names or len(set(names)) != len(names):
                raise WrongAnswer(f"--{option} is given never, or twice the same; name each once")
        longest = max(map(len, self.services)) + max(map(len, self.environments)) + _LONGEST_AREA + 2
        if longest > _LONGEST_GROUP:
            raise WrongAnswer(
                f"the longest --service and --environment have {longest - _LONGEST_AREA - 2} letters together, and "
                f"a group of rules has room for {_LONGEST_GROUP - _LONGEST_AREA - 2}; shorten one"
            )
        for currency in self.currencies:
            if currency not in CURRENCIES:
                raise WrongAnswer(f"--currency {currency!r} is no currency's code; write three lower-case letters: usd")
        for method in self.payment_methods:
            if method not in PAYMENT_METHODS:
                raise WrongAnswer(f"--payment-method {method!r} is none of Stripe's; write one such as sepa_debit")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise WrongAnswer(
                f"--timezone {self.timezone!r} is no time zone; write one such as Europe/Berlin"
            ) from None
        if not re.fullmatch(r"#[^\s#A-Z]+", self.slack):
            raise WrongAnswer(f"--slack {self.slack!r} is no channel; write it as #payments-oncall")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.pagerduty):
            raise WrongAnswer(f"--pagerduty {self.pagerduty!r} cannot name a file; use letters and hyphens")

    @property
    def without(self) -> tuple[str, ...]:
        """The names of the sources that are left out."""
        left_out = [] if self.postgres else ["POSTGRES", "RECONCILIATION"]
        left_out += [] if self.postgres and self.inbox else ["WEBHOOK_INBOX"]
        return (*left_out, *(() if self.flag else ("FLAG",)))

    @property
    def because(self) -> str:
        """Why they are left out."""
        lacking = [word for word, there in (("database", self.postgres), ("flag service", self.flag)) if not there]
        if self.postgres and not self.inbox:
            lacking.append("inbox of webhooks")
        return f"we have no {' and no '.join(lacking)} that the exporter could read"

    def pages(self, environment: str) -> bool:
        """Whether somebody is woken there: in the only one, and in those that are production by their name."""
        named = [one for one in self.environments if _PRODUCTION.search(one)]
        return environment in (named or self.environments[:1])

    def host(self, environment: str) -> str:
        """Where the service answers in that environment, until somebody corrects it."""
        return f"api.{self.domain}" if environment in ("production", "live") else f"api.{environment}.{self.domain}"

    @staticmethod
    def today() -> tuple[date, date]:
        """This day, and the same in half a year, for what is declared first."""
        day = datetime.now(UTC).date()
        return day, day + timedelta(days=182)
