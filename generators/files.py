"""Which files does the catalog become?"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from generators.alertmanager import alertmanager_files
from generators.checks import checks_files
from generators.dashboards import dashboard_files
from generators.deploy import deploy_files
from generators.folders import OWNED
from generators.manifest import manifest_files
from generators.meanwhile import meanwhile
from generators.revision import revision_files
from generators.rule_tests import rule_test_files, rule_tests
from generators.rules import rule_file, rule_groups
from generators.runbook_pages import runbook_files
from generators.thresholds import thresholds_files
from generators.traceability import traceability_files
from generators.vocabulary import vocabulary_files
from rules.vocabulary import Catalog, Environment

__all__ = ["begun_files", "environment_files", "folder_of", "generated_files"]

_Tests = Mapping[tuple[str, str], Mapping[str, str]]
"""The tests of rules by the names of service and environment, each by its path below the environment's folder."""


def generated_files(catalog: Catalog, *others: Catalog) -> Mapping[str, str]:
    """Every generated file's text by its path below the project's root.

    Of several services each has a folder of its own below `generated/` and `docs/`. Those that the same people watch
    share one Alertmanager's configuration.
    """
    with begun_files(catalog, *others) as files:
        return files()


@contextmanager
def begun_files(*catalogs: Catalog) -> Iterator[Callable[[], Mapping[str, str]]]:
    """Begins what `generated_files` gives, and gives what ends it: checks of the definitions may run meanwhile.

    Tests of rules, a third of the work, are written on another core where there is one. No garbage is looked for until
    the end.
    """
    with _without_collection():
        with suppress(Exception):  # unsound definitions cannot always become rules: that is for the checks to say
            _every_rule(catalogs)
        with meanwhile(partial(_all_tests, catalogs)) as tests:
            yield lambda: _all_files(catalogs, tests)


def _every_rule(catalogs: Sequence[Catalog]) -> None:
    """Makes the rules, which are kept: the tests of rules and nearly all other files are made of them."""
    for one in catalogs:
        for environment in one.organisation.environments:
            rule_groups(one, environment)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Looks for no garbage meanwhile: that would be a seventh of the work, and finds next to none."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _all_tests(catalogs: Sequence[Catalog]) -> _Tests:
    return {
        (one.organisation.service, environment): _below_tests(files)
        for one in catalogs
        for environment, files in rule_tests(one).items()
    }


def _all_files(catalogs: Sequence[Catalog], tests: Callable[[], _Tests]) -> Mapping[str, str]:
    first, *others = catalogs
    if not others:
        return _files_of(first, (), alertmanager_files(first)) | _placed(first, tests())
    files: dict[str, str] = {}
    people = dict.fromkeys(one.organisation.people for one in catalogs)
    for team in people:
        same = [one for one in catalogs if one.organisation.people == team]
        folder = OWNED if len(people) == 1 else f"{OWNED}/{same[0].organisation.service}"
        files |= {f"{folder}/{path}": text for path, text in alertmanager_files(*same).items()}
    for one in catalogs:
        for path, text in (_files_of(one, catalogs, {}) | _placed(one, tests())).items():
            top, _, below = path.partition("/")
            files[f"{top}/{one.organisation.service}/{below}"] = text
    return files


def _files_of(catalog: Catalog, beside: Sequence[Catalog], alertmanager: Mapping[str, str]) -> dict[str, str]:
    """Every file but the tests of rules."""
    files: dict[str, str] = {}
    for environment in catalog.organisation.environments:
        files.update(_below(environment, _rules_and_pages(catalog, environment)))
    for shared in (
        alertmanager,
        dashboard_files(catalog),
        deploy_files(catalog, beside),
        manifest_files(catalog),
    ):
        files.update({f"{OWNED}/{path}": text for path, text in shared.items()})
    files.update(traceability_files(catalog))
    files.update(thresholds_files(catalog))
    files.update(checks_files(catalog))
    files.update(vocabulary_files())
    return files


def _placed(catalog: Catalog, tests: _Tests) -> dict[str, str]:
    organisation = catalog.organisation
    return {
        path: text
        for environment in organisation.environments
        for path, text in _below(environment, tests[organisation.service, environment.name]).items()
    }


def folder_of(catalog: Catalog, beside: Sequence[Catalog]) -> str:
    """The folder below the project's root that is this catalog's alone: its service's own where there are several."""
    return OWNED if len(beside) == 1 else f"{OWNED}/{catalog.organisation.service}"


def environment_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """The rules of one environment, their tests and the runbook, below `generated/<environment>/`."""
    return _below(
        environment, {**_rules_and_pages(catalog, environment), **_below_tests(rule_test_files(catalog, environment))}
    )


def _rules_and_pages(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    rules = {f"rules/{group.area.name}.yml": rule_file(group) for group in rule_groups(catalog, environment)}
    return {**rules, **runbook_files(catalog, environment), **revision_files(catalog, environment)}


def _below_tests(files: Mapping[str, str]) -> Mapping[str, str]:
    return {f"tests/{path}": text for path, text in files.items()}


def _below(environment: Environment, files: Mapping[str, str]) -> Mapping[str, str]:
    return {f"{OWNED}/{environment.name}/{path}": text for path, text in files.items()}
