"""How long does `paymon generate` take, cold, and with 5,000 rules?"""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from generators.files import begun_files
from generators.output import write
from rules.catalog import catalog
from rules.checks import check
from rules.vocabulary import (
    Alert,
    Area,
    Catalog,
    Example,
    Gauge,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    minutes,
)

AREAS = 250
PAIRS = 10


def _seconds(command: tuple[str, ...], runs: int = 5) -> float:
    """The quickest of some runs: the one that other work on the machine disturbed least."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return min(times)


def _area(index: int) -> Area:
    metrics, signals, alerts = [], [], []
    for number in range(PAIRS):
        metric = Gauge(f"queue_{index}_{number}", "Things that wait in this queue", Unit.COUNT, Source.APPLICATION)
        signal = Signal(
            f"queues:queue_{index}_{number}:max",
            "Things that wait",
            Unit.COUNT,
            f"max without (instance, pod) ({metric})",
            Example(series=((metric.name, "0x5 7x5"),), at=minutes(8), gives=(("", "7"),)),
        )
        alert = Alert(
            f"Queue{index}Number{number}Long",
            watches=signal,
            thresholds=(
                above(100, Severity.WARNING, Priority.P3, lasting=minutes(5), because="more than that is a jam"),
            ),
            summary="A queue is long.",
            description="{value} things wait.",
            runbook=Runbook(
                meaning="It is long.", impact="People wait.", diagnosis=(Step("Look."),), mitigation=(Step("Help."),)
            ),
        )
        metrics.append(metric)
        signals.append(signal)
        alerts.append(alert)
    return Area(
        name=f"queues_{index}",
        title=f"Queues {index}",
        question="does anything wait too long?",
        module=f"rules.queues_{index}",
        metrics=tuple(metrics),
        signals=tuple(signals),
        alerts=tuple(alerts),
    )


def _large() -> Catalog:
    real = catalog()
    organisation = replace(real.organisation, environments=real.organisation.environments[:1])
    organisation = replace(organisation, environments=(replace(organisation.environments[0], overrides=()),))
    return replace(real, organisation=organisation, areas=(*real.areas, *(_area(index) for index in range(AREAS))))


def main() -> None:
    """Print the figures."""
    paymon = str(Path(sys.executable).with_name("paymon"))
    python = _seconds((sys.executable, "-c", "pass"))
    with tempfile.TemporaryDirectory() as folder:
        cold = _seconds((paymon, "generate", "--out", folder))
        count = sum(1 for path in Path(folder).rglob("*") if path.is_file())
    print(
        f"paymon generate, cold, {count} files: {cold:.2f} s, {cold / python:.0f} x a bare Python's start (aim < 1 s)"
    )

    large = _large()
    begun = time.perf_counter()
    with begun_files(large) as every_file:
        problems = check(large)
        checked = time.perf_counter()
        if problems:
            print(f"the synthetic catalog is not sound: {problems[0]}")
        files = every_file()
    rendered = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), files, "generated")
    written = time.perf_counter()
    rules = sum(len(area.signals) + len(area.alerts) for area in large.areas)
    print(
        f"{rules} rules, everything that they become: {written - begun:.2f} s (aim < 2 s), "
        f"{(written - begun) / rules * 1000:.2f} ms a rule: "
        f"checks {checked - begun:.2f}, text {rendered - checked:.2f}, {len(files)} files {written - rendered:.2f}"
    )
