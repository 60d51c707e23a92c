"""Does the set-up say what is the matter, in words of its own, when it cannot go on?"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"""#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then {{venv}}; fi
exec {sys.executable} "$@"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the set-up reads, and nothing set up."""
    (tmp_path / ".ci").mkdir()
    for name in (".ci/set-up", "pyproject.toml", "requirements-runtime.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".ci/set-up").chmod(0o755)
    return tmp_path


def set_up(project: Path, venv: str) -> subprocess.Popen[str]:
    """The set-up with a Python that does this when it is asked for an environment."""
    python = project / "python"
    python.write_text(PYTHON.format(venv=venv))
    python.chmod(0o755)
    return subprocess.Popen(
        [".ci/set-up", "runtime"],
        cwd=project,
        env={**os.environ, "PYTHON": str(python)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_ends_it_with_a_word_and_no_traceback(project: Path) -> None:
    begun = project / "begun"
    stays = f"exec {sys.executable} -c 'import pathlib, time; pathlib.Path(\"{begun}\").touch(); time.sleep(600)'"
    running = set_up(project, stays)
    while not begun.exists():
        assert running.poll() is None
        time.sleep(0.02)

    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate()

    assert (running.returncode, said) == (130, "set-up: stopped; the next run goes on\n")


def test_a_python_that_makes_no_environments_is_told_with_what_it_said(project: Path) -> None:
    running = set_up(project, "echo ensurepip is not here >&2; exit 1")
    _, said = running.communicate()

    assert running.returncode == 1
    assert said.splitlines() == [
        "ensurepip is not here",
        f"set-up: {project / 'python'} makes no environments; on Debian, apt-get install python3-venv",
    ]
