"""Is a source that is no longer sampled told whatever another exporter does, and an exporter that is gone once?"""

from pathlib import Path

from paymon.promtool import Promtool
from rules.payments import blindness, monitoring
from rules.vocabulary import Source, matchers, minutes, seconds
from tests.rules.playing import play

STALE, DOWN = blindness.exporter_stale, monitoring.exporter_down
ENDS = minutes(60)


def answers(instance: str, values: str) -> dict[str, str]:
    """Whether that exporter answers, every half a minute."""
    return {monitoring.target_up.name + matchers(job="payments-exporter", instance=instance): values}


def test_a_source_that_grows_old_is_told_while_another_exporter_is_down(promtool: Promtool, tmp_path: Path) -> None:
    """Of two exporters one is away from minute 10 on; the other one reads the database no more from minute 20 on."""
    fed = answers("a", "1x120") | answers("b", "1x19 0x100")
    told = {DOWN: ((minutes(15), ENDS),), STALE: ((minutes(27) + seconds(30), ENDS),)}

    play(promtool, tmp_path, fed, told, until=ENDS, last_read={Source.POSTGRES: minutes(20)})


def test_the_only_exporter_takes_the_age_of_its_sources_with_it(promtool: Promtool, tmp_path: Path) -> None:
    """It is gone from minute 20 on, and has not read the database for four minutes: that would be told at minute 23."""
    fed = answers("a", "1x39 0x80")
    for source, watermark in ((Source.POSTGRES, "0+30x32 960x7 stale"), (Source.HEALTH, "0+30x39 stale")):
        fed |= {
            monitoring.watermark.where(source=source.value): watermark,
            monitoring.interval.where(source=source.value): "30x39 stale",
        }
    told = {DOWN: ((minutes(25), ENDS),), STALE: ()}

    play(promtool, tmp_path, fed, told, until=ENDS, without=tuple(Source))
