"""Do the pictures survive what Prometheus may answer, and what else is odd?"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generators.dashboards import CLASSIC, dashboard_files
from rules.catalog import catalog
from rules.payments import silence
from rules.vocabulary import Curve, Dashboard, Hue, Panel, Picture, Row, State, Tone, Unit
from tests.look.drawing import Job, MissingError, Painter, Seen, painter_or_skip
from tests.look.scenes import Answers, Board, queries

pytestmark = pytest.mark.slow

NOW = 3600
LONG = "a name that " + "goes on and on and " * 20 + "ends"


def panel(number: int, picture: Picture, **more: Any) -> Panel:
    """A panel of that kind on the attempts by method."""
    of_all: dict[str, Any] = {
        "description": "For this test.",
        "unit": Unit.COUNT,
        "curves": (Curve(silence.attempts_5m, "{{payment_method}}"),),
    }
    return Panel(id=number, title=picture.value, picture=picture, **(of_all | more))


EVERY_PICTURE = Dashboard(
    uid="every-picture",
    title="Every picture",
    description="One panel of each kind.",
    rows=(
        Row(
            title="All",
            panels=(
                panel(1, Picture.STAT, nothing="none counted", alerts=(silence.traffic_stopped,)),
                panel(2, Picture.TIMESERIES, alerts=(silence.traffic_stopped,)),
                panel(3, Picture.STACKED, hues=(("ours", Hue.VERMILLION),)),
                panel(4, Picture.TABLE),
                panel(5, Picture.STATE_TIMELINE, unit=Unit.BOOLEAN, states=(State(1, "Yes", Tone.GOOD),)),
                panel(6, Picture.HEATMAP),
            ),
        ),
    ),
)


def drawn_as(dashboard: Dashboard) -> Board:
    """The dashboard as Grafana imports it."""
    files = dashboard_files(replace(catalog(), dashboards=(dashboard,)))
    board: Board = json.loads(files[f"{CLASSIC}{dashboard.uid}.json"])
    return board


def same_for_all(board: Board, values: list[str], name: str = "series") -> Answers:
    """Every query answers one series for each value, constant over the hour."""
    series = [
        {
            "labels": {"payment_method": f"{name} {number}", "state": "OK", "le": f"{number}"},
            "points": [(at, value) for at in range(0, NOW + 1, 60)],
        }
        for number, value in enumerate(values)
    ]
    return Answers(NOW, {place: series for place, _ in queries(board)})


CASES = {
    "no data": ([], "series"),
    "one series": (["3"], "series"),
    "200 series": (["3"] * 200, "series"),
    "NaN": (["NaN"], "series"),
    "infinite": (["+Inf"], "series"),
    "negative": (["-1730000"], "series"),
    "huge": (["123456789012345678"], "series"),
    "long names": (["3"], LONG),
}


@pytest.fixture(scope="module")
def paints() -> Painter:
    return painter_or_skip(os.environ)


@pytest.fixture(scope="module")
def drawn(paints: Painter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """One picture for each case, and some for what is odd in other ways."""
    board = drawn_as(EVERY_PICTURE)
    jobs = [Job(case.replace(" ", "-"), board, same_for_all(board, *given)) for case, given in CASES.items()]
    few = same_for_all(board, ["12345"])
    refused = Answers(NOW, {**few.series, "4/A": "422: found duplicate series for the match group"})
    jobs += [
        Job("german-and-light", board, few, theme="light", locale="de-DE"),
        Job("english", board, few),
        Job("refused", board, refused),
        Job("without-a-row", {**board, "panels": [one for one in board["panels"] if one["type"] != "row"]}, few),
        Job("without-anything", {**board, "panels": []}, few),
    ]
    seen = paints.paint(jobs, tmp_path_factory.mktemp("odd"))
    return {job.name: one for job, one in zip(jobs, seen, strict=True)}


def kinds() -> Iterator[str]:
    yield from (one.title for one in EVERY_PICTURE.panels)


@pytest.mark.parametrize("case", CASES)
def test_no_answer_breaks_a_picture_or_overflows_a_tile(case: str, drawn: dict[str, Seen]) -> None:
    seen = drawn[case.replace(" ", "-")]

    assert seen.faults == ()
    assert [*seen.panels] == [*kinds()]
    assert not any(panel["broken"] for panel in seen.panels.values())
    if case != "200 series":  # a tile has one number; 200 would be 200 tiles
        assert seen.panels["stat"]["cut"] == []


@pytest.mark.parametrize("case", ["no data", "NaN"])
def test_a_tile_without_a_number_says_what_that_means(case: str, drawn: dict[str, Seen]) -> None:
    assert "none counted" in drawn[case.replace(" ", "-")].panels["stat"]["text"]


def test_numbers_are_written_in_the_readers_language(drawn: dict[str, Seen]) -> None:
    assert "12,345" in drawn["english"].panels["table"]["text"]
    assert "12.345" in drawn["german-and-light"].panels["table"]["text"]


def test_a_light_theme_and_another_language_of_numbers_break_nothing(drawn: dict[str, Seen]) -> None:
    seen = drawn["german-and-light"]

    assert seen.faults == ()
    assert [panel["cut"] for panel in seen.panels.values()] == [
        panel["cut"] for panel in drawn["english"].panels.values()
    ]
    assert not any(panel["broken"] or panel["empty"] for panel in seen.panels.values())


def test_where_prometheus_refuses_one_query_the_other_panels_are_drawn(drawn: dict[str, Seen]) -> None:
    panels = drawn["refused"].panels

    assert {title for title, one in panels.items() if one["refused"]} == {"table"}
    assert panels["table"]["empty"]
    assert not panels["timeseries"]["empty"]


def test_a_board_without_a_row_or_without_anything_is_drawn(drawn: dict[str, Seen]) -> None:
    assert [*drawn["without-a-row"].panels] == [*kinds()]
    assert drawn["without-anything"].panels == {}
    assert not drawn["without-a-row"].faults + drawn["without-anything"].faults


def test_without_a_browser_a_persons_tests_are_skipped_in_words_and_ci_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(pytest.skip.Exception, match="not drawn: there is no Chromium; install the system's package"):
        painter_or_skip({})
    with pytest.raises(MissingError, match="there is no Chromium"):
        painter_or_skip({"CI": "true"})

    (tmp_path / "chromium").touch(mode=0o755)
    with pytest.raises(MissingError, match="there is no npm; install Node"):
        painter_or_skip({"CI": "true"})
