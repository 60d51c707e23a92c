"""How is a run of rule tests told to a CI server? As JUnit's XML, which promtool 2.42 cannot write."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["JunitCase", "JunitSuite", "write_junit"]


@dataclass(frozen=True)
class JunitCase:
    """One test with what it objects to."""

    name: str
    failures: tuple[str, ...]


@dataclass(frozen=True)
class JunitSuite:
    """Tests that belong together."""

    name: str
    cases: tuple[JunitCase, ...]


def write_junit(path: Path, suites: Sequence[JunitSuite], seconds: float) -> None:
    """Write the suites, beside the file first. Raises OSError."""
    root = ET.Element("testsuites", {"name": "rule tests", "time": f"{seconds:.3f}", **_counts(suites)})
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {"name": suite.name, **_counts([suite])})
        for case in suite.cases:
            test = ET.SubElement(element, "testcase", classname=suite.name, name=case.name)
            for failure in case.failures:
                ET.SubElement(test, "failure", message=failure)
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
        Path(beside).chmod(0o644)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _counts(suites: Sequence[JunitSuite]) -> dict[str, str]:
    cases = [case for suite in suites for case in suite.cases]
    return {"tests": str(len(cases)), "failures": str(sum(bool(case.failures) for case in cases))}
