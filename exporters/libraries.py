"""Which libraries talk HTTP for the exporter, without the parts of theirs that nobody here uses?

httpx brings a command line, and with it a terminal's colours; stripe brings a client that blocks, and with it
requests, urllib3 and the detection of character sets. Both do without where those are not installed, which is what they
find here: a tenth of the exporter's memory and of its start. uvicorn brings supervisors of several processes, and with
them multiprocessing; its package names them, and one process has no use for them. And httpx looks for sniffio at every
single request: where it is not installed, that is noted once, instead of searching every folder again.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

__all__ = ["httpx", "stripe", "uvicorn", "whole_within"]


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Meanwhile these modules, unless somebody has loaded them, are as good as not installed."""
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what import takes for "not there"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _empty(module: str, *names: str) -> Iterator[None]:
    """Meanwhile this module, unless somebody has loaded it, has these names and nothing behind them."""
    hidden = module not in sys.modules
    if hidden:
        sys.modules[module] = ModuleType(module)
        vars(sys.modules[module]).update(dict.fromkeys(names))
    try:
        yield
    finally:
        if hidden:
            del sys.modules[module]


with _without("httpx._main", "requests"):
    import httpx
    import stripe

with _empty("uvicorn.supervisors", "ChangeReload", "Multiprocess"):
    import uvicorn

if "sniffio" not in sys.modules and find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

_FOR_A_HANDSHAKE = 0.45
"""Share of a request's time that TCP may take to connect, and TLS once more."""


def whole_within(seconds: float) -> httpx.Timeout:
    """Limits of a request whose caller gives it up after `seconds`: connecting fails by itself before that.

    httpx 0.28 closes the socket of a TLS handshake that takes longer than httpx was told, and leaves the socket of one
    that is cancelled from outside to the garbage collector.
    """
    return httpx.Timeout(seconds, connect=_FOR_A_HANDSHAKE * seconds)
