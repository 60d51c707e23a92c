"""How does the real exporter run beside the simulated world, and what does Prometheus scrape of it?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from exporters.configuration.settings import Settings, load
from exporters.postgres import Leader
from exporters.process.assembly import Assembly, assemble
from exporters.process.run import Exporter, report
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, Distribution, Reading, Sampler, Snapshot
from exporters.web.page import Form
from exporters.web.webconfig import WebConfigFile
from rules.catalog import catalog
from rules.vocabulary import Source
from tests.scenarios.stepped_time import Sampling, SteppedLoop, turns

__all__ = ["RunningExporter", "running_exporter"]


class _Observed(Sampler):
    """A sampler of the exporter, with somebody who sees when it works."""

    def __init__(self, inner: Sampler, sampling: Sampling) -> None:
        self._inner = inner
        self._sampling = sampling

    @property
    def source(self) -> Source:
        return self._inner.source

    @property
    def interval(self) -> timedelta:
        return self._inner.interval

    @property
    def usual_interval(self) -> timedelta:
        return self._inner.usual_interval

    @property
    def max_age(self) -> timedelta:
        return self._inner.max_age

    async def sample(self, now: float) -> Snapshot:
        with self._sampling.one():
            return await self._inner.sample(now)

    def about(self) -> tuple[Reading | Distribution, ...]:
        return self._inner.about()

    async def close(self) -> None:
        await self._inner.close()


class _Unhurried(Assembly):
    """An assembly whose candidate for leadership is asked at each step, and does nothing in between."""

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if self.leader:
                await self.leader.close()


class RunningExporter:
    """An exporter that runs, samples at its own intervals, and lets nobody wait for them."""

    def __init__(self, config: Path, environment: Mapping[str, str], clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppedLoop)
        self._loop, self._sampling = loop, loop.sampling
        self._leader: Leader | None = None

        def observed(settings: Settings, overflow: LabelOverflow) -> Assembly:
            made = assemble(settings, overflow, clock, pause=lambda _: asyncio.sleep(0))
            samplers = tuple(_Observed(sampler, self._sampling) for sampler in made.samplers)
            self._leader = made.leader
            return _Unhurried(samplers, made.leader, made.samples_stripe, made.allow_lists, made.asked)

        self._exporter = Exporter(
            lambda: load(config, environment),
            observed,
            WebConfigFile(None, report),
            metrics=catalog().metrics,
            clock=clock,
            version="simulated",
            environment={},
        )
        self._running = asyncio.create_task(self._exporter.run(()))

    async def step(self, seconds: float) -> None:
        """Let that time pass: whatever falls due is sampled before this returns."""
        if self._leader:
            await self._leader.beat()
        await self._sampling.over()  # what fell due since then must not see the jump as an answer that never came
        self._loop.jump(self._at + seconds)
        self._at += seconds
        await self._sampling.over()
        if self._running.done():
            self._running.result()
            raise AssertionError("the exporter ended by itself")

    async def page(self) -> str:
        """What it serves now."""
        return (await self._exporter.page.render(Form(CONTENT_TYPE_PLAIN_0_0_4, compressed=False))).body.decode()

    async def begin(self) -> None:
        """Let it take its first samples."""
        await turns()
        self._at = self._loop.time()
        await self.step(5)

    async def stop(self) -> None:
        """End it as SIGTERM would, between two samples: httpx does not close a handshake that is cancelled."""
        await self._sampling.over()
        self._exporter.stop()
        await self._running


@contextlib.asynccontextmanager
async def running_exporter(
    config: Path, environment: Mapping[str, str], clock: Clock
) -> AsyncIterator[RunningExporter]:
    """An exporter whose first samples are taken, ended with the block."""
    one = RunningExporter(config, environment, clock)
    await one.begin()
    try:
        yield one
    finally:
        await one.stop()
