"""What do the rules record of the definitions that they are of: which revision runs, and which sources it reads?"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from importlib.metadata import version

from generators.rule_tests.text import Probe, TestFile, TestGroup
from generators.rules import RECORDED_BY, groups_text, rule_groups
from generators.text import as_yaml, generated_header
from rules.vocabulary import Catalog, Environment, Source, prometheus_duration

__all__ = [
    "FILE",
    "REVISION_SERIES",
    "all_groups_text",
    "revision",
    "revision_files",
    "revision_group",
]

REVISION_SERIES = "paymon_definitions_info"
"""Recorded as 1, with labels that say what runs: service, environment, the rules' revision and paymon's version."""
FILE = "definitions-info"
"""No area of definitions can be called so, as none is a Python module of that name."""


@lru_cache(maxsize=64)
def revision(catalog: Catalog, environment: Environment) -> str:
    """A word that is the same as long as every rule of the environment is, and then alone; never a number in YAML."""
    sources = [source.value for source in catalog.sampled_in(environment)]
    text = groups_text(rule_groups(catalog, environment)) + " ".join(sources)
    return "r" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _recorded(catalog: Catalog, environment: Environment) -> tuple[tuple[str, dict[str, str]], ...]:
    """The name and the labels of each recorded series, the labels in the order of their names."""
    of_all = {"environment": environment.name, **dict(RECORDED_BY), "service": catalog.organisation.service}
    told = {"revision": revision(catalog, environment), "version": version("paymon")}
    return (
        (REVISION_SERIES, dict(sorted((of_all | told).items()))),
        *(
            (metric.name, of_all | {"source": source.value})
            for metric in catalog.metrics
            if metric.source is Source.RULES
            for source in catalog.sampled_in(environment)
        ),
    )


def revision_group(catalog: Catalog, environment: Environment) -> dict[str, object]:
    """The rule group that records it, as Prometheus reads it."""
    return {
        "name": f"{catalog.organisation.service}.{environment.name}.{FILE}",
        "interval": prometheus_duration(catalog.organisation.evaluation_interval),
        "rules": [
            {"record": name, "expr": "vector(1)", "labels": labels} for name, labels in _recorded(catalog, environment)
        ],
    }


def all_groups_text(catalog: Catalog, environment: Environment) -> str:
    """Every rule group of the environment as one document, the revision's last."""
    return groups_text(rule_groups(catalog, environment)) + as_yaml([revision_group(catalog, environment)])


def revision_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """The rule file and its test, by path below the environment's folder."""
    text = as_yaml({"groups": [revision_group(catalog, environment)]})
    minute = timedelta(minutes=1)
    recorded: dict[str, list[tuple[tuple[tuple[str, str], ...], str]]] = {}
    for name, labels in _recorded(catalog, environment):
        recorded.setdefault(name, []).append(((("__name__", name), *labels.items()), "1"))
    probes = tuple(Probe(name, minute, tuple(answer)) for name, answer in recorded.items())
    says = TestGroup("the rules say which definitions they are of, and which sources these read", minute, (), probes)
    test = TestFile("", (f"../rules/{FILE}.yml",), minute, (says,))
    return {f"rules/{FILE}.yml": generated_header() + text, f"tests/{FILE}.yml": str(test)}
