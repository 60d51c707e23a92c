"""What do the checks say of names, sizes and periods?"""

from datetime import timedelta
from decimal import Decimal

from rules.vocabulary import Environment, Gauge, Histogram, Source, Unit, minutes, seconds
from tests.rules.small import METRICS, ORDERS, PRODUCTION, alert, area, problems, signal

ONE = signal("max(queue_length)")


def test_a_name_stands_for_one_definition() -> None:
    steady = signal("max(queue_length)", steady=True)
    two = area(steady, metrics=(ORDERS,), alerts=(alert(steady),), name="packing")
    cure = "is defined 2 times, in rules.shop and in rules.packing; rename or remove all but one"
    assert problems(area(steady, alerts=(alert(steady),)), two) == [
        f"rules.shop: series orders_total {cure}",
        f"rules.shop: signal shop:test:signal {cure}",
        f"rules.shop: alert TooMuch {cure}",
    ]


def test_two_signals_of_one_area_with_one_name_are_told_once() -> None:
    assert problems(area(ONE, ONE)) == [
        "rules.shop: signal shop:test:signal is defined 2 times, in rules.shop; rename or remove all but one"
    ]


def test_environments_have_names_of_their_own() -> None:
    twice = Environment(name=PRODUCTION.name, pages=False)
    assert problems(area(), environments=(PRODUCTION, twice)) == [
        "organisation: environment production is defined 2 times, in organisation; rename or remove all but one"
    ]


def test_families_do_not_collide_in_openmetrics() -> None:
    gauge = Gauge("orders", "Orders that are open at the moment", Unit.COUNT, Source.APPLICATION)
    moment = Gauge("orders_created", "Orders that were created by hand", Unit.COUNT, Source.APPLICATION)
    histogram = Histogram(
        "orders", "Sizes of the orders by items", Unit.COUNT, Source.APPLICATION, bounds=(Decimal(1),)
    )
    for metric in (gauge, moment, histogram):
        assert problems(area(metrics=(*METRICS, metric))) == [
            f"rules.shop: metric {metric.name} collides with counter orders_total, whose family OpenMetrics calls "
            "orders; rename one of the two"
        ]


def test_a_group_s_name_fits_where_it_is_shown() -> None:
    assert problems(area(name="all_the_parcels_and_more")) == []
    long = "everything_about_parcels"
    assert problems(area(name=f"{long}_x")) == [
        "rules.everything_about_parcels_x: area everything_about_parcels_x makes a group name of 42 characters, "
        "shop.production.everything_about_parcels_x; shorten it to at most 40"
    ]


def test_a_group_holds_at_most_20_rules() -> None:
    many = tuple(signal("max(queue_length)", name=f"shop:queue:max{n}") for n in range(20))
    assert problems(area(*many)) == []
    assert problems(area(*many, alerts=(alert(many[0]),))) == [
        "rules.shop: area shop makes a group of 21 rules; split it into areas of at most 20"
    ]


def test_an_area_has_a_title() -> None:
    assert problems(area(title=" ")) == [
        'rules.shop: area shop has no title; begin the docstring of its module with "Title: question?"'
    ]


def test_periods_are_whole_seconds() -> None:
    assert problems(
        area(), scrape_interval=timedelta(milliseconds=1), evaluation_interval=seconds(0), retention=seconds(-1)
    ) == [
        "organisation: scrape_interval is 0:00:00.001000; give a whole number of seconds above 0",
        "organisation: evaluation_interval is 0:00:00; give a whole number of seconds above 0",
        "organisation: retention is -1 day, 23:59:59; give a whole number of seconds above 0",
    ]


def test_an_interval_is_shorter_than_prometheus_memory_of_a_series() -> None:
    assert problems(area(), scrape_interval=minutes(6)) == [
        "organisation: scrape_interval is 6 minutes, after which Prometheus takes a series for gone; "
        "give at most 5 minutes"
    ]
