"""How is a production database asked without hurting it?

One connection for all sources; each query in a read-only transaction of its own with a statement and a lock timeout, so
that it also passes a pooler in transaction mode; a deadline of our own that cancels; nothing prepared, nothing held.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo, sql

from exporters.configuration.secrets import Secret
from exporters.postgres.failures import (
    NoConnectionError,
    connection_failure,
    deadline_exceeded,
    query_failure,
    silence,
    transient,
)
from exporters.postgres.settings import PostgresSettings
from exporters.sampling.model import ErrorClass

__all__ = ["APPLICATION_NAME", "Database", "Row", "is_pooled", "opened", "parameters", "within"]

APPLICATION_NAME = "paymon-exporter"

Row = tuple[Any, ...]
T = TypeVar("T")

_DSN = "postgres.dsn"
_RETRIES = 2
_CANCELLING_SECONDS = 1.0
_ADDRESSES = 4
"""How many addresses of a DSN may fail to answer, one connect_timeout each, before the whole of it does."""


_TYPES = """
SELECT format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL)
FROM unnest(%(oids)s::oid[]) WITH ORDINALITY AS asked (oid, place) JOIN pg_type AS t USING (oid) ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class _Result:
    """The rows of a query, and the type of each of its columns."""

    rows: tuple[Row, ...]
    types: tuple[int, ...]


class Database:
    """The one connection to the payments database: opened when needed, behind every protection."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._connection: psycopg.AsyncConnection[Row] | None = None
        self._dsn = ""
        self._turn = asyncio.Lock()
        self._prologues: dict[timedelta, bytes] = {}

    async def rows(
        self,
        query: sql.Composed,
        parameters: Mapping[str, object],
        *,
        where: str,
        timeout: timedelta | None = None,
    ) -> tuple[Row, ...]:
        """Every row that the query gives. `where` names it in errors; `timeout` is the server's statement_timeout.

        Raises NoConnectionError where no query could succeed, SampleError where this one did not.
        """
        return (await self._asked(query, parameters, where, timeout)).rows

    async def types(
        self,
        query: sql.Composed,
        parameters: Mapping[str, object],
        *,
        where: str,
        timeout: timedelta | None = None,
    ) -> tuple[str, ...]:
        """The type of each column that the query gives, as Postgres calls it. Raises as rows() does."""
        oids = (await self._asked(query, parameters, where, timeout)).types
        rows = await self.rows(sql.SQL(_TYPES).format(), {"oids": list(oids)}, where=where)
        return tuple(name for (name,) in rows)

    async def _asked(
        self, query: sql.Composed, parameters: Mapping[str, object], where: str, timeout: timedelta | None
    ) -> "_Result":
        limit = timeout or self._settings.statement_timeout
        async with self._turn:
            for retry in reversed(range(_RETRIES + 1)):
                connection = await self._connected()
                asking = _transaction(connection, query, parameters, self._prologue(limit, connection))
                try:
                    return await within((limit + self._settings.deadline_margin).total_seconds(), asking)
                except TimeoutError:
                    raise (silence(_DSN) if connection.closed else deadline_exceeded(where)) from None
                except psycopg.Error as error:
                    lost = connection.closed
                    if retry and (lost or transient(error)):
                        continue
                    if lost:
                        raise connection_failure(error, _DSN) from None
                    raise query_failure(error, where, query.as_string(connection).strip()) from None
            raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close the connection; the next query opens another."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close()

    def _prologue(self, limit: timedelta, connection: psycopg.AsyncConnection[Row]) -> bytes:
        """One message to the server. Without row security, a policy that would hide rows is an error instead."""
        if limit not in self._prologues:
            self._prologues[limit] = self._settings_of_a_transaction(limit).as_bytes(connection)
        return self._prologues[limit]

    def _settings_of_a_transaction(self, limit: timedelta) -> sql.Composed:
        milliseconds = max(1, round(limit.total_seconds() * 1000))
        return sql.SQL(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = {lock};"
            " SET LOCAL idle_in_transaction_session_timeout = {idle}; SET LOCAL timezone = {zone};"
            " SET LOCAL datestyle = 'ISO'; SET LOCAL row_security = {policies};"
            " SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off"
        ).format(
            limit=sql.Literal(milliseconds),
            lock=sql.Literal(max(1, round(self._settings.lock_timeout.total_seconds() * 1000))),
            idle=sql.Literal(milliseconds + 10_000),
            zone=sql.Literal(self._settings.time_zone),
            policies=sql.Literal("on" if self._settings.role_sees_all_rows else "off"),
        )

    async def _connected(self) -> psycopg.AsyncConnection[Row]:
        dsn = self._settings.dsn.get_secret_value()
        if self._connection is not None and dsn != self._dsn:
            connection, self._connection = self._connection, None
            await connection.close()
        if self._connection is None or self._connection.closed:
            self._connection = await opened(self._settings.dsn, self._settings.connect_timeout, _DSN)
            self._dsn = self._settings.dsn.get_secret_value()
        return self._connection


async def within(seconds: float, asking: Coroutine[Any, Any, T]) -> T:
    """What the coroutine gives. Raises TimeoutError at the deadline.

    Its query is cancelled then, and the connection kept; where not even that succeeds within a second, it is closed.
    """
    task = asyncio.create_task(asking)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCELLING_SECONDS)
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()


async def _transaction(
    connection: psycopg.AsyncConnection[Row],
    query: sql.Composed,
    parameters: Mapping[str, object],
    prologue: bytes,
) -> "_Result":
    async with connection.cursor() as cursor:
        try:
            await cursor.execute(prologue)
            await cursor.execute(query, parameters)
            return _Result(tuple(await cursor.fetchall()), tuple(one.type_code for one in cursor.description or ()))
        finally:
            if not connection.closed:
                await cursor.execute("ROLLBACK")


def parameters(dsn: Secret, timeout: timedelta) -> dict[str, Any]:
    """What to connect with: what the DSN says has precedence over the defaults here."""
    defaults = {
        "application_name": APPLICATION_NAME,
        "connect_timeout": str(max(2, round(timeout.total_seconds()))),
        "keepalives": "1",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }
    return defaults | conninfo.conninfo_to_dict(dsn.get_secret_value())


async def is_pooled(connection: psycopg.AsyncConnection[Row]) -> bool:
    """Whether a pooler stands between: it tells each of its clients of a session that the server does not know."""
    cursor = await connection.execute("SELECT pg_backend_pid()")
    row = await cursor.fetchone()
    return row is None or row[0] != connection.info.backend_pid


async def opened(dsn: Secret, timeout: timedelta, where: str) -> psycopg.AsyncConnection[Row]:
    """A new connection to the DSN, which is found at `where` in the settings. Raises NoConnectionError.

    Where it is refused and the DSN's file holds another one by now, that one is tried.
    """
    try:
        return await _opened(dsn, timeout, where)
    except NoConnectionError as error:
        if error.kind is not ErrorClass.REFUSED or not dsn.renew():
            raise
    return await _opened(dsn, timeout, where)


async def _opened(dsn: Secret, timeout: timedelta, where: str) -> psycopg.AsyncConnection[Row]:
    try:
        async with asyncio.timeout(_ADDRESSES * timeout.total_seconds()):
            return await psycopg.AsyncConnection.connect(
                "",
                autocommit=True,
                prepare_threshold=None,
                **parameters(dsn, timeout),
            )
    except (psycopg.Error, OSError) as error:
        raise connection_failure(error, where) from None
