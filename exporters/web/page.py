"""How do the readings become the text that Prometheus scrapes?"""

import asyncio
import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from prometheus_client.core import Metric as Family
from prometheus_client.exposition import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CONTENT_TYPE_PLAIN_1_0_0,
    choose_encoder,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from exporters.sampling.model import Distribution, Reading
from rules.vocabulary import Metric, Source

__all__ = ["Form", "Page", "Rendered", "families", "form_for", "help_text"]

Readings = tuple[Reading | Distribution, ...]
Encoder = Callable[[Collector], bytes]

_ORIGINS = {
    Source.STRIPE_EVENTS: "From Stripe's events",
    Source.STRIPE_ACCOUNT: "From Stripe's account, balance and payouts",
    Source.STRIPE_WEBHOOKS: "From Stripe's webhook endpoints and undelivered events",
    Source.STRIPE_DISPUTES: "From Stripe's list of disputes",
    Source.POSTGRES: "From the payments database",
    Source.WEBHOOK_INBOX: "From the inbox of webhooks in the payments database",
    Source.RECONCILIATION: "From Stripe and the payments database, compared",
    Source.HEALTH: "From the payments service's health endpoint",
    Source.PROBE: "From requests to the payments service's hosts",
    Source.FLAG: "From the service that keeps feature flags",
    Source.DECLARED: "From the file of declared dates",
}
_go_text: Callable[[float], str] = floatToGoString
_END = "# EOF\n"
"""How a page in OpenMetrics ends."""
_ESCAPINGS = ("allow-utf-8", "underscores", "dots", "values")
_CONTENT_TYPES = frozenset(
    {CONTENT_TYPE_PLAIN_0_0_4, CONTENT_TYPE_OPENMETRICS}
    | {f"{kind}; escaping={way}" for kind in (CONTENT_TYPE_PLAIN_1_0_0, CONTENT_TYPE_OPENMETRICS) for way in _ESCAPINGS}
)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that the page can take: exposition format and compression."""

    content_type: str
    compressed: bool


@dataclass(frozen=True, slots=True)
class Rendered:
    """The page as it is sent."""

    form: Form
    body: bytes


def form_for(accept: str, accept_encoding: str) -> Form:
    """The form that suits a request's headers; text 0.0.4 where they ask for nothing that is known here."""
    try:
        _, content_type = choose_encoder(accept)
    except (ValueError, TypeError):  # a version that is no version
        content_type = ""
    return Form(
        content_type if content_type in _CONTENT_TYPES else CONTENT_TYPE_PLAIN_0_0_4, _takes_gzip(accept_encoding)
    )


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip, or anything, is accepted with a quality above 0 (RFC 9110, section 12.5.3)."""
    qualities: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, *parameters = (one.strip() for one in part.split(";"))
        quality = next((one[2:].strip() for one in parameters if one.startswith("q=")), "1")
        with suppress(ValueError):
            qualities[name] = float(quality)
    return qualities.get("gzip", qualities.get("x-gzip", 0.0)) > 0


def help_text(metric: Metric) -> str:
    """What the metric means, where it comes from, and that no scrape waits for it."""
    origin = _ORIGINS.get(metric.source)
    return f"{metric.help}. {origin}, sampled in the background." if origin else f"{metric.help}."


def families(readings: Iterable[Reading | Distribution], order: Sequence[Metric]) -> Iterator[Family]:
    """One family for each metric that has a reading: in `order`, then what it does not name, by name.

    A page with a series or a family twice is refused whole: the first one of each stays, the rest is left out.
    """
    for metric, found in _by_metric(readings, order):
        yield _family(metric, _each_once(found))


def _by_metric(
    readings: Iterable[Reading | Distribution], order: Sequence[Metric]
) -> Iterator[tuple[Metric, list[Reading | Distribution]]]:
    found: dict[str, tuple[Metric, list[Reading | Distribution]]] = {}
    for one in readings:
        metric = one.metric
        known = found.get(metric.name)
        if known is None:
            found[metric.name] = metric, [one]
        elif known[0] is metric or known[0] == metric:
            known[1].append(one)
    named = (metric.name for metric in order)
    for name in dict.fromkeys((*(name for name in named if name in found), *sorted(found))):
        yield found[name][0], _under_both_labels(*found[name])
    for metric, own in found.values():
        if metric.former and metric.former.name not in found:
            yield metric.former, _under_both_labels(metric, own)


def _under_both_labels(metric: Metric, own: list[Reading | Distribution]) -> list[Reading | Distribution]:
    """The metric's readings, with the value of each label that had another name under that name too."""
    former = {label.name: label.formerly.name for label in metric.labels if label.formerly}
    if not former:
        return own
    return [
        replace(one, labels=(*one.labels, *((former[name], value) for name, value in one.labels if name in former)))
        for one in own
    ]


def _each_once(readings: Iterable[Reading | Distribution]) -> list[Reading | Distribution]:
    """The first reading of each series of one metric."""
    first: dict[tuple[tuple[str, str], ...], Reading | Distribution] = {}
    for one in readings:
        first.setdefault(one.labels, one)
    return list(first.values())


def _family(metric: Metric, readings: list[Reading | Distribution]) -> Family:
    family = Family(metric.name.removesuffix("_total"), help_text(metric), metric.kind)
    for one in readings:
        labels = dict(one.labels)
        match one:
            case Reading(value=value):
                family.samples.append(Sample(metric.name, labels, float(value)))
            case Distribution(metric=histogram, cumulative=cumulative, count=count, total=total):
                bounds = (*(repr(float(bound)) for bound in histogram.bounds), "+Inf")
                for bound, below in zip(bounds, (*cumulative, count), strict=True):
                    family.samples.append(Sample(f"{metric.name}_bucket", {**labels, "le": bound}, float(below)))
                family.samples.append(Sample(f"{metric.name}_count", labels, float(count)))
                family.samples.append(Sample(f"{metric.name}_sum", labels, float(total)))
    return family


class _Families(Collector):
    """Families as prometheus_client's encoders want them."""

    def __init__(self, *found: Family) -> None:
        self._families = found

    def collect(self) -> Iterable[Family]:
        return self._families


class _Lines:
    """The text of one metric's series in one exposition format, ready for other values.

    prometheus_client writes it once; while the series stay the same, only the numbers at the ends of its lines change.
    """

    def __init__(self, metric: Metric, series: list[tuple[tuple[str, str], ...]], text: str) -> None:
        self.metric = metric
        self.series = series
        lines = text.split("\n")[:-1]
        self._head = "".join(f"{line}\n" for line in lines if line.startswith("#"))
        self._begins = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]

    def having(self, readings: Iterable[Reading | Distribution]) -> str:
        """The lines with the values of these readings, which are of the same series in the same order."""
        values = [_go_text(value) for one in readings for value in _values(one)]
        ended = [f"{begin} {value}\n" for begin, value in zip(self._begins, values, strict=True)]
        return self._head + "".join(ended)


def _values(one: Reading | Distribution) -> tuple[float, ...]:
    """The values of a reading's samples, in the order in which `_family` has them."""
    match one:
        case Reading(value=value):
            return (value,)
        case Distribution(cumulative=cumulative, count=count, total=total):
            return (*cumulative, count, count, total)


class Page:
    """The latest readings as text, rendered in a worker thread and once for all who ask while they last.

    The thread is its own: the event loop's pool may be full of look-ups that hang.
    """

    def __init__(self, order: Sequence[Metric], collect: Callable[[], Readings]) -> None:
        """`order` is the order of the families; `collect` gives the readings of this moment, without I/O."""
        self._order = tuple(order)
        self._collect = collect
        self._readings: Readings | None = None
        self._rendered: dict[Form, asyncio.Future[Rendered]] = {}
        self._lines: dict[tuple[str, str], _Lines] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="page")

    def close(self) -> None:
        """Render nothing any more."""
        self._worker.shutdown(wait=False)

    async def render(self, form: Form) -> Rendered:
        """The page of this moment."""
        readings = self._collect()
        if readings != self._readings:
            self._readings, self._rendered = readings, {}
        if form not in self._rendered:
            loop = asyncio.get_running_loop()
            self._rendered[form] = loop.run_in_executor(self._worker, self._render, readings, form)
        try:
            return await asyncio.shield(self._rendered[form])
        except Exception:
            self._rendered.pop(form, None)
            raise

    def _render(self, readings: Readings, form: Form) -> Rendered:
        encoder = _encoder(form)
        texts = [self._text(form, encoder, *one) for one in _by_metric(readings, self._order)]
        body = "".join(texts).encode() + encoder(_Families())
        return Rendered(form, gzip.compress(body, compresslevel=5, mtime=0) if form.compressed else body)

    def _text(self, form: Form, encoder: Encoder, metric: Metric, found: list[Reading | Distribution]) -> str:
        known = self._lines.get((form.content_type, metric.name))
        if known is None or known.metric != metric or known.series != [one.labels for one in found]:
            found = _each_once(found)
            text = encoder(_Families(_family(metric, found))).decode().removesuffix(_END)
            self._lines[form.content_type, metric.name] = _Lines(metric, [one.labels for one in found], text)
            return text
        return known.having(found)


def _encoder(form: Form) -> Encoder:
    return generate_latest if form.content_type == CONTENT_TYPE_PLAIN_0_0_4 else choose_encoder(form.content_type)[0]
