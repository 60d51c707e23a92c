"""Would the exporter find everything that it needs, and what is to be mended where it would not?

Nothing is left behind: Stripe's state is kept in memory, nobody stands for election, and the database is asked in
read-only transactions. The dozen reads of Stripe come out of the account's allotment.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg

from exporters.configuration.secrets import Secret
from exporters.configuration.settings import Settings
from exporters.postgres.connection import Row, is_pooled, opened, within
from exporters.postgres.failures import query_failure, silence
from exporters.postgres.leader import LeaderSettings
from exporters.probes.certificate import served_validity
from exporters.probes.fetch import NoAnswerError
from exporters.probes.health import HealthSampler
from exporters.probes.probe import ProbeSampler
from exporters.probes.settings import ProbeSettings
from exporters.process.assembly import assemble
from exporters.process.database_diagnosis import clock_skew, diagnose_database
from exporters.process.finding import Finding, Verdict, failed, fine, mend, note
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, Distribution, ErrorClass, Reading, SampleError, Sampler
from exporters.sampling.volume import most_series
from exporters.stripe.account import AccountSampler
from exporters.stripe.reading.client import StripeReads
from exporters.stripe.reading.governor import Governor
from exporters.stripe.settings import StateSettings, StripeSettings
from exporters.stripe.state import of_other_payments
from exporters.stripe.storage.database import OWNER, CorruptError
from exporters.stripe.storage.sqlite import owner_in
from exporters.stripe.webhooks import WebhooksSampler
from rules.catalog import PAYMENTS
from rules.payments import account, monitoring
from rules.vocabulary import Metric, Source

__all__ = ["Finding", "Verdict", "diagnose"]

_PERMISSIONS: Mapping[Source, Mapping[str, str]] = {
    Source.STRIPE_EVENTS: {"events": "Events"},
    Source.STRIPE_ACCOUNT: {"account": "Account", "balance": "Balance"},
    Source.STRIPE_WEBHOOKS: {"webhook_endpoints": "Webhook Endpoints", "events": "Events"},
    Source.STRIPE_DISPUTES: {"disputes": "Disputes"},
}
"""What a restricted key has to read for each source: the endpoints, and how Stripe's dashboard names each."""

_ASKED_BY_QUERY = {Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION}
"""Sources each of whose queries is tried by itself."""

_NO_WORD = (
    "see whether this is the address of its health endpoint, whether this machine reaches it, and whether "
    "health.status_pointer leads to its word"
)
_MONTH = timedelta(days=30).total_seconds()

_STATE = (
    "SELECT pg_is_in_recovery(), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),"
    " to_regclass('paymon_marks') IS NOT NULL"
)
_STATE_SECONDS = 5.0


async def diagnose(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Try everything that the configuration names, one after the other. Raises nothing for what it finds."""
    if settings.stripe:
        for finding in _key(settings.stripe):
            yield finding
        yield await _state(settings.stripe)
        if settings.leader and settings.stripe.state.backend == "sqlite":
            what = "sqlite keeps a file for each replica: one that leads later counts again from its own"
            yield note("stripe.state.backend", what, "use postgres where several replicas run")
    if settings.leader:
        yield await _election(settings.leader)
    if settings.postgres:
        async for finding in diagnose_database(settings.postgres, clock, stripe=settings.stripe is not None):
            yield finding
    async for finding in _sources(settings, clock):
        yield finding
    yield note("the web configuration", "not tried: `paymon exporter --web.config.file FILE --check-config` does")


def _key(settings: StripeSettings) -> Sequence[Finding]:
    wanted = ", ".join(dict.fromkeys(name for names in _PERMISSIONS.values() for name in names.values()))
    found = [note("stripe.api_key", f"needs to read {wanted}, and nothing else")]
    if settings.has_full_access:
        found.append(mend("stripe.api_key", "may do everything to the live account", "make a restricted key"))
    if settings.is_for_tests:
        found.append(note("stripe.api_key", "is a test key: it sees no real payment", "use a live key in production"))
    if settings.account:
        what = "a connected account is watched; the platform's own payments are not, nor those of other accounts"
        found.append(note("stripe.account", what))
    return found


def _untold(samplers: Sequence[Sampler]) -> Iterator[Finding]:
    """What Stripe leaves out where it tells of the account."""
    for sampler in samplers:
        if isinstance(sampler, AccountSampler) and sampler.untold:
            what = f"Stripe does not tell {', '.join(sampler.untold)}: that is not known, and no alert can watch it"
            yield note("stripe, the account", what, "read Stripe's mail about the account, and look at its dashboard")


def _deliveries(samplers: Sequence[Sampler], settings: StripeSettings) -> Iterator[Finding]:
    """What the list of webhook endpoints leaves open: whose events each gets, and which are the payments service's."""
    where = "stripe, webhook endpoints"
    if settings.event_destination:
        yield note(where, "not looked at: events reach the payments service by an event destination")
    for sampler in samplers:
        if not isinstance(sampler, WebhooksSampler) or sampler.enabled is None:
            continue
        if sampler.others and not settings.account:
            yield note(where, f"{sampler.others} of Connect, for connected accounts' events, and not for this one's")
        elif sampler.others:
            yield note(where, f"{sampler.others} of the platform's own, which connected accounts' events do not reach")
        if sampler.elsewhere:
            yield note(where, f"{sampler.elsewhere} at other addresses than the payments service's, and not looked at")
        if sampler.unclear:
            yield mend(where, sampler.unclear, sampler.how_to_clear)
        elif not sampler.enabled:
            cure = "enable one; where events come by EventBridge, Event Grid or a thin webhook, set "
            yield mend(where, "none that is enabled receives this account's events", f"{cure}stripe.event_destination")


async def _state(stripe: StripeSettings) -> Finding:
    settings = stripe.state
    if settings.dsn is not None:
        return await _state_database(settings.dsn, stripe)
    if settings.backend == "memory":
        how_to_fix = "use sqlite or postgres in production"
        return note("stripe.state.backend", "memory forgets every counter at each start", how_to_fix)
    where, folder = "stripe.state.path", settings.path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        how_to_fix = "create it and let this user write there, or mount a volume"
        return mend(where, f"{folder} is not there or cannot be written to", how_to_fix)
    if settings.path.exists() and not (settings.path.is_file() and os.access(settings.path, os.R_OK | os.W_OK)):
        how_to_fix = "give it to the user that runs the exporter, or name another"
        return mend(where, f"{settings.path} is no file that this user can read and write", how_to_fix)
    try:
        owner = await asyncio.to_thread(owner_in, settings.path) if settings.path.exists() else None
    except CorruptError as damage:
        what = f"it is damaged ({damage}): the exporter sets it aside, and counters start again at 0"
        return mend(where, what, "bring back a copy of it, if there is one")
    except SampleError as error:
        return failed(error, where)
    refused = owner and of_other_payments(owner, stripe)
    return failed(refused, where) if refused else fine(where, f"{folder} can be written to")


async def _state_database(dsn: Secret, stripe: StripeSettings) -> Finding:
    where = "stripe.state.dsn"
    try:
        connection = await opened(dsn, timedelta(seconds=_STATE_SECONDS), where)
        try:
            cursor = await within(_STATE_SECONDS, connection.execute(_STATE))
            [(replica, may_create, there)] = await cursor.fetchall()
            kept = await within(_STATE_SECONDS, _rows(connection, OWNER)) if there else []
            pooler = await within(_STATE_SECONDS, is_pooled(connection))
        except TimeoutError:
            raise silence(where) from None
        except psycopg.Error as error:
            raise query_failure(error, where) from None
        finally:
            await connection.close()
    except SampleError as error:
        return failed(error)
    if replica:
        return mend(where, "leads to a replica, where nothing can be written", "name the primary")
    if not may_create:
        what = "the role may not create tables in the first schema of its search path"
        return mend(where, what, "grant it CREATE on that schema, or give it one of its own")
    if refused := next((found for (owner,) in kept if (found := of_other_payments(owner, stripe))), None):
        return failed(refused, where)
    if pooler:
        what = "a pooler answers: of two exporters that write this state, the one that came last counts"
        return note(where, what, "name Postgres itself, where its lock keeps a second one out")
    return fine(where, "can be connected to, and tables can be created there")


async def _rows(connection: psycopg.AsyncConnection[Row], statement: LiteralString) -> list[Row]:
    cursor = await connection.execute(statement)
    return await cursor.fetchall()


async def _election(settings: LeaderSettings) -> Finding:
    where = "leader.dsn"
    try:
        connection = await opened(settings.dsn, settings.lease, where)
        try:
            pooler = await within(settings.lease.total_seconds(), is_pooled(connection))
        except TimeoutError:
            raise silence(where) from None
        except psycopg.Error as error:
            raise query_failure(error, where) from None
        finally:
            await connection.close()
    except SampleError as error:
        return failed(error)
    if pooler:
        what = "a pooler answers, and hands sessions around, so that no lock holds: nobody leads"
        return mend(where, what, "write the DSN of Postgres itself")
    return fine(where, "can be connected to; the lock is not tried, since whoever holds it leads")


async def _sources(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Every source sampled twice: what the first sample sets up, later ones do not read again."""
    assembly = assemble(_without_traces(settings), LabelOverflow(), clock)
    monthly, of_all = 0.0, True
    try:
        for sampler in assembly.samplers:
            if sampler.source in _ASKED_BY_QUERY:
                continue
            where = f"{sampler.source.value}, a sample"
            try:
                await sampler.sample(clock())
                before = _requests(assembly.samplers)
                snapshot = await sampler.sample(clock())
                if snapshot.problem:
                    raise snapshot.problem
            except SampleError as error:
                for one in await _each(error, sampler.source, settings.stripe, clock):
                    yield mend(where, one.what, one.how_to_fix)
                of_all &= sampler.source not in _PERMISSIONS
                continue
            if sampler.source in _PERMISSIONS:
                reads = max(1, _requests(assembly.samplers) - before)  # a sample at once after another may need none
                monthly += reads * _MONTH / sampler.interval.total_seconds()
            if isinstance(sampler, HealthSampler) and sampler.ailment and not sampler.says_so_itself:
                yield mend("health.url", f"the payments service does not say how it is: {sampler.ailment}", _NO_WORD)
                continue
            yield fine(where, f"gives {_series(snapshot.readings)} series")
            if isinstance(sampler, HealthSampler) and sampler.ailment:
                yield note("health.url", f"the payments service is not well: {sampler.ailment}")
            if isinstance(sampler, ProbeSampler) and settings.probe:
                for gap in sampler.unknown:
                    yield mend(gap.where, f"not known: {gap.what}", gap.how_to_fix)
                async for finding in _certificates(settings.probe):
                    yield finding
        if settings.stripe:
            for finding in (*_untold(assembly.samplers), *_deliveries(assembly.samplers, settings.stripe)):
                yield finding
            about = _about(assembly.samplers)
            for skew in about.get(monitoring.clock_skew, ()):
                yield clock_skew("stripe, the clock", skew)
            yield _budget(monthly, sum(about.get(account.read_allowance, ())), of_all=of_all)
        sources = {sampler.source for sampler in assembly.samplers}
        yield note("the page", f"has at most {most_series(settings, sources, PAYMENTS.metrics)} series")
    finally:
        for sampler in assembly.samplers:
            await sampler.close()


async def _certificates(settings: ProbeSettings) -> AsyncIterator[Finding]:
    """Which certificate of each host's chain ends first, and what is served that nobody needs to rely on."""
    pem = settings.ca_file.pem if settings.ca_file else None
    for host in settings.hosts:
        where = f"probe, {host.host}"
        try:
            chain = await served_validity(host.host, host.https_port, settings.timeout.total_seconds(), pem)
        except NoAnswerError as gap:
            yield note(where, f"its certificates are not known: {gap.what}")
            continue
        yield note(where, f"of its chain the {chain.which} ends first, on {_day(chain.not_after)}")
        for name, end in chain.beside:
            yield note(where, f"serves {name} as well, which ends on {_day(end)} and on which no client needs to rely")


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


async def _each(
    error: SampleError, source: Source, settings: StripeSettings | None, clock: Clock
) -> Sequence[SampleError]:
    """What the key lacks for each of the source's endpoints: a sample ends with the first that it may not read."""
    if settings is None or error.kind is not ErrorClass.NOT_PERMITTED or source not in _PERMISSIONS:
        return (error,)
    found = []
    reads = StripeReads(settings, Governor(settings.read_share, random.random), clock)
    try:
        for endpoint in _PERMISSIONS[source]:
            try:
                await reads.get(endpoint)
            except SampleError as lacking:
                found.append(lacking)
    finally:
        await reads.close()
    return found or (error,)


def _budget(monthly: float, allowance: float, *, of_all: bool) -> Finding:
    """`of_all` is false where the reads of some source of Stripe's are not in it: it could not be sampled."""
    where = "stripe, the reads"
    what = f"about {monthly:,.0f} reads in 30 days, of {allowance:,.0f} that the exporter may spend"
    if monthly > allowance:
        return mend(where, what, "raise stripe.interval or stripe.read_share")
    if not of_all:
        return note(where, f"{what}, without those of what cannot be sampled yet", "look again once it can")
    return fine(where, what)


def _without_traces(settings: Settings) -> Settings:
    if settings.stripe is None:
        return settings.model_copy(update={"leader": None})
    unstored = {"state": StateSettings(backend="memory"), "backfill": False}
    return settings.model_copy(update={"leader": None, "stripe": settings.stripe.model_copy(update=unstored)})


def _about(samplers: Sequence[Sampler]) -> dict[Metric, list[float]]:
    found: dict[Metric, list[float]] = {}
    for sampler in samplers:
        for one in sampler.about():
            if isinstance(one, Reading):
                found.setdefault(one.metric, []).append(one.value)
    return found


def _requests(samplers: Sequence[Sampler]) -> float:
    return sum(_about(samplers).get(account.requests, ()))


def _series(readings: Sequence[Reading | Distribution]) -> int:
    """How many series Prometheus makes of them: a histogram is one for each bound, and three more."""
    return sum(len(one.cumulative) + 3 if isinstance(one, Distribution) else 1 for one in readings)
