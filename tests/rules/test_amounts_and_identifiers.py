"""Are amounts that are stored wrongly, and keys that fill up, told while they can be mended?"""

from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import amounts, identifiers
from rules.vocabulary import hours, minutes
from tests.rules.playing import play

COMPARED = amounts.compared
KEY = identifiers.used_ratio.where(identifier="public.payments.id")
EVERY = minutes(4)


def test_amounts_stored_wrongly_since_a_release_are_a_page(promtool: Promtool, tmp_path: Path) -> None:
    """A release after an hour; three payments a minute, 15 minutes of grace, and a comparison every five."""
    until = hours(3)
    fed = {
        COMPARED.where(result="equal"): "3000x180",
        COMPARED.where(result="amount"): "0x79 15+3x100",
        COMPARED.where(result="refunded"): "40x180",
    }
    play(promtool, tmp_path, fed, {amounts.amounts_differ: ((minutes(86), until),)}, until=until, every=minutes(1))


@pytest.mark.parametrize("result", ["equal", *amounts.NOT_JUDGED])
def test_payments_that_are_equal_or_not_judged_are_nobody_s_business(
    result: str, promtool: Promtool, tmp_path: Path
) -> None:
    fed = {COMPARED.where(result="amount"): "0x60", COMPARED.where(result=result): "0x9 500x51"}
    play(promtool, tmp_path, fed, {amounts.amounts_differ: ()}, until=hours(1), every=minutes(1))


def test_a_column_that_is_filled_no_more_is_a_ticket_before_a_day_is_over(promtool: Promtool, tmp_path: Path) -> None:
    """Three payments a minute, none of which has an amount after an hour, and 3,000 in the window that is compared.

    500 minutes later half of them have none; a minute later it is more, and that has lasted for an hour after 621.
    """
    until = hours(12)
    fed = {COMPARED.where(result="equal"): "3000x60 2997-3x659", COMPARED.where(result="unknown"): "0x60 3+3x659"}
    told = {amounts.amounts_unknown: ((minutes(621), until),), amounts.amounts_differ: ()}
    play(promtool, tmp_path, fed, told, until=until, every=minutes(1))


@pytest.mark.parametrize(
    ("share", "told_after"),
    [
        pytest.param("0.5+0.0000278x600", minutes(14 * 60 + 12), id="full in 50 days"),
        pytest.param("0.5+0.0000111x600", None, id="full in 125 days"),
        pytest.param("0.7x600", None, id="nothing is added"),
        pytest.param("0.1x89 0.85x511", hours(7), id="an import takes most of it at once"),
    ],
)
def test_an_integer_key_that_fills_up_is_a_ticket_three_months_ahead(
    share: str, told_after: timedelta | None, promtool: Promtool, tmp_path: Path
) -> None:
    """For a day its pace seems less than it is: after 13 hours of one percent a day, the end seems 90 days away.

    An hour later it is told; so is an import, an hour after it took most of the numbers.
    """
    until = hours(40)
    told = () if told_after is None else ((told_after, until),)
    play(promtool, tmp_path, {KEY: share}, {identifiers.running_out: told}, until=until, every=EVERY)
