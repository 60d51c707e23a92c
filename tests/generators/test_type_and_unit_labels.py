"""Do the signals read the same where Prometheus labels what it scrapes with its type and unit?

The feature flag type-and-unit-labels (3.4 and newer) adds `__type__` and `__unit__` to scraped series, to no recorded
one. All of the signals' tests run so in `make matrix`, every tenth of them always.
"""

import re
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.catalog import catalog
from tests.versions import in_matrix

FOLDER = Path(__file__).parents[2] / "generated" / "production"
TESTS = sorted((FOLDER / "tests").glob("signals-*.yml"))
SCRAPED = {name: metric for metric in catalog().metrics for name in metric.series_names}
_SERIES = re.compile(r"series: '(\w+)(?:\{([^']*)\})?'")


def with_type_and_unit(text: str) -> str:
    """The file of rule tests, with both labels on every series that is scraped."""

    def labelled(found: re.Match[str]) -> str:
        name, labels = found[1], found[2]
        if name not in SCRAPED:
            return found[0]
        metric = SCRAPED[name]
        unit = metric.unit.value.split()[-1]
        more = f'__type__="{metric.kind}",__unit__="{unit}"'
        return f"series: '{name}{{{more}{',' + labels if labels else ''}}}'"

    return _SERIES.sub(labelled, text)


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS if in_matrix() else TESTS[::10], ids=lambda path: path.stem)
def test_a_signal_reads_the_same_whatever_type_and_unit_its_series_carry(path: Path, tmp_path: Path) -> None:
    promtool = Promtool.find(version_prefix="3.5")
    (tmp_path / "rules").symlink_to(FOLDER / "rules")
    (tmp_path / "tests").mkdir()
    text = with_type_and_unit(path.read_text())
    assert "__type__" in text
    typed = tmp_path / "tests" / path.name
    typed.write_text(text)

    (result,) = promtool.run_tests([typed])

    assert result.passed, "\n".join(failure.raw for failure in result.failures[:5])


def test_only_what_is_scraped_gets_both_labels() -> None:
    given = "- {series: 'up', values: '1'}, - {series: 'payments:kill_switch:engaged{service=\"a\"}', values: '1'}"

    found = with_type_and_unit(given)

    assert 'up{__type__="gauge",__unit__=' in found
    assert "'payments:kill_switch:engaged{service=\"a\"}'" in found
