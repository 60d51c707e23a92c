"""Are programs found where they are said to be, and fetched by the real apt where they are not?

What is fetched comes from a Debian archive of the test's own, with tiny packages in it, which apt reads from files.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from paymon import programs

ROOT = Path(__file__).resolve().parents[2]
NEEDED_TO_FETCH = ("apt-get", "apt-cache", "dpkg", "dpkg-deb", "tar", "sh")

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="there is no apt here")


def write_program(path: Path, says: str, exit_status: int = 0) -> Path:
    """A program that prints `says`, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {exit_status}\n")
    path.chmod(0o755)
    return path


def promtool_says(version: str) -> str:
    return f"promtool, version {version} (branch: HEAD, revision: 0)"


@dataclass(frozen=True)
class Places:
    """Where a program is looked for, each a folder that starts out empty."""

    path: Path
    cache: Path
    elsewhere: Path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    found = Places(tmp_path / "path", tmp_path / "cache/paymon/programs", tmp_path / "elsewhere")
    for folder in (found.path, found.cache, found.elsewhere):
        folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(found.path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for program in programs.PROGRAMS.values():
        monkeypatch.delenv(program.variable, raising=False)
    return found


# ---- finding


def test_an_explicit_path_comes_before_the_variable_that_before_the_path_and_that_before_the_cache(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = write_program(places.cache / "promtool-3.5.3+ds1-6/usr/bin/promtool", promtool_says("3.5.3+ds1"))
    assert programs.find("promtool") == cached

    on_path = write_program(places.path / "promtool", promtool_says("3.5.3"))
    assert programs.find("promtool") == on_path

    named = write_program(places.elsewhere / "named", promtool_says("3.5.3"))
    monkeypatch.setenv("PROMTOOL", str(named))
    assert programs.find("promtool") == named

    explicit = write_program(places.elsewhere / "explicit", promtool_says("3.5.3"))
    assert programs.find("promtool", explicit=explicit) == explicit


def test_a_version_asked_for_is_looked_for_in_every_place(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMTOOL", str(write_program(places.elsewhere / "promtool", promtool_says("3.50.1"))))
    write_program(places.path / "promtool", promtool_says("2.53.3+ds1"))
    cached = write_program(places.cache / "prometheus-2.42.0+ds-5+deb12u1/usr/bin/promtool", promtool_says("2.42.0+ds"))

    assert programs.locate(programs.Wanted("promtool", "2.42")) == programs.Found("promtool", "2.42.0", cached)
    assert programs.find("promtool", "2.53") == places.path / "promtool"
    with pytest.raises(programs.ProgramMissing) as caught:
        programs.find("promtool", "3.5", explicit="promtool")
    assert caught.value.tried == ("promtool (version 2.53.3)",)


def test_of_several_fetched_the_newest_is_taken(places: Places) -> None:
    for version in ("3.5.3+ds1-6", "3.5.10+ds1-1", "2.53.3+ds1-2"):
        write_program(places.cache / f"promtool-{version}/usr/bin/promtool", promtool_says(version))

    assert programs.find("promtool", "3.5") == places.cache / "promtool-3.5.10+ds1-1/usr/bin/promtool"
    assert programs.find("promtool") == places.cache / "promtool-3.5.10+ds1-1/usr/bin/promtool"


def test_a_newer_one_stands_in_only_where_the_supported_versions_say_so(places: Places) -> None:
    newer = write_program(places.cache / "promtool-3.9.1-1/usr/bin/promtool", promtool_says("3.9.1"))

    assert programs.find("promtool", "3.5") == newer
    with pytest.raises(programs.ProgramMissing):
        programs.find("promtool", "2.42")


def test_debian_and_the_project_name_alertmanager_differently(places: Places) -> None:
    debian = write_program(places.path / "prometheus-alertmanager", "alertmanager, version 0.25.0 (branch: x)")
    assert programs.find("alertmanager") == debian

    upstream = write_program(places.path / "alertmanager", "alertmanager, version 0.33.1 (branch: x)")
    assert programs.find("alertmanager") == upstream


def test_a_missing_program_is_reported_with_the_places_and_how_to_get_it(places: Places) -> None:
    write_program(places.path / "amtool", "amtool, version 0.28.1+ds (branch: x)")

    with pytest.raises(programs.ProgramMissing) as caught:
        programs.find("amtool", "0.25")

    assert str(caught.value) == (
        f"amtool 0.25 is not here; looked at: AMTOOL (not set), {places.path}/amtool (version 0.28.1), {places.cache}. "
        "To get it: `python -m paymon.programs --only amtool` on Debian (no root needed); or install Debian's package "
        "prometheus-alertmanager, or the release from the project's own download page, and have it on the PATH or set "
        "AMTOOL to its path"
    )


def test_a_variable_that_names_no_program_is_an_error_even_when_there_is_one_elsewhere(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(places.path / "promtool", promtool_says("3.5.3"))
    monkeypatch.setenv("PROMTOOL", "/nowhere/promtool")

    with pytest.raises(programs.ProgramMissing) as caught:
        programs.find("promtool")

    assert caught.value.tried == ("PROMTOOL=/nowhere/promtool (no such program)",)


def test_a_program_that_tells_no_version_is_not_taken_for_the_one_asked_for(places: Places) -> None:
    write_program(places.path / "promtool", "true (coreutils) 9.1")

    with pytest.raises(programs.ProgramMissing) as caught:
        programs.find("promtool", "2.42")

    assert f"{places.path}/promtool (version unknown)" in caught.value.tried


def test_a_program_nobody_knows_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError) as caught:
        programs.find("grafana")

    assert str(caught.value) == (
        "'grafana' is none of the programs known here; known are prometheus, promtool, alertmanager, amtool, vmalert, "
        "victoria-metrics"
    )


# ---- fetching


@dataclass(frozen=True)
class Archive:
    """A Debian archive in a folder, and a system whose apt reads it."""

    folder: Path
    cache: Path
    environment: dict[str, str]

    def add(self, suite: str, package: str, version: str, files: dict[str, str], exit_status: int = 0) -> None:
        """A package whose `files` are programs, each saying its text."""
        tree = self.folder / "build" / f"{package}-{version}"
        for name, says in files.items():
            write_program(tree / name, says, exit_status)
        architecture = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
        control = f"Package: {package}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: a <a@localhost>\n"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(f"{control}Description: of a test\n")
        deb = self.folder / "pool" / f"{package}_{version}_{architecture}.deb"
        deb.parent.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)

        packages = self.folder / f"dists/{suite}/main/binary-{architecture}/Packages"
        packages.parent.mkdir(parents=True, exist_ok=True)
        content = deb.read_bytes()
        with packages.open("a") as index:
            index.write(f"{control}Filename: pool/{deb.name}\nSize: {len(content)}\n")
            index.write(f"SHA256: {hashlib.sha256(content).hexdigest()}\nDescription: of a test\n\n")
        listed = packages.read_bytes()
        (self.folder / f"dists/{suite}/Release").write_text(
            f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\nComponents: main\n"
            f"Architectures: {architecture}\nDate: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n"
            f" {hashlib.sha256(listed).hexdigest()} {len(listed)} main/binary-{architecture}/Packages\n"
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """`python -m paymon.programs` on that system."""
        return subprocess.Popen(
            [sys.executable, "-m", "paymon.programs", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=120)
            return process.returncode, out, err


def archive_of(tmp_path: Path, *, uri: str | None = None, format_: str = "list") -> Archive:
    folder, cache, commands, apt = (tmp_path / name for name in ("archive", "cache", "commands", "apt"))
    for needed in (folder, commands, apt / "sources", apt / "state/lists/partial"):
        needed.mkdir(parents=True)
    for name in NEEDED_TO_FETCH:
        (commands / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    uri = uri or f"file:{folder}"
    if format_ == "list":
        (apt / "sources/debian.list").write_text(f"# a comment\ndeb [trusted=yes] {uri} bookworm main\n")
    else:
        (apt / "sources/debian.sources").write_text(
            f"# a comment\nTypes: deb\nURIs: {uri}-security\nSuites: bookworm-security\nComponents: main\n\n"
            f"# another\nTypes: deb\nURIs: {uri}\nSuites: bookworm bookworm-updates\nComponents: main\nTrusted: yes\n"
        )
    (apt / "apt.conf").write_text(
        f'Dir::State "{apt}/state";\nDir::Cache "{apt}/cache";\n'
        f'Dir::Etc::sourcelist "-";\nDir::Etc::sourceparts "{apt}/sources";\nAcquire::Retries "0";\n'
    )
    environment = {
        "APT_CONFIG": str(apt / "apt.conf"),
        "HOME": str(tmp_path),
        "PATH": str(commands),
        "XDG_CACHE_HOME": str(cache),
    }
    return Archive(folder, cache / "paymon/programs", environment)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return archive_of(tmp_path)


GET_THEM_YOURSELF = (
    "Get the releases from the projects' own download pages, and have them on the PATH or set PROMETHEUS, PROMTOOL, "
    "ALERTMANAGER, AMTOOL, VMALERT, VICTORIA_METRICS to their paths."
)
VICTORIA = {"usr/bin/vmalert": "", "usr/bin/victoria-metrics": "", "usr/bin/vmagent": ""}


@needs_apt
@pytest.mark.parametrize("format_", ["list", "sources"])
def test_what_is_missing_is_fetched_from_the_mirror_that_apt_is_configured_with(tmp_path: Path, format_: str) -> None:
    archive = archive_of(tmp_path, format_=format_)
    archive.add("bookworm", "victoria-metrics", "1.79.5+ds1-2+b5", VICTORIA)
    archive.add("sid", "victoria-metrics", "1.145.0+ds1-2", VICTORIA)

    exit_status, out, err = archive.run("--only", "vmalert", "--only", "victoria-metrics")

    unpacked = archive.cache / "victoria-metrics-1.145.0+ds1-2"
    assert (exit_status, out) == (
        0,
        f"victoria-metrics  1.145.0   {unpacked}/usr/bin/victoria-metrics\n"
        f"vmalert           1.145.0   {unpacked}/usr/bin/vmalert\n",
    )
    assert re.fullmatch(
        r"asking apt what bookworm, trixie, forky, sid have \(four lists, about 40 MB, once\)\n"
        r"  .* fetched, \d+ s\n"
        r"fetching victoria-metrics 1\.145\.0\+ds1-2 of sid \(\d+\.\d MB\)\n"
        r"  \d+ s\n",
        err,
    )
    assert sorted(path.name for path in archive.cache.iterdir()) == [".lock", unpacked.name]
    assert sorted(path.name for path in (unpacked / "usr/bin").iterdir()) == ["victoria-metrics", "vmalert"]


@needs_apt
def test_what_is_here_already_is_not_fetched_again_and_needs_no_apt(archive: Archive) -> None:
    archive.add("sid", "victoria-metrics", "1.145.0+ds1-2", VICTORIA)
    _, first, _ = archive.run("--only", "vmalert")

    assert archive.run("--only", "vmalert", PATH="/nowhere") == (0, first, "")


@needs_apt
def test_each_supported_version_is_fetched_from_the_suite_and_package_that_has_it(archive: Archive) -> None:
    archive.add("bookworm", "prometheus", "2.42.0+ds-5", {"usr/bin/promtool": promtool_says("2.42.0+ds")})
    archive.add("trixie", "promtool", "2.53.3+ds1-2", {"usr/bin/promtool": promtool_says("2.53.3")})
    archive.add("forky", "promtool", "3.5.3+ds1-6", {"usr/bin/promtool": promtool_says("3.5.3")})
    archive.add("sid", "promtool", "3.10.0-1", {"usr/bin/promtool": promtool_says("3.10.0")})

    exit_status, out, _ = archive.run("--only", "promtool")

    assert exit_status == 0
    assert out == (
        f"promtool          2.42.0    {archive.cache}/prometheus-2.42.0+ds-5/usr/bin/promtool\n"
        f"promtool          3.5.3     {archive.cache}/promtool-3.5.3+ds1-6/usr/bin/promtool\n"
    )


@needs_apt
def test_where_the_newest_supported_version_has_gone_a_newer_one_is_taken_and_that_is_said(archive: Archive) -> None:
    archive.add("bookworm", "prometheus", "2.42.0+ds-5", {"usr/bin/promtool": promtool_says("2.42.0+ds")})
    archive.add("sid", "promtool", "3.10.0-1", {"usr/bin/promtool": promtool_says("3.10.0")})

    exit_status, out, err = archive.run("--only", "promtool")

    assert exit_status == 0
    assert "no suite has promtool 3.5 any more; taking 3.10.0-1\n" in err
    assert f"promtool          3.10.0    {archive.cache}/promtool-3.10.0-1/usr/bin/promtool\n" in out


@needs_apt
def test_a_package_that_no_suite_has_is_reported_and_what_is_here_still_told(archive: Archive) -> None:
    archive.add("bookworm", "prometheus", "2.42.0+ds-5", {"usr/bin/promtool": promtool_says("2.42.0+ds")})
    for suite in ("trixie", "forky", "sid"):
        archive.add(suite, f"other-of-{suite}", "1", {})

    exit_status, out, err = archive.run("--only", "promtool")

    assert exit_status == 1
    assert out == f"promtool          2.42.0    {archive.cache}/prometheus-2.42.0+ds-5/usr/bin/promtool\n"
    assert err.splitlines()[-1] == (
        "paymon.programs: promtool 3.5 could not be fetched: none of bookworm, trixie, forky, sid has the package "
        "promtool or prometheus in that version; they have prometheus 2.42.0+ds-5 (bookworm). Mend what apt complains "
        "of and try again, or get the release from the project's own download page and set PROMTOOL to its path."
    )


@needs_apt
def test_an_unreachable_mirror_is_reported_once_with_place_cause_and_cure(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, uri="http://127.0.0.1:1/debian")
    here = write_program(archive.cache / "prometheus-2.42.0+ds-5/usr/bin/promtool", "")

    exit_status, out, err = archive.run("--only", "promtool", "--only", "vmalert")

    assert exit_status == 1
    assert out == f"promtool          2.42.0    {here}\n"
    asked, _, complaint = err.splitlines()
    assert asked == "asking apt what bookworm, trixie, forky, sid have (four lists, about 40 MB, once)"
    assert complaint.startswith(
        "paymon.programs: promtool 3.5, vmalert could not be fetched: apt found no package of them in bookworm, "
        "trixie, forky, sid of http://127.0.0.1:1/debian/; it says: Failed to fetch http://127.0.0.1:1/debian/dists/"
    )
    assert "connect to 127.0.0.1:1" in complaint  # in the words of this apt
    assert complaint.endswith(f". Mend what apt complains of and try again, or: {GET_THEM_YOURSELF}")


@needs_apt
def test_a_package_altered_on_the_mirror_is_refused(archive: Archive) -> None:
    archive.add("sid", "victoria-metrics", "1.145.0+ds1-2", VICTORIA)
    (deb,) = (archive.folder / "pool").iterdir()
    deb.write_bytes(deb.read_bytes()[:-1] + b"?")

    exit_status, out, err = archive.run("--only", "vmalert")

    assert (exit_status, out) == (1, "")
    assert "victoria-metrics 1.145.0+ds1-2 could not be fetched: apt-get download says: " in err
    assert "Hash Sum mismatch" in err
    assert [path.name for path in archive.cache.iterdir()] == [".lock"]


@needs_apt
def test_a_mirror_without_a_valid_signature_is_refused(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    sources = tmp_path / "apt/sources/debian.list"
    sources.write_text(sources.read_text().replace("[trusted=yes] ", ""))
    archive.add("bookworm", "victoria-metrics", "1.145.0+ds1-2", VICTORIA)

    exit_status, out, err = archive.run("--only", "vmalert")

    assert (exit_status, out) == (1, "")
    assert f"The repository 'file:{archive.folder} bookworm Release' is not signed" in err


@needs_apt
def test_a_program_that_does_not_start_is_not_kept(archive: Archive) -> None:
    lacking = "libzstd.so.1: cannot open shared object file"
    archive.add("sid", "victoria-metrics", "1.146.0-1", {"usr/bin/vmalert": lacking}, exit_status=127)

    exit_status, out, err = archive.run("--only", "vmalert")

    assert (exit_status, out) == (1, "")
    assert err.splitlines()[-1] == (
        "paymon.programs: victoria-metrics 1.146.0-1 could not be fetched: its vmalert does not start here: "
        "libzstd.so.1: cannot open shared object file. Install what it lacks, or set VMALERT to one that starts."
    )
    assert [path.name for path in archive.cache.iterdir()] == [".lock"]


@needs_apt
def test_an_apt_without_a_debian_mirror_is_reported(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    (tmp_path / "apt/sources/debian.list").write_text("deb [trusted=yes] file:/nowhere noble main\n")

    exit_status, _, err = archive.run("--only", "vmalert")

    assert exit_status == 1
    assert err.splitlines()[-1] == (
        "paymon.programs: what is missing could not be fetched: apt's configuration names no Debian mirror. "
        f"{GET_THEM_YOURSELF}"
    )


@needs_apt
def test_a_system_without_apt_is_told_what_else_to_do(archive: Archive) -> None:
    exit_status, _, err = archive.run("--only", "vmalert", PATH="/nowhere")

    assert exit_status == 1
    assert err.splitlines()[-1] == (
        "paymon.programs: what is missing could not be fetched: this system has no apt-get (only Debian's does it). "
        f"{GET_THEM_YOURSELF}"
    )


@needs_apt
def test_a_variable_that_names_no_program_is_not_made_good_by_fetching(archive: Archive) -> None:
    assert archive.run("--only", "vmalert", VMALERT="/nowhere/vmalert") == (
        1,
        "",
        "paymon.programs: vmalert could not be fetched: VMALERT=/nowhere/vmalert names no program. Correct VMALERT, or "
        "unset it.\n",
    )


@needs_apt
def test_a_cache_folder_that_cannot_be_written_is_reported(archive: Archive) -> None:
    exit_status, _, err = archive.run("--only", "vmalert", XDG_CACHE_HOME="/dev/null")

    assert (exit_status, err) == (
        1,
        "paymon.programs: what is missing could not be fetched: writing in /dev/null/paymon/programs failed (Not a "
        "directory). Make room there, or set XDG_CACHE_HOME to another folder.\n",
    )


@needs_apt
def test_two_processes_do_not_fetch_the_same_at_once(archive: Archive) -> None:
    archive.add("sid", "victoria-metrics", "1.145.0+ds1-2", VICTORIA)

    with archive.start("--only", "vmalert") as one, archive.start("--only", "vmalert") as other:
        (out, err), (other_out, other_err) = one.communicate(timeout=120), other.communicate(timeout=120)

    assert (one.returncode, other.returncode) == (0, 0)
    assert out == other_out
    assert (err + other_err).count("fetching victoria-metrics") == 1


@needs_apt
def test_a_process_waits_for_the_one_that_is_fetching_and_clears_away_what_a_killed_one_left(archive: Archive) -> None:
    archive.add("sid", "victoria-metrics", "1.145.0+ds1-2", VICTORIA)
    abandoned = archive.cache / ".fetching"
    (abandoned / "state/lists/partial").mkdir(parents=True)
    (abandoned / "debian.sources").write_text("half of a so")
    with (archive.cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = archive.start("--only", "vmalert")
        assert process.stderr is not None
        assert process.stderr.readline() == "another process is fetching programs; waiting for it\n"
        assert process.poll() is None

    with process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert not abandoned.exists()


@needs_apt
def test_ctrl_c_while_fetching_is_no_traceback_and_the_next_run_goes_on(archive: Archive, tmp_path: Path) -> None:
    archive.add("sid", "victoria-metrics", "1.145.0+ds1-2", VICTORIA)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a mirror that takes the question and never answers
        port = silent.getsockname()[1]
        stuck = archive_of(tmp_path / "stuck", uri=f"http://127.0.0.1:{port}/debian")
        with stuck.start("--only", "vmalert", XDG_CACHE_HOME=str(archive.cache.parents[1])) as process:
            silent.settimeout(120)
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
            connection.close()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[1:] == ["Stopped. What has been fetched stays, and the next run goes on from there."]
    assert [path.name for path in archive.cache.iterdir() if not path.name.startswith(".")] == []

    exit_status, out, _ = archive.run("--only", "vmalert")

    assert (exit_status, out.split()[0]) == (0, "vmalert")
    assert not (archive.cache / ".fetching").exists()


# ---- the programs themselves


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                if response.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def command(program: str, version: str | None, folder: Path, port: int) -> list[str | os.PathLike[str]]:
    path, address = programs.find(program, version), f"127.0.0.1:{port}"
    if program == "victoria-metrics":
        return [path, f"-storageDataPath={folder}/data", f"-httpListenAddr={address}"]
    if program == "prometheus":
        (folder / "prometheus.yml").write_text("scrape_configs: []\n")
        return [path, "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    return [
        path,
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]


@pytest.mark.parametrize(
    ("program", "version", "ready"),
    [
        ("prometheus", "2.42", "-/ready"),
        ("prometheus", "3.5", "-/ready"),
        ("alertmanager", "0.25", "-/ready"),
        ("alertmanager", "0.33", "-/ready"),
        ("victoria-metrics", None, "health"),
    ],
)
def test_every_server_of_the_supported_versions_starts_and_gets_ready(
    program: str, version: str | None, ready: str, tmp_path: Path, free_port: int
) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command(program, version, tmp_path, free_port), cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            is_ready = answers(f"http://127.0.0.1:{free_port}/{ready}", process)
        finally:
            process.terminate()
            process.wait(timeout=30)
    assert is_ready, (tmp_path / "log").read_text()


def test_the_whole_matrix_is_here() -> None:
    found = [programs.locate(wanted) for wanted in programs.SUPPORTED]

    assert [one.program for one in found] == [wanted.program for wanted in programs.SUPPORTED]
