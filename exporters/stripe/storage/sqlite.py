"""How is the state kept in one file that survives a kill at any moment?

WAL with synchronous=FULL: a transaction is on disk when COMMIT returns, or never was. A lock on a file beside it
refuses a second writer, and the kernel gives it back when its holder dies.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from exporters.process.logs import LOGGER
from exporters.sampling.model import Clock, ErrorClass, SampleError
from exporters.stripe.storage.database import OWNER, SCHEMA, SCHEMA_VERSION, CorruptError, Database, type_of_row

__all__ = ["SqliteDatabase", "open_memory", "open_sqlite", "owner_in"]

_LOG = logging.getLogger(f"{LOGGER}.stripe.state")
_WHERE = "state file"
_PAGE_SIZE = 1024
"""Bytes: hashes and ids arrive in no order, so that each new row changes another page of the file."""
_CHECKPOINT_PAGES = 16_384
_PARTS = ("", "-wal", "-shm")
Read = TypeVar("Read")

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


class SqliteDatabase:
    """A connection to one SQLite file, with the lock that makes it the only writer; closing it gives both back."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None, lock: int | None) -> None:
        self._connection = connection
        self._path = path
        self._lock = lock

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[type_of_row]:
        with _errors_of(self._path):
            return self._connection.execute(sql, parameters).fetchall()

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with _errors_of(self._path):
            self._connection.executemany(sql, rows)

    def size(self) -> int:
        if self._path is None:
            (pages,), (bytes_each,) = self.execute("PRAGMA page_count")[0], self.execute("PRAGMA page_size")[0]
            return int(pages * bytes_each)
        total = 0
        for part in _PARTS:
            with suppress(OSError):
                total += Path(f"{self._path}{part}").stat().st_size
        return total

    def disconnect(self) -> None:
        """Close the connection and keep the lock."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def close(self) -> None:
        self.disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def open_memory() -> Database:
    """A state that lives as long as the process: its counters start again at 0 with it."""
    database = SqliteDatabase(_connected(":memory:"), None, None)
    _prepare(database, None)
    return database


def open_sqlite(path: Path, largest_bytes: int, clock: Clock, read: Callable[[Database], Read]) -> Read:
    """What `read` makes of the state in that file, which is created where there is none.

    Where the file or, to `read`, its content is damaged, it is renamed to `<name>.corrupt-<seconds since 1970>` and a
    new one is begun. Raises SampleError where another process has it, where it cannot be written, or where another
    release wrote it.
    """
    lock = _locked(path)
    try:
        try:
            return _read(path, largest_bytes, lock, read)
        except CorruptError as damage:
            aside = _set_aside(path, int(clock()))
            _LOG.error("state file: damaged (%s), set aside as %s; counters start again at 0", damage, aside.name)
            return _read(path, largest_bytes, lock, read)
    except BaseException:
        os.close(lock)
        raise


def owner_in(path: Path) -> str | None:
    """Whose payments the state in that file counts, read beside whoever writes it, and without a trace.

    None where it does not say. Raises SampleError where this release would refuse it or it cannot be read now,
    CorruptError where it is damaged.
    """
    log, shared = (Path(f"{path}{part}") for part in _PARTS[1:])
    if log.exists() and not shared.exists():
        what = "its log cannot be read without writing beside it"
        raise SampleError(ErrorClass.INTERNAL, _WHERE, f"{path}: {what}", "look again while the exporter runs")
    how = "mode=ro" if log.exists() else "immutable=1"
    with _errors_of(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection:
        ((version,),) = connection.execute("PRAGMA user_version")
        _known(version, path)
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'paymon_marks'").fetchall():
            return None
        found = connection.execute(OWNER).fetchall()
    return found[0][0] if found else None


def _read(path: Path, largest_bytes: int, lock: int, read: Callable[[Database], Read]) -> Read:
    database = _opened(path, largest_bytes, lock)
    try:
        return read(database)
    except BaseException:
        database.disconnect()
        raise


def _opened(path: Path, largest_bytes: int, lock: int) -> SqliteDatabase:
    with suppress(OSError):  # SQLite says better what is wrong with it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # its log beside it has the same mode
    with _errors_of(path):
        connection = _connected(str(path))
    database = SqliteDatabase(connection, path, lock)
    try:
        database.execute(f"PRAGMA page_size={_PAGE_SIZE}")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        database.execute("PRAGMA synchronous=FULL")
        _check(database)
        ((page_size,),) = database.execute("PRAGMA page_size")
        database.execute(f"PRAGMA max_page_count={largest_bytes // page_size}")
        _prepare(database, path)
    except BaseException:
        database.disconnect()
        raise
    return database


def _check(database: Database) -> None:
    ((answer,),) = database.execute("PRAGMA quick_check(1)")
    if answer != "ok":
        raise CorruptError("it fails SQLite's own check")


def _connected(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        connection.execute("PRAGMA cache_size=-16384")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(database: Database, path: Path | None) -> None:
    ((version,),) = database.execute("PRAGMA user_version")
    _known(version, path)
    database.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        database.execute(f"{statement} WITHOUT ROWID" if "PRIMARY KEY (" in statement else statement)
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    database.execute("COMMIT")


def _known(version: int, path: Path | None) -> None:
    """Raises SampleError for a version of the schema that a newer release wrote."""
    if not 0 <= version <= SCHEMA_VERSION:
        raise SampleError(
            ErrorClass.BAD_DATA,
            _WHERE,
            f"{path} has schema version {version}, this release knows {SCHEMA_VERSION}",
            "run the release that wrote it, or name another file",
        )


def _locked(path: Path) -> int:
    beside = path.with_name(f"{path.name}.lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SampleError(
            ErrorClass.INTERNAL,
            _WHERE,
            f"{beside} cannot be written ({error.strerror})",
            "let this user write into its directory, or set stripe.state.path",
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise SampleError(
            ErrorClass.INTERNAL,
            _WHERE,
            f"another process already writes {path}",
            "stop the other exporter, or give each its own stripe.state.path",
        ) from None
    return lock


def _set_aside(path: Path, now: int) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{now}")
    for part in _PARTS:
        with suppress(FileNotFoundError):
            Path(f"{path}{part}").rename(f"{aside}{part}")
    return aside


@contextmanager
def _errors_of(path: Path | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _CORRUPT:
            raise CorruptError(str(error)) from None
        if code == sqlite3.SQLITE_FULL:
            what, cure = "the disk is full, or stripe.state.largest_bytes is reached", "make room"
        elif code in _IN_USE:
            what, cure = "another program holds it", "close that one; while the exporter runs, read a copy of the file"
        elif code in _READ_ONLY:
            what, cure = "it cannot be written", "let this user write the file and its directory"
        else:
            what, cure = getattr(error, "sqlite_errorname", type(error).__name__), "see whether the disk is sound"
        raise SampleError(ErrorClass.INTERNAL, _WHERE, f"{path or 'in memory'}: {what}", cure) from None
