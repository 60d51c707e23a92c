"""Does docs/detection.md name tests that there are?"""

import re
from pathlib import Path

from benchmarks.edges import EDGES

ROOT = Path(__file__).parents[2]


def test_each_fault_that_was_at_an_edge_names_a_test_that_there_is() -> None:
    named = [name for row in EDGES for name in re.findall(r"`(tests/\S+?\.py)(?:::(\w+))?`", row.held_by)]

    assert len(EDGES) == 17
    assert all(re.search(r"`tests/", row.held_by) for row in EDGES)
    assert [
        (path, test)
        for path, test in named
        if not (ROOT / path).exists() or (test and f"def {test}(" not in (ROOT / path).read_text())
    ] == []
