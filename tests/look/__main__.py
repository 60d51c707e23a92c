"""Draw every dashboard in every situation, on every screen, and make one page to look through (`make look`)."""

import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from paymon.promtool import Promtool
from simulator.postgres_server import installations, running
from simulator.world import prepare
from tests.look.drawing import Job, MissingError, Seen, painter
from tests.look.scenes import SCENES, answers, boards, opened
from tests.scenarios.staging import EMPTY, Stage

SCREENS = (("1920", 1920, 1080), ("1280", 1280, 800), ("phone", 390, 844))


def main(folder: Path) -> int:
    """Fill the folder with pictures; 2 where what draws is missing."""
    try:
        paints = painter()
    except MissingError as error:
        sys.stderr.write(f"look: {error}" + "\n")
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    promtool = Promtool.find(version_prefix="3.5")
    with tempfile.TemporaryDirectory() as scratch, running(installations()[0]) as server:
        prepare(server, EMPTY)
        stage = Stage(server, Path(scratch), Path(scratch) / "pasts")
        jobs = [*_jobs(stage, promtool, Path(scratch))]
        seen = paints.paint(jobs, folder)
    figures = "".join(
        f"<figure><img loading=lazy src={escape(one.picture.name)!r}><figcaption>{escape(job.name)}</figcaption>"
        for job, one in zip(jobs, seen, strict=True)
    )
    style = "body{font-family:sans-serif}figure{display:inline-block;margin:8px}img{max-width:600px}"
    page = folder / "index.html"
    page.write_text(f"<!doctype html><title>The dashboards, drawn</title><style>{style}</style>{figures}")
    broken = [(job.name, fault) for job, one in zip(jobs, seen, strict=True) for fault in _faults(job, one)]
    for name, fault in broken:
        sys.stderr.write(f"look: {name}: {fault}" + "\n")
    sys.stdout.write(f"{len(jobs)} pictures; look through {page}\n")
    return 1 if broken else 0


def _faults(job: Job, seen: Seen) -> Iterator[str]:
    """What broke, and what is cut off on a screen that has room for it."""
    yield from seen.faults
    for title, panel in seen.panels.items():
        yield from (f"{title}: {one}" for one in panel["broken"])
        if job.width >= 1280:
            yield from (f"{title}: cut off: {one}" for one in panel["cut"])


def _jobs(stage: Stage, promtool: Promtool, scratch: Path) -> Iterator[Job]:
    drawn = {uid: opened(board) for uid, board in boards().items()}
    for scene in SCENES:
        place = scratch / scene.name
        place.mkdir()
        found = answers(scene, drawn.values(), stage, promtool, place)
        sys.stderr.write(f"look: {scene.name}: played, and asked\n")
        for uid, board in drawn.items():
            for screen, width, height in SCREENS:
                for theme in ("dark", "light"):
                    name = f"{uid} {scene.name} {screen} {theme}".replace(" ", "-")
                    yield Job(name, board, found[uid], width, height, theme, whole=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "look")))
