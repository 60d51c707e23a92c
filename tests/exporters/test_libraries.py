"""Does the exporter load only what it uses, and leave alone what others load?"""

import subprocess
import sys

import pytest

UNUSED = (
    *("requests", "urllib3", "charset_normalizer", "rich", "pygments", "cryptography", "multiprocessing", "starlette"),
    *("rules.catalog", "rules.composition", "rules.checks", "generators"),
)


def asked(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
def test_the_exporter_runs_without_what_it_never_uses() -> None:
    code = f"""
import sys
from paymon.cli import cli
cli.get_command(None, "exporter")
import exporters.process.assembly, exporters.process.run, exporters.web.tls, rules.areas
print([name for name in {UNUSED} if name in sys.modules])
"""
    assert asked(code) == "[]"


def test_whoever_needs_what_was_left_out_still_finds_it() -> None:
    assert (
        asked("import exporters.libraries, requests, rich; print(requests.__name__, rich.__name__)") == "requests rich"
    )
    assert (
        asked("import exporters.libraries; from uvicorn.supervisors import Multiprocess; print(Multiprocess.__name__)")
        == "Multiprocess"
    )
