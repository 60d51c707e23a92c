"""Is every source sampled on time, whatever the others do, and served only while it is fresh?"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.process.logs import FailureLog
from exporters.sampling.model import Distribution, ErrorClass, Reading, SampleError, Sampler, Snapshot, reading
from exporters.sampling.scheduler import Scheduler, next_deadline
from exporters.sampling.selfmetrics import about_source
from rules.payments import database, health, monitoring, replica
from rules.vocabulary import Metric, Source
from tests.exporters.sampling.samplers import Scripted, lag, nothing
from tests.exporters.virtual_time import in_virtual_time

pytestmark = pytest.mark.timeout(900)

Readings = tuple[Reading | Distribution, ...]


def scheduler(*samplers: Sampler, clock: Callable[[], float] = lambda: 1.7e9) -> Scheduler:
    return Scheduler(samplers, clock, lambda: 0.0, FailureLog(logging.getLogger("test")))


@asynccontextmanager
async def running(subject: Scheduler) -> AsyncIterator[Scheduler]:
    task = asyncio.create_task(subject.run())
    try:
        yield subject
    finally:
        task.cancel()
        await asyncio.wait({task})
        await subject.close()


async def wait(seconds: float) -> None:
    await asyncio.sleep(seconds)


@given(previous=st.floats(0, 1e6), interval=st.floats(1, 1e4), passed=st.floats(0, 1e6))
def test_the_next_deadline_is_ahead_by_at_most_one_interval_and_on_the_grid(
    previous: float, interval: float, passed: float
) -> None:
    now = previous + passed
    deadline = next_deadline(previous, interval, now)
    steps = (deadline - previous) / interval
    assert now <= deadline <= now + interval * (1 + 1e-6)
    assert round(steps) >= 1
    assert abs(steps - round(steps)) < 1e-6


def test_a_source_is_sampled_at_fixed_deadlines_however_long_a_sample_takes() -> None:
    async def slow(now: float) -> Readings:
        await wait(4)
        return ()

    async def story() -> list[float]:
        sampler = Scripted(slow)
        async with running(scheduler(sampler)):
            await wait(50)
        return sampler.sampled_at

    assert in_virtual_time(story()) == [1000, 1015, 1030, 1045]


def test_missed_deadlines_are_skipped_and_never_made_up_for() -> None:
    async def slow(now: float) -> Readings:
        await wait(40)
        return ()

    async def story() -> list[float]:
        sampler = Scripted(slow)
        async with running(scheduler(sampler)):
            await wait(120)
        return sampler.sampled_at

    assert in_virtual_time(story()) == [1000, 1045, 1090]


def test_an_interval_that_changes_holds_from_the_next_sample_on() -> None:
    async def story() -> list[float]:
        sampler = Scripted()

        async def stretch(now: float) -> Readings:
            sampler.interval = timedelta(seconds=60)
            return ()

        sampler.script = stretch
        async with running(scheduler(sampler)):
            await wait(130)
        return sampler.sampled_at

    assert in_virtual_time(story()) == [1000, 1060, 1120]


def test_the_first_samples_are_spread_by_the_random_number_that_is_passed_in() -> None:
    async def story() -> list[float]:
        sampler = Scripted(interval=timedelta(seconds=30))
        subject = Scheduler((sampler,), lambda: 0.0, lambda: 0.5, FailureLog(logging.getLogger("test")))
        async with running(subject):
            await wait(10)
        return sampler.sampled_at

    assert in_virtual_time(story()) == [1001.5]


async def _hangs(now: float) -> Readings:
    await asyncio.Event().wait()
    return ()


async def _raises(now: float) -> Readings:
    raise RuntimeError("password=hunter2")


async def _cancels_itself(now: float) -> Readings:
    raise asyncio.CancelledError


async def _times_out(now: float) -> Readings:
    raise SampleError(ErrorClass.TIMEOUT, "postgres", "no answer within 2 s", "see whether it is overloaded")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (_hangs, ErrorClass.TIMEOUT),
        (_raises, ErrorClass.INTERNAL),
        (_cancels_itself, ErrorClass.INTERNAL),
        (_times_out, ErrorClass.TIMEOUT),
    ],
)
def test_a_source_that_fails_is_counted_by_class_and_delays_no_other(
    script: Callable[[float], AsyncIterator[Readings]], kind: ErrorClass
) -> None:
    async def story() -> None:
        bad = Scripted(script, interval=timedelta(seconds=60), max_age=timedelta(minutes=10))  # type: ignore[arg-type]
        good = Scripted(nothing, Source.HEALTH)
        async with running(scheduler(bad, good)) as subject:
            await wait(170)
            broken, fine = subject.lines
            assert not broken.health.up
            assert broken.health.tried
            assert broken.health.errors[kind] >= 1
            assert sum(broken.health.errors.values()) == broken.health.errors[kind]
            assert fine.health.up
            assert good.sampled_at == [1000 + 15 * n for n in range(12)]

    in_virtual_time(story())


def test_a_sample_that_cannot_be_stopped_is_left_alone_and_not_started_twice() -> None:
    released = False

    async def will_not_be_cancelled(now: float) -> Readings:
        while not released:
            with suppress(asyncio.CancelledError):
                await wait(3600)
        return ()

    async def story() -> None:
        nonlocal released
        stuck = Scripted(will_not_be_cancelled)
        good = Scripted(nothing, Source.HEALTH)
        async with running(scheduler(stuck, good)) as subject:
            await wait(200)
            assert stuck.sampled_at == [1000]
            assert subject.lines[0].health.errors[ErrorClass.TIMEOUT] > 2
            assert len(good.sampled_at) == 14
            released = True
        (left_alone,) = asyncio.all_tasks() - {asyncio.current_task()}
        left_alone.cancel()
        await asyncio.wait({left_alone})

    in_virtual_time(story())


def test_a_snapshot_is_served_until_max_age_and_then_absent_while_its_health_stays() -> None:
    async def story() -> None:
        sampler = Scripted(lag)
        async with running(scheduler(sampler)) as subject:
            await wait(1)
            sampler.script = _raises
            await wait(58)
            assert reading(replica.replica_lag, 1.5) in subject.readings()
            await wait(2)
            assert subject.readings() == ()
            about = {one.metric: one.value for one in about_source(subject.lines[0])}
            assert about[monitoring.source_up] == 0
            assert about[monitoring.last_success] == 1.7e9
            assert about[monitoring.watermark] == 1.7e9 - 1

    in_virtual_time(story())


def test_a_clock_that_jumps_neither_drops_a_snapshot_nor_keeps_an_old_one() -> None:
    async def story() -> None:
        wall = [1.7e9]
        sampler = Scripted(lag)
        async with running(scheduler(sampler, clock=lambda: wall[0])) as subject:
            await wait(1)
            sampler.script = _raises
            wall[0] += 86400
            assert subject.readings()
            wall[0] -= 10 * 86400
            await wait(60)
            assert not subject.readings()

    in_virtual_time(story())


def test_a_reading_that_would_spoil_the_page_is_left_out_and_counted() -> None:
    sound = reading(replica.replica_lag, 1)

    async def mixed(now: float) -> Readings:
        return (
            sound,
            sound,
            reading(health.up, 1),
            Reading(database.dead_tuples, (), 1),
            Reading(database.dead_tuples, (("table", "\ud800"),), 1),
            Reading(database.duplicates, (), "three"),  # type: ignore[arg-type]
            None,  # type: ignore[return-value]
        )

    async def story() -> None:
        async with running(scheduler(Scripted(mixed))) as subject:
            await wait(1)
            assert subject.readings() == (sound,)
            assert subject.lines[0].health.up
            assert subject.lines[0].health.errors[ErrorClass.INTERNAL] == 7

    in_virtual_time(story())


def test_what_a_sampler_says_of_itself_is_served_before_its_first_success() -> None:
    async def story() -> None:
        said = reading(monitoring.late_events, 0)
        sampler = Scripted(_raises, says=(said, reading(replica.replica_lag, 1)))
        async with running(scheduler(sampler)) as subject:
            assert subject.readings() == (said,)

    in_virtual_time(story())


def test_a_sampler_that_answers_for_another_source_is_refused() -> None:
    class Impostor(Scripted):
        async def sample(self, now: float) -> Snapshot:
            return Snapshot(Source.HEALTH, now, now, ())

    async def story() -> None:
        async with running(scheduler(Impostor())) as subject:
            await wait(1)
            assert not subject.lines[0].health.up

    in_virtual_time(story())


def test_readiness_waits_for_every_source_to_be_tried_not_to_succeed() -> None:
    async def story() -> None:
        async def slowly(now: float) -> Readings:
            await wait(3)
            raise RuntimeError

        async with running(scheduler(Scripted(), Scripted(slowly, Source.HEALTH))) as subject:
            await wait(2)
            assert not subject.tried
            await wait(2)
            assert subject.tried

    in_virtual_time(story())


class Replica(Scripted):
    """A sampler that reads every quarter of an hour while it leads, and looks every 5 s whether it does."""

    def __init__(self, leads: bool = False) -> None:
        super().__init__(max_age=timedelta(hours=1))
        self.leads = leads
        self.followed = 0

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=900 if self.leads else 5)

    @interval.setter
    def interval(self, _: timedelta) -> None:
        pass

    async def sample(self, now: float) -> Snapshot:
        if self.leads:
            return await super().sample(now)
        self.followed += 1
        return Snapshot(self.source, now, None, ())


def test_a_replica_that_takes_over_begins_within_seconds_and_one_that_steps_down_notices_as_soon() -> None:
    async def story() -> None:
        replica = Replica()
        async with running(scheduler(replica)):
            await wait(302)
            assert not replica.sampled_at
            replica.leads = True
            await wait(1000)
            assert replica.sampled_at == [1305, 2205]
            followed = replica.followed
            replica.leads = False
            await wait(6)
            assert replica.followed > followed

    in_virtual_time(story())


def known_of(subject: Scheduler) -> dict[Metric, float]:
    """What is exported about a source, errors apart."""
    about = about_source(subject.lines[0])
    return {one.metric: one.value for one in about if one.metric is not monitoring.errors}


def test_of_a_source_that_another_replica_reads_only_the_age_is_told_and_by_it_nobody_leads_for_long() -> None:
    async def story() -> None:
        now = [1.7e9]
        replica = Replica()
        async with running(scheduler(replica, clock=lambda: now[0])) as subject:
            for leads, mark in ((False, 1.7e9), (True, 1.7e9 + 199), (False, 1.7e9 + 199)):
                replica.leads = leads
                now[0] += 100
                await wait(30)
                known = known_of(subject)
                assert subject.lines[0].health.up
                assert known[monitoring.watermark] == mark
                if leads:
                    assert known[monitoring.source_up] == 1
                    assert known[monitoring.last_success] == 1.7e9 + 200
                else:
                    assert known == {monitoring.watermark: mark, monitoring.interval: 5}

    in_virtual_time(story())


def test_a_leader_that_hangs_is_stale_beside_a_replica_that_follows() -> None:
    async def story() -> None:
        now = [1.7e9]
        leader, follower = Replica(leads=True), Replica()
        async with (
            running(scheduler(leader, clock=lambda: now[0])) as leads,
            running(scheduler(follower, clock=lambda: now[0])) as follows,
        ):

            def age() -> float:
                """As payments_exporter:source_age:intervals has it."""
                found = [known_of(one) for one in (leads, follows)]
                youngest = min(now[0] - known[monitoring.watermark] for known in found)
                return youngest / max(known[monitoring.interval] for known in found)

            await wait(10)
            leader.script = _hangs
            for _ in range(4):
                now[0] += 900
                await wait(900)
            assert age() > 3
            leader.leads = False  # nobody leads
            now[0] += 2000
            await wait(2000)
            assert age() > 5000 / 5

    in_virtual_time(story())


def test_a_replica_that_takes_over_and_hangs_is_as_old_as_one_that_follows() -> None:
    async def story() -> None:
        replica = Replica()
        async with running(scheduler(replica)) as subject:
            await wait(1)
            replica.leads = True
            replica.script = _hangs
            await wait(100)
            assert known_of(subject)[monitoring.interval] == 5
            await wait(3600)
            assert known_of(subject)[monitoring.source_up] == 0
            assert known_of(subject)[monitoring.interval] == 5

    in_virtual_time(story())


def test_a_sample_of_which_a_part_failed_is_served_and_counts_as_failed(caplog: pytest.LogCaptureFixture) -> None:
    class Partial(Scripted):
        async def sample(self, now: float) -> Snapshot:
            whole = await super().sample(now)
            return replace(whole, problem=SampleError(ErrorClass.NOT_PERMITTED, "here", "half of it", "permit it"))

    async def story() -> None:
        async with running(scheduler(Partial())) as subject:
            await wait(50)
            assert subject.readings() == (reading(replica.replica_lag, 1.5),)
            known = known_of(subject)
            assert known[monitoring.source_up] == 0
            assert known[monitoring.watermark] == 1.7e9 - 1
            assert subject.lines[0].health.errors[ErrorClass.NOT_PERMITTED] == 4

    in_virtual_time(story())
    assert "answers again" not in caplog.text


def test_a_source_that_fails_does_not_catch_up_until_it_answers_again() -> None:
    class Behind(Scripted):
        async def sample(self, now: float) -> Snapshot:
            return replace(await super().sample(now), catching_up=True)

    async def refused_from_the_third_to_the_fifth(now: float) -> Readings:
        if 3 <= len(subject.sampled_at) <= 5:
            raise SampleError(ErrorClass.RATE_LIMITED, "there", "too many requests", "wait")
        return ()

    subject = Behind(refused_from_the_third_to_the_fifth)

    async def story() -> None:
        told = []
        async with running(scheduler(subject)) as subjects:
            await wait(1)
            for _ in range(7):
                told.append(known_of(subjects)[monitoring.catching_up])
                await wait(15)
        assert told == [1, 1, 0, 0, 0, 1, 1]

    in_virtual_time(story())


def test_a_successor_goes_on_from_what_was_known_of_a_source() -> None:
    async def story() -> None:
        first = scheduler(Scripted(lag))
        async with running(first):
            await wait(1)
        second = scheduler(Scripted(_raises))
        second.succeed(first, {Source.POSTGRES})
        assert second.readings() == (reading(replica.replica_lag, 1.5),)
        assert second.tried

    in_virtual_time(story())


def test_a_successor_whose_source_is_another_one_knows_no_value_of_it_and_no_younger_data_than_there_were() -> None:
    async def fails_once(now: float) -> Readings:
        if len(sampler.sampled_at) == 1:
            raise SampleError(ErrorClass.REFUSED, "here", "no", "ask again")
        return await lag(now)

    sampler = Scripted(fails_once)

    async def story() -> None:
        clock = iter([1.7e9, *(1.7e9 + 100 * sample for sample in range(3)), 1.8e9])
        first = scheduler(sampler, clock=lambda: next(clock))
        async with running(first):
            await wait(31)
        second = scheduler(Scripted(_raises), clock=lambda: next(clock))
        second.succeed(first, {Source.HEALTH})
        assert second.readings() == ()
        assert not second.tried
        known = known_of(second)
        assert known[monitoring.source_up] == 0
        assert monitoring.last_success not in known
        assert known[monitoring.watermark] == 1.7e9 + 200 - 1
        assert second.lines[0].health.errors[ErrorClass.REFUSED] == 1

    in_virtual_time(story())


def test_closing_ends_though_a_sampler_will_not() -> None:
    class Clinging(Scripted):
        async def close(self) -> None:
            await asyncio.Event().wait()

    async def story() -> None:
        other = Scripted(source=Source.HEALTH)
        await scheduler(Clinging(), other).close()
        assert other.closed

    in_virtual_time(story())


def test_every_error_class_of_a_configured_source_starts_at_zero() -> None:
    async def story() -> list[Reading]:
        return [one for one in about_source(scheduler(Scripted()).lines[0]) if one.metric is monitoring.errors]

    found = in_virtual_time(story())
    assert {dict(one.labels)["class"] for one in found} == set(monitoring.ERROR_CLASS.values)
    assert {one.value for one in found} == {0}


def test_a_failure_is_logged_at_doubling_counts_without_the_text_of_what_nobody_foresaw(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        sampler = Scripted(_raises)
        async with running(scheduler(sampler)):
            await wait(15 * 9 + 1)
            sampler.script = nothing
            await wait(15)

    with caplog.at_level(logging.INFO, "test"):
        in_virtual_time(story())
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 5
    assert messages[0] == messages[3]
    assert messages[0].startswith("postgres: unexpected RuntimeError at _raises, line ")
    assert "hunter2" not in "".join(messages)
    assert messages[4] == "postgres: answers again"
