"""Is the payments service well, by its own account and by ours?

An endpoint that cannot be reached, answers late, or answers nonsense is a fact: payments_health_up is 0, and of the
rest there is whatever could be read. Only where this machine is at fault (its resolver, its proxy, its limits) is
there no sample.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from exporters.probes.fetch import Answer, Fetcher, NoAnswerError
from exporters.probes.foreign_json import NotJsonError, number_in, parse, value_at
from exporters.probes.settings import Dialect, HealthSettings
from exporters.process.logs import LOGGER
from exporters.sampling.model import Reading, SampleError, Sampler, Snapshot, reading
from rules.payments import health
from rules.vocabulary import Source

__all__ = ["HealthSampler", "ailment", "moment", "readings"]

_LARGEST = 64 * 1024
_LONGEST_WORD = 50
_NOT_WELL = ", which is not among health.well"
_USUAL = Dialect()
_CHECKS_AT = ("/checks", "/components", "/entries", "/results")
"""Where frameworks keep the checks: the runbook's service, Spring, .NET."""

_log = logging.getLogger(LOGGER)


class HealthSampler(Sampler):
    """The sampler of the health endpoint; `monotonic` gives seconds that never go back."""

    def __init__(self, settings: HealthSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._fetcher = Fetcher(authorities=settings.ca_file, proxies_of_environment=True)
        self._said = ""
        self._by_itself = False

    @property
    def source(self) -> Source:
        return Source.HEALTH

    @property
    def interval(self) -> timedelta:
        return self._settings.interval

    @property
    def max_age(self) -> timedelta:
        return self._settings.max_age

    async def sample(self, now: float) -> Snapshot:
        """One request. Raises SampleError where this machine is at fault."""
        try:
            found = await self._ask()
        except NoAnswerError as gap:
            if gap.ours:
                raise SampleError(
                    gap.kind, "health.url", gap.what, "mend this machine's name server, proxy or limits"
                ) from None
            self._say(gap.what)
            self._by_itself = False
            found = (reading(health.up, 0),)
        return Snapshot(self.source, taken_at=now, complete_until=now, readings=found)

    @property
    def ailment(self) -> str:
        """Why the latest answer did not say that the service is well; empty where it did."""
        return self._said

    @property
    def says_so_itself(self) -> bool:
        """Whether the latest answer was the service's own word that it is not well: no wrong address would give it."""
        return self._by_itself

    async def close(self) -> None:
        """Close the connection that is kept between samples."""
        await self._fetcher.close()

    async def _ask(self) -> tuple[Reading, ...]:
        url, within = str(self._settings.url), self._settings.timeout.total_seconds()
        asked = self._monotonic()
        answer = await self._fetcher.fetch("GET", url, within=within, largest=_LARGEST)
        self._say(ailment(answer, self._settings))
        self._by_itself = answer.status >= 500 or self._said.endswith(_NOT_WELL)
        return readings(answer, max(self._monotonic() - asked, 0.0), self._settings)

    def _say(self, why: str) -> None:
        if why and why != self._said:
            _log.warning("health.url: the payments service is not well: %s", why)
        elif self._said and not why:
            _log.info("health.url: the payments service is well again")
        self._said = why


def ailment(answer: Answer, dialect: Dialect) -> str:
    """Why the answer does not say that the service is well; empty where it does."""
    if answer.status != 200:
        return f"it answered {answer.status}"
    if answer.body is None:
        return answer.unread
    try:
        document = parse(answer.body)
    except NotJsonError:
        if not _is_plain_text(answer):
            return "its body is not JSON"
        said = answer.body[:_LONGEST_WORD].decode(errors="replace").strip()
        return "" if said.lower() in dialect.well else f"it says {said!r}{_NOT_WELL}"
    if not document.valid:
        return "its JSON holds NaN or Infinity, which JSON does not have"
    said_there = value_at(document.value, dialect.status_pointer)
    if not isinstance(said_there, str):
        return f"its JSON holds no word at {dialect.status_pointer} (health.status_pointer)"
    if said_there.strip().lower() not in dialect.well:
        word = said_there[:_LONGEST_WORD]
        return f"its {dialect.status_pointer} says {word!r}{_NOT_WELL}"
    return ""


def _is_plain_text(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/plain"


def readings(answer: Answer, took: float, dialect: Dialect = _USUAL) -> tuple[Reading, ...]:
    """Everything that one answer says, `took` being the seconds until it was whole.

    A field that is missing, of the wrong type or out of range has no reading, and the others have theirs. A check that
    says none of the words that mean well is 0, and so is one that says something other than a word. Checks that the
    runbook does not name are passed over.
    """
    try:
        value = parse(answer.body or b"").value
    except NotJsonError:
        value = None
    return (
        reading(health.up, not ailment(answer, dialect)),
        reading(health.response, took),
        *_checks(value, dialect),
        *_reported(value, dialect),
    )


def _checks(value: object, dialect: Dialect) -> Iterator[Reading]:
    words = {*dialect.well, *dialect.well_checks}
    for check in health.CHECK.values:
        pointers = [dialect.checks[check]] if check in dialect.checks else [f"{at}/{check}" for at in _CHECKS_AT]
        found = [said for pointer in pointers for said in _at(value, pointer)]
        if found:
            yield reading(health.check_ok, _word(found[0]) in words, check=check)


def _at(value: object, pointer: str) -> Iterator[object]:
    """What stands at the pointer, null included; nothing where it leads nowhere."""
    above, _, name = pointer.rpartition("/")
    inside = value_at(value, above) if above else value
    key = name.replace("~1", "/").replace("~0", "~")
    if isinstance(inside, Mapping) and key in inside:
        yield inside[key]


def _word(said: object) -> str:
    """What a check says: a word, or a mapping, or a list of them, with one as its status."""
    match said:
        case str():
            return said.strip().lower()
        case {"status": str(word)} | [{"status": str(word)}, *_]:
            return word.strip().lower()
    return ""


def _reported(value: object, dialect: Dialect) -> Iterator[Reading]:
    milliseconds = number_in(value_at(value, dialect.response_time_pointer))
    if milliseconds is not None:
        yield reading(health.reported_response, milliseconds / 1000)
    per_minute = number_in(value_at(value, dialect.rate_pointer))
    if per_minute is not None:
        yield reading(health.reported_rate, per_minute)
    success = number_in(value_at(value, dialect.success_pointer), highest=1)
    if success is not None:
        yield reading(health.reported_success, success)
    at = moment(value_at(value, dialect.timestamp_pointer))
    if at is not None:
        yield reading(health.reported_at, at)


def moment(text: object) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None for anything else, or without an offset from UTC, or before 1970."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return number_in(time.timestamp()) if time.tzinfo else None
