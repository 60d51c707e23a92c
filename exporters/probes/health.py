"""Is the payments service well, by its own account and by ours?

An endpoint that cannot be reached, answers late, or answers nonsense is a fact: payments_health_up is 0, and of the
rest there is whatever could be read. Only where this machine is at fault (its resolver, its proxy, its limits) is
there no sample.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from exporters.probes.fetch import Answer, Fetcher, NoAnswerError
from exporters.probes.foreign_json import Document, NotJsonError, number_in, parse, value_at
from exporters.probes.settings import HealthSettings
from exporters.process.logs import LOGGER
from exporters.sampling.model import Reading, SampleError, Sampler, Snapshot, reading
from rules.payments import health
from rules.vocabulary import Source

__all__ = ["HealthSampler", "moment", "readings"]

_LARGEST = 64 * 1024
_WELL = {
    "stripe_api": "connected",
    "webhook_endpoint": "verified",
    "database": "connected",
    "redis": "connected",
    "feature_flag": "enabled",
}
"""What each check says when all is well (runbook, Primary Health Endpoint)."""

_log = logging.getLogger(LOGGER)


class HealthSampler(Sampler):
    """The sampler of the health endpoint; `monotonic` gives seconds that never go back."""

    def __init__(self, settings: HealthSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._fetcher = Fetcher(authorities=settings.ca_file, proxies_of_environment=True, keep_alive=True)
        self._said = ""

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
            found = (reading(health.up, 0),)
        return Snapshot(self.source, taken_at=now, complete_until=now, readings=found)

    async def close(self) -> None:
        """Close the connection that is kept between samples."""
        await self._fetcher.close()

    async def _ask(self) -> tuple[Reading, ...]:
        url, within = str(self._settings.url), self._settings.timeout.total_seconds()
        asked = self._monotonic()
        answer = await self._fetcher.fetch("GET", url, within=within, largest=_LARGEST)
        found = readings(answer, max(self._monotonic() - asked, 0.0))
        well = reading(health.up, 1) in found
        self._say("" if well else f"it answered {answer.status}, or not with valid JSON and the status healthy")
        return found

    def _say(self, why: str) -> None:
        if why and why != self._said:
            _log.warning("health.url: the payments service is not well: %s", why)
        elif self._said and not why:
            _log.info("health.url: the payments service is well again")
        self._said = why


def readings(answer: Answer, took: float) -> tuple[Reading, ...]:
    """Everything that one answer says, `took` being the seconds until it was whole.

    A field that is missing, of the wrong type or out of range has no reading, and the others have theirs. A check that
    says another word than the runbook's is 0, and so is one that says something other than a word. Checks that the
    runbook does not name are passed over.
    """
    try:
        document = parse(answer.body or b"")
    except NotJsonError:
        document = Document(None, valid=False)
    value = document.value
    well = answer.status == 200 and document.valid and value_at(value, "/status") == "healthy"
    return (
        reading(health.up, well),
        reading(health.response, took),
        *_checks(value_at(value, "/checks")),
        *_reported(value),
    )


def _checks(checks: object) -> Iterator[Reading]:
    if isinstance(checks, Mapping):
        for check, word in _WELL.items():
            if check in checks:
                yield reading(health.check_ok, checks[check] == word, check=check)


def _reported(value: object) -> Iterator[Reading]:
    milliseconds = number_in(value_at(value, "/metrics/response_time_ms"))
    if milliseconds is not None:
        yield reading(health.reported_response, milliseconds / 1000)
    per_minute = number_in(value_at(value, "/metrics/transactions_per_minute"))
    if per_minute is not None:
        yield reading(health.reported_rate, per_minute)
    success = number_in(value_at(value, "/metrics/success_rate"), highest=1)
    if success is not None:
        yield reading(health.reported_success, success)
    at = moment(value_at(value, "/timestamp"))
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
