"""Of which shop do the examples of this vocabulary speak?"""

from rules.vocabulary.alert import Alert, Runbook, Step, above
from rules.vocabulary.dashboard import Curve, Panel, Picture
from rules.vocabulary.durations import minutes, seconds
from rules.vocabulary.metric import Counter, Gauge, Label, Source
from rules.vocabulary.people import Channel, Contact, Priority, Severity
from rules.vocabulary.signal import Example, Signal
from rules.vocabulary.units import Unit

__all__ = ["LENGTH", "ON_CALL", "ORDERS", "PANEL", "QUEUE", "QUEUE_LONG"]

ORDERS = Counter(
    "orders_total",
    "Orders by what became of them",
    Unit.COUNT,
    Source.APPLICATION,
    labels=(Label("result", ("paid", "failed")),),
)
QUEUE = Gauge("queue_length", "Orders that wait to be packed", Unit.COUNT, Source.APPLICATION)
LENGTH = Signal(
    "shop:queue:sum",
    "Orders that wait",
    Unit.COUNT,
    f"sum({QUEUE})",
    Example(series=((str(QUEUE), "1 5 9"),), at=seconds(150), gives=(("", "9"),)),
)
QUEUE_LONG = Alert(
    "QueueLong",
    watches=LENGTH,
    thresholds=(
        above(
            100,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="100 are what we pack in a minute",
        ),
    ),
    summary="More than {threshold} orders wait.",
    description="{value} orders wait.",
    runbook=Runbook(
        meaning="Orders come in faster than we pack them.",
        impact="Parcels are late.",
        diagnosis=(Step("See whether the packers are there."),),
        mitigation=(Step("Call more packers."),),
    ),
)
ON_CALL = Contact(name="On-call", channel=Channel.PAGERDUTY, address="shop-oncall")
PANEL = Panel(
    id=1,
    title="Orders that wait",
    description="How long the queue is.",
    picture=Picture.TIMESERIES,
    unit=Unit.COUNT,
    curves=(Curve(LENGTH, "waiting"),),
    alerts=(QUEUE_LONG,),
    width=24,
)
