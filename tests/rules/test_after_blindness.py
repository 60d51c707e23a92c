"""What nobody can see for a while: is that told, and what happened meanwhile once they can?"""

from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import blindness, completion, database, declines, health, monitoring, outcomes, silence
from rules.vocabulary import Source, minutes, seconds
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

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
        silence.last_completed.name: "0+30x243",
    }
    told = {blindness.query_failing: ((BLIND + minutes(10), until),), blindness.exporter_stale: ()}

    play(promtool, tmp_path, fed, told, until=until)


@pytest.mark.parametrize("blind_for", [8, 16, 40], ids=lambda lasts: f"{lasts} minutes")
def test_a_complete_failure_that_outlasts_a_gap_in_the_data_is_taken_up_after_it(
    blind_for: int, promtool: Promtool, tmp_path: Path
) -> None:
    """Of 60 payments a minute, all are declined for three hours; after the first the exporter is away for a while.

    What customers did in the half-hour before tells nothing by then: yesterday does.
    """
    began, away, end = 26 * 60, 27 * 60, 29 * 60
    back = away + blind_for

    def held(values: list[int]) -> str:
        return " ".join(str(values[away] if away <= at < back else value) for at, value in enumerate(values))

    moments = range(end + 1)
    declined = held([60 * max(at - began, 0) for at in moments])
    of = f'{{source="{Source.STRIPE_EVENTS.value}"}}'
    fed = {
        outcomes.attempts.where(result="success", payment_method="card", initiator="api"): held(
            [60 * min(at, began) for at in moments]
        ),
        outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="api"): declined,
        outcomes.distinct_attempts.where(result="issuer_declined", initiator="api"): declined,
        f"{monitoring.watermark}{of}": held([60 * at for at in moments]),
        f"{monitoring.interval}{of}": f"15x{end}",
    }
    again = (minutes(back + 2), minutes(end))
    first = (minutes(began + 2), minutes(away + 10))
    whole = ((first[0], again[1]),) if blind_for < 10 else (first, again)
    expected = {outcomes.complete_failure: whole, declines.card_testing: ()}

    play(
        promtool,
        tmp_path,
        fed,
        expected,
        until=minutes(end),
        every=minutes(1),
        without=(Source.STRIPE_EVENTS,),
    )


@pytest.mark.parametrize("blind_for", [8, 16, 40], ids=lambda lasts: f"{lasts} minutes")
@pytest.mark.parametrize("database_tells", [True, False], ids=["with a database", "without one"])
def test_no_word_from_stripe_for_hours_is_a_complete_failure_again_after_a_gap_in_the_data(
    blind_for: int, database_tells: bool, promtool: Promtool, tmp_path: Path
) -> None:
    """Of 60 payments a minute none is completed for three hours; after the first the exporter is away for a while.

    What customers did in the half-hour before tells nothing by then: yesterday does. It is told within three minutes,
    or four by the health endpoint alone; and once it is seen again, at the next evaluation or two minutes after it.
    """
    began, away, end = 26 * 60, 27 * 60, 29 * 60
    back = away + blind_for
    moments = range(end + 1)

    def held(values: list[int]) -> str:
        return " ".join("stale" if at == away else "_" if away < at < back else str(values[at]) for at in moments)

    answered = Source.POSTGRES if database_tells else Source.HEALTH
    says = (
        (silence.last_completed.name, [60 * min(at, began) for at in moments])
        if database_tells
        else (health.check_ok.where(check="stripe_api"), [int(at < began) for at in moments])
    )
    fed = {
        outcomes.attempts.where(result="success", payment_method="card", initiator="api"): held(
            [60 * min(at, began) for at in moments]
        ),
        says[0]: held(says[1]),
        monitoring.watermark.where(source=Source.STRIPE_EVENTS.value): held([60 * min(at, began) for at in moments]),
        monitoring.watermark.where(source=answered.value): held([60 * at for at in moments]),
        **{monitoring.interval.where(source=one.value): f"15x{end}" for one in (Source.STRIPE_EVENTS, answered)},
    }
    alert, waits = (completion.none_completed, 0) if database_tells else (health.stripe_unreachable, 2)
    first = (minutes(began + 3 + waits // 2), minutes(away + 9))
    again = (minutes(back + 1 + waits), minutes(end))
    whole = ((first[0], again[1]),) if blind_for < 10 else (first, again)

    play(
        promtool,
        tmp_path,
        fed,
        {alert: whole},
        until=minutes(end),
        every=minutes(1),
        without=(Source.STRIPE_EVENTS, answered),
    )
