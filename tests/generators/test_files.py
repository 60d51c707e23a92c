"""Do all files follow from a catalog alone, whichever it is, and as each environment overrides it?"""

import gc
from dataclasses import replace
from decimal import Decimal

import pytest

from generators.files import begun_files, generated_files
from generators.folders import OF_ALL
from rules.catalog import catalog
from rules.vocabulary import Branch, Catalog, Comparison, Example, Override, minutes
from tests.rules.small import QUEUE, alert, area, signal

REAL = catalog()
EXAMPLE = Example(series=(("queue_length", "0x5 7x5"),), at=minutes(8), gives=(("", "7"),))
LONGEST = signal(f"max({QUEUE})", name="shop:queue:max", example=EXAMPLE)
ALL = signal(f"sum({QUEUE})", name="shop:queue:sum", example=EXAMPLE)
BRANCH = Branch(watches=ALL, comparison=Comparison.ABOVE, value=Decimal(9), guards=(), because="the hall is full")
SHOP = area(LONGEST, ALL, alerts=(alert(LONGEST, or_else=(BRANCH,)),), metrics=(QUEUE,))


def with_shop(*overrides: Override) -> Catalog:
    production, staging = REAL.organisation.environments
    environments = (production, replace(staging, overrides=overrides))
    return replace(REAL, areas=(*REAL.areas, SHOP), organisation=replace(REAL.organisation, environments=environments))


@pytest.mark.slow
def test_what_is_generated_of_no_single_environment_or_service_has_a_name_that_none_can_have() -> None:
    """In a project of one service, and in one of two that the same people watch."""
    catalog_of_two = replace(REAL, organisation=replace(REAL.organisation, service="donations"))
    tops = {path.split("/")[1] for path in generated_files(REAL) if path.startswith("generated/")}
    assert tops - {one.name for one in REAL.organisation.environments} == set(OF_ALL)
    tops = {path.split("/")[1] for path in generated_files(REAL, catalog_of_two) if path.startswith("generated/")}
    assert tops - {REAL.organisation.service, "donations"} <= set(OF_ALL)


@pytest.mark.slow
def test_an_area_need_not_be_a_module_that_is_imported() -> None:
    files = generated_files(with_shop())

    assert "Is it open?" in files["generated/production/runbook/shop.md"]
    assert "generated/production/tests/TooMuch.yml" in files


@pytest.mark.slow
def test_each_branch_has_a_line_in_the_table_of_thresholds_and_a_bound_of_its_own_in_each_environment() -> None:
    smaller = Override(threshold="TooMuch/shop:queue:sum", value=Decimal(4), because="staging's hall is small")
    files = generated_files(with_shop(smaller))

    lines = [line for line in files["docs/thresholds.md"].splitlines() if "TooMuch" in line]
    assert lines == [
        "| `TooMuch/shop:queue:max` | `shop:queue:max` | above 5, warning, P3 | above 5, warning, P3 "
        "| it is too much |",
        "| `TooMuch/shop:queue:sum` | `shop:queue:sum` | above 9, warning, P3 | **above 4, warning, P3** "
        "| the hall is full |",
        "- `TooMuch/shop:queue:sum`: staging's hall is small",
    ]
    for environment, bound, other in (("production", 9, 4), ("staging", 4, 9)):
        rules = files[f"generated/{environment}/rules/shop.yml"]
        assert f'shop:queue:sum{{environment="{environment}",service="payments"}} > {bound}\n' in rules
        assert f"> {other}\n" not in rules
    assert "because: it is too much; staging's hall is small" in files["generated/staging/rules/shop.yml"]
    assert "in staging above 4. Staging's hall is small." in files["generated/production/runbook/shop.md"]


def test_rules_that_cannot_be_made_keep_no_check_from_saying_why() -> None:
    nobody = replace(REAL, organisation=replace(REAL.organisation, policies=()))

    with begun_files(nobody) as files, pytest.raises(KeyError):
        files()


def test_garbage_is_looked_for_again_once_all_is_made() -> None:
    with begun_files(REAL):
        assert not gc.isenabled()

    assert gc.isenabled()
