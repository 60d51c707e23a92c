"""How does the exporter start, read its configuration again, and stop?"""

import asyncio
import logging
import random
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from exporters.configuration.configfile import ConfigurationError
from exporters.configuration.settings import Settings
from exporters.process.assembly import Assembly
from exporters.process.logs import LOGGER, FailureLog
from exporters.process.notify import Notifier
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, Distribution, Reading
from exporters.sampling.scheduler import Scheduler
from exporters.sampling.selfmetrics import about_source, build_info
from exporters.web.page import Page
from exporters.web.server import Server, application
from exporters.web.webconfig import WebConfigFile
from rules.vocabulary import Metric

__all__ = ["Exporter"]

Assemble = Callable[[Settings, LabelOverflow], Assembly]
"""Makes the samplers of a configuration, without I/O."""

_LOG = logging.getLogger(LOGGER)


class Exporter:
    """The running exporter: its samplers, its page, its server."""

    def __init__(
        self,
        load: Callable[[], Settings],
        assemble: Assemble,
        web: WebConfigFile,
        *,
        metrics: Sequence[Metric],
        clock: Clock,
        version: str,
        environment: Mapping[str, str],
    ) -> None:
        """`metrics` is the order of the families. Raises ConfigurationError."""
        self._load = load
        self._assemble = assemble
        self._web = web
        self._clock = clock
        self._version = version
        self._notifier = Notifier(environment)
        self._overflow = LabelOverflow()
        self._failures = FailureLog(_LOG)
        self._settings = load()
        self._assembly = assemble(self._settings, self._overflow)
        self._scheduler = self._scheduler_for(self._assembly)
        self._sampling: asyncio.Task[None] | None = None
        self._stopping = False
        self._broken = False
        self.page = Page(metrics, self.readings)
        self._server = Server(application(self.page, self._is_ready, version), web)

    def readings(self) -> tuple[Reading | Distribution, ...]:
        """Everything that is known now."""
        lines = self._scheduler.lines
        about = (reading for line in lines for reading in about_source(line))
        own = (build_info(self._version), *about, *self._overflow.readings(), *self._assembly.about())
        return (*own, *self._scheduler.readings())

    async def run(self, sockets: Sequence[socket.socket]) -> bool:
        """Sample and serve until SIGTERM or SIGINT; SIGHUP reads the configuration again. False where it broke down."""
        loop = asyncio.get_running_loop()
        reloads: set[asyncio.Task[None]] = set()
        lock = asyncio.Lock()

        def reload() -> None:
            task = loop.create_task(self._reload(lock))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self.stop)
        alive = loop.create_task(self._notifier.keep_alive())
        serving = loop.create_task(self._server.serve(sockets))
        self._start_sampling()
        self._say_hello(sockets)
        self._notifier.ready()
        try:
            await serving
        finally:
            await _ended(alive, *reloads, *([self._sampling] if self._sampling else []))
            await self.close()
        _LOG.info("stopped")
        return not self._broken

    async def sample(self) -> None:
        """Sample every source once, without run(): for whoever decides himself how time passes."""
        await self._scheduler.sample()

    async def close(self) -> None:
        """Let go of everything that was opened."""
        await self._scheduler.close()
        self.page.close()

    def stop(self) -> None:
        """Answer what was asked, then end run()."""
        self._stopping = True
        self._notifier.stopping()
        self._server.stop()

    def _is_ready(self) -> bool:
        return self._scheduler.tried and not self._stopping

    def _scheduler_for(self, assembly: Assembly) -> Scheduler:
        return Scheduler(assembly.samplers, self._clock, random.random, self._failures)

    def _start_sampling(self) -> None:
        self._sampling = asyncio.get_running_loop().create_task(self._sample())
        self._sampling.add_done_callback(self._sampling_ended)

    async def _sample(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scheduler.run())
            tasks.create_task(self._assembly.run())

    def _sampling_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _LOG.critical("sampling broke down and the exporter ends; report it", exc_info=error)
            self._broken = True
            self.stop()

    async def _reload(self, lock: asyncio.Lock) -> None:
        async with lock:
            self._notifier.reloading()
            if self._web.reload():
                try:
                    await self._apply(self._load())
                except ConfigurationError as error:
                    report(error)
            self._notifier.ready()

    async def _apply(self, settings: Settings) -> None:
        if settings == self._settings:
            _LOG.info("the configuration was read again; nothing changed")
            return
        assembly = self._assemble(settings, self._overflow)
        if self._sampling:
            await _ended(self._sampling)
        await self._scheduler.close()
        scheduler = self._scheduler_for(assembly)
        scheduler.succeed(self._scheduler, assembly.same_as(self._assembly))
        self._assembly, self._scheduler = assembly, scheduler
        self._settings = settings
        self._start_sampling()
        _LOG.info("the configuration was read again and is in use")

    def _say_hello(self, sockets: Sequence[socket.socket]) -> None:
        scheme = "https" if self._web.config.tls_server_config.wanted else "http"
        for one in sockets:
            host, port = one.getsockname()[:2]
            facts = {"version": self._version, "sources": ",".join(line.source.value for line in self._scheduler.lines)}
            shown = f"[{host}]" if ":" in host else host
            _LOG.info("serving %s://%s:%s/metrics", scheme, shown, port, extra={"facts": facts})
            if not ip_address(host).is_loopback and not (self._web.config.basic_auth_users or scheme == "https"):
                _LOG.warning("everybody who reaches %s:%s can read the page; see --web.config.file", shown, port)


def report(error: ConfigurationError) -> None:
    """Log everything that is wrong with a configuration that is not taken."""
    for fault in error.faults:
        _LOG.error("the configuration stays as it was: %s", fault)


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
