"""Is every change at Stripe counted exactly once, whatever happens on the way?

The books of the shop are the ground truth. Events come late, twice, out of order and broken; answers fail; the process
is killed, for real or at a chosen statement of a chosen transaction.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import ErrorClass, SampleError
from exporters.stripe.counting.facts import Event, RefundMade
from exporters.stripe.counting.ledger import Ledger, Page
from exporters.stripe.counting.marks import LATEST, TAIL, Marks, Pass
from exporters.stripe.counting.tally import counter_readings, counter_series
from exporters.stripe.events import read_page
from exporters.stripe.storage.database import Database
from exporters.stripe.storage.sqlite import open_memory, open_sqlite
from simulator.stripe import Cause, CutOff, FakeStripe, NotJson, Slow, rate_limited, server_error
from tests.exporters.stripe.killing import kill_again_and_again
from tests.exporters.stripe.shop import ENDS, START, Clock, Shop, Watched, counters, values, watched

FAULTS = (server_error(500), server_error(503), rate_limited("global-rate"), rate_limited(None), CutOff(), NotJson())

deeds = st.one_of(
    st.tuples(st.just("pay"), st.sampled_from(sorted(ENDS))),
    st.tuples(st.just("retry"), st.sampled_from(sorted(ENDS))),
    st.tuples(st.sampled_from(("ask", "cancel", "capture", "refund", "dispute", "warn", "payout", "garbage"))),
    st.tuples(st.sampled_from(("authenticate", "hold", "take", "take in parts", "let go", "expire"))),
    st.tuples(st.sampled_from(("appeal", "inquiry", "debit", "settle", "renew", "renew without a key"))),
    st.tuples(st.sampled_from(("capture what was captured", "refund later"))),
    st.tuples(st.just("version"), st.sampled_from(("2016-07-06", "2024-06-20", "2026-04-22.dahlia"))),
    st.tuples(st.just("wait"), st.integers(1, 4000)),
)
odd = st.tuples(st.integers(0, 899), st.integers(0, 2), st.booleans())
"""For each event: how late it appears, how often it is repeated, and whether it is late at all."""


def do(shop: Shop, deed: tuple[Any, ...], clock: Clock, known: dict[str, Any]) -> None:
    """One thing that happens in the shop."""
    paid = known.get("paid")
    match deed:
        case ("pay", end):
            known["last"] = payment = shop.pay(end)
            if end == "success":
                known["paid"] = payment
            else:
                known["failed"] = payment
        case ("retry", end) if known.get("failed"):
            shop.pay(end, after=known["failed"])
            if end == "success":
                known["failed"] = None
        case ("ask",):
            known["asked"] = shop.ask()
        case ("cancel",) if known.get("asked"):
            shop.cancel(known.pop("asked"))
        case ("authenticate",):
            shop.pay(after=shop.ask(), cause=Cause.AUTHENTICATED, authentication="challenge")
        case ("hold",):
            known["held"] = shop.pay(capture=False)
        case ("take",) if known.get("held"):
            known["paid"] = shop.capture(known.pop("held"))
        case ("take in parts",) if known.get("held"):
            known["paid"] = shop.capture(known.pop("held"), 500, 700)
        case ("let go",) if known.get("held"):
            shop.release(known.pop("held"))
        case ("expire",) if known.get("held"):
            shop.release(known.pop("held"), expired=True)
        case ("appeal",) if paid:
            shop.appeal(paid)
        case ("inquiry",) if paid:
            shop.be_asked_about(paid)
        case ("debit",):
            known["debit"] = shop.fake.process()
        case ("settle",) if known.get("debit"):
            clock.on(4000)
            shop.settle(known.pop("debit"), "no money")
        case ("renew",):
            told = "unknown" if known.get("version") == "2016-07-06" else "automatic"  # it shows no key
            shop.pay("no money", cause=Cause.INVOICE, initiator=told)
        case ("renew without a key",):
            shop.pay("no money", cause=Cause.UNSAID)
        case ("version", version):
            shop.fake.use_version(version)
            known["version"] = version
        case ("capture",):
            shop.capture(shop.pay(capture=False))
        case ("capture what was captured",):
            shop.fake.capture(shop.pay())
        case ("refund",) if paid:
            shop.refund(paid, 100)
        case ("refund later",) if paid:
            shop.refund_later(paid, 100)
        case ("dispute",) if paid:
            shop.lose_dispute(paid)
        case ("warn",) if paid:
            shop.be_warned(paid)
        case ("payout",):
            shop.be_paid()
        case ("garbage",):
            for number in shop.fake.pay().events:
                shop.fake.garble(number, {"data": "?"})
        case ("wait", seconds):
            clock.on(seconds)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(deeds, odd, st.sampled_from(("nothing", "sample", "fault", "restart"))), min_size=1, max_size=30)
)
def test_for_any_schedule_of_events_faults_and_restarts_the_counters_are_the_books(
    story: list[tuple[tuple[Any, ...], tuple[int, int, bool], str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, watched(Path(folder)) as world:
        world.begun()
        known: dict[str, Any] = {}
        for number, (deed, (late, copies, is_late), then) in enumerate(story):
            before = world.fake.last_event
            do(world.shop, deed, world.clock, known)
            for event in range(before + 1, world.fake.last_event + 1):
                for _ in range(copies):
                    world.fake.repeat(event)
                if is_late:
                    world.fake.delay(event, late)
            if then == "fault":
                world.server.faults.next(FAULTS[number % len(FAULTS)])
            if then == "restart":
                world.restart()
            if then != "nothing":
                sample_or_fail(world)
        world.server.faults.clear()
        world.clock.on(601)
        assert counters(world.rest(3)) == world.shop.truth()


def sample_or_fail(world: Watched) -> None:
    """Sample once; what fails is tried again later."""
    world.clock.on(20)
    try:
        world.sample()
    except SampleError:
        world.clock.on(20)


class Killed(BaseException):
    """The process ended here."""


class DyingDatabase:
    """A real database whose process dies before a given statement."""

    def __init__(self, database: Database, statements: int) -> None:
        self._database = database
        self._left = statements

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._live()
        return self._database.execute(sql, parameters)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._live()
        self._database.execute_many(sql, rows)

    def size(self) -> int:
        return self._database.size()

    def close(self) -> None:
        self._database.close()

    def _live(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed


def dying_after(statements: int) -> Callable[[Database], Ledger]:
    """Opens a ledger on a database that dies after so many statements."""
    return lambda database: Ledger(DyingDatabase(database, statements), LabelOverflow(), lambda: START)


@pytest.mark.parametrize("together", [1, 3])
def test_death_before_any_statement_of_a_transaction_loses_and_doubles_nothing(tmp_path: Path, together: int) -> None:
    clock = Clock()
    shop = Shop(FakeStripe(clock))
    pages = []
    for _ in range(3):
        first = shop.fake.last_event + 1
        for way in ENDS:
            shop.pay(way)
        paid = shop.pay()
        shop.refund(paid, 100)
        shop.lose_dispute(paid)
        shop.be_warned(paid)
        clock.on(30)
        numbers = range(first, shop.fake.last_event + 1)
        pages.append(read_page([shop.fake.event(number) for number in numbers])[0])
    end = int(clock()) + 2 * 3600
    deaths = 0
    statements = 0
    path = tmp_path / "state.sqlite3"
    while True:
        try:
            dying = open_sqlite(path, 2**30, clock, dying_after(statements))
            if dying.marks is None:
                dying.begin(int(START), False)
            for first in range(0, len(pages), together):
                dying.record(Page.of(pages[first : first + together]), True, lambda marks: marks)
            dying.record(Page(()), True, lambda marks: marks.done("deep", Pass(int(START), top=end + LATEST + TAIL)))
        except Killed:
            deaths += 1
            statements += 1
            continue
        break
    assert deaths > 60 / together
    totals = {key: value for key, value in values(dying.readings(end)).items() if key[0].endswith("_total")}
    with suppress(Killed):
        dying.close()
    assert totals == shop.truth()


def refunds_of_an_old_version(count: int) -> Iterable[Page]:
    """Pages of refunds that wait until it is certain that they let no authorization go, one each second."""
    for first in range(0, count, 1000):
        yield Page(
            tuple(
                Event(
                    f"evt_{number}",
                    "refund.created",
                    int(START) + number,
                    f"re_{number}",
                    f"refund.created:re_{number}",
                    (RefundMade(f"re_{number}", f"ch_{number}", "usd", 100, may_be_release=True),),
                )
                for number in range(first, min(first + 1000, count))
            )
        )


@pytest.mark.slow
def test_a_months_refunds_that_become_certain_together_are_more_than_one_statement_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQLite as its authors build it takes 32,766 parameters; distributions raise that."""
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connected)
    now = int(START) + 20 * 86400
    ledger = Ledger(open_memory(), LabelOverflow(), lambda: now)
    ledger.begin(now, True)
    for page in refunds_of_an_old_version(33_000):
        ledger.record(page, False, lambda marks: marks)
    ledger.record(Page(()), True, lambda marks: replace(marks, backfill=None, covered_from=0, settled=now + 1))
    found = values(ledger.readings(now + 1))
    ledger.close()
    assert found["stripe_window_refunds", "30d", "other"] == 33_000


@pytest.mark.slow
@given(sizes=st.lists(st.integers(1, 8), max_size=12), backwards=st.booleans())
@settings(max_examples=15, deadline=None)
def test_how_many_pages_share_a_transaction_changes_no_count(sizes: list[int], backwards: bool) -> None:
    """Stripe lists the newest first, so that a refund is mostly read before its charge."""
    clock = Clock()
    shop = Shop(FakeStripe(clock))
    for way in (*ENDS, *ENDS):
        shop.pay(way)
        paid = shop.pay()
        shop.refund(paid, 100)
        shop.lose_dispute(paid)
        shop.capture(shop.pay(capture=False))
        shop.ask()
        clock.on(30)
    events = [shop.fake.event(number) for number in range(shop.fake.last_event + 1)]
    pages = [read_page(events[first : first + 5])[0] for first in range(0, len(events), 5)]
    if backwards:
        pages = [Page(tuple(reversed(page.events))) for page in reversed(pages)]
    end = int(clock()) + 2 * 3600
    ledger = Ledger(open_memory(), LabelOverflow(), clock)
    ledger.begin(int(START), False)
    for size in (*sizes, len(pages)):
        ledger.record(Page.of(pages[:size]), True, lambda marks: marks)
        pages = pages[size:]
    ledger.record(Page(()), True, lambda marks: marks.done("deep", Pass(int(START), top=end + LATEST + TAIL)))
    found = values(ledger.readings(START + 23 * 3600))  # when 24 hours are known
    ledger.close()
    assert {key: value for key, value in found.items() if key[0].endswith("_total")} == shop.truth()
    refunds = {key[2]: value for key, value in found.items() if key[:2] == ("stripe_window_refunds", "24h")}
    assert refunds == {"visa": 2 * len(ENDS)}


@pytest.mark.slow
def test_a_process_that_is_killed_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    outcome = kill_again_and_again(tmp_path, kills=20, seed=7, seconds=700)
    assert outcome.kills == 20
    assert outcome.lost == 0
    assert outcome.doubled == 0
    assert outcome.counted_under_fire > 100


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_a_refund_whose_reference_comes_days_later_has_not_ended_again(world: Watched, status: str) -> None:
    refund = world.begun().shop.refund_later(world.shop.pay(), 100, status)
    world.rest()
    world.clock.on(3 * 86400)
    world.rest()
    world.fake.refer_to(refund)
    assert counters(world.rest()) == world.shop.truth()


def test_a_counter_that_is_wrong_would_be_noticed(world: Watched) -> None:
    world.begun().shop.pay()
    world.fake.pay()  # not in the books
    assert counters(world.rest()) != world.shop.truth()


def test_marks_survive_being_kept() -> None:
    marks = Marks.beginning(1000, backfilled=True).under_way("deep", Pass(5, top=2000, cursor="evt_1", reached=1500))
    assert Marks.from_json(marks.to_json()) == marks


def test_all_readings_of_counters_are_there_from_the_start() -> None:
    assert len(counter_readings(counter_series(LabelOverflow().values), {})) > 150
    assert {one.value for one in counter_readings(counter_series(LabelOverflow().values), {})} == {0.0}


def test_a_slow_answer_is_given_up_and_nothing_is_lost(tmp_path: Path) -> None:
    with watched(tmp_path) as world:
        world.begun().shop.pay()
        patient = world.settings.timeout
        world.restart(timeout=timedelta(seconds=0.3))
        world.server.faults.next(Slow(0.8))
        with pytest.raises(SampleError) as given_up:
            world.sample()
        assert given_up.value.kind is ErrorClass.TIMEOUT
        world.restart(timeout=patient)
        world.clock.on(10)
        assert counters(world.rest()) == world.shop.truth()
