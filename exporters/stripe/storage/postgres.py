"""How is the state kept in Postgres, for pods without a volume and for a hand-over between replicas?

The connection holds an advisory lock for as long as it lives, so that two writers cannot meet. A lost connection ends
an open transaction, and the next sample connects again and reads what was committed. Neither side waits for long for
one that fell silent: the server for a holder of the lock no more than we for the server.

Behind a pooler no session is ours: nothing is locked or set there, and `ownership` alone keeps writers apart.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Timer
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from exporters.configuration.secrets import Secret
from exporters.postgres.connection import parameters
from exporters.sampling.model import ErrorClass, SampleError
from exporters.stripe.storage.database import SCHEMA, SCHEMA_VERSION, Database, type_of_row

__all__ = ["open_postgres"]

_WHERE = "state database"
_LOCK = 0x7061796D6F6E53  # "paymonS"
_CONNECT = timedelta(seconds=5)
_PATIENCE = timedelta(seconds=20)
_SETTINGS = sql.SQL(
    "SET synchronous_commit = on; SET statement_timeout = {statement};"
    " SET idle_in_transaction_session_timeout = {idle}; SET idle_session_timeout = '15min';"
    " SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)
"""Set once connected: as a parameter of the start they would displace the DSN's own, and a pooler would refuse them."""
_BEGIN_POOLED = sql.SQL(
    "BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = {statement};"
    " SET LOCAL idle_in_transaction_session_timeout = {idle}"
)


class _PostgresDatabase:
    """A connection to Postgres that holds the writer's lock; it ends where a statement is not answered in time."""

    def __init__(self, connection: psycopg.Connection[type_of_row], patience: timedelta) -> None:
        self._connection = connection
        self._patience = patience.total_seconds()
        self._pooled = False
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[type_of_row]:
        with _errors(), self._deadline():
            if self._pooled and sql == "BEGIN":
                self._connection.execute(self._limited(_BEGIN_POOLED))
                return []
            cursor = self._connection.execute(_in_psycopg(sql), parameters)
            return cursor.fetchall() if cursor.description else []

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with _errors(), self._deadline(), self._connection.cursor() as cursor:
            cursor.executemany(_in_psycopg(sql), rows)

    def size(self) -> int:
        ((total,),) = self.execute(
            "SELECT COALESCE(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relname LIKE 'paymon|_%%' ESCAPE '|' AND pg_table_is_visible(c.oid)"
        )
        return int(total)

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()
        self._socket.close()

    def protect(self) -> None:
        """Take the session for our own, unless a pooler gave it: be its only writer, and limit how long it works."""
        ((backend,),) = self.execute("SELECT pg_backend_pid()")
        self._pooled = backend != self._connection.info.backend_pid
        if self._pooled:
            return
        with _errors(), self._deadline():
            self._connection.execute(self._limited(_SETTINGS))
        _lock(self)

    def _limited(self, statements: sql.SQL) -> sql.Composed:
        limit = round(self._patience * 750)
        return statements.format(statement=sql.Literal(limit), idle=sql.Literal(2 * limit))

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        timer = Timer(self._patience, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def open_postgres(dsn: Secret, patience: timedelta = _PATIENCE) -> Database:
    """The state in that database, in the first schema of its search path. Wants Postgres 14 or later.

    The server has `patience` to answer a statement. Raises SampleError where it cannot be reached, where another writer
    holds it, or where a newer release wrote it.
    """
    with _errors():
        wanted = {**parameters(dsn, _CONNECT), "application_name": "paymon-exporter-state"}
        connection: psycopg.Connection[type_of_row] = psycopg.connect(
            "", autocommit=True, prepare_threshold=None, **wanted
        )
    database = _PostgresDatabase(connection, patience)
    try:
        database.protect()
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _lock(database: Database) -> None:
    ((locked,),) = database.execute(
        "SELECT pg_try_advisory_lock(?"
        " + CASE current_schema() WHEN 'public' THEN 0 ELSE hashtext(current_schema()) END)",
        (_LOCK,),
    )
    if not locked:
        raise SampleError(
            ErrorClass.INTERNAL,
            _WHERE,
            "another exporter writes it",
            "stop the other one, or give each its own database or schema in stripe.state.dsn",
        )


def _prepare(database: Database) -> None:
    database.execute("BEGIN")
    for statement in SCHEMA:
        database.execute(statement)
    database.execute(
        "INSERT INTO paymon_marks (name, value) VALUES ('schema', ?) ON CONFLICT (name) DO NOTHING",
        (str(SCHEMA_VERSION),),
    )
    ((version,),) = database.execute("SELECT value FROM paymon_marks WHERE name = 'schema'")
    if not version.isdecimal() or not 1 <= int(version) <= SCHEMA_VERSION:
        database.execute("ROLLBACK")
        raise SampleError(
            ErrorClass.BAD_DATA,
            _WHERE,
            f"it has schema version {version}, this release knows {SCHEMA_VERSION}",
            "run the release that wrote it, or name another database",
        )
    database.execute("UPDATE paymon_marks SET value = ? WHERE name = 'schema'", (str(SCHEMA_VERSION),))
    database.execute("COMMIT")


def _in_psycopg(sql: str) -> LiteralString:
    """The statement with psycopg's placeholders; every statement is a text of this package."""
    return sql.replace("?", "%s")


@contextmanager
def _errors() -> Iterator[None]:
    """psycopg's errors without their text, which may hold the DSN or a value."""
    try:
        yield
    except psycopg.Error as error:
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        kind = ErrorClass.UNREACHABLE if isinstance(error, psycopg.OperationalError) else ErrorClass.INTERNAL
        raise SampleError(
            kind,
            _WHERE,
            f"{type(error).__name__}{state}",
            "see whether the database answers and whether the role may create tables in its schema",
        ) from None
