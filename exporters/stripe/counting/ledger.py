"""How does each change at Stripe come to be counted exactly once, whenever the process is killed?

A page of events, or a few pages, become one transaction: which events and changes were seen, by how much counters and
buckets grew, where the intents stand, and how far the pass has come. Either all of it is there after a kill or nothing
is, and what is read again then is known to have been seen.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from threading import Lock
from typing import Any, TypeGuard

from exporters.process.logs import LOGGER
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, ErrorClass, Reading, SampleError
from exporters.sampling.reconciling import Received
from exporters.stripe.counting import windows
from exporters.stripe.counting.facts import (
    AttemptEnded,
    ChargeAuthorized,
    ChargeCaptured,
    DisputeOpened,
    Event,
    Fact,
    IntentStep,
    MoneyReceived,
    MoneyTaken,
    RefundEnded,
    RefundMade,
    WarningReceived,
)
from exporters.stripe.counting.intents import HOUR, Intent, Step, decided, was_given_up, with_steps
from exporters.stripe.counting.marks import Marks
from exporters.stripe.counting.tally import READS, Tally, counter_readings, counter_series, series, window_readings
from exporters.stripe.storage.database import CorruptError, Database
from exporters.stripe.storage.ownership import Ownership
from rules.payments import disputes
from rules.payments.cards import NETWORK
from rules.payments.outcomes import BY_CUSTOMER, UNKNOWN
from rules.vocabulary import OTHER, Gauge

__all__ = ["IDS_KEPT", "UNNAMED", "Counted", "Ledger", "Page"]

IDS_KEPT = 50 * 3600
"""For how many seconds the ids of events are kept: long enough for a reconciliation to look back two days."""

_LOG = logging.getLogger(f"{LOGGER}.stripe.state")

UNNAMED = "unnamed:"
"""How the ids begin that events have here which came without one."""

_NETWORKS_KEPT = 60 * windows.DAY
_INTENTS_KEPT = 2 * windows.DAY
_OPEN_INTENTS_KEPT = 35 * windows.DAY
"""Dunning retries a payment for weeks; while its failure is remembered, it is not counted again. An authorization may
wait for a month to be captured, and a bank debit for days to settle."""
_PRUNED_EVERY = 3600
_SETTLED_AT_ONCE = 500
_ASKED_AT_ONCE = 10_000
"""Values in one statement: SQLite takes 32,766 parameters, Postgres 65,535."""

_ADD_COUNTERS = (
    "INSERT INTO paymon_counters (series, total) VALUES (?, ?)"
    " ON CONFLICT (series) DO UPDATE SET total = paymon_counters.total + excluded.total"
)
_ADD_BUCKETS = (
    "INSERT INTO paymon_buckets (width, start, series, total) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (width, start, series) DO UPDATE SET total = paymon_buckets.total + excluded.total"
)
_PUT_INTENT = (
    "INSERT INTO paymon_intents (id, steps, outcome, touched, due) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET steps = excluded.steps, outcome = excluded.outcome,"
    " touched = excluded.touched, due = excluded.due"
)
_PUT_MARKS = (
    "INSERT INTO paymon_marks (name, value) VALUES ('marks', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_PUT_OWNER = "INSERT INTO paymon_marks (name, value) VALUES ('payments', ?) ON CONFLICT (name) DO NOTHING"
_PUT_EVENT = "INSERT INTO paymon_events (at, id, seen_for, type, about) VALUES (?, ?, ?, ?, ?)"
_PUT_CHANGE = "INSERT INTO paymon_changes (change, seen_for) VALUES (?, ?)"
_PUT_NETWORK = "INSERT INTO paymon_networks (charge, network, at) VALUES (?, ?, ?) ON CONFLICT (charge) DO NOTHING"
_PUT_AUTHORIZATION = (
    "INSERT INTO paymon_authorizations (charge, at, captured_at, rest) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (charge) DO UPDATE"
    " SET captured_at = COALESCE(excluded.captured_at, paymon_authorizations.captured_at),"
    " rest = excluded.rest + paymon_authorizations.rest"
)
_PUT_RECEIVED = (
    "INSERT INTO paymon_received (intent, at, amount, currency, refunded) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (intent) DO UPDATE SET refunded = excluded.refunded OR paymon_received.refunded,"
    " at = excluded.at, amount = COALESCE(excluded.amount, paymon_received.amount),"
    " currency = COALESCE(excluded.currency, paymon_received.currency)"
)
_PUT_REFUND = "INSERT INTO paymon_refunds (at, live, fact) VALUES (?, ?, ?)"
_PUT_UNPLACED = "INSERT INTO paymon_unplaced (charge, metric, at) VALUES (?, ?, ?)"

_SIGNED = Struct(">q")
_ENCODED = json.JSONEncoder(separators=(",", ":")).encode
_PLACED = {
    metric.name: metric for metric in (disputes.window_refunds, disputes.window_warnings, disputes.window_disputes)
}
_OF_A_NETWORK = (MoneyTaken, ChargeAuthorized)
_AFTER_A_CHARGE = (RefundMade, WarningReceived, DisputeOpened)
_RELEASED_WITHIN = 2
"""Seconds after a capture within which Stripe makes the refund of what was not captured."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of the list held, or a few that follow one another.

    Unreadable events are there by their id and second, as far as they have any.
    """

    events: tuple[Event, ...]
    unreadable: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, pages: Sequence["Page"]) -> "Page":
        """Several pages as one, in their order."""
        return cls(
            tuple(event for page in pages for event in page.events),
            tuple(one for page in pages for one in page.unreadable),
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of a page's events; what was kept of a payment and makes no sense any more is unreadable, too."""

    new: int = 0
    late: int = 0
    doubled: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class _Work:
    """What one transaction is about to write."""

    tally: Tally
    events: list[tuple[Any, ...]] = field(default_factory=list)
    changes: dict[int, int] = field(default_factory=dict)
    networks: list[tuple[Any, ...]] = field(default_factory=list)
    unplaced: list[tuple[Any, ...]] = field(default_factory=list)
    authorizations: list[tuple[Any, ...]] = field(default_factory=list)
    refunds: list[tuple[Any, ...]] = field(default_factory=list)
    received: list[tuple[Any, ...]] = field(default_factory=list)
    steps: dict[str, list[tuple[int, IntentStep]]] = field(default_factory=dict)


class Ledger:
    """The persisted counts and how far they reach; used by one thread at a time, and gone after its first failure.

    Every method raises SampleError where the state cannot be read or written. The ledger is closed then: what a failed
    COMMIT left behind is only known after it was read again. The constructor takes the state over from any other
    writer, but where it is `yielding` to one that is at work: it raises SampleError then. It may raise CorruptError.
    """

    def __init__(self, database: Database, overflow: LabelOverflow, clock: Clock, *, yielding: bool = False) -> None:
        self._database = database
        self._ownership = Ownership(database, clock)
        self._ownership.take(yielding=yielding)
        self._bounded = overflow.bounded
        self._counter_series = counter_series(overflow.values)
        self._lock = Lock()
        self._marks: Marks | None = None
        self._totals: dict[str, int] = {}
        self._senseless = 0
        self.closed = False
        kept: dict[str, str] = dict(
            database.execute("SELECT name, value FROM paymon_marks WHERE name IN ('marks', 'payments')")
        )
        if "marks" in kept:
            self._marks = _marks(kept["marks"])
        self.payments: str | None = kept.get("payments")
        """Whose payments are counted, in the words of who began to; None where nobody has said it yet."""
        self._totals.update(database.execute("SELECT series, total FROM paymon_counters"))
        if not all(isinstance(total, int) for total in self._totals.values()):
            raise CorruptError("its counters make no sense")

    @property
    def superseded(self) -> bool:
        """Whether another writer has taken the state over."""
        return self._ownership.lost

    @property
    def marks(self) -> Marks | None:
        """How far events have been read, None in a new state."""
        return self._marks

    def belong_to(self, payments: str) -> None:
        """Note whose payments are counted, where nobody has yet."""
        with self._transaction():
            self._database.execute(_PUT_OWNER, (payments,))
        self.payments = payments

    def begin(self, now: int, backfilled: bool, reads: int = 0) -> None:
        """Begin counting at that moment (seconds since 1970), and note the reads so far."""
        with self._transaction():
            marks = Marks.beginning(now, backfilled)
            tally = Tally(self._bounded, live=False)
            tally.reads(now, reads)
            self._write(_Work(tally), marks)
        self._marks = marks

    def record(
        self, page: Page, live: bool, advance: Callable[[Marks], Marks], reads: tuple[int, int] = (0, 0)
    ) -> Counted:
        """Count what is new in a page and move the marks, in one transaction.

        `live` is false for what happened before the counters began; `reads` are a second and the number of requests
        to note for it.
        """
        with self._transaction():
            marks = self._known_marks()
            after = advance(marks)
            self._senseless = 0
            work = _Work(Tally(self._bounded, live))
            if reads[1]:
                work.tally.reads(*reads)
            counted = self._sort(page, work, marks)
            self._place(work)
            if live:
                self._settle(work, marks.settled)
            self._write(work, after)
            totals = dict(work.tally.counters)
            if after.settled > marks.settled:
                for more in (*self._settle_due(after.settled), *self._settle_refunds(after)):
                    _add(totals, more)
            if after.settled >= marks.pruned_at + _PRUNED_EVERY:
                self._prune(after.settled)
                after = replace(after, pruned_at=after.settled)
                self._database.execute(_PUT_MARKS, (after.to_json(),))
        self._marks = after
        _add(self._totals, totals)
        return replace(counted, unreadable=counted.unreadable + self._senseless)

    def readings(self, now: float) -> tuple[Reading, ...]:
        """Every counter, and every window that is known from its first to its last bucket."""
        with self._guarded():
            covered_from = self._known_marks().covered_from
            found = list(counter_readings(self._counter_series, self._totals))
            for window in windows.windows(now):
                if covered_from <= window.start:
                    sums = self._sums(window.width, window.start, window.end)
                    found.extend(window_readings(window.name, sums))
        return tuple(found)

    def charges(self, now: float) -> int:
        """Successful charges in the past 30 days, as far as they are known."""
        with self._guarded():
            day = int(now) // windows.DAY * windows.DAY
            sums = self._sums(windows.DAY, day - 29 * windows.DAY, day + windows.DAY)
        return sum(count for name, count in sums.items() if name.startswith(f"{disputes.charges.name}|"))

    def reads_by_day(self) -> dict[int, int]:
        """Requests sent to Stripe by day, as seconds since 1970."""
        with self._guarded():
            rows = self._database.execute(
                "SELECT start, total FROM paymon_buckets WHERE width = ? AND series = ?", (windows.DAY, READS)
            )
        return {int(start): int(total) for start, total in rows}

    def succeeded(self, since: float, until: float) -> frozenset[str]:
        """The payment intents that succeeded in that time, as far back as ids are kept."""
        with self._guarded():
            rows = self._database.execute(
                "SELECT about FROM paymon_events WHERE type = 'payment_intent.succeeded' AND at >= ? AND at < ?",
                (since, until),
            )
        return frozenset(about for (about,) in rows)

    def received(self, since: float, until: float) -> dict[str, Received | None]:
        """What each payment intent took that succeeded in that time; None where that is not known."""
        with self._guarded():
            rows = self._database.execute(
                "SELECT e.about, r.amount, r.currency, r.refunded"
                " FROM paymon_events AS e LEFT JOIN paymon_received AS r ON r.intent = e.about"
                " WHERE e.type = 'payment_intent.succeeded' AND e.at >= ? AND e.at < ?",
                (since, until),
            )
        return {
            intent: None if amount is None else Received(amount, currency, bool(refunded))
            for intent, amount, currency, refunded in rows
        }

    def events(self, since: float, until: float, types: frozenset[str] | None) -> frozenset[str]:
        """The events of those types, or of any, in that time, as far as they have ids and back as those are kept."""
        with self._guarded():
            rows = self._database.execute("SELECT id, type FROM paymon_events WHERE at >= ? AND at < ?", (since, until))
        named = ((id_, type_) for id_, type_ in rows if not id_.startswith(UNNAMED))
        return frozenset(id_ for id_, type_ in named if types is None or type_ in types)

    def has_since(self, since: float) -> bool:
        """Whether any event of that time or later was read, as far back as ids are kept."""
        with self._guarded():
            return bool(self._database.execute("SELECT 1 FROM paymon_events WHERE at >= ? LIMIT 1", (since,)))

    def ping(self) -> None:
        """Close where the state has gone away since it was last asked."""
        with suppress(SampleError), self._guarded():
            self._database.execute("SELECT 1")

    def size(self) -> int:
        """Bytes that the state takes."""
        with self._guarded():
            return self._database.size()

    def close(self) -> None:
        """Let go of the state."""
        with self._lock:
            try:
                if not self.closed:
                    self._ownership.give_up()
            finally:
                self._close()

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            self._database.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock:
            if self.closed:
                raise SampleError(
                    ErrorClass.INTERNAL, "state", "it was closed", "nothing: the next sample opens it again"
                )
            try:
                yield
            except CorruptError as damage:
                self._close()
                raise SampleError(
                    ErrorClass.BAD_DATA,
                    "state",
                    f"it is damaged ({damage})",
                    "nothing: the next sample opens it again, and sets a damaged file aside",
                ) from None
            except BaseException:
                self._close()
                raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guarded():
            self._database.execute("BEGIN")
            self._ownership.confirm()
            yield
            self._database.execute("COMMIT")

    def _known_marks(self) -> Marks:
        if self._marks is None:
            raise ValueError("the ledger has not begun; call begin first")
        return self._marks

    def _sort(self, page: Page, work: _Work, marks: Marks) -> Counted:
        """Tell the new events from the known ones, and count their facts."""
        seen = self._seen(page)
        doubled = unreadable = 0
        for id_, at in page.unreadable:
            if id_ not in seen:
                seen.add(id_)
                unreadable += 1
                work.events.append((at, id_, self._until(at, marks), "", ""))
        new: list[tuple[Event, int, list[int | None]]] = []
        for event in page.events:
            if event.id not in seen:
                seen.add(event.id)
                new.append((event, _hash(event.business_key), [_once(fact) for fact in event.facts]))
        changed = self._changed(new)
        late = 0
        fresh: list[tuple[Fact, int]] = []
        for event, change, once in new:
            at = event.at
            unreadable += bool(event.missing)
            late += at < marks.watermark
            until = self._until(at, marks)
            work.events.append((at, event.id, until, event.type, event.about))
            if change in changed:
                doubled += 1
                continue
            changed.add(change)
            work.changes[change] = until
            for fact, own in zip(event.facts, once, strict=True):
                if own is not None:
                    if own in changed:
                        continue
                    changed.add(own)
                    work.changes[own] = until
                fresh.append((fact, at))
        self._count(fresh, work)
        return Counted(len(new), late if work.tally.live else 0, doubled, unreadable)

    def _changed(self, new: Iterable[tuple[Event, int, Iterable[int | None]]]) -> set[int]:
        """Which of the changes that these events tell were told before."""
        told = {one for _, change, once in new for one in (change, *once) if one is not None}
        return {change for (change,) in self._among("SELECT change FROM paymon_changes WHERE change IN", list(told))}

    def _seen(self, page: Page) -> set[str]:
        """The ids that were recorded for the page's seconds: neighbours in the table, as they are in the page."""
        seconds = [event.at for event in page.events] or [0]
        rows = self._database.execute(
            "SELECT id FROM paymon_events WHERE at >= ? AND at <= ?", (min(seconds), max(seconds))
        )
        for id_, at in page.unreadable:
            rows += self._database.execute("SELECT id FROM paymon_events WHERE at = ? AND id = ?", (at, id_))
        return {id_ for (id_,) in rows}

    @staticmethod
    def _until(at: int, marks: Marks) -> int:
        return max(at, marks.epoch) + IDS_KEPT

    def _count(self, facts: Sequence[tuple[Fact, int]], work: _Work) -> None:
        charges = {
            fact.charge: (_hash(fact.charge), self._bounded(NETWORK, fact.network))
            for fact, _ in facts
            if isinstance(fact, _OF_A_NETWORK)
        }
        networks = dict(charges.values()) | self._networks(facts)
        in_context = self._in_context(facts) if work.tally.live else facts
        ended = self._ended_before(in_context)
        for fact, at in in_context:
            match fact:
                case AttemptEnded() if _is_repeatable(fact):
                    change = _ending(fact)
                    work.tally.add(replace(fact, again=change in ended), at)
                    if change not in ended:
                        ended.add(change)
                        work.changes[change] = self._until(at, self._known_marks())
                case IntentStep():
                    work.steps.setdefault(fact.intent, []).append((at, fact))
                case MoneyReceived():
                    self._receive(work, fact.intent, at, fact.amount, fact.currency)
                case MoneyTaken():
                    work.networks.append((*charges[fact.charge], at))
                    work.tally.add(fact, at)
                case ChargeAuthorized():
                    charge, network = charges[fact.charge]
                    work.networks.append((charge, network, at))
                    work.authorizations.append((charge, at, None, 0))
                case ChargeCaptured():
                    work.authorizations.append((_hash(fact.charge), at, at, fact.rest))
                case RefundMade() | RefundEnded() if fact.may_be_release:
                    work.refunds.append((at, work.tally.live, _ENCODED([type(fact).__name__, *astuple(fact)])))
                case RefundMade() | WarningReceived() | DisputeOpened():
                    self._follow(fact, at, networks, work)
                case _:
                    work.tally.add(fact, at)

    def _receive(
        self, work: _Work, intent: str, at: int, amount: int | None = None, currency: str | None = None
    ) -> None:
        """Note what an intent took or, without an amount, that some of it was paid back; not of long ago."""
        if intent and at >= self._known_marks().settled - IDS_KEPT:
            work.received.append((intent, at, amount, currency, amount is None))

    def _ended_before(self, facts: Sequence[tuple[Fact, int]]) -> set[int]:
        """Which of the endings among these facts their payments had before."""
        endings = {_ending(fact) for fact, _ in facts if isinstance(fact, AttemptEnded) and _is_repeatable(fact)}
        rows = self._among("SELECT change FROM paymon_changes WHERE change IN", list(endings))
        return {change for (change,) in rows}

    def _networks(self, facts: Sequence[tuple[Fact, int]]) -> dict[int, str]:
        """The networks of charges that these facts name, as far as they are known."""
        named = {_hash(fact.charge) for fact, _ in facts if isinstance(fact, _AFTER_A_CHARGE)}
        return dict(self._among("SELECT charge, network FROM paymon_networks WHERE charge IN", list(named)))

    def _follow(
        self, fact: RefundMade | WarningReceived | DisputeOpened, at: int, networks: dict[int, str], work: _Work
    ) -> None:
        """Count what follows a charge under the charge's own network, so that it meets the charges that it follows."""
        if isinstance(fact, RefundMade):
            self._receive(work, fact.intent, at)
        charge = _hash(fact.charge)
        network = networks.get(charge)
        told = self._bounded(NETWORK, fact.network) if isinstance(fact, DisputeOpened) else OTHER
        if network is None and fact.charge:
            work.unplaced.append((charge, series(_windowed(fact), told), at))
        work.tally.add(fact, at, network or told)

    def _in_context(self, facts: Sequence[tuple[Fact, int]]) -> Sequence[tuple[Fact, int]]:
        """The facts, in the light of their payments' earlier steps.

        Such a step may be all that tells of a customer; and an attempt that was given up an hour after the customer was
        asked is not abandoned again when Stripe gives it up, too.
        """
        asked = {fact.intent for fact, _ in facts if _wants_context(fact)}
        if not asked:
            return facts
        steps: dict[str, list[Step]] = {intent: [] for intent in asked}
        for id_, intent in self._intents(
            self._among("SELECT id, steps, outcome FROM paymon_intents WHERE id IN", list(asked))
        ):
            steps[id_] += intent.steps
        for fact, at in facts:
            if isinstance(fact, IntentStep) and fact.intent in asked:
                steps[fact.intent].append(Step(at, fact.kind, fact.method, fact.initiator, fact.currency))
        found: list[tuple[Fact, int]] = []
        for fact, at in facts:
            if _wants_context(fact):
                before = sorted((step for step in steps[fact.intent] if step.at <= at), key=lambda step: step.at)
                if fact.result == "abandoned" and was_given_up(before, at):
                    continue
                recent = any(step.initiator == BY_CUSTOMER and at <= step.at + HOUR for step in before)
                if fact.initiator == UNKNOWN and recent:
                    fact = replace(fact, initiator=BY_CUSTOMER)
            found.append((fact, at))
        return found

    def _place(self, work: _Work) -> None:
        """Move refunds and warnings that came before their charge to the charge's network."""
        networks = {charge: network for charge, network, _ in work.networks}
        waiting = self._among("SELECT charge, metric, at FROM paymon_unplaced WHERE charge IN", list(networks))
        for charge, metric, at in waiting:
            name, _, network = metric.partition("|")
            work.tally.move(_PLACED[name], at, networks[charge], network or OTHER)
        self._database.execute_many(
            "DELETE FROM paymon_unplaced WHERE charge = ?", [(charge,) for charge in {row[0] for row in waiting}]
        )

    def _settle(self, work: _Work, settled: int) -> None:
        """Add the page's steps to their intents, and decide what can be decided at once."""
        rows = self._among("SELECT id, steps, outcome FROM paymon_intents WHERE id IN", list(work.steps))
        known = dict(self._intents(rows))
        self._decide(
            ((id_, with_steps(known.get(id_, Intent()), steps)) for id_, steps in work.steps.items()),
            settled,
            work.tally,
        )

    def _settle_due(self, settled: int) -> Iterator[dict[str, int]]:
        """Decide every intent that was waiting for that moment."""
        while True:
            rows = self._database.execute(
                "SELECT id, steps, outcome FROM paymon_intents WHERE due <= ? ORDER BY due LIMIT ?",
                (settled, _SETTLED_AT_ONCE),
            )
            if not rows:
                return
            tally = Tally(self._bounded, live=True)
            self._decide(self._intents(rows), settled, tally)
            self._write_tally(tally)
            yield tally.counters

    def _settle_refunds(self, marks: Marks) -> Iterator[dict[str, int]]:
        """Count the refunds of which it has become certain that they gave money back.

        Those of the past wait until all of the past was read: their authorizations are older than they are.
        """
        which = (marks.settled, marks.backfill is None)
        rows = self._database.execute("SELECT at, live, fact FROM paymon_refunds WHERE at <= ? AND (live OR ?)", which)
        if not rows:
            return
        self._database.execute("DELETE FROM paymon_refunds WHERE at <= ? AND (live OR ?)", which)
        found = [(at, bool(live), _refund(text)) for at, live, text in rows]
        facts = [(fact, at) for at, _, fact in found]
        known = self._networks(facts)
        authorized = {
            charge: (captured_at, rest)
            for charge, captured_at, rest in self._among(
                "SELECT charge, captured_at, rest FROM paymon_authorizations WHERE charge IN",
                list({_hash(fact.charge) for fact, _ in facts}),
            )
        }
        for lives in (False, True):
            work = _Work(Tally(self._bounded, live=lives))
            for at, live, fact in found:
                if live is lives and not _is_release(fact, at, authorized.get(_hash(fact.charge))):
                    if isinstance(fact, RefundMade):
                        self._follow(fact, at, known, work)
                    else:
                        work.tally.add(fact, at)
            self._database.execute_many(_PUT_UNPLACED, work.unplaced)
            self._database.execute_many(_PUT_RECEIVED, work.received)
            self._write_tally(work.tally)
            yield work.tally.counters

    def _intents(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, Intent]]:
        """The intents in those rows; of one that makes no sense only the outcome is left, and nothing comes due."""
        for id_, steps, outcome in rows:
            intent = _intent(steps, outcome)
            if intent is None:
                self._senseless += 1
                _LOG.error("state: what was kept of a payment makes no sense; what it was waiting for is not counted")
            yield id_, intent or Intent(outcome=outcome)

    def _decide(self, found: Iterable[tuple[str, Intent]], settled: int, tally: Tally) -> None:
        rows = []
        for id_, before in found:
            decision = decided(before, settled)
            after = decision.intent
            if decision.outcome:
                tally.outcome(decision.outcome)
            for at, ended in decision.abandoned:
                tally.add(ended, at)
            rows.append((id_, _text(after.steps), after.outcome, after.touched, after.due))
        self._database.execute_many(_PUT_INTENT, rows)

    def _write(self, work: _Work, marks: Marks) -> None:
        self._database.execute_many(_PUT_EVENT, work.events)
        self._database.execute_many(_PUT_CHANGE, list(work.changes.items()))
        self._database.execute_many(_PUT_NETWORK, work.networks)
        self._database.execute_many(_PUT_UNPLACED, work.unplaced)
        self._database.execute_many(_PUT_AUTHORIZATION, work.authorizations)
        self._database.execute_many(_PUT_REFUND, work.refunds)
        self._database.execute_many(_PUT_RECEIVED, work.received)
        self._write_tally(work.tally)
        self._database.execute(_PUT_MARKS, (marks.to_json(),))

    def _write_tally(self, tally: Tally) -> None:
        self._database.execute_many(_ADD_COUNTERS, list(tally.counters.items()))
        self._database.execute_many(_ADD_BUCKETS, [(*bucket, count) for bucket, count in tally.buckets.items()])

    def _prune(self, settled: int) -> None:
        """Forget what no pass will read again and no window needs."""
        execute = self._database.execute
        execute("DELETE FROM paymon_events WHERE seen_for < ?", (settled,))
        execute("DELETE FROM paymon_changes WHERE seen_for < ?", (settled,))
        execute("DELETE FROM paymon_networks WHERE at < ?", (settled - _NETWORKS_KEPT,))
        execute("DELETE FROM paymon_unplaced WHERE at < ?", (settled - _NETWORKS_KEPT,))
        execute("DELETE FROM paymon_received WHERE at < ?", (settled - IDS_KEPT,))
        execute("DELETE FROM paymon_authorizations WHERE at < ?", (settled - _NETWORKS_KEPT,))
        execute(
            "DELETE FROM paymon_intents"
            " WHERE due IS NULL AND touched < ? AND (outcome IN ('succeeded', 'canceled') OR touched < ?)",
            (settled - _INTENTS_KEPT, settled - _OPEN_INTENTS_KEPT),
        )
        for width, kept in windows.KEPT.items():
            execute("DELETE FROM paymon_buckets WHERE width = ? AND start < ?", (width, settled - kept))

    def _sums(self, width: int, start: int, end: int) -> dict[str, int]:
        rows = self._database.execute(
            "SELECT series, SUM(total) FROM paymon_buckets WHERE width = ? AND start >= ? AND start < ?"
            " GROUP BY series",
            (width, start, end),
        )
        return {name: int(total) for name, total in rows}

    def _among(self, select: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows for those distinct values, however many there are."""
        portions = [values[first : first + _ASKED_AT_ONCE] for first in range(0, len(values), _ASKED_AT_ONCE)]
        return [
            row
            for portion in portions
            for row in self._database.execute(f"{select} ({','.join('?' * len(portion))})", portion)
        ]


def _marks(text: str) -> Marks:
    try:
        return Marks.from_json(text)
    except (ValueError, TypeError):
        raise CorruptError("its marks make no sense") from None


def _intent(steps: str, outcome: str) -> Intent | None:
    """The intent as it was kept, None where that is damaged."""
    try:
        found = tuple(Step(*step) for step in json.loads(steps))
    except (ValueError, TypeError):
        return None
    return Intent(found, outcome) if all(map(_makes_sense, found)) else None


def _makes_sense(step: Step) -> bool:
    words = (step.kind, step.method, step.initiator, step.currency)
    return type(step.at) is int and all(isinstance(word, str) for word in words)


def _text(steps: tuple[Step, ...]) -> str:
    each = [f"[{step.at},{_words(step.kind, step.method, step.initiator, step.currency)}" for step in steps]
    return f"[{','.join(each)}]"


@lru_cache(512)
def _words(*words: str) -> str:
    """The end of a step's list in JSON; the same few come again and again."""
    return _ENCODED(words).removeprefix("[")


def _hash(text: str) -> int:
    (found,) = _SIGNED.unpack(blake2b(text.encode(), digest_size=_SIGNED.size).digest())
    return found  # type: ignore[no-any-return]


def _once(fact: Fact) -> int | None:
    """What tells facts apart that several events tell; None for the others."""
    match fact:
        case MoneyTaken():
            return _hash(f"money taken:{fact.charge}")
        case DisputeOpened():
            return _hash(f"dispute opened:{fact.dispute}")
        case RefundEnded():
            return _hash(f"refund {fact.result}:{fact.refund}")
    return None


def _is_repeatable(fact: AttemptEnded) -> bool:
    """Whether its payment can end like this once more; one that succeeded is over."""
    return bool(fact.intent) and fact.result != "success"


def _ending(fact: AttemptEnded) -> int:
    """How a payment ended, and by whose doing."""
    return _hash(f"ended {fact.result} {fact.initiator}:{fact.intent}")


def _wants_context(fact: Fact) -> TypeGuard[AttemptEnded]:
    """Whether earlier steps of its payment may say more of it."""
    if not isinstance(fact, AttemptEnded) or not fact.intent:
        return False
    return fact.initiator == UNKNOWN or fact.result == "abandoned"


def _refund(text: str) -> RefundMade | RefundEnded:
    """One that was kept until it is certain what it is."""
    name, *fields = json.loads(text)
    return RefundMade(*fields) if name == RefundMade.__name__ else RefundEnded(*fields)


def _is_release(fact: RefundMade | RefundEnded, at: int, authorized: tuple[int | None, int] | None) -> bool:
    """Whether it let an authorization go, or the part of it that was not captured, and gave no money back.

    `authorized` is when the charge was captured, if ever, and how much of it was not; None where it was not only
    authorized at first.
    """
    if authorized is None:
        return False
    captured_at, rest = authorized
    if captured_at is None or at < captured_at:
        return True
    return fact.amount == rest and at <= captured_at + _RELEASED_WITHIN


def _windowed(fact: RefundMade | WarningReceived | DisputeOpened) -> Gauge:
    match fact:
        case RefundMade():
            return disputes.window_refunds
        case WarningReceived():
            return disputes.window_warnings
        case DisputeOpened():
            return disputes.window_disputes


def _add(totals: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count
