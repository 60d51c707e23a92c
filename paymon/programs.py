"""Where are Prometheus, promtool, Alertmanager, amtool, vmalert and VictoriaMetrics, and how do they get here?

They are looked for in this order: an explicit path, the program's environment variable, the PATH, the cache folder.
What is nowhere there, `python -m paymon.programs` fetches into the cache folder, without root, through the system's own
apt: apt's configuration names the mirror and the keys, and apt verifies the signatures.
"""

import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

SUITES = ("bookworm", "trixie", "forky", "sid")
SUITE_ALIASES = ("oldoldstable", "oldstable", "stable", "testing", "unstable")
ARCHITECTURES = ("amd64", "arm64")

VERSION_TIMEOUT_SECONDS = 20.0
APT_TIMEOUT_SECONDS = 1800.0

BIN = "usr/bin"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """A program that paymon runs or is tested against, and the Debian packages that carry it."""

    name: str
    variable: str
    executables: tuple[str, ...]
    packages: tuple[str, ...]
    data_folder: str | None = None  # where Debian's build insists on finding its data, as an absolute path


PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        Program("prometheus", "PROMETHEUS", ("prometheus",), ("prometheus",)),
        # A package of its own since trixie; part of Debian's package prometheus before.
        Program("promtool", "PROMTOOL", ("promtool",), ("promtool", "prometheus")),
        Program(
            "alertmanager",
            "ALERTMANAGER",
            ("alertmanager", "prometheus-alertmanager"),
            ("prometheus-alertmanager",),
            data_folder="/usr/share/prometheus/alertmanager",
        ),
        Program("amtool", "AMTOOL", ("amtool",), ("prometheus-alertmanager",)),
        Program("vmalert", "VMALERT", ("vmalert", "vmalert-prod"), ("victoria-metrics",)),
        Program(
            "victoria-metrics",
            "VICTORIA_METRICS",
            ("victoria-metrics", "victoria-metrics-prod"),
            ("victoria-metrics",),
        ),
    )
}


@dataclass(frozen=True)
class Wanted:
    """A program in a version that the tests need; without `version`, the newest there is."""

    program: str
    version: str | None = None
    or_newer: bool = False

    def __str__(self) -> str:
        return f"{self.program} {self.version}" if self.version else self.program

    def accepts(self, version: str | None) -> bool:
        if self.version is None:
            return True
        return version is not None and _starts_with(version, self.version)

    def accepts_instead(self, version: str | None) -> bool:
        """Whether `version` may stand in where the wanted one has gone from Debian."""
        return self.or_newer and version is not None and _numbers(version) > _numbers(self.version or "0")


SUPPORTED = (
    Wanted("prometheus", "2.42"),
    Wanted("promtool", "2.42"),
    Wanted("prometheus", "3.5", or_newer=True),
    Wanted("promtool", "3.5", or_newer=True),
    Wanted("alertmanager", "0.25"),
    Wanted("amtool", "0.25"),
    Wanted("alertmanager", "0.33", or_newer=True),
    Wanted("amtool", "0.33", or_newer=True),
    Wanted("victoria-metrics"),
    Wanted("vmalert"),
)


@dataclass(frozen=True)
class Found:
    """A program that is here; `version` is None where the program does not tell."""

    program: str
    version: str | None
    path: Path


class ProgramMissing(Exception):  # noqa: N818 -- says what is the matter, as FileNotFoundError does
    """A program is in none of the places where it is looked for."""

    def __init__(self, program: str, tried: tuple[str, ...], how_to_get: str) -> None:
        self.program, self.tried, self.how_to_get = program, tried, how_to_get
        super().__init__(f"{program} is not here; looked at: {', '.join(tried)}. To get it: {how_to_get}")


class FetchError(Exception):
    """A program could not be fetched."""

    def __init__(self, what: str, cause: str, cure: str) -> None:
        self.what, self.cause, self.cure = what, cause, cure
        super().__init__(f"{what} could not be fetched: {cause}. {cure}")


def _silent(_line: str) -> None:
    """For callers who do not want to hear of progress."""


def cache_folder() -> Path:
    """Where fetched programs are kept, in `<package>-<version>/usr/bin/`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "paymon" / "programs"


def find(program: str, version_prefix: str | None = None, *, explicit: str | Path | None = None) -> Path:
    """The path of `program`, never fetching it; `version_prefix` such as "3.5" asks for that series.

    Raises ProgramMissing. An explicit path, or an environment variable, that names no program is an error, not a reason
    to look further. Where SUPPORTED says "or newer", a newer one in the cache folder stands in for what was asked for.
    """
    return locate(_wanted(program, version_prefix), explicit=explicit).path


def locate(wanted: Wanted, *, explicit: str | Path | None = None) -> Found:
    """As `find`, with the version that was found."""
    program = PROGRAMS[wanted.program]
    tried: list[str] = []

    def missing() -> ProgramMissing:
        return ProgramMissing(str(wanted), tuple(tried), _how_to_get(program))

    def judge(path: str, place: str) -> Found | None:
        version = _told_version(path) if wanted.version else None
        if wanted.accepts(version):
            return Found(program.name, version or _told_version(path), Path(path).absolute())
        tried.append(f"{place} (version {version or 'unknown'})")
        return None

    if explicit is not None:
        path = shutil.which(explicit)
        found = judge(path, str(explicit)) if path else None
        if found is None:
            tried.extend([] if path else [f"{explicit} (no such program)"])
            raise missing()
        return found

    setting = os.environ.get(program.variable)
    if setting:
        path = shutil.which(setting)
        if path is None:
            tried.append(f"{program.variable}={setting} (no such program)")
            raise missing()
        if found := judge(path, f"{program.variable}={setting}"):
            return found
    else:
        tried.append(f"{program.variable} (not set)")

    on_path = [path for name in program.executables if (path := shutil.which(name))]
    for path in on_path:
        if found := judge(path, path):
            return found
    if not on_path:
        tried.append("PATH")

    cached = _cached(program)
    for accepts in (wanted.accepts, wanted.accepts_instead):
        for found in cached:
            if accepts(found.version):
                return found
    tried.append(str(cache_folder()))
    raise missing()


def ensure(program: str, version_prefix: str | None = None, *, say: Say = _silent) -> Found:
    """The program, fetched if it is not here yet. Raises FetchError. `say` is told what is going on while fetching."""
    found, failures = ensure_all((_wanted(program, version_prefix),), say=say)
    if failures:
        raise failures[0]
    return found[0]


def ensure_all(wanted: Sequence[Wanted], *, say: Say = _silent) -> tuple[tuple[Found, ...], tuple[FetchError, ...]]:
    """What of `wanted` is here, in that order, after fetching what was not; and why the others are not."""
    failures = list(_mistaken_settings(wanted))
    to_fetch = [one for one in wanted if one.program not in {failure.what for failure in failures}]
    if any(_here(one) is None for one in to_fetch):
        folder = cache_folder()
        try:
            with _alone(folder, say):
                failures.extend(_fetch_missing(to_fetch, folder, say))
        except FetchError as failure:
            failures.append(failure)
        except OSError as error:
            cure = "Make room there, or set XDG_CACHE_HOME to another folder."
            failures.append(FetchError("what is missing", f"writing in {folder} failed ({error.strerror})", cure))
    return tuple(found for one in wanted if (found := _here(one))), tuple(failures)


def _wanted(program: str, version_prefix: str | None) -> Wanted:
    if program not in PROGRAMS:
        raise ValueError(f"{program!r} is none of the programs known here; known are {', '.join(PROGRAMS)}")
    asked = Wanted(program, version_prefix)
    return next((one for one in SUPPORTED if (one.program, one.version) == (program, version_prefix)), asked)


def _mistaken_settings(wanted: Sequence[Wanted]) -> Iterator[FetchError]:
    for name in dict.fromkeys(one.program for one in wanted):
        variable = PROGRAMS[name].variable
        setting = os.environ.get(variable)
        if setting and shutil.which(setting) is None:
            yield FetchError(name, f"{variable}={setting} names no program", f"Correct {variable}, or unset it.")


def _here(wanted: Wanted) -> Found | None:
    try:
        return locate(wanted)
    except ProgramMissing:
        return None


def _how_to_get(program: Program) -> str:
    packages = " or ".join(program.packages)
    return (
        f"`python -m paymon.programs --only {program.name}` on Debian (no root needed); or install Debian's package "
        f"{packages}, or the release from the project's own download page, and have it on the PATH or set "
        f"{program.variable} to its path"
    )


def _numbers(version: str) -> tuple[int, ...]:
    """`1:3.5.3+ds1-6` is (3, 5, 3)."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def _starts_with(version: str, prefix: str) -> bool:
    wanted = _numbers(prefix)
    return _numbers(version)[: len(wanted)] == wanted


@functools.cache
def _told_version(path: str) -> str | None:
    """Of "promtool, version 2.42.0+ds (branch: ..." or "victoria-metrics-20240425-tags-v1.101.0-...", the number."""
    try:
        ran = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(?:, version |-v)(\d+(?:\.\d+)+)", ran.stdout + ran.stderr)
    return match[1] if match else None


def _cached(program: Program) -> tuple[Found, ...]:
    """Newest first. The folder's name has the version: quicker than asking, and Debian's VictoriaMetrics tells none."""
    found = []
    for package in program.packages:
        for folder in cache_folder().glob(f"{package}-[0-9]*"):
            version = ".".join(map(str, _numbers(folder.name.removeprefix(f"{package}-"))))
            for name in program.executables:
                path = folder / BIN / name
                if os.access(path, os.X_OK):
                    found.append(Found(program.name, version, path))
    return tuple(sorted(found, key=lambda one: _numbers(one.version or ""), reverse=True))


@contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """While this holds, no other process fetches into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is fetching programs; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ---- apt


@dataclass(frozen=True)
class _Offer:
    """A package in a version, as a suite of Debian has it."""

    package: str
    version: str
    suite: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def _fetch_missing(wanted: Sequence[Wanted], folder: Path, say: Say) -> Iterator[FetchError]:
    missing = [one for one in wanted if _here(one) is None]
    if not missing:
        return
    scratch = folder / ".fetching"
    try:
        yield from _fetch(missing, _Apt(scratch), folder, say)
    except KeyboardInterrupt:
        raise  # what has been read stays, and the next time goes on from there
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(scratch, ignore_errors=True)


def _fetch(missing: Sequence[Wanted], apt: "_Apt", folder: Path, say: Say) -> Iterator[FetchError]:
    say(f"asking apt what {', '.join(SUITES)} have (four lists, about 40 MB, once)")
    packages = dict.fromkeys(package for one in missing for package in PROGRAMS[one.program].packages)
    began = time.monotonic()
    offers = apt.offers(tuple(packages))
    say(f"  {apt.fetched}, {time.monotonic() - began:.0f} s")
    if not offers:
        raise FetchError(
            ", ".join(map(str, missing)),
            f"apt found no package of them in {', '.join(SUITES)} of {apt.mirrors}"
            + (f"; it says: {apt.complaints}" if apt.complaints else ""),
            f"Mend what apt complains of and try again, or: {NO_APT_CURE}",
        )
    for one in missing:
        if _here(one) is not None:  # it came in a package fetched for another program
            continue
        try:
            offer = _choose(one, offers, apt.complaints)
            if not one.accepts(offer.version):
                say(f"no suite has {one} any more; taking {offer.version}")
            began = time.monotonic()
            say(f"fetching {offer} of {offer.suite} ({apt.size(offer)})")
            _unpack(apt.download(offer), offer, folder, apt.folder)
            say(f"  {time.monotonic() - began:.0f} s")
        except FetchError as failure:
            yield failure
        else:
            if _here(one) is None:
                yield FetchError(str(one), f"Debian's package {offer} does not carry it", _cure(one.program))


def _choose(wanted: Wanted, offers: Sequence[_Offer], complaints: str) -> _Offer:
    for accepts in (wanted.accepts, wanted.accepts_instead):
        for package in PROGRAMS[wanted.program].packages:
            accepted = [offer for offer in offers if offer.package == package and accepts(offer.version)]
            if accepted:
                return max(accepted, key=lambda offer: _numbers(offer.version))
    packages = " or ".join(PROGRAMS[wanted.program].packages)
    has = ", ".join(
        f"{offer} ({offer.suite})" for offer in offers if offer.package in PROGRAMS[wanted.program].packages
    )
    cause = f"none of {', '.join(SUITES)} has the package {packages} in that version; they have {has or 'none at all'}"
    raise FetchError(str(wanted), f"{cause}; apt says: {complaints}" if complaints else cause, _cure(wanted.program))


def _cure(program: str) -> str:
    return (
        f"Mend what apt complains of and try again, or get the release from the project's own download page and set "
        f"{PROGRAMS[program].variable} to its path."
    )


NO_APT_CURE = (
    "Get the releases from the projects' own download pages, and have them on the PATH or set "
    f"{', '.join(program.variable for program in PROGRAMS.values())} to their paths."
)


class _Apt:
    """The system's apt, with lists and sources of our own in `folder`; the system's own stay untouched."""

    def __init__(self, folder: Path) -> None:
        for command in ("apt-get", "apt-cache", "dpkg", "dpkg-deb"):
            if shutil.which(command) is None:
                raise FetchError(
                    "what is missing", f"this system has no {command} (only Debian's does it)", NO_APT_CURE
                )
        self.folder = folder
        self.complaints = ""
        self.fetched = "nothing fetched"
        self._configuration = folder / "apt.conf"
        architecture = _run(["dpkg", "--print-architecture"]).stdout.strip()
        if architecture not in ARCHITECTURES:
            raise FetchError(
                "what is missing",
                f"{architecture} is none of {', '.join(ARCHITECTURES)}, all that is known to work",
                NO_APT_CURE,
            )
        mirrors = _debian_mirrors()
        self.mirrors = ", ".join(mirrors)
        if not mirrors:
            raise FetchError("what is missing", "apt's configuration names no Debian mirror", NO_APT_CURE)
        for needed in ("state/lists/partial", "cache/archives/partial"):
            (folder / needed).mkdir(parents=True, exist_ok=True)
        (folder / "debian.sources").write_text(_private_sources(mirrors, architecture))
        self._configuration.write_text(_private_configuration(folder))

    def offers(self, packages: Sequence[str]) -> tuple[_Offer, ...]:
        """What the suites have of `packages`. One that cannot be read is left out, and apt's complaint kept."""
        updated = self._apt("apt-get", "update")
        self.complaints = _complaints(updated.stdout + updated.stderr)
        if told := re.search(r"^Fetched ([\d.,]+ [kMG]?B)", updated.stdout, re.MULTILINE):
            self.fetched = f"{told[1]} fetched"
        offers = []
        for line in self._apt("apt-cache", "madison", *packages).stdout.splitlines():
            package, version, source = (part.strip() for part in line.split("|"))
            suite = source.split()[1].split("/")[0]
            offers.append(_Offer(package, version, suite))
        return tuple(offers)

    def size(self, offer: _Offer) -> str:
        """How much there is to fetch."""
        told = self._apt("apt-cache", "show", f"{offer.package}={offer.version}").stdout
        found = re.search(r"^Size: (\d+)$", told, re.MULTILINE)
        return f"{int(found[1]) / 1e6:.1f} MB" if found else "of unknown size"

    def download(self, offer: _Offer) -> Path:
        downloads = Path(tempfile.mkdtemp(dir=self.folder))
        ran = self._apt("apt-get", "download", f"{offer.package}={offer.version}", cwd=downloads)
        archives = list(downloads.glob("*.deb"))
        if ran.returncode != 0 or len(archives) != 1:
            complaints = _complaints(ran.stdout + ran.stderr) or f"exit status {ran.returncode}"
            raise FetchError(str(offer), f"apt-get download says: {complaints}", "Is the mirror reachable? Try again.")
        return archives[0]

    def _apt(self, command: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return _run([command, "-c", str(self._configuration), "-q", *arguments], cwd=cwd)


def _run(command: Sequence[str], *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=APT_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(
            "what is missing", f"`{command[0]}` did not finish within {APT_TIMEOUT_SECONDS:.0f} seconds", "Try again."
        ) from error


def _complaints(output: str) -> str:
    """apt's errors, or else its warnings; without repetition, and no more than one for each suite."""
    lines = list(dict.fromkeys(output.splitlines()))
    errors = [line[2:].strip(" .") for line in lines if line.startswith("E:")]
    warnings = [line[2:].strip(" .") for line in lines if line.startswith("W:") and "unsandboxed" not in line]
    return "; ".join((errors or warnings)[: len(SUITES)])


def _private_configuration(folder: Path) -> str:
    # The system's own settings (proxies, trust) stay in force. Its hooks are for the system's own package lists, and
    # the user that apt becomes when run as root cannot enter a private folder.
    return f"""\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::State "{folder}/state";
Dir::State::lists "lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::sourcelist "{folder}/debian.sources";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "root";
"""


def _private_sources(mirrors: Mapping[str, Mapping[str, str]], architecture: str) -> str:
    """Every suite of the mirrors, verified with the keys that apt's configuration names for each mirror."""
    stanzas = []
    for uri, options in mirrors.items():
        lines = [
            "Types: deb",
            f"URIs: {uri}",
            f"Suites: {' '.join(SUITES)}",
            "Components: main",
            f"Architectures: {architecture}",
            "Targets: Packages",
            *(f"{name}: {value}" for name, value in options.items()),
        ]
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas)


def _debian_mirrors() -> dict[str, dict[str, str]]:
    """The URI of each, to the options that its sources entry has.

    What is Debian's says its release file; where apt has not read one yet, the suite's name decides.
    """
    known = _index_targets()
    debian = [target for target in known if (target.get("Origin"), target.get("Label")) == ("Debian", "Debian")]
    if not debian:
        foreign = {target["Repo-URI"] for target in known if target.get("Origin")}
        debian = [
            target
            for target in _index_targets("--no-release-info")
            if target.get("Release") in SUITES + SUITE_ALIASES
            and target.get("Component") == "main"
            and target["Repo-URI"] not in foreign
        ]
    return {target["Repo-URI"]: _source_options(target.get("Sourcesentry", "")) for target in debian}


def _index_targets(*options: str) -> list[dict[str, str]]:
    listed = _run(["apt-get", *options, "indextargets", "Created-By: Packages"]).stdout
    stanzas = (stanza for stanza in listed.split("\n\n") if stanza.strip())
    return [dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line) for stanza in stanzas]


CARRIED_OPTIONS = ("Signed-By", "Trusted", "Check-Valid-Until", "Check-Date")


def _source_options(entry: str) -> dict[str, str]:
    """Options of the sources entry at `entry`: `file:stanza`, or `file:line` in the one-line format."""
    file, _, number = entry.rpartition(":")
    if not file:
        return {}
    try:
        lines = Path(file).read_text().splitlines()
    except PermissionError:  # root's alone, for the password in it: apt then tries the keys it trusts for all
        return {}
    if file.endswith(".sources"):
        text = "\n".join(line for line in lines if not line.startswith("#"))
        stanza = [part for part in re.split(r"\n\s*\n", text) if part.strip()][int(number) - 1]
        fields = re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
    else:
        bracketed = re.search(r"\[(.*?)\]", lines[int(number) - 1])
        fields = [option.split("=", 1) for option in bracketed[1].split() if "=" in option] if bracketed else []
    given = {name.lower(): value for name, value in fields}
    return {name: given[name.lower()] for name in CARRIED_OPTIONS if name.lower() in given}


# ---- unpacking


def _unpack(archive: Path, offer: _Offer, folder: Path, scratch: Path) -> None:
    """Put the package's programs into the cache folder, all or nothing, once they have been seen to start."""
    unpacked = Path(tempfile.mkdtemp(dir=scratch))
    ran = _run(["dpkg-deb", "-x", str(archive), str(unpacked)])
    if ran.returncode != 0:
        raise FetchError(str(offer), f"dpkg-deb says: {ran.stderr.strip()}", "Try again.")
    programs = {
        name: program
        for program in PROGRAMS.values()
        if offer.package in program.packages
        for name in program.executables
    }
    for path in (unpacked / BIN).iterdir():
        program = programs.get(path.name)
        if program is None:
            path.unlink()
            continue
        if program.data_folder:
            _relocate(path, unpacked, program.data_folder)
        _check_that_it_starts(path, program, offer)
    final = folder / f"{offer.package}-{offer.version.replace(':', '%3a')}"
    if final.exists():  # left by hand, or by a program removed from it: it does not have what was looked for
        shutil.rmtree(final)
    unpacked.chmod(0o755)
    unpacked.rename(final)


def _check_that_it_starts(path: Path, program: Program, offer: _Offer) -> None:
    ran = _run([str(path), "--version"])
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip().splitlines()
        raise FetchError(
            str(offer),
            f"its {program.name} does not start here: {said[-1] if said else f'exit status {ran.returncode}'}",
            f"Install what it lacks, or set {program.variable} to one that starts.",
        )


DATA_DESCRIPTOR = 9

LAUNCHER = """\
#!/bin/sh
# Debian's build reads its templates from {data_folder} only. The copy beside this script reads
# them from file descriptor {descriptor} instead, and so runs from any folder.
here=$(dirname "$(readlink -f "$0")")
exec {descriptor}<"$here/../..{data_folder}"
exec "$here/../lib/paymon/{name}" "$@"
"""


def _relocate(path: Path, root: Path, data_folder: str) -> None:
    """Let a program that has `data_folder` compiled in find it below `root`, wherever that is.

    Without root nothing can be put at an absolute path, and Debian's Alertmanager does not start without its templates.
    The name is replaced by one of equal length, of a descriptor that a launcher opens; a program that does not contain
    the name needs nothing of this.
    """
    content = path.read_bytes()
    compiled_in = data_folder.encode()
    if compiled_in not in content:
        return
    elsewhere = f"/proc/self/fd/{DATA_DESCRIPTOR}".ljust(len(compiled_in), "/").encode()
    moved = root / "usr/lib/paymon" / path.name
    moved.parent.mkdir(parents=True, exist_ok=True)
    moved.write_bytes(content.replace(compiled_in, elsewhere))
    moved.chmod(0o755)
    path.write_text(LAUNCHER.format(data_folder=data_folder, descriptor=DATA_DESCRIPTOR, name=path.name))


# ---- python -m paymon.programs


@click.command()
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="NAME",
    type=click.Choice(list(PROGRAMS)),
    help="Just this program; may be repeated.",
)
def main(names: tuple[str, ...]) -> None:
    """Make sure that the programs the tests need are here, and say where."""
    wanted = [one for one in SUPPORTED if not names or one.program in names]
    try:
        found, failures = ensure_all(wanted, say=lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo("Stopped. What has been fetched stays, and the next run goes on from there.", err=True)
        sys.exit(130)
    for one in found:
        click.echo(f"{one.program:<18}{one.version or 'unknown':<10}{one.path}")
    for failure in failures:
        click.echo(f"paymon.programs: {failure}", err=True)
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
