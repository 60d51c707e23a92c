"""Which files does the catalog become?"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from generators.alertmanager import alertmanager_files
from generators.checks import checks_files
from generators.dashboards import dashboard_files
from generators.deploy import deploy_files
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

__all__ = ["OWNED", "begun_files", "environment_files", "folder_of", "generated_files"]

OWNED = "generated"
"""The folder whose whole content is generated: what lies there and is not, is stale."""


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

    What no check looks at, the tests of rules above all, is written on another core where there is one.
    """
    with _without_collection():
        with suppress(Exception):  # unsound definitions cannot always become rules: that is for the checks to say
            _every_rule(catalogs)
        with meanwhile(partial(_unchecked_files, catalogs)) as others:
            yield lambda: _by_service(catalogs, _checked) | others()


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


def _unchecked_files(catalogs: Sequence[Catalog]) -> dict[str, str]:
    """Every file that no check looks at."""
    files: dict[str, str] = {}
    people = dict.fromkeys(one.organisation.people for one in catalogs)
    for team in people:
        same = [one for one in catalogs if one.organisation.people == team]
        folder = OWNED if len(people) == 1 else f"{OWNED}/{same[0].organisation.service}"
        files |= {f"{folder}/{path}": text for path, text in alertmanager_files(*same).items()}
    return files | _by_service(catalogs, partial(_unchecked, beside=catalogs if len(catalogs) > 1 else ()))


def _by_service(catalogs: Sequence[Catalog], files_of: Callable[[Catalog], Mapping[str, str]]) -> dict[str, str]:
    """The files of every catalog; of several, each has a folder of its service's name."""
    files: dict[str, str] = {}
    for one in catalogs:
        for path, text in files_of(one).items():
            top, _, below = path.partition("/")
            files[f"{top}/{one.organisation.service}/{below}" if len(catalogs) > 1 else path] = text
    return files


def _checked(catalog: Catalog) -> dict[str, str]:
    """What the checks look at, too: dashboards and the runbook."""
    files = {f"{OWNED}/{path}": text for path, text in dashboard_files(catalog).items()}
    for environment in catalog.organisation.environments:
        files |= _below(environment, runbook_files(catalog, environment))
    return files


def _unchecked(catalog: Catalog, beside: Sequence[Catalog]) -> dict[str, str]:
    files: dict[str, str] = {}
    tests = rule_tests(catalog)
    for environment in catalog.organisation.environments:
        files |= _below(environment, _rules(catalog, environment) | _below_tests(tests[environment.name]))
    for shared in (deploy_files(catalog, beside), manifest_files(catalog)):
        files |= {f"{OWNED}/{path}": text for path, text in shared.items()}
    return {
        **files,
        **traceability_files(catalog),
        **thresholds_files(catalog),
        **checks_files(catalog),
        **vocabulary_files(),
    }


def folder_of(catalog: Catalog, beside: Sequence[Catalog]) -> str:
    """The folder below the project's root that is this catalog's alone: its service's own where there are several."""
    return OWNED if len(beside) == 1 else f"{OWNED}/{catalog.organisation.service}"


def environment_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """The rules of one environment, their tests and the runbook, below `generated/<environment>/`."""
    tests = _below_tests(rule_test_files(catalog, environment))
    return _below(environment, {**_rules(catalog, environment), **runbook_files(catalog, environment), **tests})


def _rules(catalog: Catalog, environment: Environment) -> dict[str, str]:
    rules = {f"rules/{group.area.name}.yml": rule_file(group) for group in rule_groups(catalog, environment)}
    return {**rules, **revision_files(catalog, environment)}


def _below_tests(files: Mapping[str, str]) -> dict[str, str]:
    return {f"tests/{path}": text for path, text in files.items()}


def _below(environment: Environment, files: Mapping[str, str]) -> Mapping[str, str]:
    return {f"{OWNED}/{environment.name}/{path}": text for path, text in files.items()}
