"""What is exported, by whom, under which name and with which labels?"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from rules.vocabulary.former import Former
from rules.vocabulary.places import is_place
from rules.vocabulary.units import Unit

__all__ = [
    "OTHER",
    "STALE_AFTER_INTERVALS",
    "Counter",
    "Gauge",
    "Histogram",
    "Label",
    "Metric",
    "Source",
    "excluding",
    "matchers",
    "plain",
]

OTHER = "other"
"""The value of a bounded label for everything that its allow-list does not name."""

_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_LABEL_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_LABEL_NAMES_OF_OTHERS = frozenset({"environment", "service", "team", "job", "instance", "pod", "le", "quantile"})


class Source(Enum):
    """Who exports a metric. The sampled ones are the exporter's, and each carries a freshness of its own.

    What comes from `RULES` these record of themselves: 1 for each sampled source that they read, as the label `source`.

    >>> Source.POSTGRES.sampled, Source.APPLICATION.sampled
    (True, False)
    """

    STRIPE_EVENTS = "stripe_events"
    STRIPE_ACCOUNT = "stripe_account"
    STRIPE_WEBHOOKS = "stripe_webhooks"
    STRIPE_DISPUTES = "stripe_disputes"
    POSTGRES = "postgres"
    WEBHOOK_INBOX = "webhook_inbox"
    RECONCILIATION = "reconciliation"
    HEALTH = "health"
    PROBE = "probe"
    FLAG = "flag"
    DECLARED = "declared"
    EXPORTER = "exporter"
    APPLICATION = "application"
    SCRAPE = "scrape"
    RULES = "rules"
    PROMETHEUS = "prometheus"
    ALERTMANAGER = "alertmanager"

    @property
    def sampled(self) -> bool:
        """True where the exporter samples it in the background, so that the value can grow old."""
        return self not in _NOT_SAMPLED

    @property
    def exported(self) -> bool:
        """True where our exporter serves it, sampled or about itself."""
        return self.sampled or self is Source.EXPORTER

    @property
    def of_environment(self) -> bool:
        """True where the scraped series carry the target label `environment`."""
        return self not in (Source.PROMETHEUS, Source.ALERTMANAGER)


STALE_AFTER_INTERVALS = 3
"""Age of a source's data, in its own intervals, from which no alert trusts them."""

_NOT_SAMPLED = frozenset(
    {Source.EXPORTER, Source.APPLICATION, Source.SCRAPE, Source.RULES, Source.PROMETHEUS, Source.ALERTMANAGER}
)


@dataclass(frozen=True, slots=True)
class Label:
    """A label with every value that it can take, or with the setting that lists them.

    >>> Label("result", ("paid", "failed")).specimen
    'paid'
    >>> Label("shelf")
    Traceback (most recent call last):
    ValueError: label shelf is unbounded; give its values, or the setting that lists them
    """

    name: str
    values: tuple[str, ...] = ()
    bounded_by: str = ""
    formerly: Former | None = None
    """The name that it had before; the exporter's series carry both."""
    optional: bool = False
    """Whether only some versions or features of those who export the metric set it."""

    def __post_init__(self) -> None:
        if not _LABEL_NAME.match(self.name) or self.name in _LABEL_NAMES_OF_OTHERS:
            raise ValueError(
                f"label {self.name!r} is not ours to set; use a snake_case name that no scrape or rule adds"
            )
        if bool(self.values) == bool(self.bounded_by):
            raise ValueError(f"label {self.name} is unbounded; give its values, or the setting that lists them")
        if len(set(self.values)) != len(self.values):
            raise ValueError(f"label {self.name} lists a value twice; list each once")

    @property
    def open(self) -> bool:
        """True where a team's own values have not been filled in yet."""
        return any(map(is_place, self.values))

    @property
    def specimen(self) -> str:
        """A value that the label can take, for examples and tests."""
        return self.values[0] if self.values else "example"


@dataclass(frozen=True, slots=True)
class excluding:  # noqa: N801 - reads as a word inside where()
    """Matches every value of a label but these: `where(check=excluding("redis"))`.

    >>> ORDERS.where(result=excluding("failed"))
    'orders_total{result!="failed"}'
    """

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)


type_of_matcher = str | tuple[str, ...] | excluding


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _literally(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def plain(value: Decimal) -> str:
    """A decimal exactly, without exponent or trailing zeros: `0.95`, `300`.

    >>> plain(Decimal("3E+2")), plain(Decimal("0.9500"))
    ('300', '0.95')
    """
    text = format(value.normalize(), "f")
    return "0" if text in ("-0", "0") else text


def matchers(**wanted: type_of_matcher) -> str:
    """PromQL matchers in braces; a tuple matches any of its values; nothing gives an empty string.

    >>> matchers(result="paid", shelf=("top", "bottom"))
    '{result="paid",shelf=~"top|bottom"}'
    """
    parts = []
    for label, value in wanted.items():
        match value:
            case str():
                parts.append(f"{label}={_quoted(value)}")
            case (str() as only,):
                parts.append(f"{label}={_quoted(only)}")
            case tuple():
                parts.append(f"{label}=~{_quoted('|'.join(map(_literally, value)))}")
            case excluding(values=(only,)):
                parts.append(f"{label}!={_quoted(only)}")
            case excluding():
                parts.append(f"{label}!~{_quoted('|'.join(map(_literally, value.values)))}")
    return "{" + ",".join(parts) + "}" if parts else ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A fact that somebody exports: one metric family.

    >>> ORDERS.where(result="paid")
    'orders_total{result="paid"}'
    >>> ORDERS.where(result="payed")
    Traceback (most recent call last):
    ValueError: orders_total has no result='payed'; it has paid, failed
    """

    name: str
    help: str
    unit: Unit
    source: Source
    labels: tuple[Label, ...] = ()
    serves: tuple[str, ...] = ()
    formerly: Former | None = None
    """The name that it had before: the exporter serves both, and rules read what is there of either."""

    def __post_init__(self) -> None:
        if not _METRIC_NAME.match(self.name):
            raise ValueError(
                f"metric {self.name!r} is not a metric name; use lower-case letters, digits and underscores"
            )
        if len(self.help) < 10 or self.help.endswith("."):
            raise ValueError(
                f"metric {self.name} lacks a help text; say in one phrase, without a full stop, what it counts"
            )
        if len({label.name for label in self.labels}) != len(self.labels):
            raise ValueError(f"metric {self.name} has a label twice; name each once")
        if any(label.formerly for label in self.labels) and not self.source.exported:
            raise ValueError(
                f"metric {self.name} is not our exporter's, which alone can send a label under two names; rename the metric"
            )

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> str:
        """The type that the exposition format gives the family: counter, gauge or histogram."""
        return type(self).__name__.lower()

    @property
    def series_names(self) -> tuple[str, ...]:
        """Every sample name of the family."""
        return (self.name,)

    @property
    def former(self) -> "Metric | None":
        """The metric under the name that it had before; None where it never had another."""
        if self.formerly is None:
            return None
        text = f"Former name of {self.name}, which is gone from version {self.formerly.until} on"
        return replace(self, name=self.formerly.name, help=text, formerly=None, serves=())

    @property
    def former_series_names(self) -> dict[str, str]:
        """Every sample name that the family had before, with the one that it has now."""
        former = self.former
        return dict(zip(former.series_names, self.series_names, strict=True)) if former else {}

    def label(self, name: str) -> Label:
        """The label of that name. Raises ValueError where the metric has none."""
        for label in self.labels:
            if label.name == name:
                return label
        raise ValueError(
            f"{self.name} has no label {name!r}; it has {', '.join(x.name for x in self.labels) or 'none'}"
        )

    def where(self, **wanted: type_of_matcher) -> str:
        """A PromQL selector of some of its series.

        Raises ValueError for a label or a value that the metric does not have.
        """
        return self.name + self._matchers(wanted)

    def _matchers(self, wanted: dict[str, type_of_matcher], **more: type_of_matcher) -> str:
        for name, value in wanted.items():
            known = self.label(name)
            values = (value,) if isinstance(value, str) else value.values if isinstance(value, excluding) else value
            for one in values:
                if known.values and one not in known.values and not known.open:
                    raise ValueError(f"{self.name} has no {name}={one!r}; it has {', '.join(known.values)}")
        return matchers(**wanted, **more)


@dataclass(frozen=True, slots=True)
class Counter(Metric):
    """A number of events that only grows, and starts again at 0 when its owner does.

    >>> Counter("parcels_total", "Parcels that left the house", Unit.COUNT, Source.APPLICATION).kind
    'counter'
    """

    def __post_init__(self) -> None:
        Metric.__post_init__(self)
        if not self.name.endswith("_total"):
            raise ValueError(f"counter {self.name} does not end in _total; rename it {self.name}_total")


@dataclass(frozen=True, slots=True)
class Gauge(Metric):
    """A value that rises and falls.

    >>> Gauge("queue_length", "Orders that wait", Unit.COUNT, Source.APPLICATION).kind
    'gauge'
    """

    def __post_init__(self) -> None:
        Metric.__post_init__(self)
        if self.name.endswith(("_total", "_bucket", "_count", "_sum")):
            raise ValueError(f"gauge {self.name} ends like a counter's or a histogram's sample; choose another ending")
        if self.name.endswith("_timestamp_seconds") != (self.unit is Unit.TIMESTAMP):
            raise ValueError(f"gauge {self.name} and its unit disagree; a moment ends in _timestamp_seconds")


@dataclass(frozen=True, slots=True)
class Histogram(Metric):
    """How often a duration fell under each of a row of bounds; `+Inf` is added by whoever exports it.

    >>> wait = Histogram(
    ...     "wait_seconds", "Time to the parcel", Unit.SECONDS, Source.APPLICATION, bounds=(Decimal("0.5"), Decimal(3))
    ... )
    >>> wait.within(Decimal("0.5"))
    'wait_seconds_bucket{le="0.5"}'
    >>> wait.within(Decimal(1))
    Traceback (most recent call last):
    ValueError: wait_seconds has no bucket bound 1; it has 0.5, 3
    """

    bounds: tuple[Decimal, ...] = ()

    def __post_init__(self) -> None:
        Metric.__post_init__(self)
        if not self.bounds or list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(f"histogram {self.name} needs bucket bounds in ascending order")

    @property
    def series_names(self) -> tuple[str, ...]:
        """Every sample name of the family."""
        return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")

    @property
    def count(self) -> str:
        """The name of the series that counts every observation."""
        return f"{self.name}_count"

    def counted(self, **wanted: type_of_matcher) -> str:
        """A selector of the series that counts every observation."""
        return f"{self.name}_count" + self._matchers(wanted)

    def within(self, bound: Decimal, **wanted: type_of_matcher) -> str:
        """A selector of the observations up to `bound`, as Go (`3`) or Python (`3.0`) writes it.

        Raises ValueError where the histogram has no such bucket: a share over it could not be exact.
        """
        if bound not in self.bounds:
            bounds = ", ".join(plain(b) for b in self.bounds)
            raise ValueError(f"{self.name} has no bucket bound {plain(bound)}; it has {bounds}")
        text = plain(bound)
        found = self._matchers(wanted)
        le = f'le="{text}"' if "." in text else f'le=~"{text}(\\\\.0)?"'
        return f"{self.name}_bucket" + (f"{found[:-1]},{le}}}" if found else f"{{{le}}}")
