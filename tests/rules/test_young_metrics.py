"""Is a metric that is younger than what it is a share of compared with no past that it does not have?"""

from pathlib import Path

from paymon.promtool import Promtool
from rules.payments import authentication, cards, outcomes
from rules.vocabulary import minutes
from tests.rules.playing import play

FAILING = authentication.authentication_failing
SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
DECLINED = outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="api")
FAILED = cards.attempts_by_authentication.where(result="issuer_declined", authentication="failed")
EVERY = minutes(4)


def test_authentication_that_begins_to_be_told_with_an_upgrade_is_judged_a_day_later(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Of 100 attempts a minute 12 end in 3-D Secure, as ever; from minute 26 * 60 on that is told.

    A day and three hours later 20 do, 8 points more: 19 minutes of them are 5 points in half an hour, and ten minutes
    later it is told.
    """
    told_from, worse = 26 * 60, 53 * 60
    until = worse + 120
    moments = range(0, until + 4, 4)
    fed = {
        SUCCESS: f"0+320x{until // 4}",
        DECLINED: f"0+80x{until // 4}",
        FAILED: " ".join(
            "_" if at < told_from else str(12 * (at - told_from) + 8 * max(at - worse, 0)) for at in moments
        ),
    }
    expected = {FAILING: ((minutes(worse + 40), minutes(until)),)}

    play(promtool, tmp_path, fed, expected, until=minutes(until), every=EVERY)
