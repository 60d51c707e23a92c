"""Do the alerts hold where the exporter is two, samples a replica, or never got an answer?"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from exporters.postgres import LeaderSettings
from paymon.promtool import Promtool
from rules.payments import blindness, outcomes, replica
from rules.payments.budget import failures_1h
from rules.payments.declines import method_degraded
from simulator.arithmetic import week_shape
from simulator.conditions import USUAL, Conditions, Database, StripeApi
from simulator.incidents import DAY, Setting
from simulator.world import World
from tests.scenarios.asking import ask
from tests.scenarios.evaluation import Evaluated, evaluate
from tests.scenarios.series import Scrapes, Target
from tests.scenarios.staging import EXPORTER, Past, Stage, exporter_beside, tick
from tests.scenarios.stepped_time import SteppedLoop

pytestmark = pytest.mark.slow

FIRST, SECOND = EXPORTER, Target("payments-exporter", "10.0.0.2:9877")


def run(story: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        runner.run(story)


def fired(evaluated: Evaluated) -> set[str]:
    return {one.alert for one in evaluated.firings}


def what_fires(promtool: Promtool, world: World, past: Past, scrapes: Scrapes, folder: Path) -> Evaluated:
    until = past.began + int(world.now - past.shop.clock.now)
    return evaluate(promtool, scrapes, until // 60 * 60, 60, folder)


def test_two_replicas_count_once_and_one_takes_over_from_the_other(
    stage: Stage, newest: Promtool, tmp_path: Path
) -> None:
    past = stage.past(DAY)
    with stage.future(past) as (world, folder, scrapes):
        shared = in_common(stage, world) | {"PAYMON_LEADER__LEASE": "PT2M"}  # outlasts what a busy machine delays

        async def story() -> None:
            async with exporter_beside(world, folder, shared) as second:
                async with exporter_beside(world, folder, shared) as first:
                    await passes(6, (first, second), (FIRST, SECOND))
                    world.meet(Conditions(technical=0.15))
                    await passes(6, (first, second), (FIRST, SECOND))
                scrapes.forget(FIRST, world.now)
                await passes(8, (second,), (SECOND,))
                world.meet(USUAL)
                await passes(12, (second,), (SECOND,))

        async def passes(minutes: int, exporters: tuple, targets: tuple) -> None:  # type: ignore[type-arg]
            for _ in range(minutes):
                await tick(world, exporters, targets, scrapes, 60)

        run(story())
        evaluated = what_fires(newest, world, past, scrapes, tmp_path)
        now = past.began + int(world.now - past.shop.clock.now)
        failures = f'{failures_1h}{{environment="production"}}'
        ((counted,),) = (
            [one["points"][-1][1] for one in series]
            for series in ask({"": (failures, True)}, scrapes, now // 60 * 60, newest, tmp_path).values()
        )

    assert fired(evaluated) - {method_degraded.name} == {outcomes.degraded.name}
    # Forty failures in an hour; counted twice they would be eighty.
    assert 25 < float(counted) < 55


def in_common(stage: Stage, world: World) -> dict[str, str]:
    """What replicas share: the election, and the state."""
    dsn = world.environment["PAYMON_POSTGRES__DSN"]
    return {
        "PAYMON_LEADER__DSN": dsn,
        "PAYMON_STRIPE__STATE__BACKEND": "postgres",
        "PAYMON_STRIPE__STATE__DSN": stage.server.dsn(str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])),
    }


def stale(evaluated: Evaluated) -> set[str]:
    """The sources that are said to be stale, by a page where it is Stripe's events."""
    told = (blindness.exporter_stale.name, blindness.events_stale.name)
    return {dict(one.labels)["source"] for one in evaluated.firings if one.alert in told}


@pytest.mark.parametrize("elected", [True, False])
def test_a_replica_that_follows_hides_neither_a_leader_that_learns_nothing_nor_that_nobody_leads(
    stage: Stage, newest: Promtool, tmp_path: Path, elected: bool
) -> None:
    past = stage.past(DAY)
    with stage.future(past) as (world, folder, scrapes):
        shared = in_common(stage, world)

        async def story() -> None:
            async with (
                exporter_beside(world, folder, shared) as first,
                exporter_beside(world, folder, shared) as second,
            ):
                for minute in range(14):
                    if minute == 4 and elected:
                        world.meet(Conditions(stripe_api=StripeApi.READS_FAIL))
                    await tick(world, (first, second), (FIRST, SECOND), scrapes, 60)

        with contextlib.ExitStack() as stack:
            if not elected:
                other = stack.enter_context(psycopg.connect(shared["PAYMON_LEADER__DSN"], autocommit=True))
                other.execute("SELECT pg_advisory_lock(%s)", (LeaderSettings.model_fields["key"].default,))
            run(story())
        evaluated = what_fires(newest, world, past, scrapes, tmp_path)

    assert "stripe_events" in stale(evaluated)
    assert ("stripe_disputes" in stale(evaluated)) is not elected


def test_a_source_that_has_not_answered_since_the_exporter_began_is_stale_too(
    stage: Stage, newest: Promtool, tmp_path: Path
) -> None:
    past = stage.past(DAY)
    with stage.future(past) as (world, folder, scrapes):
        world.meet(Conditions(database=Database.DOWN))

        async def story() -> None:
            async with exporter_beside(world, folder) as exporter:
                for _ in range(12):
                    await tick(world, (exporter,), (EXPORTER,), scrapes, 60)

        run(story())
        evaluated = what_fires(newest, world, past, scrapes, tmp_path)

    assert {"postgres", "webhook_inbox"} <= stale(evaluated)


def test_a_replica_that_falls_behind_is_told_apart_from_payments_that_stop(
    stage: Stage, newest: Promtool, tmp_path: Path
) -> None:
    # Postgres stamps what it replays by the real clock, so this world lives at the real time.
    now = int(time.time()) // 60 * 60
    monday = 4 * 86400
    here = Setting(name="now", begins=datetime.fromtimestamp(now, UTC), per_minute=12.5 / week_shape(now - monday))
    past = stage.past(here)
    with stage.future(past, sampled_from_a_replica=True) as (world, folder, scrapes):

        async def story() -> None:
            async with exporter_beside(world, folder) as exporter:
                for minute in range(16):
                    if minute == 4:
                        world.meet(Conditions(database=Database.REPLICA_STOPPED))
                    await tick(world, (exporter,), (EXPORTER,), scrapes, 60)

        run(story())
        evaluated = what_fires(newest, world, past, scrapes, tmp_path)

    found = fired(evaluated)
    assert found == {replica.replica_lag_high.name}
    lag = min(one.first for one in evaluated.firings if one.alert == replica.replica_lag_high.name)
    assert lag - past.began <= 13 * 60
