"""Which payments, declines, disputes, refunds and payouts happened, each counted once?

One list of Stripe's tells all of it (`/v1/events`, at most 20 types in one call). How it is read is told in `marks`,
what is counted in `facts` and `tally`, and why each change is counted once in `ledger`.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from exporters.process.logs import LOGGER
from exporters.sampling.model import Clock, Distribution, ErrorClass, Reading, SampleError, Sampler, Snapshot, reading
from exporters.stripe.counting.facts import Event, UnreadableError, read_event
from exporters.stripe.counting.ledger import UNNAMED, Ledger, Page
from exporters.stripe.counting.marks import LATEST, RETENTION, Kind, Marks, Pass
from exporters.stripe.reading.asking import FOLLOWING, Shared
from exporters.stripe.reading.client import Answer, CursorGoneError
from exporters.stripe.settings import StripeSettings
from exporters.stripe.state import State
from rules.payments import monitoring
from rules.payments.webhooks import EVENT_TYPES
from rules.vocabulary import Source

__all__ = ["PAGES_AT_ONCE", "PAGES_TOGETHER", "EventsSampler", "read_page"]

_LOG = logging.getLogger(f"{LOGGER}.stripe.events")
_LIMIT = 100
PAGES_AT_ONCE = 50
"""Pages that one sample reads at most; one that reads fewer has read all there is."""
_SECONDS_AT_ONCE = 20.0
PAGES_TOGETHER = 10
_SECONDS_TOGETHER = 5.0
"""Pages that are recorded in one transaction at most, and for how long their reading may take."""
_DEEP_EVERY = 300
_LONG_DEEP_EVERY = 600
_LONG_DEEP = 20
"""Pages from which on a deep pass is made half as often."""
_LEADING_DEEP = 5
"""Pages up to which a deep pass is short enough to take the head pass's place."""
_WORDS_TOLD = 200
"""Unknown words that one process tells of at most."""
_TRUSTED_AHEAD = 300
"""Seconds by which Stripe's clock may be ahead of ours before it must be borne out."""
_LEAST_MAX_AGE = 300.0
_WHILE_CATCHING_UP = timedelta(seconds=1)


class EventsSampler(Sampler):
    """The sampler of Stripe's list of events."""

    def __init__(
        self,
        settings: StripeSettings,
        shared: Shared,
        state: State,
    ) -> None:
        self._settings = settings
        self._reads = shared.reads
        self._governor = shared.governor
        self._clock = shared.clock
        self._is_leader = shared.is_leader
        self._state = state
        self._reads_each = 1.0
        self._epoch: int | None = None
        self._size: int | None = None
        self._catching_up = False
        self._backfilling = False
        self._told: set[tuple[str, str]] = set()
        self._seen = {monitoring.late_events: 0, monitoring.doubled_events: 0, monitoring.parse_errors: 0}

    @property
    def source(self) -> Source:
        return Source.STRIPE_EVENTS

    @property
    def interval(self) -> timedelta:
        """By the allowance; shorter while catching up or following, and by the back-off after a failure."""
        if not self._is_leader():
            return FOLLOWING
        delay = self._governor.retry_delay("events", self._clock())
        return self.usual_interval if delay is None else timedelta(seconds=max(delay, 1.0))

    @property
    def usual_interval(self) -> timedelta:
        """By the allowance, whatever another source of the same endpoint or of the same key has met."""
        if not self._is_leader():
            return FOLLOWING
        if self._catching_up and not self._governor.exhausted(self._clock()):
            return _WHILE_CATCHING_UP
        return min(self._planned(), self._settings.interval) if self._backfilling else self._planned()

    @property
    def max_age(self) -> timedelta:
        return timedelta(seconds=max(_LEAST_MAX_AGE, 3 * self._planned().total_seconds()))

    def about(self) -> tuple[Reading | Distribution, ...]:
        """What concerns all of Stripe's sources: requests, the budget, the clock, the state, and odd events."""
        found = [*self._governor.readings(self._clock())]
        found += [reading(metric, count) for metric, count in self._seen.items()]
        if self._reads.skew is not None:
            found.append(reading(monitoring.clock_skew, self._reads.skew))
        if self._size is not None:
            found.append(reading(monitoring.state_size, self._size))
        if self._epoch is not None:
            found.append(reading(monitoring.state_epoch, self._epoch))
        return tuple(found)

    async def sample(self, now: float) -> Snapshot:
        """Read what is new. A follower reads nothing, has no readings, and vouches for nothing. Raises SampleError."""
        if not self._is_leader():
            await self._state.release()
            self._epoch = self._size = None
            self._catching_up = False
            return Snapshot(self.source, now, None, ())
        ledger = await self._state.ledger()
        if ledger.marks is None:
            await self._begin(ledger)
        elif self._epoch is None:
            await self._resume(ledger, now)
        await self._go_on(ledger, now)
        return await self._snapshot(ledger, now)

    async def close(self) -> None:
        """Let go of the state and the connections, those of Stripe's other sources, too."""
        await self._state.release()
        await self._reads.close()

    def _planned(self) -> timedelta:
        least = self._settings.interval.total_seconds()
        return timedelta(seconds=self._governor.interval(self.source, self._reads_each, least, self._clock()))

    def _stripe_time(self, now: float) -> float:
        return now - (self._reads.skew or 0.0)

    async def _begin(self, ledger: Ledger) -> None:
        """Begin at the present second of Stripe's clock: what is created from now on is counted."""
        answer = await self._reads.get("events", {"limit": 1, "types": EVENT_TYPES})
        began = self._top(answer, _newest(_listed(answer)[0])) or int(self._clock())
        await asyncio.to_thread(ledger.begin, began, self._settings.backfill, self._governor.take_unsaved())

    async def _resume(self, ledger: Ledger, now: float) -> None:
        """What an earlier process spent counts against what it earned: with one alone, nothing might be asked again."""
        here = self._stripe_time(now)
        reads, charges = await asyncio.to_thread(lambda: (ledger.reads_by_day(), ledger.charges(here)))
        self._governor.base_on(charges)
        self._governor.remember(reads)

    async def _go_on(self, ledger: Ledger, now: float) -> None:
        """Read the newest first; then what may have appeared late; then, where time is left, the past."""
        marks = _of(ledger)
        limit = _Limit(self._clock)
        here = self._stripe_time(now)
        if here >= marks.epoch + self._settings.first_scrapes.total_seconds() or here < marks.epoch:
            every = _LONG_DEEP_EVERY if marks.deep_pages > _LONG_DEEP else _DEEP_EVERY
            due = here - (marks.settled + LATEST) >= every or marks.deep is not None
            behind = here - marks.watermark > _DEEP_EVERY
            leads = due and marks.head is None and marks.deep is None and (marks.deep_pages <= _LEADING_DEEP or behind)
            if (leads or await self._walk(ledger, "head", limit)) and due:
                await self._walk(ledger, "deep", limit)
            self._expect(limit.pages)
        if _of(ledger).backfill and not _of(ledger).catching_up and self._may_spend(now):
            await self._walk(ledger, "backfill", limit)
        self._backfilling = _of(ledger).backfill is not None and self._may_spend(now)

    def _expect(self, pages: int) -> None:
        """Learn how many reads a poll takes; one that had to catch up tells little of the next."""
        self._reads_each += 0.2 * (min(max(pages, 1), 2 * self._reads_each) - self._reads_each)

    def _may_spend(self, now: float) -> bool:
        return self._governor.spent(now) < 0.9 * self._governor.allowance

    async def _walk(self, ledger: Ledger, kind: Kind, limit: "_Limit") -> bool:
        """Go on with a pass, or begin one, as far as the limit allows. True where it reached its floor.

        What one transaction costs is shared by several pages. A kill before it has them read again, and nothing else.
        """
        walk = _pass(_of(ledger), kind)
        read = _Read(self._clock)
        while not limit.reached:
            limit.pages += 1
            try:
                walk, more = await self._read(ledger, kind, walk, read)
            except CursorGoneError:
                await self._record(ledger, kind, walk, read)
                if await self._without_cursor(ledger, kind, walk):
                    return True
                raise
            except SampleError:
                await self._record(ledger, kind, walk, read)
                raise
            if not more:
                await self._record(ledger, kind, walk, read, reached=True)
                return True
            if read.suffices:
                await self._record(ledger, kind, walk, read)
                read = _Read(self._clock)
        await self._record(ledger, kind, walk, read)
        return False

    async def _read(self, ledger: Ledger, kind: Kind, walk: Pass, read: "_Read") -> tuple[Pass, bool]:
        """Read the next page. How far the pass has come with it, and whether it goes on. Raises SampleError."""
        created = {"gte": walk.floor} if kind != "backfill" else {"gte": walk.floor, "lte": walk.top}
        wanted = {"limit": _LIMIT, "types": EVENT_TYPES, "created": created}
        if walk.cursor:
            wanted["starting_after"] = walk.cursor
        answer = await self._reads.get("events", wanted)
        raw, more = _listed(answer)
        if not (raw or walk.cursor or kind == "backfill") and await asyncio.to_thread(ledger.has_since, walk.floor):
            raise _false("the list is empty, and was not when it was read before")
        top = walk.top or max(self._top(answer, _newest(raw)), walk.floor)
        page, cursor, reached = await asyncio.to_thread(read_page, raw)
        if more and not cursor:
            raise _false("the list goes on after a page without a single id")
        if raw and not any(_may_be_asked_for(one, walk) for one in raw):
            raise _false("nothing on a page of the list is an event that was asked for")
        read.pages.append(page)
        walk = replace(walk, top=top, pages=walk.pages + 1)
        return replace(walk, cursor=cursor, reached=reached) if more else walk, more

    async def _record(self, ledger: Ledger, kind: Kind, walk: Pass, read: "_Read", *, reached: bool = False) -> None:
        """Record what was read, if anything, and how far the pass has come; `reached` where that is its floor."""
        if not read.pages:
            return
        page = Page.of(read.pages)
        unsaved = self._governor.take_unsaved()
        reads = (int(self._clock()), unsaved)

        def advance(marks: Marks) -> Marks:
            return marks.done(kind, walk) if reached else marks.under_way(kind, walk)

        try:
            counted = await asyncio.to_thread(ledger.record, page, kind != "backfill", advance, reads)
        except SampleError:
            self._governor.give_back(unsaved)
            raise
        self._seen[monitoring.late_events] += counted.late
        self._seen[monitoring.doubled_events] += counted.doubled
        self._seen[monitoring.parse_errors] += counted.unreadable
        self._tell(word for event in page.events for word in event.unknown)

    def _tell(self, unknown: Iterable[tuple[str, str]]) -> None:
        """Words that no list names are told once each."""
        for kind, word in unknown:
            if (kind, word) not in self._told and len(self._told) < _WORDS_TOLD:
                self._told.add((kind, word))
                _LOG.warning("events: %s %r is not known to this release; what it says is not counted", kind, word)

    async def _without_cursor(self, ledger: Ledger, kind: Kind, walk: Pass) -> bool:
        """The cursor's event is gone. True where it grew too old, and so did everything that would follow."""
        aged = walk.reached < self._stripe_time(self._clock()) - RETENTION + 3600
        if aged:
            _LOG.warning("events: what happened over 30 days ago is no longer at Stripe, and was not counted")

        def move(marks: Marks) -> Marks:
            return marks.done(kind, walk) if aged else marks.again(kind, walk)

        await asyncio.to_thread(ledger.record, Page(()), kind != "backfill", move)
        return aged

    async def _snapshot(self, ledger: Ledger, now: float) -> Snapshot:
        here = self._stripe_time(now)

        def read() -> tuple[tuple[Reading, ...], int, int]:
            return ledger.readings(here), ledger.charges(here), ledger.size()

        readings, charges, self._size = await asyncio.to_thread(read)
        marks = _of(ledger)
        self._governor.base_on(charges)
        self._epoch = marks.epoch
        self._catching_up = marks.catching_up or marks.head is not None
        return Snapshot(self.source, now, marks.watermark, readings, self._catching_up)

    def _top(self, answer: Answer, newest: int) -> int:
        """The moment of Stripe's clock up to which the answer tells everything that could be seen then.

        Marks must never be in the future, where nothing would be read for a while. So Stripe's time is not taken as it
        is where it is far ahead of ours, but only as far as ours and the newest event bear it out.
        """
        if answer.stripe_time is None:
            return newest
        ours = self._clock()
        if answer.stripe_time > ours + _TRUSTED_AHEAD:
            return int(min(answer.stripe_time, max(ours, newest)))
        return int(answer.stripe_time)


class _Limit:
    """How much one sample may read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = clock() + _SECONDS_AT_ONCE
        self.pages = 0

    @property
    def reached(self) -> bool:
        """Whether the sample should end here and go on next time."""
        return self.pages >= PAGES_AT_ONCE or self._clock() > self._until


class _Read:
    """Pages that were read and are not recorded yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = clock() + _SECONDS_TOGETHER
        self.pages: list[Page] = []

    @property
    def suffices(self) -> bool:
        """Whether they should be recorded before more is read."""
        return len(self.pages) >= PAGES_TOGETHER or self._clock() > self._until


def _of(ledger: Ledger) -> Marks:
    marks = ledger.marks
    if marks is None:
        raise ValueError("the ledger has not begun")
    return marks


def _pass(marks: Marks, kind: Kind) -> Pass:
    """The pass under way, or else a new one."""
    match kind:
        case "head":
            return marks.head or Pass(marks.fresh)
        case "deep":
            return marks.deep or Pass(marks.settled)
        case "backfill":
            return marks.backfill or Pass(marks.covered_from)


def _false(what: str) -> SampleError:
    """An answer that is well formed, and not true: the marks must not move over what it does not tell."""
    return SampleError(ErrorClass.BAD_ANSWER, "Stripe, events", what, "see whether a proxy answers for Stripe")


def _may_be_asked_for(one: object, walk: Pass) -> bool:
    """Whether it has what even an event that cannot be understood has, and is as old as was asked for."""
    return bool(_id(one)) and _second(one) >= walk.floor and isinstance(one, dict) and one.get("type") in EVENT_TYPES


def _listed(answer: Answer) -> tuple[list[Any], bool]:
    raw, more = answer.data.get("data"), answer.data.get("has_more")
    if not isinstance(raw, list) or not isinstance(more, bool):
        raise SampleError(
            ErrorClass.BAD_ANSWER, "Stripe, events", "the answer is no list", "see whether a proxy answers for Stripe"
        )
    return raw, more


def _newest(raw: list[Any]) -> int:
    return max((_second(one) for one in raw), default=0)


def read_page(raw: list[Any]) -> tuple[Page, str, int]:
    """The page in a raw list, and the id and second of its last event that has an id: where the next page begins."""
    events: list[Event] = []
    unreadable: list[tuple[str, int]] = []
    cursor, reached = "", 0
    for one in raw:
        try:
            event = read_event(one)
        except UnreadableError as error:
            id_, at = _id(one), _second(one)
            unreadable.append((id_ or _fingerprint(one), at))
            _LOG.debug("events: one left out, %s", error)
        else:
            id_, at = event.id, event.at
            events.append(event)
        if id_:
            cursor, reached = id_, at or reached
    return Page(tuple(events), tuple(unreadable)), cursor, reached


def _id(raw: object) -> str:
    id_ = raw.get("id") if isinstance(raw, dict) else None
    return id_ if isinstance(id_, str) and 0 < len(id_) <= 255 else ""


def _second(raw: object) -> int:
    at = raw.get("created") if isinstance(raw, dict) else None
    return at if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < 2**53 else 0


def _fingerprint(raw: object) -> str:
    """A name for an event that has none, the same whenever it is read again."""
    return UNNAMED + blake2b(json.dumps(raw, sort_keys=True).encode(), digest_size=16).hexdigest()
