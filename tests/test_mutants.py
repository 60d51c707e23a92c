"""Would the mistakes that people make be noticed? Some of each kind, drawn by chance; `make mutants` tries every one.

Those of definitions take seconds, so that tests/stated tries them all.
"""

import pytest

from paymon.mutation.report import Score
from tests.mutants import GATES, Result, contradicts, gathered

DRAWN = {"alerts": 50, "records": 80, "routing": 30}
SEED = 15


@pytest.mark.slow
@pytest.mark.parametrize("kind", DRAWN)
def test_the_gate_of_each_kind_holds_in_a_sample(kind: str) -> None:
    result = gathered(kind, DRAWN[kind], SEED, processes=2)
    assert result.score.mutants + result.score.equivalent > DRAWN[kind] * 0.8
    assert not contradicts(result, GATES[kind]), (str(result.score), result.survivors)


def result(mutants: int, noticed: int) -> Result:
    return Result("records", 10_000, Score(mutants, noticed, 0), ())


def test_a_sample_contradicts_a_gate_where_chance_hardly_explains_it() -> None:
    """Of 100 with one in 20 unnoticed, 11 or more are left in 1.1 % of all draws, 12 or more in 0.4 %."""
    assert not contradicts(result(100, 95), 95)
    assert not contradicts(result(100, 89), 95)
    assert contradicts(result(100, 88), 95)
    assert not contradicts(result(0, 0), 95)


def test_another_kind_is_no_kind() -> None:
    with pytest.raises(ValueError, match="no mutants of dashboards; choose one of alerts, records"):
        gathered("dashboards")
