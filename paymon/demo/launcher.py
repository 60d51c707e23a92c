"""How does a program die with the one that started it, even where that is killed without warning?

Run as a script, with the parent's process id and the program with its arguments; Linux only, a plain start elsewhere.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become `command`, to be killed when the thread that started us ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we could ask to be told
            os._exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell, on purpose


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
