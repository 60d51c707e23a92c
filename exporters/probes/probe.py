"""Is the front door sound: certificates, HTTPS, security headers, and does the webhook endpoint refuse the unsigned?

What a probe could not find out is absent, host by host; only where none found out anything is there no sample. No
certificate is verified: nothing secret is sent, and an expired certificate must not hide the other facts. No proxy is
used: the door itself is looked at.
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from exporters.probes.certificate import Validity, served_validity
from exporters.probes.fetch import Answer, Fetcher, NoAnswerError
from exporters.probes.settings import ProbedHost, ProbeSettings
from exporters.process.logs import LOGGER
from exporters.sampling.model import Distribution, ErrorClass, Reading, SampleError, Sampler, Snapshot, reading
from rules.payments import health, webhooks
from rules.vocabulary import Source

__all__ = ["ProbeSampler"]

_REDIRECTS = frozenset({301, 302, 307, 308})
_REFUSALS = frozenset(range(400, 500)) - {404, 405, 408, 410, 429}
"""Answers that turn a request down for what it is; the others say that it came to the wrong place or too often."""

_UNSIGNED = b'{"id":"evt_unsigned","object":"event","type":"payments_exporter.unsigned","livemode":false,"data":{}}'
"""An event that Stripe never sends: an endpoint that takes it in finds nothing to do."""

_LARGEST = 64 * 1024

_log = logging.getLogger(LOGGER)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Unknown:
    """What a probe could not find out, and why."""

    where: str
    kind: ErrorClass
    what: str
    how_to_fix: str = "see whether this machine can reach what probe.hosts names"

    def error(self) -> SampleError:
        """As what it is told."""
        return SampleError(self.kind, self.where, self.what, self.how_to_fix)


_Finding = Reading | _Unknown


class ProbeSampler(Sampler):
    """The sampler of the front door."""

    def __init__(self, settings: ProbeSettings) -> None:
        self._settings = settings
        self._within = settings.timeout.total_seconds()
        self._fetcher = Fetcher(verify=False, proxies_of_environment=False)
        self._said: frozenset[_Unknown] = frozenset()
        self._sent = 0

    @property
    def source(self) -> Source:
        return Source.PROBE

    @property
    def interval(self) -> timedelta:
        return self._settings.interval

    @property
    def max_age(self) -> timedelta:
        return self._settings.max_age

    async def sample(self, now: float) -> Snapshot:
        """Every probe at once, within one timeout. Raises SampleError where none of them found out anything."""
        probes = [self._front_door(host) for host in self._settings.hosts]
        if self._settings.webhook_url is not None:
            probes.append(self._unsigned_webhook(str(self._settings.webhook_url)))
        findings = [finding for part in await asyncio.gather(*probes) for finding in part]
        unknown = [finding for finding in findings if isinstance(finding, _Unknown)]
        if len(unknown) == len(findings):
            raise unknown[0].error()
        self._say(frozenset(unknown))
        readings = tuple(finding for finding in findings if isinstance(finding, Reading))
        return Snapshot(self.source, taken_at=now, complete_until=now, readings=readings)

    @property
    def unknown(self) -> tuple[SampleError, ...]:
        """What the latest sample could not find out while it found out something else."""
        return tuple(gap.error() for gap in sorted(self._said, key=lambda gap: gap.where))

    def about(self) -> tuple[Reading | Distribution, ...]:
        """How many requests without a signature the payments service may have counted that nobody forged."""
        return (reading(webhooks.unsigned_sent, self._sent),) if self._settings.webhook_url else ()

    async def close(self) -> None:
        """Let go of the HTTP client."""
        await self._fetcher.close()

    async def _front_door(self, host: ProbedHost) -> tuple[_Finding, ...]:
        certificate, plain, secure = await asyncio.gather(
            _attempt(served_validity(host.host, host.https_port, self._within, self._authorities())),
            _attempt(self._ask("GET", host.url("http"))),
            _attempt(self._ask("GET", host.url("https"))),
        )
        return (
            *_validity(host.host, certificate),
            _https_enforced(host.host, plain, certificate),
            *_headers(host.host, self._settings.headers, secure),
        )

    def _authorities(self) -> str | None:
        """The roots that customers' browsers trust, as far as the settings say it."""
        return self._settings.ca_file.current().pem if self._settings.ca_file else None

    async def _unsigned_webhook(self, url: str) -> tuple[_Finding, ...]:
        answer = await _attempt(self._ask("POST", url, content=_UNSIGNED))
        self._sent += not isinstance(answer, NoAnswerError) or answer.connected
        return (_rejects_unsigned(answer),)

    async def _ask(self, method: str, url: str, content: bytes | None = None) -> Answer:
        return await self._fetcher.fetch(
            method,
            url,
            within=self._within,
            largest=_LARGEST,
            headers={"content-type": "application/json"} if content else None,
            content=content,
        )

    def _say(self, unknown: frozenset[_Unknown]) -> None:
        for gap in sorted(unknown - self._said, key=lambda gap: gap.where):
            _log.warning("%s: not known: %s", gap.where, gap.what)
        self._said = unknown


async def _attempt(probe: Awaitable[_T]) -> _T | NoAnswerError:
    try:
        return await probe
    except NoAnswerError as gap:
        return gap


def _validity(host: str, certificate: Validity | NoAnswerError) -> Iterator[_Finding]:
    if isinstance(certificate, NoAnswerError):
        yield _Unknown(f"the certificate of {host}", certificate.kind, certificate.what)
        return
    yield reading(health.certificate_not_before, certificate.not_before, host=host, certificate=certificate.which)
    yield reading(health.certificate_not_after, certificate.not_after, host=host, certificate=certificate.which)


def _https_enforced(host: str, plain: Answer | NoAnswerError, certificate: Validity | NoAnswerError) -> _Finding:
    """A plain port that nobody can connect to is closed only where the other one is open: else the host may be down."""
    match plain:
        case Answer():
            to_https = plain.headers.get("location", "").lower().startswith("https://")
            return reading(health.https_enforced, plain.status in _REDIRECTS and to_https, host=host)
        case NoAnswerError(connected=False, ours=False) if isinstance(certificate, Validity):
            return reading(health.https_enforced, 1, host=host)
    return _Unknown(f"plain HTTP of {host}", plain.kind, plain.what)


def _headers(host: str, wanted: tuple[str, ...], secure: Answer | NoAnswerError) -> Iterator[_Finding]:
    """A server error may come from a stage before the one that sets headers, and says nothing about them."""
    if isinstance(secure, NoAnswerError):
        yield _Unknown(f"the headers of {host}", secure.kind, secure.what)
    elif secure.status >= 500:
        yield _Unknown(f"the headers of {host}", ErrorClass.BAD_ANSWER, f"it answered {secure.status}")
    else:
        for header in wanted:
            present = bool(secure.headers.get(header, "").strip())
            yield reading(health.header_present, present, host=host, header=header)


def _rejects_unsigned(answer: Answer | NoAnswerError) -> _Finding:
    where, how_to_fix = (
        "probe.webhook_url",
        "write the address that Stripe calls, and see whether this machine reaches it",
    )
    if isinstance(answer, NoAnswerError):
        return _Unknown(where, answer.kind, answer.what, how_to_fix)
    if 200 <= answer.status < 300:
        return reading(webhooks.rejects_unsigned, 0)
    if answer.status in _REFUSALS:
        return reading(webhooks.rejects_unsigned, 1)
    what = f"it answered {answer.status}, which says nothing about signatures"
    return _Unknown(where, ErrorClass.BAD_ANSWER, what, how_to_fix)
