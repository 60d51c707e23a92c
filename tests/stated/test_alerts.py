"""Do the definitions say what was promised, and would a mistake in them be noticed?"""

import pytest

from rules.catalog import catalog
from tests.mutants import gathered
from tests.stated import signals
from tests.stated.alerts import differences

CATALOG = catalog()
ENVIRONMENTS = [environment.name for environment in CATALOG.organisation.environments]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_alert_is_defined_as_it_is_stated(environment: str) -> None:
    (one,) = (one for one in CATALOG.organisation.environments if one.name == environment)
    assert differences(CATALOG, one) == []


def test_every_signal_is_made_of_what_is_stated() -> None:
    assert signals.differences(CATALOG) == []


@pytest.mark.slow
def test_no_mistake_in_the_definitions_goes_unnoticed() -> None:
    """A number, a window, a guard, a wait, a level: every one of them that could be mistyped."""
    result = gathered("definitions")
    assert result.of == result.score.mutants > 5000
    assert result.survivors == ()
