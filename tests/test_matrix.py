"""Does the table of `make matrix` say what the run found?"""

from xml.etree import ElementTree

from tests.matrix import table

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
