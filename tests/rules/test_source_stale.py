"""Is a source that is no longer sampled told whatever another exporter does, and an exporter that is gone once?"""

from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import blindness, monitoring
from rules.vocabulary import Source, matchers, minutes, seconds
from tests.rules.playing import play

STALE, DOWN = blindness.exporter_stale, monitoring.exporter_down
UNSEEN, EVENTS = blindness.events_stale, Source.STRIPE_EVENTS
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


def reads(*watermark: str, catches_up: str) -> dict[str, str]:
    """Up to when Stripe's events are counted, every half a minute, and whether what was missed is still read."""
    return {
        monitoring.watermark.where(source=EVENTS.value): " ".join(watermark),
        monitoring.interval.where(source=EVENTS.value): "30x600",
        monitoring.catching_up.where(source=EVENTS.value): catches_up,
    }


@pytest.mark.parametrize(
    ("watermark", "behind"),
    [("3600x240", minutes(62)), ("3600+15x240", minutes(63) + seconds(30))],
    ids=["it stands still", "half of what happens is read"],
)
def test_catching_up_that_gets_no_nearer_excuses_half_an_hour_of_blindness_and_no_more(
    watermark: str, behind: timedelta, promtool: Promtool, tmp_path: Path
) -> None:
    """From minute 60 on Stripe's events fall behind. Half an hour after they were old, and five minutes, it pages."""
    ends = minutes(180)
    fed = reads("0+30x119", watermark, catches_up="0x119 1x241")
    told = {
        STALE: ((behind + minutes(6), behind + minutes(34)),),
        UNSEEN: ((behind + minutes(35) + seconds(30), ends),),
    }

    play(promtool, tmp_path, fed, told, until=ends, without=(EVENTS,))


def test_catching_up_that_gets_nearer_pages_nobody_however_long_it_takes(promtool: Promtool, tmp_path: Path) -> None:
    """The exporter is away for two hours, and reads for another hour, three times as fast as it happens."""
    ends = minutes(260)
    fed = reads("0+30x119 stale _x239 3600+90x120 14400+30x60", catches_up="0x119 stale _x239 1x119 0x60")

    play(promtool, tmp_path, fed, {UNSEEN: ()}, until=ends, without=(EVENTS,))
