"""Is the page what Prometheus expects, whatever the readings are?"""

import asyncio
import gzip
import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.sampling.model import Distribution, Reading, distribution, reading
from exporters.web.page import Form, Page, _encoder, _Families, families, form_for, help_text
from rules.catalog import catalog
from rules.payments import monitoring, replica, rollout
from rules.vocabulary import Counter, Former, Gauge, Histogram, Label, Source, Unit

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;"
    "q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

duration = Histogram(
    "stripe_test_duration_seconds",
    "Time from one end to the other",
    Unit.SECONDS,
    Source.WEBHOOK_INBOX,
    labels=(Label("step", ("processing",)),),
    bounds=(Decimal("0.5"), Decimal(3)),
)
rows = Counter("payments_test_rows_total", "Rows that were added", Unit.COUNT, Source.POSTGRES)

Readings = tuple[Reading | Distribution, ...]


def page_of(*readings: Reading | Distribution) -> Page:
    return Page((*catalog().metrics, duration, rows), lambda: readings)


def text_of(page: Page, accept: str = "", encoding: str = "") -> str:
    return asyncio.run(page.render(form_for(accept, encoding))).body.decode()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/json", TEXT),
        (PROMETHEUS_2, f"{OPENMETRICS}; escaping=underscores"),
        (PROMETHEUS_3, f"{OPENMETRICS}; escaping=allow-utf-8"),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=nonsense", TEXT),
        ("application/openmetrics-text;version=1.0.0.77", TEXT),
        (",;=,;;\x7f", TEXT),
    ],
)
def test_the_format_follows_the_accept_header_and_nothing_of_it_is_echoed(accept: str, content_type: str) -> None:
    assert form_for(accept, "") == Form(content_type, compressed=False)


def test_the_text_format_is_exact_to_the_letter() -> None:
    page = page_of(
        distribution(duration, (1, 4), 5, 12.5, step="processing"),
        reading(rows, 3),
        reading(monitoring.source_up, 1, source="postgres"),
    )
    assert text_of(page) == (
        "# HELP payments_exporter_source_up Whether the latest sample of the source succeeded.\n"
        "# TYPE payments_exporter_source_up gauge\n"
        'payments_exporter_source_up{source="postgres"} 1.0\n'
        "# HELP stripe_test_duration_seconds Time from one end to the other. "
        "From the inbox of webhooks in the payments database, sampled in the background.\n"
        "# TYPE stripe_test_duration_seconds histogram\n"
        'stripe_test_duration_seconds_bucket{le="0.5",step="processing"} 1.0\n'
        'stripe_test_duration_seconds_bucket{le="3.0",step="processing"} 4.0\n'
        'stripe_test_duration_seconds_bucket{le="+Inf",step="processing"} 5.0\n'
        'stripe_test_duration_seconds_count{step="processing"} 5.0\n'
        'stripe_test_duration_seconds_sum{step="processing"} 12.5\n'
        "# HELP payments_test_rows_total Rows that were added. From the payments database, sampled in the background.\n"
        "# TYPE payments_test_rows_total counter\n"
        "payments_test_rows_total 3.0\n"
    )


def test_openmetrics_says_the_same_and_has_no_created_timestamps() -> None:
    page = page_of(distribution(duration, (1, 4), 5, 12.5, step="processing"), reading(rows, 3))
    text = text_of(page, PROMETHEUS_3)
    assert text.endswith("# EOF\n")
    assert "_created" not in text
    families = {family.name: family for family in parse_openmetrics(text)}  # type: ignore[no-untyped-call]
    assert families["payments_test_rows"].type == "counter"
    assert [sample.name for sample in families["payments_test_rows"].samples] == ["payments_test_rows_total"]
    assert families["stripe_test_duration_seconds"].type == "histogram"


def test_families_stand_in_the_catalogs_order_and_custom_ones_behind_by_name() -> None:
    custom = [Gauge(name, "Something of ours", Unit.COUNT, Source.POSTGRES) for name in ("zebra", "aardvark")]
    page = page_of(
        *(reading(metric, 1) for metric in custom),
        reading(monitoring.leader, 1),
        reading(replica.replica_lag, 0),
        reading(rollout.killed, 0),
    )
    names = [family.name for family in parse_text(text_of(page))]
    order = [metric.name for metric in catalog().metrics]
    assert names == [*sorted(names[:3], key=order.index), "aardvark", "zebra"]


def test_a_second_metric_of_a_name_is_left_out_whole() -> None:
    labels = (Label("of", ("another",)),)
    impostor = Gauge(replica.replica_lag.name, "Something else entirely", Unit.SECONDS, Source.POSTGRES, labels)
    page = page_of(reading(replica.replica_lag, 1), reading(impostor, 2, of="another"))
    assert text_of(page).splitlines()[2:] == ["payments_db_replica_lag_seconds 1.0"]


def test_a_second_reading_of_a_series_is_left_out() -> None:
    page = page_of(reading(rows, 3), reading(rows, 4))
    assert text_of(page).splitlines()[2:] == ["payments_test_rows_total 3.0"]


def test_every_metric_that_the_exporter_serves_says_where_it_comes_from() -> None:
    for metric in catalog().metrics:
        if metric.source.sampled:
            assert help_text(metric).startswith(f"{metric.help}. From ")
            assert help_text(metric).endswith(", sampled in the background.")


def test_the_page_is_compressed_when_asked() -> None:
    page = page_of(reading(rows, 3))
    rendered = asyncio.run(page.render(form_for("", "br;q=1.0, gzip;q=0.8")))
    assert rendered.form.compressed
    assert gzip.decompress(rendered.body).decode() == text_of(page)


def test_the_page_is_rendered_once_for_all_who_ask_and_again_when_a_reading_changed() -> None:
    threads: list[str] = []

    class Counted(float):
        def __float__(self) -> float:
            threads.append(threading.current_thread().name)
            return 1.0

    readings: list[Readings] = [(Reading(rows, (), Counted(1)),)]
    page = Page((rows,), lambda: readings[0])

    async def story() -> None:
        form = form_for("", "")
        first = await asyncio.gather(*(page.render(form) for _ in range(200)))
        assert len({id(one.body) for one in first}) == 1
        readings[0] = (Reading(rows, (), Counted(2)),)
        await page.render(form)

    asyncio.run(story())
    assert len(threads) == 2
    assert threading.current_thread().name not in threads


VALUES = st.floats() | st.integers(-(2**60), 2**60)
STEPS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=1, max_size=3, unique=True)


@given(
    st.lists(st.tuples(STEPS, VALUES, st.integers(0, 2**40)), min_size=2, max_size=5),
    st.sampled_from(("", PROMETHEUS_2, PROMETHEUS_3)),
)
def test_whatever_changes_between_two_pages_each_is_what_the_library_writes(
    pages: list[tuple[list[str], float, int]], accept: str
) -> None:
    """Series that stay are written from what was kept of them, series that come or go anew."""
    labelled = Histogram(
        "stripe_test_wait_seconds",
        "How long it waits",
        Unit.SECONDS,
        Source.EXPORTER,
        (Label("step", bounded_by="x"),),
        bounds=(Decimal(1),),
    )
    now: list[Readings] = [()]
    page = Page((rows, labelled), lambda: now[0])
    form = form_for(accept, "")

    async def story() -> None:
        for steps, value, count in pages:
            waits = [Distribution(labelled, (("step", step),), (count // 2,), count, value) for step in steps]
            now[0] = (Reading(rows, (), value), *waits)
            whole = _encoder(form)(_Families(*families(now[0], (rows, labelled))))
            assert (await page.render(form)).body == whole

    asyncio.run(story())


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=1.0", True),
        ("identity;q=1, GZIP ; q=0.2", True),
        ("", False),
        ("gzip;q=0", False),
        ("identity, gzip;q=0", False),
        ("gzip; q=0.0, identity", False),
        ("*;q=0, identity", False),
        ("gzip;q=none", False),
        ("brotli", False),
    ],
)
def test_whoever_refuses_gzip_gets_plain_text(accepted: str, compressed: bool) -> None:
    assert form_for("", accepted).compressed is compressed


def test_a_metric_that_had_another_name_is_served_under_both_and_so_is_a_label() -> None:
    shelf = Label("shelf", ("top",), formerly=Former("rack", until="0.4.0", because="it is a shelf"))
    stock = Gauge(
        "stock_items",
        "Items in stock",
        Unit.COUNT,
        Source.POSTGRES,
        labels=(shelf,),
        formerly=Former("items", until="0.4.0", because="they are in stock"),
    )
    wait = replace(duration, formerly=Former("stripe_wait_seconds", until="0.4.0", because="it is a duration"))
    count = 3.0

    def readings() -> Readings:
        waited = Distribution(wait, (("step", "processing"),), (1, 2), 2, 1.5)
        return (Reading(stock, (("shelf", "top"),), count), waited)

    page = Page((), readings)
    for count in (3.0, 4.0):  # the second time from the lines that are kept
        lines = text_of(page).splitlines()
        assert f'stock_items{{rack="top",shelf="top"}} {count}' in lines
        assert f'items{{rack="top",shelf="top"}} {count}' in lines
        assert 'stripe_wait_seconds_bucket{le="+Inf",step="processing"} 2.0' in lines
        assert "# TYPE stripe_wait_seconds histogram" in lines
        assert any(
            line.startswith("# HELP items Former name of stock_items, which is gone from version 0.4.0")
            for line in lines
        )
    assert text_of(page, OPENMETRICS).endswith("# EOF\n")
