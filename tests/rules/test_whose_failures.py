"""Whose failures are they: customers', Stripe's own renewals', the authentication's, or a card tester's?"""

from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import authentication, cards, declines, outcomes
from rules.vocabulary import minutes
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

NEVER = ()
EVERY = minutes(2)
BEGINS = 26 * 60
"""Minutes of a day and two hours before anything happens."""


def attempts(result: str, initiator: str = "api") -> str:
    return outcomes.attempts.where(result=result, payment_method="card", initiator=initiator)


def course(before: float, since: float, lasts: int, begins: int = BEGINS) -> str:
    """A counter that grows by so many a minute, until and since it begins."""
    first, then = 2 * before, 2 * since
    past = begins // 2
    return f"0+{first:g}x{past} {first * past + then:g}+{then:g}x{lasts // 2 - 1}"


def ended_in_authentication(before: float, since: float, lasts: int) -> dict[str, str]:
    failed = cards.attempts_by_authentication.where(result="issuer_declined", authentication="failed")
    return {failed: course(before, since, lasts)}


def test_a_daily_batch_of_renewals_is_no_wave_of_declines(promtool: Promtool, tmp_path: Path) -> None:
    """In an hour Stripe tries 3,000 old invoices again, and nearly all are declined."""
    until = minutes(BEGINS + 90)
    fed = {
        attempts("success"): course(11, 11, 90),
        attempts("issuer_declined"): course(1, 1, 90),
        attempts("issuer_declined", "automatic"): course(0, 50, 90),
        attempts("blocked", "automatic"): course(0, 5, 90),
    }

    play(
        promtool,
        tmp_path,
        fed,
        {declines.decline_rate_anomalous: NEVER, declines.block_rate_high: NEVER},
        until=until,
        every=EVERY,
    )


def test_neither_abandoned_attempts_nor_renewals_delay_the_page(promtool: Promtool, tmp_path: Path) -> None:
    """Of 125 attempts a minute 12 % fail; a quarter more is abandoned, and Stripe renews as many at the same time."""
    fed = {
        attempts("success"): "0+62x140 8735+55x80",
        attempts("technical_failure"): "0x140 7.5+7.5x80",
        attempts("abandoned"): "0+20x220",
        attempts("success", "automatic"): "0x140 60+60x80",
    }
    until = minutes(110)

    play(promtool, tmp_path, fed, {outcomes.degraded: ((minutes(77), until),)}, until=until)


def test_3_d_secure_that_times_out_for_nine_percent_is_told(promtool: Promtool, tmp_path: Path) -> None:
    """Of 100 attempts a minute 9 more end in it. Issuers decline no more than ever."""
    fed = {
        attempts("success"): course(90, 81, 90),
        attempts("issuer_declined"): course(10, 19, 90),
        **ended_in_authentication(3, 12, 90),
    }
    told = ((minutes(BEGINS + 30), minutes(BEGINS + 90)),)

    play(
        promtool,
        tmp_path,
        fed,
        {authentication.authentication_failing: told, declines.decline_rate_anomalous: NEVER},
        until=minutes(BEGINS + 90),
        every=EVERY,
    )


def test_customers_who_never_come_back_from_3_d_secure_are_missed(promtool: Promtool, tmp_path: Path) -> None:
    fed = {attempts("success"): course(96, 86, 120), attempts("abandoned"): course(4, 14, 120)}
    told = ((minutes(BEGINS + 44), minutes(BEGINS + 120)),)
    expected = {authentication.abandonment_high: told, outcomes.degraded: NEVER}

    play(promtool, tmp_path, fed, expected, until=minutes(BEGINS + 120), every=EVERY)


def test_four_times_the_attempts_all_declined_are_a_page_of_card_testing(promtool: Promtool, tmp_path: Path) -> None:
    fed = {attempts("success"): course(115, 115, 60), attempts("issuer_declined"): course(10, 385, 60)}
    until = minutes(BEGINS + 60)
    told = ((minutes(BEGINS + 8), until),)
    expected = {declines.card_testing: told, declines.decline_rate_anomalous: NEVER}

    play(promtool, tmp_path, fed, expected, until=until, every=EVERY)


def test_a_tenth_more_attempts_all_declined_are_told_within_an_hour(promtool: Promtool, tmp_path: Path) -> None:
    fed = {attempts("success"): course(115, 115, 90), attempts("issuer_declined"): course(10, 22.5, 90)}
    until = minutes(BEGINS + 90)

    play(promtool, tmp_path, fed, {declines.card_testing: ((minutes(BEGINS + 38), until),)}, until=until, every=EVERY)


def test_a_thief_who_begins_after_closing_is_told_as_by_day(promtool: Promtool, tmp_path: Path) -> None:
    """The shop of 100 payments an hour closes at the same time each day; twenty minutes later somebody tries cards."""
    closes, opens, begins = 2 * 60, 14 * 60, BEGINS + 20
    until = minutes(begins + 60)
    values, paid = [], 0.0
    for at in range(0, begins + 61, 2):
        values.append(paid)
        open_now = at < closes or opens <= at < BEGINS
        paid += 2 * 100 / 60 if open_now else 0
    fed = {
        attempts("success"): " ".join(f"{value:.4f}" for value in values),
        attempts("issuer_declined"): course(0, 20, 60, begins),
    }

    play(promtool, tmp_path, fed, {declines.card_testing: ((minutes(begins + 12), until),)}, until=until, every=EVERY)


def test_neither_a_sale_nor_a_bank_that_declines_is_card_testing(promtool: Promtool, tmp_path: Path) -> None:
    until = minutes(BEGINS + 60)
    sale = {attempts("success"): course(115, 575, 60), attempts("issuer_declined"): course(10, 50, 60)}
    bank = {attempts("success"): course(115, 60, 60), attempts("issuer_declined"): course(10, 65, 60)}

    for name, fed in (("sale", sale), ("bank", bank)):
        folder = tmp_path / name
        folder.mkdir()
        play(promtool, folder, fed, {declines.card_testing: NEVER}, until=until, every=EVERY)


@pytest.mark.parametrize(
    ("per_minute", "bank", "traffic"),
    [
        (10, 0.3, 1),
        (250, 0.1, 1),
        (250, 0.18, 1),
        (250, 0.1, 1.07),
        (5000, 0.08, 1),
        (5000, 0.1, 1),
        (5000, 0.18, 1.07),
    ],
)
def test_a_bank_that_declines_its_share_of_customers_is_no_card_tester(
    per_minute: int, bank: float, traffic: float, promtool: Promtool, tmp_path: Path
) -> None:
    """8 % are declined as ever; then all of that bank's as well, on a day on which a few more customers may come."""
    until = minutes(BEGINS + 120)
    pay, pay_now = 0.92 * per_minute, 0.92 * per_minute * traffic * (1 - bank)
    fed = {
        attempts("success"): course(pay, pay_now, 120),
        attempts("issuer_declined"): course(0.08 * per_minute, per_minute * traffic - pay_now, 120),
    }

    play(promtool, tmp_path, fed, {declines.card_testing: NEVER}, until=until, every=EVERY)


@pytest.mark.parametrize(
    ("per_minute", "tried", "told_after"), [(1, 2, 28), (10, 5, 22), (250, 60, 16), (5000, 800, 20)]
)
def test_a_tester_who_adds_declines_is_told_in_a_shop_of_any_size(
    per_minute: int, tried: int, told_after: int, promtool: Promtool, tmp_path: Path
) -> None:
    """8 % are declined as ever. Once they are twice the usual, 31 are told after ten minutes, or 1,001 after two."""
    until = minutes(BEGINS + 60)
    usual = 0.08 * per_minute
    fed = {
        attempts("success"): course(0.92 * per_minute, 0.92 * per_minute, 60),
        attempts("issuer_declined"): course(usual, usual + tried, 60),
    }
    told = ((minutes(BEGINS + told_after), until),)

    play(promtool, tmp_path, fed, {declines.card_testing: told}, until=until, every=EVERY)


def test_customers_who_go_home_in_the_evening_are_not_missing_beside_a_tester(
    promtool: Promtool, tmp_path: Path
) -> None:
    """100 pay a minute, and 200 for two hours that ended half an hour before, as they did yesterday."""
    until = minutes(BEGINS + 30)
    paid = [0]
    for at in range(2, BEGINS + 32, 2):
        busy = any(end - 150 < at <= end - 30 for end in (BEGINS - 1440, BEGINS))
        paid.append(paid[-1] + (400 if busy else 200))
    fed = {attempts("success"): " ".join(map(str, paid)), attempts("issuer_declined"): course(10, 110, 30)}

    play(promtool, tmp_path, fed, {declines.card_testing: ((minutes(BEGINS + 14), until),)}, until=until, every=EVERY)


def test_cards_that_are_all_declined_for_hours_are_not_tried_by_a_thief(promtool: Promtool, tmp_path: Path) -> None:
    """Of 1.1 attempts a minute 12 % are declined, then all; the hour before knows no success to compare with."""
    until = minutes(BEGINS + 210)
    fed = {attempts("success"): course(0.968, 0, 210), attempts("issuer_declined"): course(0.132, 1.1, 210)}
    told = {declines.decline_rate_anomalous: ((minutes(BEGINS + 30), until),)}

    play(promtool, tmp_path, fed, {declines.card_testing: NEVER, **told}, until=until, every=EVERY)
