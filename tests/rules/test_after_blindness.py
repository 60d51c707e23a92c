"""What nobody can see for a while: is that told, and what happened meanwhile once they can?"""

from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import blindness, completion, database, monitoring
from rules.vocabulary import Source, minutes, seconds
from tests.rules.playing import play

BLIND = minutes(120)
"""From then on nothing is read."""


def read_again(source: Source, after: timedelta) -> dict[str, str]:
    """What the exporter says of a source that it reads every half a minute, but for that while."""
    until, gap = BLIND // seconds(30), after // seconds(30)
    of = f'{{source="{source.value}"}}'
    return {
        f"{monitoring.watermark}{of}": f"0+30x{until} {30 * until}x{gap - 2} {30 * (until + gap)}+30x400",
        f"{monitoring.interval}{of}": f"30x{until + gap + 400}",
    }


@pytest.mark.parametrize("hidden", [50, 70, 600], ids=lambda hidden: f"{hidden} minutes")
def test_who_was_charged_twice_meanwhile_is_news_for_an_hour(hidden: int, promtool: Promtool, tmp_path: Path) -> None:
    """Twenty were known before; from two minutes after the last look on, the answer is too old to be served."""
    seen = BLIND + minutes(hidden)
    fed = {
        database.duplicates.name: f"20x244 _x{2 * hidden - 5} 60x400",
        **read_again(Source.POSTGRES, minutes(hidden)),
    }
    expected = {database.duplicate_charges: ((seen + seconds(30), seen + minutes(64)),)}

    play(promtool, tmp_path, fed, expected, until=seen + minutes(120), without=(Source.POSTGRES,))


def test_a_question_that_the_database_does_not_answer_is_told_though_it_answers_others(
    promtool: Promtool, tmp_path: Path
) -> None:
    """A migration locks the table of payments: what was answered before is served for two minutes more."""
    until = BLIND + minutes(60)
    succeeds = database.query_success.where
    fed = {
        succeeds(query="last_completed"): "1x239 0x121",
        succeeds(query="attempts"): "1x360",
        completion.last_completed.name: "0+30x243",
    }
    told = {blindness.query_failing: ((BLIND + minutes(10), until),), blindness.exporter_stale: ()}

    play(promtool, tmp_path, fed, told, until=until)
