"""Does a real Alertmanager tell people what was promised, and would a mistake in its configuration be noticed?"""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from generators.alertmanager import alertmanager_files
from rules.catalog import catalog
from tests.stated.alertmanager import complaints
from tests.stated.routing_mutants import RoutingMutant, routing_mutants
from tests.versions import ALERTMANAGER

FILES = alertmanager_files(catalog())
CONFIG = yaml.safe_load(FILES["alertmanager/alertmanager.yml"])
TEMPLATES = FILES["alertmanager/templates/paymon.tmpl"]
DRAWN, SEED = 30, 15


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_everybody_is_told_as_it_is_stated(version: str, tmp_path: Path) -> None:
    loaded, found = complaints(version, CONFIG, TEMPLATES, tmp_path)
    assert loaded
    assert found == []


@pytest.mark.slow
def test_a_mistake_in_the_configuration_is_noticed(tmp_path: Path) -> None:
    """Thirty, drawn by chance; `python -m tests.stated routing` tries every one."""
    version = ALERTMANAGER[-1]
    right, _ = complaints(version, CONFIG, TEMPLATES, tmp_path / "right")
    assert right

    def survives(numbered: tuple[int, RoutingMutant]) -> bool:
        number, mutant = numbered
        loaded, found = complaints(version, mutant.config, TEMPLATES, tmp_path / str(number))
        return loaded is not None and not found and not loaded.means_the_same_as(right)

    drawn = random.Random(SEED).sample(list(routing_mutants(CONFIG)), DRAWN)
    with ThreadPoolExecutor(4) as pool:
        alive = list(pool.map(survives, enumerate(drawn)))
    assert [mutant.what for mutant, one in zip(drawn, alive, strict=True) if one] == []
