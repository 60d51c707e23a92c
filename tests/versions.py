"""Against which versions of the servers does the suite run?

The oldest and the newest that are supported, each time; in `make matrix`, which sets PAYMON_MATRIX=1, those between and
the newest there is, too.
"""

import os

__all__ = ["ALERTMANAGER", "PROMETHEUS", "in_matrix"]


def in_matrix() -> bool:
    """Whether this run is one of `make matrix`."""
    return os.environ.get("PAYMON_MATRIX") == "1"


PROMETHEUS = ("2.42", "2.53", "3.5", "3.16") if in_matrix() else ("2.42", "3.5")
ALERTMANAGER = ("0.25", "0.28", "0.33") if in_matrix() else ("0.25", "0.33")
