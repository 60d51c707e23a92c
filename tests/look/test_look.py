"""Does the first screen of the overview answer what people ask first, in each situation?"""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from tests.look.drawing import Job, MissingError, Painter, Seen, painter, seen
from tests.look.scenes import SCENES, Scene, answers, boards
from tests.scenarios.conftest import newest, stage  # noqa: F401
from tests.scenarios.staging import Stage
from tests.workers import of_all_workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def paints() -> Painter:
    try:
        return painter()
    except MissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"dashboards are not drawn: {error}")


@pytest.fixture(scope="module")
def overviews(
    paints: Painter,
    stage: Stage,  # noqa: F811
    newest: Promtool,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Seen]:
    """The overview's first screen at 1280 x 800, by situation; drawn once for all workers of a run."""
    folder = of_all_workers(tmp_path_factory) / "look"
    folder.mkdir(exist_ok=True)
    names = {scene.name: scene.name.replace(" ", "-") for scene in SCENES}
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "drawn").exists():
            board = boards()["paymon-overview"]
            jobs = []
            for scene in SCENES:
                found = answers(scene, board, stage, newest, tmp_path_factory.mktemp("scene"), collapsed=False)
                jobs.append(Job(names[scene.name], board, found))
            paints.paint(jobs, folder)
            (folder / "drawn").touch()
    return {scene: seen(folder, name) for scene, name in names.items()}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name.replace(" ", "-"))
def test_every_panel_is_drawn_and_nothing_breaks(scene: Scene, overviews: dict[str, Seen]) -> None:
    overview = overviews[scene.name]

    assert overview.faults == ()
    assert {title: panel["broken"] for title, panel in overview.panels.items() if panel["broken"]} == {}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name.replace(" ", "-"))
def test_each_tile_says_what_is_so(scene: Scene, overviews: dict[str, Seen]) -> None:
    panels = overviews[scene.name].panels

    assert {title: panels[title]["words"] for title in scene.says} == {
        title: [word] for title, word in scene.says.items()
    }


FIRST_QUESTIONS = {
    "Is it broken?": "Payments succeed",
    "Since when?": "Firing now, and since when",
    "How badly?": "Failures in 1 hour",
    "Whose fault?": "Attempts by outcome",
    "What changed?": "Releases that run",
}


@pytest.mark.parametrize("question", FIRST_QUESTIONS)
def test_the_first_questions_are_answered_on_the_first_screen(question: str, overviews: dict[str, Seen]) -> None:
    left, top, width, height = overviews["complete failure"].panels[FIRST_QUESTIONS[question]]["box"]

    assert left >= 0
    assert left + width <= 1280
    assert top + height <= 800


def test_where_all_is_well_no_panel_is_empty_but_the_lists_of_what_is_wrong(overviews: dict[str, Seen]) -> None:
    empty = {title for title, panel in overviews["all well"].panels.items() if panel["empty"]}

    assert empty <= {"Alerts: pending and firing", "Firing now, and since when"}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name.replace(" ", "-"))
def test_no_tile_cuts_its_text_off(scene: Scene, overviews: dict[str, Seen]) -> None:
    panels = overviews[scene.name].panels.values()

    assert {panel["title"]: panel["cut"] for panel in panels if panel["type"] == "stat" and panel["cut"]} == {}


def test_the_pictures_of_the_readme_are_kept_where_somebody_asks_for_them(overviews: dict[str, Seen]) -> None:
    kept = os.environ.get("PAYMON_PICTURES")
    for scene in ("all well", "complete failure"):
        picture = overviews[scene].picture
        assert picture.stat().st_size > 10_000
        if kept:
            shutil.copy(picture, Path(kept) / picture.name)
