"""Is a value that no server would take told, and one that it would take left alone?"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rules.checks import CHECKS, check
from rules.vocabulary import BusinessHours, Channel, Contact, Excuse, Link
from tests.rules import small

HOURS = small.ORGANISATION.business_hours


def said(**changed: Any) -> list[str]:
    """What the checks say of the organisation with these changes, without the place."""
    found = check(small.catalog(small.area(), **changed))
    return [str(one).removeprefix("organisation: ") for one in found]


@pytest.mark.parametrize("name", ["Payments", "our team", "payments_eu", "-x", "x-", "a" * 31, "zahlung\u00e4", ""])
def test_a_name_must_fit_into_files_labels_and_addresses(name: str) -> None:
    assert any("has a name that cannot be part of labels" in one for one in said(team=name))


@pytest.mark.parametrize("attempts", [0, -3, Decimal("NaN"), Decimal("Infinity")])
def test_the_traffic_by_which_a_stage_is_known_is_a_number_above_nothing(attempts: Decimal | int) -> None:
    assert said(attempts_per_minute=attempts) == [
        "attempts_per_minute is not above 0; give the mean of attempts a minute at 100 %, or leave it away where "
        "nobody knows"
    ]
    assert said(attempts_per_minute=Decimal("0.125")) == said(attempts_per_minute=None) == []


def test_business_hours_are_alertmanager_s() -> None:
    assert (
        said(business_hours=BusinessHours(timezone="Europe/Berlin", weekdays=("monday",), start="00:00", end="24:00"))
        == []
    )
    odd = replace(HOURS, weekdays=("Monday", "friday", "friday"), start="25:00", end="9")
    assert said(business_hours=odd) == [
        "business_hours names 'Monday', which is no weekday; write monday",
        "business_hours names a weekday twice; name each once",
        "business_hours has the start '25:00', which is no time of day; write it as 09:00, in 24 hours",
        "business_hours has the end '9', which is no time of day; write it as 09:00, in 24 hours",
    ]
    assert said(business_hours=replace(HOURS, start="22:00", end="06:00")) == [
        "business_hours ends at 06:00, which is not after 22:00; "
        "end after the start, on the same day; Alertmanager knows no hours across midnight"
    ]
    (zone,) = said(business_hours=replace(HOURS, timezone="Europe/Berln"))
    assert zone.endswith("nobody knows; write Europe/Berlin, as the IANA's list has it")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example.com",
        "ftp://shop.example.com",
        "https://",
        "https://shop example.com",
        "https://x:99999",
        "http://[::1",
    ],
)
def test_an_address_is_one_that_a_browser_opens(url: str) -> None:
    (told,) = said(api_url=url)
    assert told.startswith(f"api_url is {url!r}, which is no address; write https://")


def test_a_base_has_nothing_behind_which_no_path_can_stand() -> None:
    assert said(runbook_url="https://wiki.example.com/x/") == [
        "runbook_url is 'https://wiki.example.com/x/', behind which no path can stand; write https://wiki.example.com/x"
    ]
    assert said(links=(Link(title="Wiki", url="https://wiki.example.com/?a=b#c"),)) == []


@pytest.mark.parametrize(
    ("channel", "good", "bad"),
    [
        (Channel.EMAIL, "a.b+c@shop.example.co.uk", "a@shop"),
        (Channel.EMAIL, "a@b.de", "A B <a@b.de>"),
        (Channel.SLACK, "#payments-oncall", "payments"),
        (Channel.SLACK, "C0123456789", "#Pay ments"),
        (Channel.PAGERDUTY, "payments-oncall", "pay/../ments"),
        (Channel.TICKET, "PAY", "PAY 1"),
        (Channel.PHONE, "+49 30 1234567", "call me"),
    ],
)
def test_an_address_suits_its_channel(channel: Channel, good: str, bad: str) -> None:
    def told(address: str) -> list[str]:
        return said(contacts=(small.ON_CALL, Contact(name="X", channel=channel, address=address)))

    assert told(good) == []
    (one,) = told(bad)
    assert one.startswith(f"contact X has the {'number' if channel is Channel.PHONE else 'address'} {bad!r}")


def test_the_mail_server_has_a_port_and_the_sender_is_one() -> None:
    delivery = replace(
        small.ORGANISATION.delivery, mail_host="smtp.example.com", mail_sender="alerts", secrets_folder="x/"
    )
    assert len(said(delivery=delivery)) == 3


def test_what_stripe_never_sends_is_told_and_what_it_may_send_next_year_is_not() -> None:
    assert said(payment_methods=("card", "a_new_one_of_next_year")) == []
    assert said(payment_methods=("Card", "sepa-debit", "other", "card", "card"), currencies=("usd", "EUR", "xxx")) == [
        "payment_methods lists 'card' twice; list each once",
        "payment_methods lists 'Card', which Stripe does not send; write card, if you mean that",
        "payment_methods lists 'sepa-debit', which Stripe does not send; write sepa_debit, if you mean that",
        "payment_methods lists 'other', which stands for all that is not listed; leave it out",
        "currencies lists 'EUR', which is no currency's code; write eur",
        "currencies lists 'xxx', which is no currency's code; write its three letters in lower case, as Stripe does",
    ]


# ---- checks have names


def test_every_check_has_a_name_of_its_own_and_a_promise() -> None:
    names = [one.name for one in CHECKS]
    assert len(set(names)) == len(names) > 40
    assert all(one.promise.endswith(".") for one in CHECKS), [
        one.name for one in CHECKS if not one.promise.endswith(".")
    ]


def test_an_excuse_takes_one_definition_out_of_one_check() -> None:
    one, other = small.signal("orders_total", name="shop:a:b"), small.signal("orders_total", name="shop:c:d")
    definitions = small.catalog(small.area(one, other))
    assert [problem.check for problem in check(definitions)] == ["expressions/counters"] * 2

    excuse = Excuse(check="expressions/counters", definition="shop:a:b", because="its owner never restarts")
    (left,) = check(replace(definitions, excuses=(excuse,)))
    assert left.where == "rules.shop: signal shop:c:d"


def test_an_excuse_that_excuses_nothing_is_a_problem() -> None:
    excuses = (
        Excuse(check="expressions/counters", definition="shop:a:b", because="so"),
        Excuse(check="expressions/counter", definition="shop:a:b", because="so"),
    )
    assert [str(one) for one in check(replace(small.catalog(small.area()), excuses=excuses))] == [
        "excuse of shop:a:b from expressions/counters excuses nothing; remove it: the definition keeps that promise",
        "excuse of shop:a:b from expressions/counter names no check; use a name from docs/checks.md",
    ]
    with pytest.raises(ValueError, match="has no because; say why it need not hold"):
        Excuse(check="expressions/counters", definition="x", because=" ")
