"""Which of several replicas samples Stripe?

The one that holds an advisory lock of a Postgres session. The lock is a lease: its holder counts as the leader for one
lease from each question that the server answered, and the server ends a session that asked nothing for two. So a holder
that froze, or whose network is gone, has stepped down before another can take the lock.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

import psycopg
from psycopg import sql
from pydantic import Field

from exporters.configuration.dsn import Dsn
from exporters.configuration.secrets import Section
from exporters.postgres.connection import Row, opened, within
from exporters.postgres.failures import connection_failure
from exporters.process.logs import LOGGER, FailureLog
from exporters.sampling.model import Clock, ErrorClass, SampleError

__all__ = ["Leader", "LeaderSettings"]

_logger = logging.getLogger(f"{LOGGER}.leader")

_DSN = "leader.dsn"

_BEATS = 3
"""Beats in a lease: two may be lost."""


class LeaderSettings(Section):
    """How the leader is elected."""

    dsn: Dsn
    """Straight to Postgres (14 or later): through a pooler, nobody leads, for no session there is one's own."""
    key: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 7_296_667
    """The number of the advisory lock: one for each Stripe account that is sampled."""
    lease: Annotated[timedelta, Field(ge=timedelta(seconds=3), le=timedelta(minutes=5))] = timedelta(seconds=15)


class Leader:
    """A candidate, and the leader while it holds the lock."""

    def __init__(self, settings: LeaderSettings, clock: Clock) -> None:
        """`clock` must never jump: `time.monotonic` in production."""
        self._settings = settings
        self._clock = clock
        self._lease = settings.lease.total_seconds()
        self._connection: psycopg.AsyncConnection[Row] | None = None
        self._backend: int | None = None
        self._until = float("-inf")
        self._log = FailureLog(_logger)

    def is_leader(self) -> bool:
        """Whether this replica may act as the leader at this moment."""
        connected = self._connection is not None and not self._connection.closed
        return connected and self._clock() < self._until

    async def beat(self) -> None:
        """Take the lock, or confirm it. A failure is logged: nobody is harmed, somebody else may lead."""
        asked_at = self._clock()
        try:
            holds = await within(self._lease / _BEATS, self._ask())
        except (SampleError, psycopg.Error, TimeoutError) as error:
            await self._failed(error if isinstance(error, SampleError) else connection_failure(error, _DSN))
        else:
            self._log.succeeded(_DSN)
            self._until = asked_at + self._lease if holds else float("-inf")

    async def run(self) -> None:
        """Beat until cancelled. A connection that ends between two beats is noticed when it does."""
        try:
            while True:
                await self.beat()
                await self._rest()
        finally:
            await self.close()

    async def close(self) -> None:
        """Step down, so that another can take over at once."""
        if self._connection is not None and self._backend is not None:
            unlocking = self._connection.execute("SELECT pg_advisory_unlock(%(key)s)", {"key": self._settings.key})
            with suppress(psycopg.Error, TimeoutError):
                await within(self._lease / _BEATS, unlocking)
        await self._drop()

    async def _drop(self) -> None:
        """Lead no more; the end of the session gives the lock up."""
        self._until = float("-inf")
        self._backend = None
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _ask(self) -> bool:
        if self._connection is None:
            self._connection = await opened(self._settings.dsn, self._settings.lease, _DSN)
            await self._connection.execute(
                sql.SQL("SET idle_session_timeout = {}").format(sql.Literal(round(2 * self._lease * 1000)))
            )
        cursor = await self._connection.execute(
            "SELECT pg_backend_pid(), coalesce(%(backend)s = pg_backend_pid(),"
            " CASE WHEN pg_backend_pid() = %(own)s THEN pg_try_advisory_lock(%(key)s) END)",
            {"backend": self._backend, "own": self._connection.info.backend_pid, "key": self._settings.key},
        )
        row = await cursor.fetchone()
        assert row is not None
        backend, holds = row
        if holds is None or self._backend not in (None, backend):
            raise SampleError(
                ErrorClass.REFUSED,
                _DSN,
                "a pooler answers, and hands sessions around, so that no lock holds",
                "write the DSN of Postgres itself",
            )
        self._backend = backend if holds else None
        return bool(holds)

    async def _rest(self) -> None:
        """Wait for the next beat, listening for the end of the connection."""
        pause = self._lease / _BEATS
        if self._connection is not None:
            try:
                async for _ in self._connection.notifies(timeout=pause):
                    pass
            except psycopg.Error as error:
                await self._failed(connection_failure(error, _DSN))
            else:
                return
        await asyncio.sleep(pause)

    async def _failed(self, failure: SampleError) -> None:
        self._log.failed(_DSN, failure.kind.value, str(failure))
        await self._drop()
