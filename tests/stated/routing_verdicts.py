"""What becomes of each mutant of the generated routing, with a real Alertmanager?"""

import hashlib
import json
import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial
from pathlib import Path

import yaml

from generators.alertmanager import alertmanager_files
from paymon.mutation.verdicts import Verdicts, usual_file
from rules.catalog import catalog
from tests.stated.alertmanager import complaints
from tests.stated.loaded import Loaded
from tests.stated.routing_mutants import RoutingMutant, routing_mutants
from tests.versions import ALERTMANAGER

__all__ = ["Outcome", "routing_outcomes"]


class Outcome(Enum):
    """What became of a mutant."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    """Alertmanager tells the same people the same at the same times of every alert that could be."""
    NOT_LOADED = "not loaded"


def routing_outcomes(
    sample: int | None, seed: int, processes: int, progress: Callable[[int, int], object] = lambda *_: None
) -> tuple[int, list[tuple[RoutingMutant, Outcome]]]:
    """How many mutants there are, and what became of them, or of so many drawn by chance."""
    files = alertmanager_files(catalog())
    config, templates = (
        yaml.safe_load(files["alertmanager/alertmanager.yml"]),
        files["alertmanager/templates/paymon.tmpl"],
    )
    every = list(routing_mutants(config))
    drawn = every if sample is None or sample >= len(every) else random.Random(seed).sample(every, sample)
    version = ALERTMANAGER[-1]
    judged = hashlib.sha256((version + templates + _judge()).encode()).digest()
    keys = {id(one): hashlib.sha256(judged + json.dumps(one.config).encode()).digest() for one in drawn}
    verdicts = Verdicts(usual_file())
    try:
        known = verdicts.known(keys.values())
        new = [one for one in drawn if keys[id(one)] not in known]
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(processes) as pool:
            right, found = complaints(version, config, templates, Path(folder) / "right") if new else (None, [])
            assert not found, found
            become = partial(_become, version, templates, right, Path(folder))
            for number, (one, outcome) in enumerate(zip(new, pool.map(become, enumerate(new)), strict=True), 1):
                verdicts.add([(keys[id(one)], outcome.value)])
                progress(number, len(new))
        known = verdicts.known(keys.values())
    finally:
        verdicts.close()
    return len(every), [(one, Outcome(known[keys[id(one)]])) for one in drawn]


def _become(
    version: str, templates: str, right: Loaded | None, folder: Path, numbered: tuple[int, RoutingMutant]
) -> Outcome:
    number, mutant = numbered
    loaded, found = complaints(version, mutant.config, templates, folder / str(number))
    if loaded is None:
        return Outcome.NOT_LOADED
    if found:
        return Outcome.NOTICED
    return Outcome.EQUIVALENT if right and loaded.means_the_same_as(right) else Outcome.SURVIVED


def _judge() -> str:
    """The text of what judges, so that another judge asks anew."""
    here = Path(__file__).parent
    return "".join((here / f"{one}.py").read_text() for one in ("routing", "loaded", "alertmanager", "arriving"))
