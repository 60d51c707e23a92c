"""Do the definitions say what was promised, and would a mistake in them be noticed?"""

from collections.abc import Iterator
from itertools import chain

import pytest

from paymon.mutation.running import failing
from paymon.mutation.sharing import as_they_are
from paymon.promtool import Promtool
from rules.catalog import catalog
from tests.stated.alerts import differences
from tests.stated.definition_mutants import DefinitionMutant, alert_mutants, environment_mutants
from tests.stated.key_metrics import by_alert, key_metrics

CATALOG = catalog()
ENVIRONMENTS = [environment.name for environment in CATALOG.organisation.environments]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_alert_is_defined_as_it_is_stated(environment: str) -> None:
    (one,) = (one for one in CATALOG.organisation.environments if one.name == environment)
    assert differences(CATALOG, one) == []


def test_the_runbook_s_numbers_hold_on_raw_series(promtool: Promtool) -> None:
    suites = dict(by_alert(key_metrics()))
    assert len(suites) == 11
    said = failing(promtool, [as_they_are(suite) for suite in suites.values()], 1)
    assert dict(zip(suites, said, strict=True)) == dict.fromkeys(suites, "")


def mutants() -> Iterator[DefinitionMutant]:
    return chain(alert_mutants(CATALOG), environment_mutants(CATALOG))


def test_every_mistake_in_the_definition_of_an_alert_contradicts_what_is_stated() -> None:
    survivors = []
    count = 0
    for one in mutants():
        count += 1
        if not any(differences(one.catalog, environment) for environment in one.catalog.organisation.environments):
            survivors.append(f"{one.operator}: {one.what}")
    assert count > 2500
    assert survivors == []
