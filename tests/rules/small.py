"""What is the smallest catalog that keeps every promise, for tests to break one of them at a time?"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from rules.checks import check
from rules.payments import organisation
from rules.vocabulary import (
    Alert,
    Area,
    Catalog,
    Channel,
    Contact,
    Counter,
    Dashboard,
    Environment,
    Example,
    Gauge,
    Histogram,
    Item,
    Label,
    Metric,
    Objective,
    Priority,
    PriorityPolicy,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    days,
    minutes,
    seconds,
)

ON_CALL = Contact(name="On-call", channel=Channel.PAGERDUTY, address="shop-oncall")
PRODUCTION = Environment(name="production", pages=True)
ORGANISATION = replace(
    organisation.ORGANISATION,
    service="shop",
    environments=(PRODUCTION,),
    contacts=(ON_CALL,),
    policies=tuple(
        PriorityPolicy(priority=priority, meaning="Something is wrong", respond_within=minutes(15), notifies=(ON_CALL,))
        for priority in Priority
        if priority is not Priority.NONE
    ),
    links=(),
    scrape_interval=seconds(15),
    evaluation_interval=seconds(30),
    retention=days(15),
    serves=(),
)
"""The real one, with as few people as can be."""

ORDERS = Counter(
    "orders_total",
    "Orders by what became of them",
    Unit.COUNT,
    Source.APPLICATION,
    labels=(Label("result", ("paid", "failed")),),
)
QUEUE = Gauge("queue_length", "Orders that wait to be packed", Unit.COUNT, Source.APPLICATION)
STOCK = Gauge(
    "stock_items",
    "Items in stock, as the warehouse told last",
    Unit.COUNT,
    Source.POSTGRES,
    labels=(Label("shelf", ("top", "bottom")), Label("origin", bounded_by="the suppliers' list")),
)
WAIT = Histogram(
    "wait_seconds",
    "Time from the order to the parcel",
    Unit.SECONDS,
    Source.APPLICATION,
    labels=(Label("route", ("road", "air")),),
    bounds=(Decimal("0.5"), Decimal(3)),
)
AGE = Gauge(
    "sample_age_intervals",
    "Age of the latest sample in intervals",
    Unit.INTERVALS,
    Source.EXPORTER,
    labels=(Label("source", ("postgres",)),),
)
METRICS: tuple[Metric, ...] = (ORDERS, QUEUE, STOCK, WAIT, AGE)

MOVING = "0+4x5 21 25 35 36 50"
EXAMPLE = Example(
    series=(
        ('orders_total{result="paid"}', MOVING),
        ('orders_total{result="failed"}', MOVING),
        ("queue_length", MOVING),
        ('stock_items{shelf="top",origin="far"}', MOVING),
        *((f'wait_seconds_bucket{{route="air",le="{bound}"}}', MOVING) for bound in ("0.5", "3.0", "+Inf")),
        ('wait_seconds_count{route="air"}', MOVING),
        ('sample_age_intervals{source="postgres"}', MOVING),
    ),
    at=minutes(10) + seconds(30),
    gives=(("", "1"),),
)
RUNBOOK = Runbook(
    meaning="Nobody orders.",
    impact="No revenue.",
    diagnosis=(Step("Look at the shop."),),
    mitigation=(Step("Open the shop."),),
)


def signal(expr: str, unit: Unit = Unit.COUNT, name: str = "shop:test:signal", **more: Any) -> Signal:
    """A signal in place `rules.shop: signal shop:test:signal`, with an example that suits any expression."""
    return Signal(name, "A signal", unit, expr, more.pop("example", EXAMPLE), **more)


def threshold(value: str | int = 5, priority: Priority = Priority.P3, **more: Any) -> Any:
    """A threshold above `value`."""
    return above(value, Severity.WARNING, priority, because="it is too much", **more)


def alert(watches: Signal, name: str = "TooMuch", **more: Any) -> Alert:
    """An alert in place `rules.shop: alert TooMuch`."""
    texts = {"summary": "There is too much.", "description": "There is {value}.", "runbook": RUNBOOK}
    return Alert(name, watches=watches, **{"thresholds": (threshold(),), **texts, **more})


def area(
    *signals: Signal,
    alerts: tuple[Alert, ...] = (),
    metrics: tuple[Metric, ...] = METRICS,
    objectives: tuple[Objective, ...] = (),
    name: str = "shop",
    title: str = "Shop",
) -> Area:
    """An area of module `rules.<name>`."""
    return Area(
        name=name,
        title=title,
        question="is it open?",
        module=f"rules.{name}",
        metrics=metrics,
        signals=signals,
        alerts=alerts,
        objectives=objectives,
    )


def catalog(
    *areas: Area, items: tuple[Item, ...] = (), dashboards: tuple[Dashboard, ...] = (), **changed: Any
) -> Catalog:
    """A catalog of these areas; what differs in the organisation is given by name."""
    return Catalog(organisation=replace(ORGANISATION, **changed), areas=areas, items=items, dashboards=dashboards)


def problems(*areas: Area, **more: Any) -> list[str]:
    """What the checks say of that catalog, as people read it."""
    return [str(problem) for problem in check(catalog(*areas, **more))]


def problems_of_expression(expr: str, unit: Unit = Unit.COUNT, **more: Any) -> list[str]:
    """What the checks say of a signal with that expression, without the place."""
    found = problems(area(signal(expr, unit, **more)))
    start = "rules.shop: signal shop:test:signal "
    assert all(problem.startswith(start) for problem in found), found
    return [problem.removeprefix(start) for problem in found]


def problems_of_alert(one: Alert, *others: Signal, **more: Any) -> list[str]:
    """What the checks say of that alert and its signals, without the place."""
    found = problems(area(one.watches, *others, alerts=(one,)), **more)
    start = f"rules.shop: alert {one.name} "
    return [problem.removeprefix(start) for problem in found]
