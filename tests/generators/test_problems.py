"""Is everything that is wrong told at once, whether a definition breaks a promise or what it becomes?"""

from dataclasses import replace

import pytest

from generators.problems import problems
from rules.catalog import PAYMENTS, catalog
from rules.payments.organisation import ON_CALL, ORGANISATION, PEOPLE, SERVICE
from rules.vocabulary import Catalog, Dashboard, Organisation, Priority

CATALOG = catalog()


def said_of(broken: Catalog) -> list[str]:
    return [str(problem) for problem in problems(broken)]


def with_a_title_that_is_cut_off(dashboards: tuple[Dashboard, ...]) -> tuple[Dashboard, ...]:
    first, *others = dashboards
    row, *rows = first.rows
    panel, *panels = row.panels
    row = replace(row, panels=(replace(panel, title="Payments succeed, or so it seems"), *panels))
    return (replace(first, rows=(row, *rows)), *others)


def whose_p3_reaches_a_pager_only(organisation: Organisation) -> Organisation:
    policies = (
        replace(policy, notifies=(ON_CALL,)) if policy.priority is Priority.P3 else policy
        for policy in organisation.policies
    )
    return replace(organisation, policies=tuple(policies))


def test_the_catalog_has_no_problem() -> None:
    assert said_of(CATALOG) == []


@pytest.mark.slow
def test_one_problem_hides_no_other_of_another_kind() -> None:
    broken = replace(
        CATALOG,
        organisation=whose_p3_reaches_a_pager_only(
            replace(
                ORGANISATION,
                contacts=tuple(
                    replace(contact, address="") if contact.name == "CTO" else contact
                    for contact in ORGANISATION.contacts
                ),
            )
        ),
        dashboards=with_a_title_that_is_cut_off(CATALOG.dashboards),
    )

    said = said_of(broken)

    assert "organisation: contact CTO has no address; give the one for e-mail" in said
    assert (
        "organisation: environment staging wakes nobody, and the policy of P3 notifies a pager only; "
        "let P3 notify Slack or e-mail as well"
    ) in said
    found = {problem.check for problem in problems(broken)}
    assert {"output/alertmanager", "output/panels", "output/dashboards"} & found, found
    assert all(problem.check for problem in problems(broken)), "each says by which name docs/checks.md has the promise"
    assert any("has a title of 32 letters, of which 20 fit at 1280 pixels" in one for one in said)


def test_what_cannot_become_anything_is_named_beside_what_can() -> None:
    """Nobody knows how soon to act on a P3 without a policy, so no rule can be written; the rest is still looked at."""
    policies = tuple(policy for policy in ORGANISATION.policies if policy.priority is not Priority.P3)
    broken = replace(
        CATALOG,
        organisation=replace(ORGANISATION, policies=policies),
        dashboards=with_a_title_that_is_cut_off(CATALOG.dashboards),
    )

    said = said_of(broken)

    assert any("P3" in one and "policy" in one for one in said)
    assert any("has a title of 32 letters, of which 20 fit at 1280 pixels" in one for one in said)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alertmanager", "grafana"])
def test_no_environment_and_no_service_takes_the_folder_of_what_is_generated_for_all(name: str) -> None:
    production, staging = ORGANISATION.environments
    renamed = replace(ORGANISATION, environments=(production, replace(staging, name=name)))
    assert said_of(replace(CATALOG, organisation=renamed)) == [
        f"organisation: environment {name} has the name of the folder generated/{name}, which is of all environments;"
        " give it another name"
    ]
    assert said_of(replace(CATALOG, organisation=replace(ORGANISATION, service=name))) == [
        f"organisation: service {name} has the name of the folder generated/{name}, which is of all services;"
        " give it another name"
    ]


def test_what_a_dashboard_becomes_is_looked_at_too() -> None:
    broken = replace(CATALOG, dashboards=with_a_title_that_is_cut_off(CATALOG.dashboards))

    assert said_of(broken) == [
        "dashboard paymon-overview: panel 1 'Payments succeed, or so it seems' has a title of 32 letters, of which 20 "
        "fit at 1280 pixels; shorten it, or make the panel wider"
    ]


def test_an_alert_that_always_fires_is_asked_for() -> None:
    silent = PAYMENTS.without("PaymentsWatchdog", because="Prometheus Operator brings one").of(PEOPLE, SERVICE)

    assert said_of(silent) == [
        "organisation: service payments has no alert that always fires, so that nobody would see that its rules are "
        "not evaluated; keep the one that was there, or define one with always=True in an area of your own"
    ]
