"""How are dashboards drawn: bundled once, then painted by headless Chromium?"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.look.scenes import Answers

__all__ = ["Job", "MissingError", "Painter", "Seen", "painter", "seen"]

PAGE = Path(__file__).with_name("page")
_HTML = (
    '<!doctype html><meta charset="utf-8"><title>look</title><style>{style}</style><body><div id="root"></div>{script}'
)
_STYLE = """
body { margin: 0 } * { box-sizing: border-box }
.nothing { display: flex; height: 100%; align-items: center; justify-content: center; font-size: 20px }
.track { position: relative; display: flex; align-items: center; font-size: 12px; overflow: hidden }
.track .name { flex: none; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.track .bars { position: relative; flex: 1; height: 90% } .track i { position: absolute; top: 0; bottom: 0 }
.track b { position: absolute; right: 4px; top: 0; background: #0008; color: #fff; padding: 0 4px; border-radius: 2px }
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
        styles = f'<link rel="stylesheet" href="{self.bundle.with_suffix(".css").as_uri()}">'
        script = f'{styles}<script src="{self.bundle.as_uri()}"></script>'
        page.write_text(_HTML.format(style=_STYLE, script=script))
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
                    **{key: getattr(job, key) for key in ("width", "height", "theme", "whole")},
                }
            )
        (folder / "jobs.json").write_text(json.dumps(listed))
        command = ("node", str(self.bundle.with_name("draw.mjs")), self.chromium, str(folder / "jobs.json"))
        ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
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
    sources = [PAGE / name for name in ("package.json", "package-lock.json", "page.jsx", "draw.mjs")]
    fingerprint = hashlib.sha256(b"".join(one.read_bytes() for one in sources)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paymon" / "look" / fingerprint
    bundle = cache / "bundle.js"
    if not bundle.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for one in sources:
            shutil.copy(one, cache)
        _run(("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"), cache)
        esbuild = ("npx", "--no-install", "esbuild", "page.jsx", "--bundle", "--minify", "--format=iife")
        loaders = [f"--loader:.{ending}=dataurl" for ending in ("svg", "png", "woff", "woff2", "ttf")]
        _run((*esbuild, '--define:process.env.NODE_ENV="production"', *loaders, "--outfile=part.js"), cache)
        (cache / "part.css").rename(bundle.with_suffix(".css"))
        (cache / "part.js").rename(bundle)
    return Painter(bundle, chromium)


def _run(command: tuple[str, ...], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if ran.returncode:
        raise MissingError(f"{' '.join(command[:2])} failed: {(ran.stderr or ran.stdout).strip()[-2000:]}")
