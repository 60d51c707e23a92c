"""Do the rules do with raw series what the runbook's numbers say? `key_metrics.yml` states it, for promtool."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from paymon.mutation.relations import Suite, read_suite

__all__ = ["by_alert", "key_metrics"]


def key_metrics() -> Suite:
    """The whole file, with the rules of production."""
    return read_suite(Path(__file__).with_name("key_metrics.yml"), {})


def by_alert(suite: Suite) -> Iterator[tuple[str, Suite]]:
    """The cases of each alert alone, which need few of the rules."""
    for alert, cases in groupby(suite.cases, key=lambda case: case.name.partition(",")[0]):
        yield alert, replace(suite, cases=tuple(cases))
