"""How long does `paymon test` take for each alert, and how long does it take to write the tests?"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from generators.output import write
from generators.rule_tests import rule_test_files
from generators.rules import rule_file, rule_groups
from paymon.promtool import Promtool
from rules.catalog import catalog

VERSIONS = ("2.42", "3.5")
RUNS = 2


def main() -> None:
    """Print the figures: wall clock and processor time for each alert of one environment."""
    definitions = catalog()
    environment = definitions.organisation.environment("production")
    begun = time.process_time()
    tests = rule_test_files(definitions, environment)
    writing = time.process_time() - begun
    alerts = len(definitions.alerts)
    size = sum(map(len, tests.values()))
    print(f"{len(tests)} files of rule tests, {size / 1e6:.2f} MB, are derived in {writing:.2f} s of processor time")
    with tempfile.TemporaryDirectory() as name:
        files = {f"generated/{environment.name}/tests/{path}": text for path, text in tests.items()}
        for group in rule_groups(definitions, environment):
            files[f"generated/{environment.name}/rules/{group.area.name}.yml"] = rule_file(group)
        write(Path(name), files, "generated")
        paymon = str(Path(sys.executable).with_name("paymon"))
        for version in VERSIONS:
            tool = Promtool.find(version_prefix=version)
            options = ["--environment", environment.name, "--generated", f"{name}/generated"]
            command = [paymon, "test", "--promtool", str(tool.path), *options]
            wall, processor = min(_timed(command) for _ in range(RUNS))
            print(
                f"promtool {version}: {wall / alerts:.3f} s an alert on {os.cpu_count()} processors, "
                f"{processor / alerts:.3f} s of processor time ({alerts} alerts, {wall:.1f} s in all)"
            )


def _timed(command: list[str]) -> tuple[float, float]:
    before, begun = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - begun, os.times()
    used = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return wall, used


if __name__ == "__main__":
    main()
