"""What happened while nobody could look: is it told once they can?"""

from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import database, monitoring
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
