"""Do the rules do what their tests say, and do the tests say enough?"""

from paymon.rule_testing.coverage import Coverage, RuleCoverage, coverage
from paymon.rule_testing.files import Rule, RuleFile, Suite, UnreadableError
from paymon.rule_testing.junit import JunitCase, JunitSuite, write_junit
from paymon.rule_testing.remembered import Remembered, digest, usual_file
from paymon.rule_testing.runner import Failure, run_suites
from paymon.rule_testing.silent import silent_passes

__all__ = [
    "Coverage",
    "Failure",
    "JunitCase",
    "JunitSuite",
    "Remembered",
    "Rule",
    "RuleCoverage",
    "RuleFile",
    "Suite",
    "UnreadableError",
    "coverage",
    "digest",
    "run_suites",
    "silent_passes",
    "usual_file",
    "write_junit",
]
