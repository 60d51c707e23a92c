"""Is each environment given the tests that it would be given if it were the only one?"""

from dataclasses import replace

import pytest

from generators.rule_tests import rule_test_files, rule_tests
from generators.rule_tests.known import OTHERS, Known
from generators.rule_tests.sharing import Shared
from generators.rules import expressions_of
from rules.vocabulary import (
    API_HOST,
    FLAGS_URL,
    Counter,
    Environment,
    Jobs,
    Label,
    Signal,
    Source,
    Unit,
)
from tests.rules import small
from tests.rules.small import ORDERS, PRODUCTION, QUEUE, STOCK

VISITS = Counter(
    "visits_total", "Visits by host", Unit.COUNT, Source.APPLICATION, labels=(Label("host", (API_HOST, "other")),)
)


def _read(expr: str, name: str, *series: str) -> Signal:
    fed = tuple((one, small.MOVING) for one in series)
    return small.signal(expr, name=name, example=replace(small.EXAMPLE, series=fed))


WAITING = _read(f"max({QUEUE})", "shop:queue:max", "queue_length")
SIGNALS = (
    WAITING,
    _read(f"{WAITING} + 1", "shop:queue:more", "queue_length"),
    _read(f"sum(increase({ORDERS}[5m]))", "shop:orders:sum", 'orders_total{result="paid"}'),
    _read(f"max({STOCK})", "shop:stock:max", 'stock_items{shelf="top",origin="far"}'),
    _read(f"sum(increase({VISITS}[5m]))", "shop:visits:sum", 'visits_total{host="other"}'),
    _read(f'max({QUEUE}{{flags="{FLAGS_URL}"}})', "shop:queue:flags", f'queue_length{{flags="{FLAGS_URL}"}}'),
    _read(
        f'max({QUEUE}{{environment=~"pro.*"}})', "shop:queue:here", "queue_length", 'queue_length{environment="pro"}'
    ),
)
ENVIRONMENTS = (
    PRODUCTION,
    *(replace(PRODUCTION, name=name) for name in ("twin", "pro", *OTHERS)),
    replace(PRODUCTION, name="jobs", jobs=Jobs(exporter=("one", "other"), application=("till",))),
    replace(PRODUCTION, name="api", api_url="https://api.far.example"),
    replace(PRODUCTION, name="flags", flags_url="https://flags.far.example"),
    replace(PRODUCTION, name="night", pages=False),
    replace(PRODUCTION, name="last"),
)
CATALOG = small.catalog(
    *(small.area(one, name=f"shop_{number}", metrics=()) for number, one in enumerate(SIGNALS)),
    small.area(alerts=(small.alert(WAITING),), metrics=(ORDERS, QUEUE, STOCK, VISITS)),
    environments=ENVIRONMENTS,
)


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_an_environment_has_the_tests_that_it_would_have_alone(environment: Environment) -> None:
    assert rule_tests(CATALOG)[environment.name] == rule_test_files(CATALOG, environment)


def test_tests_are_written_once_for_environments_that_differ_in_their_name_alone() -> None:
    shared = Shared()
    written: list[str] = []

    def text_in(name: str) -> str:
        known = Known(expressions_of(CATALOG, CATALOG.organisation.environment(name)))

        def write() -> str:
            written.append(name)
            return f'{{environment="{name}"}} {{city="Ulm",environment="{name}"}} {{shop_environment="production"}}'

        return shared.text("queue", (WAITING,), known, write)

    texts = {name: text_in(name) for name in ("production", "twin", "night", "jobs", "last", "elsewhere")}

    assert written == ["production", "jobs", "elsewhere"]
    assert texts["last"] == '{environment="last"} {city="Ulm",environment="last"} {shop_environment="production"}'
