"""Is it the same command however it is started?"""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["paymon", "paymon.cli"])
def test_python_runs_the_module_as_the_command(module: str, tmp_path: Path) -> None:
    def said(*arguments: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", module, *arguments]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        return ran.returncode, ran.stdout, ran.stderr

    assert said("--version") == (0, "paymon 0.1.0\n", "")
    status, out, err = said("nonsense")
    assert (status, out) == (2, "")
    assert err.startswith("Usage: paymon [OPTIONS] COMMAND [ARGS]...\n")
    assert err.endswith("\nError: No such command 'nonsense'.\n")
