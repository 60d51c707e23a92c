"""Which revision of the definitions do the rules carry, so that one query tells which one runs?"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from importlib.metadata import version

from generators.rule_tests.text import Probe, TestFile, TestGroup
from generators.rules import RECORDED_BY, groups_text, rule_groups
from generators.text import as_yaml, generated_header
from rules.vocabulary import Catalog, Environment, prometheus_duration

__all__ = ["FILE", "REVISION_SERIES", "all_groups_text", "revision", "revision_files", "revision_group"]

REVISION_SERIES = "paymon_definitions_info"
"""Recorded as 1, with labels that say what runs: service, environment, the rules' revision and paymon's version."""
FILE = "definitions-info"
"""No area of definitions can be called so, as none is a Python module of that name."""


@lru_cache(maxsize=8)
def revision(catalog: Catalog, environment: Environment) -> str:
    """A word that is the same as long as every rule of the environment is, and then alone; never a number in YAML."""
    text = groups_text(rule_groups(catalog, environment))
    return "r" + hashlib.sha256(text.encode()).hexdigest()[:12]


def labels(catalog: Catalog, environment: Environment) -> dict[str, str]:
    """The labels of the recorded series, in the order of their names."""
    return {
        "environment": environment.name,
        **dict(RECORDED_BY),
        "revision": revision(catalog, environment),
        "service": catalog.organisation.service,
        "version": version("paymon"),
    }


def revision_group(catalog: Catalog, environment: Environment) -> dict[str, object]:
    """The rule group that records it, as Prometheus reads it."""
    return {
        "name": f"{catalog.organisation.service}.{environment.name}.{FILE}",
        "interval": prometheus_duration(catalog.organisation.evaluation_interval),
        "rules": [{"record": REVISION_SERIES, "expr": "vector(1)", "labels": labels(catalog, environment)}],
    }


def all_groups_text(catalog: Catalog, environment: Environment) -> str:
    """Every rule group of the environment as one document, the revision's last."""
    return groups_text(rule_groups(catalog, environment)) + as_yaml([revision_group(catalog, environment)])


def revision_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """The rule file and its test, by path below the environment's folder."""
    text = as_yaml({"groups": [revision_group(catalog, environment)]})
    minute = timedelta(minutes=1)
    recorded = ((("__name__", REVISION_SERIES), *labels(catalog, environment).items()), "1")
    says = TestGroup(
        "the rules say which definitions they are of", minute, (), (Probe(REVISION_SERIES, minute, (recorded,)),)
    )
    test = TestFile("", (f"../rules/{FILE}.yml",), minute, (says,))
    return {f"rules/{FILE}.yml": generated_header() + text, f"tests/{FILE}.yml": str(test)}
