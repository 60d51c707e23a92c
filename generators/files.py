"""Which files does the catalog become?"""

from collections.abc import Mapping, Sequence

from generators.alertmanager import alertmanager_files
from generators.checks import checks_files
from generators.dashboards import dashboard_files
from generators.deploy import deploy_files
from generators.manifest import manifest_files
from generators.revision import revision_files
from generators.rule_tests import rule_test_files
from generators.rules import rule_file, rule_groups
from generators.runbook_pages import runbook_files
from generators.thresholds import thresholds_files
from generators.traceability import traceability_files
from generators.vocabulary import vocabulary_files
from rules.vocabulary import Catalog, Environment

__all__ = ["OWNED", "environment_files", "folder_of", "generated_files"]

OWNED = "generated"
"""The folder whose whole content is generated: what lies there and is not, is stale."""


def generated_files(catalog: Catalog, *others: Catalog) -> Mapping[str, str]:
    """Every generated file's text by its path below the project's root.

    Of several services each has a folder of its own below `generated/` and `docs/`. Those that the same people watch
    share one Alertmanager's configuration.
    """
    if not others:
        return _files_of(catalog, (), alertmanager_files(catalog))
    files: dict[str, str] = {}
    catalogs = (catalog, *others)
    people = dict.fromkeys(one.organisation.people for one in catalogs)
    for team in people:
        same = [one for one in catalogs if one.organisation.people == team]
        folder = OWNED if len(people) == 1 else f"{OWNED}/{same[0].organisation.service}"
        files |= {f"{folder}/{path}": text for path, text in alertmanager_files(*same).items()}
    for one in catalogs:
        for path, text in _files_of(one, catalogs, {}).items():
            top, _, below = path.partition("/")
            files[f"{top}/{one.organisation.service}/{below}"] = text
    return files


def _files_of(catalog: Catalog, beside: Sequence[Catalog], alertmanager: Mapping[str, str]) -> Mapping[str, str]:
    files: dict[str, str] = {}
    for environment in catalog.organisation.environments:
        files.update(environment_files(catalog, environment))
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


def folder_of(catalog: Catalog, beside: Sequence[Catalog]) -> str:
    """The folder below the project's root that is this catalog's alone: its service's own where there are several."""
    return OWNED if len(beside) == 1 else f"{OWNED}/{catalog.organisation.service}"


def environment_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """The rules of one environment, their tests and the runbook, below `generated/<environment>/`."""
    folder = f"{OWNED}/{environment.name}"
    rules = {f"rules/{group.area.name}.yml": rule_file(group) for group in rule_groups(catalog, environment)}
    tests = {f"tests/{path}": text for path, text in rule_test_files(catalog, environment).items()}
    pages = runbook_files(catalog, environment)
    told = revision_files(catalog, environment)
    return {f"{folder}/{path}": text for path, text in {**rules, **tests, **pages, **told}.items()}
