"""Does `make matrix` ask every version, and does its table say what the run found?"""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.matrix import table
from tests.versions import PROMETHEUS

REPORT = """<testsuites><testsuite>
<testcase classname="tests.rules.test_edges" name="test_a[2.42]"/>
<testcase classname="tests.rules.test_edges" name="test_b[3.16-other]"><failure message="no"/></testcase>
<testcase classname="tests.rules.test_edges" name="test_b[2.42-other]"/>
<testcase classname="tests.deploy.test_two" name="test_c[3.16-0.33]"><skipped/></testcase>
<testcase classname="tests.deploy.test_two" name="test_d[victoria-metrics]"><error message="no"/></testcase>
<testcase classname="tests.deploy.test_two" name="test_of_no_version"/>
</testsuite></testsuites>"""


def test_each_version_has_a_column_and_a_failure_stands_out() -> None:
    assert table(ElementTree.ElementTree(ElementTree.fromstring(REPORT))).splitlines() == [
        "| tests | 2.42 | 3.16 | 0.33 | victoria-metrics |",
        "|---|---|---|---|---|",
        "| deploy.test_two |  | 0 pass, 1 skipped | 0 pass, 1 skipped | 0 pass, 1 **fail** |",
        "| rules.test_edges | 2 pass | 0 pass, 1 **fail** |  |  |",
    ]


def asked_in(course: str, **environment: str) -> list[str]:
    """The tests of that file that a run picks out."""
    said = subprocess.run(
        (sys.executable, "-m", "pytest", "--collect-only", "-n", "0", "-p", "no:cacheprovider", course),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PAYMON_MATRIX": "", **environment},
    ).stdout
    return re.findall(rf"^{course}::(.*)$", said, re.MULTILINE)


@pytest.mark.slow
def test_of_a_long_course_the_suite_asks_one_version_and_the_matrix_every_one() -> None:
    course = "tests/rules/test_after_blindness.py"
    suite, matrix = asked_in(course), asked_in(course, PAYMON_MATRIX="1")

    def of_each_case(names: list[str]) -> Counter[str]:
        return Counter(re.sub(r"\b[23]\.[0-9]+\b", "", name) for name in names)

    assert set(of_each_case(suite).values()) == {1}
    assert set(of_each_case(matrix).values()) == {4}
    assert of_each_case(suite).keys() == of_each_case(matrix).keys()
    assert {version for name in suite for version in PROMETHEUS if version in name} == set(PROMETHEUS)
