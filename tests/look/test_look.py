"""Does the first screen of the overview answer what people ask first, in each situation?"""

import fcntl
import os
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from paymon.promtool import Promtool
from tests.look.drawing import Job, Painter, Seen, painter_or_skip, seen
from tests.look.scenes import QUESTIONS, SCENES, Scene, answers, boards, queries
from tests.scenarios.conftest import newest, stage  # noqa: F401
from tests.scenarios.staging import Stage
from tests.workers import of_all_workers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def paints() -> Painter:
    return painter_or_skip(os.environ)


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
                found = answers(scene, [board], stage, newest, tmp_path_factory.mktemp("scene"))
                jobs.append(Job(names[scene.name], board, found["paymon-overview"]))
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


def said(panel: dict[str, Any]) -> str:
    """What a panel says: its text, or a row's name with its latest word, or a curve's name with its latest number."""
    rows = [f"{name}: {word}" for name, word in panel["rows"].items()]
    curves = [f"{name}: {value}" for name, value in panel["latest"].items()]
    return "\n".join(rows or curves or [panel["text"].removeprefix(panel["title"])])


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name.replace(" ", "-"))
def test_the_first_questions_are_answered_on_the_first_screen(
    scene: Scene, question: str, overviews: dict[str, Seen]
) -> None:
    title, answer = scene.told[question]
    panel = overviews[scene.name].panels[title]

    assert re.search(answer, said(panel)), said(panel)
    left, top, width, height = panel["box"]
    assert left >= 0
    assert left + width <= 1280
    assert top + height <= 800


def test_a_full_load_of_the_overview_asks_half_of_what_it_once_did() -> None:
    board = boards()["paymon-overview"]
    variables = [one for one in board["templating"]["list"] if one["type"] == "query"]
    asked = [*queries(board), *board["annotations"]["list"], *variables]

    assert len(asked) <= 102 / 2


def test_where_all_is_well_no_panel_is_empty_but_the_lists_of_what_is_wrong(overviews: dict[str, Seen]) -> None:
    empty = {title for title, panel in overviews["all well"].panels.items() if panel["empty"]}

    assert empty <= {
        "Alerts: pending and firing",
        "Firing now, and since when",
        "Technical error codes in the time shown",
    }


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name.replace(" ", "-"))
def test_no_text_is_cut_off(scene: Scene, overviews: dict[str, Seen]) -> None:
    panels = overviews[scene.name].panels

    assert {title: panel["cut"] for title, panel in panels.items() if panel["cut"]} == {}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name.replace(" ", "-"))
def test_no_panel_lies_on_another(scene: Scene, overviews: dict[str, Seen]) -> None:
    boxes = {title: panel["box"] for title, panel in overviews[scene.name].panels.items()}

    assert [
        (one, other)
        for (one, (x, y, width, height)), (other, (left, top, wide, high)) in combinations(boxes.items(), 2)
        if x < left + wide and left < x + width and y < top + high and top < y + height
    ] == []


def test_the_pictures_of_the_readme_are_kept_where_somebody_asks_for_them(overviews: dict[str, Seen]) -> None:
    kept = os.environ.get("PAYMON_PICTURES")
    for scene in ("all well", "complete failure"):
        picture = overviews[scene].picture
        assert picture.stat().st_size > 10_000
        if kept:
            shutil.copy(picture, Path(kept) / picture.name)
