"""Is work that is done on another core as if it had been done here, whatever becomes of it?"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import os, signal, sys
from generators.meanwhile import meanwhile

here = os.getpid()

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

{work}

with meanwhile(work) as result:
    say("checked")
    found = result()
    say(found == here, found)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    say("alone")
"""

shared = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs a second core")


def _begun(work: str, before: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM.format(work=work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def _printed(work: str, before: str = "") -> list[str]:
    program = _begun(work, before)
    out, errors = program.communicate(timeout=100)
    assert (program.returncode, errors) == (0, "")
    return out.split()


@shared
def test_the_work_is_done_in_another_process_of_which_nothing_is_left() -> None:
    checked, here, _, alone = _printed("def work(): return os.getpid()")

    assert (checked, here, alone) == ("checked", "False", "alone")


@pytest.mark.parametrize(
    "before",
    [
        "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n",
        "import os; del os.sched_getaffinity\n",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
    ],
    ids=["one core", "a system that does not tell", "another thread"],
)
def test_the_work_is_done_here_where_sharing_it_does_not_pay_or_is_not_safe(before: str) -> None:
    assert _printed("def work(): return os.getpid()", before)[:2] == ["checked", "True"]


@shared
def test_work_whose_process_is_killed_is_done_here() -> None:
    killed = "def work():\n    if os.getpid() != here: os.kill(os.getpid(), signal.SIGKILL)\n    return os.getpid()"

    assert _printed(killed)[:2] == ["checked", "True"]


AT_THE_LIMIT = """
import resource

def work():
    return os.getpid()

resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
if os.getuid() == 0:
    os.setuid(65534)  # no such limit binds root
"""


@shared
def test_the_work_is_done_here_where_the_system_grants_no_further_process() -> None:
    checked, here, _, alone = _printed(AT_THE_LIMIT)

    assert (checked, here, alone) == ("checked", "True", "alone")


@shared
def test_an_error_comes_once_with_its_traceback_and_only_when_the_result_is_asked_for() -> None:
    program = _begun("def work():\n    raise ValueError('no such signal')")
    out, errors = program.communicate(timeout=100)

    assert out == "checked\n"
    assert errors.count("Traceback") == errors.count("ValueError: no such signal") == 1
    assert "in work" in errors


@shared
def test_when_the_program_is_killed_the_other_process_ends_by_itself() -> None:
    program = _begun("def work():\n    os.kill(here, signal.SIGKILL)\n    return 'x' * 10_000_000")

    program.communicate(timeout=100)  # until nobody holds its output any more

    assert program.returncode == -signal.SIGKILL


@shared
def test_ctrl_c_ends_both_processes_and_is_told_once() -> None:
    program = _begun("def work():\n    say(os.getpid())\n    while True: signal.pause()")
    assert program.stdout
    child = int(next(line for line in program.stdout if line != "checked\n"))

    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=100)

    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


INTERRUPTED_AT_ONCE = """
import os, signal
fork = os.fork

def forked():
    child = fork()
    if child:
        os.kill(os.getpid(), signal.SIGINT)
    return child

os.fork = forked
"""


@shared
def test_ctrl_c_while_the_other_process_begins_ends_both() -> None:
    program = _begun("def work():\n    while True: signal.pause()", INTERRUPTED_AT_ONCE)

    _, errors = program.communicate(timeout=100)  # until nobody holds its output any more

    assert errors.count("KeyboardInterrupt") == 1
