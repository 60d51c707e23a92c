"""How is an incident played: the same healthy past for all, and a future for each?"""

import asyncio
import contextlib
import fcntl
import pickle
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from simulator.conditions import USUAL, Conditions, ExporterState
from simulator.incidents import Incident, Setting
from simulator.postgres_server import PostgresServer, standby
from simulator.records import write
from simulator.shop import Shop
from simulator.world import World, opened
from tests.scenarios.exporter import RunningExporter, running_exporter
from tests.scenarios.series import Scrapes, Target
from tests.scenarios.stepped_time import SteppedLoop

__all__ = ["APPLICATION", "EMPTY", "EXPORTER", "Past", "Stage", "exporter_beside", "tick"]

EMPTY = "scenario_template"
"""The database with tables and nothing in them."""

EXPORTER = Target("payments-exporter", "10.0.0.1:9877")
APPLICATION = Target("payments", "10.0.0.1:8080")

HEALTHY = timedelta(minutes=63)
"""More than the hour that the burn rate asks for."""
TICK = 60
PHASE = 15
"""Seconds by which a scrape comes after an evaluation: at the edge of a window, 2.x and 3.x see different samples."""

CONFIGURATION = """
stripe: {interval: 30s, timeout: 30s}
postgres:
  {interval: 30s, statement_timeout: 300ms, lock_timeout: 50ms, deadline_margin: 29s, role_sees_all_rows: true}
health: {interval: 30s, timeout: 30s}
probe: {interval: 5m, timeout: 2m, max_age: 15m}
flag: {interval: 30s, timeout: 30s}
declared: {interval: 5m, timeout: 2m}
"""
"""As often as is scraped here. What an incident makes slow ends soon, since nobody wants to wait for it; what answers,
may take as long as is allowed, since it is the machine that is busy and not the incident that is to be told of."""

_HISTORY_DAYS = 30
_HISTORY_PER_MINUTE = 0.05


@dataclass(frozen=True)
class Past:
    """Thirty sparse days and a healthy hour, with all that they left behind."""

    setting: Setting
    shop: Shop
    database: str
    state: Path
    scrapes: Scrapes

    @property
    def began(self) -> int:
        """The second of the scrapes' history at which incidents begin."""
        return round(self.shop.clock.now - self.scrapes.zero)


@dataclass
class Stage:
    """A Postgres, the pasts that have been played on it, and room for futures.

    `shared` is where every process that plays scenarios keeps its pasts, for the others.
    """

    server: PostgresServer
    folder: Path
    shared: Path
    _pasts: dict[str, Past] = field(default_factory=dict)
    _futures: int = 0

    def past(self, setting: Setting) -> Past:
        """The past of a setting, played once, by whichever process needs it first."""
        if setting.name not in self._pasts:
            folder = self.shared / setting.name
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = folder / "past.pickle"
                past = self._remembered(setting, folder) if known.exists() else self._played(setting, folder)
            self._pasts[setting.name] = past
        return self._pasts[setting.name]

    def play(self, incident: Incident) -> tuple[Past, Scrapes]:
        """What Prometheus sees of an incident, from the healthy hour before it on."""
        past = self.past(incident.setting)
        with self.future(past, incident.conditions(timedelta())) as (world, folder, scrapes):
            with asyncio.Runner(loop_factory=SteppedLoop) as runner:
                runner.run(_watched(world, folder, scrapes, incident))
            return past, scrapes

    @contextlib.contextmanager
    def future(
        self, past: Past, conditions: Conditions = USUAL, *, sampled_from_a_replica: bool = False
    ) -> Iterator[tuple[World, Path, Scrapes]]:
        """A world of its own that goes on where the past ended; of the conditions, it has what must be there before."""
        self._futures += 1
        folder = self.folder / f"future-{self._futures}"
        folder.mkdir()
        database = f"future_{self._futures}"
        self.server.create(database, template=past.database)
        shutil.copy(past.state, folder / "stripe.sqlite3")
        if conditions.reads_spent:
            _spend(folder / "stripe.sqlite3", past, conditions.reads_spent)
        shop = past.shop.copied()
        shop.conditions = replace(USUAL, certificate_left=conditions.certificate_left)
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder)
            stack.callback(self.server.drop, database)
            replica = stack.enter_context(standby(self.server)) if sampled_from_a_replica else None
            yield (
                stack.enter_context(opened(shop, self.server, database, folder, replica=replica)),
                folder,
                past.scrapes.copied(),
            )

    def _played(self, setting: Setting, folder: Path) -> Past:
        database = f"past_{setting.name}"
        dsn = self.server.create(database, template=EMPTY)
        begins = setting.begins.timestamp() - HEALTHY.total_seconds()
        shop = Shop(begins - _HISTORY_DAYS * 86400, _HISTORY_PER_MINUTE)
        shop.advance(begins)
        with psycopg.connect(dsn, autocommit=True) as connection:
            write(connection, shop.records)
        self._set_timezone(database, setting)
        shop.customers.per_minute = setting.per_minute
        scrapes = Scrapes(begins - PHASE, PHASE)
        with (
            opened(shop, self.server, database, folder) as world,
            asyncio.Runner(loop_factory=SteppedLoop) as runner,
        ):
            runner.run(_healthy(world, folder, scrapes))
        past = Past(setting, shop, database, folder / "stripe.sqlite3", scrapes)
        self.server.dump(database, folder / "database.sql")
        beside = folder / "past.pickle.new"
        beside.write_bytes(pickle.dumps(past, pickle.HIGHEST_PROTOCOL))
        beside.rename(folder / "past.pickle")
        return past

    def _remembered(self, setting: Setting, folder: Path) -> Past:
        past: Past = pickle.loads((folder / "past.pickle").read_bytes())
        self.server.create(past.database)
        self.server.psql(past.database, folder / "database.sql")
        self._set_timezone(past.database, setting)
        return past

    def _set_timezone(self, database: str, setting: Setting) -> None:
        with psycopg.connect(self.server.dsn(database), autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET timezone = {}").format(
                    sql.Identifier(database), sql.Literal(setting.timezone)
                )
            )


async def _healthy(world: World, folder: Path, scrapes: Scrapes) -> None:
    async with exporter_beside(world, folder) as exporter:
        for _ in range(int(HEALTHY.total_seconds()) // TICK):
            await tick(world, (exporter,), (EXPORTER,), scrapes, TICK)


async def _watched(world: World, folder: Path, scrapes: Scrapes, incident: Incident) -> None:
    began = world.now
    every = int(incident.every.total_seconds())
    async with contextlib.AsyncExitStack() as stack:
        exporter: RunningExporter | None = await stack.enter_async_context(exporter_beside(world, folder))
        while world.now < began + incident.watched_for.total_seconds():
            conditions = incident.conditions(timedelta(seconds=world.now - began))
            if conditions != world.conditions:
                world.meet(conditions)
            if conditions.exporter is ExporterState.KILLED and exporter:
                await stack.aclose()
                exporter = None
            elif conditions.exporter is ExporterState.RUNNING and not exporter:
                exporter = await stack.enter_async_context(exporter_beside(world, folder))
            await tick(world, (exporter,), (EXPORTER,), scrapes, every)


async def tick(
    world: World,
    exporters: tuple[RunningExporter | None, ...],
    targets: tuple[Target, ...],
    scrapes: Scrapes,
    every: int,
) -> None:
    """Let that many seconds pass, and scrape everything at their end."""
    world.advance(world.now + every)
    for exporter, target in zip(exporters, targets, strict=True):
        if exporter:
            await exporter.step(every)
        scrapes.add(world.now, target, await exporter.page() if exporter else None)
    scrapes.add(world.now, APPLICATION, world.shop.measurements.page())


@contextlib.asynccontextmanager
async def exporter_beside(
    world: World, folder: Path, variables: Mapping[str, str] | None = None
) -> AsyncIterator[RunningExporter]:
    """The exporter, led to that world; `variables` are settings of its own."""
    config = folder / "exporter.yaml"
    config.write_text(CONFIGURATION)

    def clock() -> float:
        return world.now + world.conditions.exporter_clock_ahead

    async with running_exporter(config, {**world.environment, **(variables or {})}, clock) as exporter:
        yield exporter


def _spend(state: Path, past: Past, share: float) -> None:
    """Reads that were spent yesterday, as the exporter's state would hold them."""
    allowance = past.scrapes.latest("payments_exporter_stripe_read_allowance")
    yesterday = (int(past.shop.clock.now) // 86400 - 1) * 86400
    with contextlib.closing(sqlite3.connect(state)) as connection, connection:
        connection.execute(
            "INSERT INTO paymon_buckets (width, start, series, total) VALUES (86400, ?, 'reads', ?)",
            (yesterday, int(share * allowance) + 1),
        )
