"""How are dashboards drawn: bundled once, then painted by headless Chromium?"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.look.scenes import Answers

__all__ = ["Job", "MissingError", "Painter", "Seen", "painter", "painter_or_skip", "seen"]

PAGE = Path(__file__).with_name("page")
_HTML = """<!doctype html>
<meta charset="utf-8"><title>look</title><link rel="stylesheet" href="{style}">
<body><div id="root"></div><script src="{script}"></script>
"""


class MissingError(Exception):
    """What draws is not there; the message says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One picture: a dashboard in a situation, on a screen of that size and theme."""

    name: str
    board: dict[str, Any]
    answers: Answers
    width: int = 1280
    height: int = 800
    theme: str = "dark"
    locale: str = "en-US"
    """The language of the browser, in which numbers are written."""
    whole: bool = False
    """Whether the picture goes on below the first screen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person sees: the picture, and what each panel says, by its title."""

    picture: Path
    panels: dict[str, dict[str, Any]]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Painter:
    """A bundle of Grafana's components, and a browser."""

    bundle: Path
    chromium: str

    def paint(self, jobs: Sequence[Job], folder: Path) -> list[Seen]:
        """Draw them all into the folder."""
        page = folder / "page.html"
        page.write_text(_HTML.format(style=self.bundle.with_suffix(".css").as_uri(), script=self.bundle.as_uri()))
        listed = []
        for job in jobs:
            data = folder / f"{job.name}.data.json"
            data.write_text(json.dumps({"board": job.board, "answers": job.answers.series, "now": job.answers.now}))
            listed.append(
                {
                    "page": str(page),
                    "data": str(data),
                    "png": str(folder / f"{job.name}.png"),
                    "facts": str(folder / f"{job.name}.facts.json"),
                    **{key: getattr(job, key) for key in ("width", "height", "theme", "locale", "whole")},
                }
            )
        (folder / "jobs.json").write_text(json.dumps(listed))
        command = ("node", str(self.bundle.with_name("draw.mjs")), self.chromium, str(folder / "jobs.json"))
        allowed = 1200 + 120 * len(jobs)
        ran = subprocess.run(command, capture_output=True, text=True, timeout=allowed, check=False)
        assert ran.returncode == 0, ran.stderr
        return [seen(folder, job.name) for job in jobs]


def seen(folder: Path, name: str) -> Seen:
    """What was drawn there under that name."""
    said = json.loads((folder / f"{name}.facts.json").read_text())
    return Seen(folder / f"{name}.png", {panel["title"]: panel for panel in said["panels"]}, tuple(said["faults"]))


def painter() -> Painter:
    """The components, bundled once into the cache folder, and the system's Chromium. Raises MissingError."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise MissingError("there is no Chromium; install the system's package chromium")
    if shutil.which("npm") is None:
        raise MissingError("there is no npm; install Node.js 20 or newer")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paymon" / "look"
    bundle = _made(cache, ("package.json", "package-lock.json"), "node_modules", _install)
    return Painter(_made(bundle, ("page.jsx", "page.css", "draw.mjs"), "bundle.js", _bundle) / "bundle.js", chromium)


def painter_or_skip(environment: Mapping[str, str]) -> Painter:
    """The painter. Without it a person's tests go on, in words; where CI=true its absence raises MissingError."""
    try:
        return painter()
    except MissingError as error:
        if environment.get("CI") == "true":
            raise
        pytest.skip(f"dashboards are not drawn: {error}")


def _made(below: Path, sources: tuple[str, ...], result: str, make: Callable[[Path], None]) -> Path:
    """A folder of those files with what is made of them, named after their content; made once by whoever is first."""
    fingerprint = hashlib.sha256(b"".join((PAGE / one).read_bytes() for one in sources)).hexdigest()[:16]
    folder = below / fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / result).exists():
            for one in sources:
                shutil.copy(PAGE / one, folder)
            make(folder)
    return folder


def _install(folder: Path) -> None:
    _run(("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"), folder)


def _bundle(folder: Path) -> None:
    """Node and esbuild find the packages in the folder above."""
    esbuild = ("npx", "--no-install", "esbuild", "page.jsx", "--bundle", "--minify", "--format=iife")
    loaders = [f"--loader:.{ending}=dataurl" for ending in ("svg", "png", "woff", "woff2", "ttf")]
    _run((*esbuild, '--define:process.env.NODE_ENV="production"', *loaders, "--outfile=part.js"), folder)
    (folder / "part.css").rename(folder / "bundle.css")
    (folder / "part.js").rename(folder / "bundle.js")


def _run(command: tuple[str, ...], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if ran.returncode:
        raise MissingError(f"{' '.join(command[:2])} failed: {(ran.stderr or ran.stdout).strip()[-2000:]}")
