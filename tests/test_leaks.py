"""Does a test that leaves something behind fail itself?"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LEAKING = {
    "socket": "kept.append(socket.create_server(('127.0.0.1', 0)))",
    "process": "kept.append(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(40)']))",
    "thread": "threading.Thread(target=time.sleep, args=(40,), daemon=True).start()",
    "task": "asyncio.run(left())",
    "garbage": "cycle = [socket.create_server(('127.0.0.1', 0))]; cycle.append(cycle)",
}
FILE = """
import asyncio, socket, subprocess, sys, threading, time
kept = []

async def left():
    kept.append(asyncio.create_task(asyncio.sleep(40)))

def test_before():
    pass

def test_leaks():
    {leak}

def test_after():
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEAKING)
def test_the_very_test_that_leaves_something_behind_fails(kind: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FILE.format(leak=LEAKING[kind]))
    plugins = ("-p", "tests.leaks", "-p", "no:cacheprovider", "-o", "gone_within=2")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "test_it.py", "-rE"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "3 passed, 1 error" in ran.stdout
    assert "ERROR test_it.py::test_leaks - Failed: left" in ran.stdout
