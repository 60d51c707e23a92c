"""A real PgBouncer in transaction mode before a real Postgres, for the tests; where there is none, they say so."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from simulator.postgres_server import PostgresServer

__all__ = ["pooled"]

_SECONDS = 200
_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
server_lifetime = 86400
ignore_startup_parameters = extra_float_digits,options
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pooled(server: PostgresServer, database: str) -> Iterator[str]:
    """The DSN of that database through PgBouncer, which has one session for all of its clients."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("needs pgbouncer, the package of Debian's that has the same name")
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", dir="/var/tmp") as name:
        folder, port = Path(name), _free_port()
        direct = conninfo.conninfo_to_dict(server.dsn(database))
        (folder / "settings").write_text(
            _SETTINGS.format(
                server=server.port, user=direct["user"], password=direct["password"], port=port, folder=folder
            )
        )
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if account:
            for path in (folder, folder / "settings"):
                os.chown(path, account.pw_uid, account.pw_gid)
        process = subprocess.Popen(
            [program, "--quiet", folder / "settings"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=() if account else None,
        )
        try:
            dsn = server.dsn(database).replace(f"port={server.port}", f"port={port}")
            _until_it_answers(dsn, process)
            yield dsn
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _until_it_answers(dsn: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(psycopg.Error), psycopg.connect(dsn, connect_timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError("pgbouncer does not answer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
