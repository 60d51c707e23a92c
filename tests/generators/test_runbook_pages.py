"""Does every alert lead to a page that helps, with commands that work?"""

import re
import subprocess
from dataclasses import replace

import pytest

from generators.rules import Expressions, rule_groups
from generators.runbook_pages import first_queries, link_problems, runbook_files
from rules.catalog import catalog
from rules.checks import Problem
from rules.procedures import MARK_FOR_REVIEW
from rules.promql import parse
from rules.vocabulary import Alert
from tests.postgres import PaymentsDatabase

CATALOG = catalog()
PAGES = runbook_files(CATALOG)
PRODUCTION = CATALOG.organisation.environment("production")
COMMANDS = sorted(
    {
        (step.language, step.command)
        for alert in CATALOG.alerts
        for step in (*alert.runbook.diagnosis, *alert.runbook.mitigation)
        if step.command
    }
)


def _entry(alert: Alert) -> str:
    page = PAGES[f"runbook/{CATALOG.area_of(alert).name}.md"]
    (entry,) = re.findall(rf"^## {alert.name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return str(entry)


def test_every_runbook_url_leads_to_a_heading_that_exists() -> None:
    for environment in CATALOG.organisation.environments:
        assert link_problems(PAGES, rule_groups(CATALOG, environment), CATALOG) == ()


def test_an_anchor_that_leads_nowhere_is_a_problem_with_place_cause_and_cure() -> None:
    pages = dict(PAGES) | {
        "runbook/rollout.md": PAGES["runbook/rollout.md"].replace("## PaymentRolloutDrift", "## Drift")
    }

    problems = link_problems(pages, rule_groups(CATALOG, PRODUCTION), CATALOG)

    url = "https://wiki.gametriq.com/payments/runbook/rollout#paymentrolloutdrift"
    assert problems == (
        Problem(
            where="rules.rollout",
            what=f"the runbook_url {url} leads nowhere",
            how_to_fix="generate a heading 'paymentrolloutdrift' on the page runbook/rollout.md",
        ),
    )


@pytest.mark.parametrize("alert", CATALOG.alerts, ids=lambda alert: alert.name)
def test_an_entry_says_what_it_means_who_is_hurt_what_to_do_whom_to_call_and_why(alert: Alert) -> None:
    entry = _entry(alert)

    assert f"**What it means.** {alert.runbook.meaning}" in entry
    assert f"**Who is hurt.** {alert.runbook.impact}" in entry
    for heading in ("### Look", "### Mend", "### Call", "### Silence", "### Why these thresholds"):
        assert heading in entry
    for step in (*alert.runbook.diagnosis, *alert.runbook.mitigation):
        assert step.text in entry
    for threshold in alert.thresholds:
        assert threshold.because in entry
    assert f"amtool silence add alertname={alert.name} environment=production" in entry
    for query in first_queries(alert, Expressions(CATALOG, PRODUCTION)):
        assert query in entry
        parse(query)


def test_the_index_has_the_key_metrics_the_severities_and_the_chain_in_order() -> None:
    index = PAGES["runbook/index.md"]

    assert "| below 95 % for 5 minutes | critical | 15 minutes | [PaymentSuccessRateLow]" in index
    assert "| above 1 % for 10 minutes | warning | 15 minutes | [StripeWebhookDelay]" in index
    assert "| P1 | No payment works, or payments run that must not | 5 minutes |" in index
    chain = [
        index.index(f"{number}. {name}")
        for number, name in enumerate(
            ("On-call engineer: PagerDuty", "Payment team lead: e-mail", "VP Engineering: e-mail", "CTO: e-mail"),
            start=1,
        )
    ]
    assert chain == sorted(chain)
    assert "Stripe support: phone, +1-888-926-2289" in index


def test_every_alert_is_in_the_index_once() -> None:
    for alert in CATALOG.alerts:
        expected = 0 if alert.always else 1
        assert PAGES["runbook/index.md"].count(f"- [{alert.name}](") == expected


def test_a_page_changes_with_its_threshold() -> None:
    area = next(area for area in CATALOG.areas if area.name == "rollout")
    drift, active = area.alerts
    moved = replace(drift, thresholds=(replace(drift.thresholds[0], because="a reason of its own"),))
    changed = replace(
        CATALOG, areas=tuple(replace(a, alerts=(moved, active)) if a is area else a for a in CATALOG.areas)
    )

    assert "a reason of its own" in runbook_files(changed)["runbook/rollout.md"]


@pytest.mark.parametrize("command", [command for language, command in COMMANDS if language == "bash"])
def test_a_shell_command_is_well_formed_and_none_of_the_runbooks_slips(command: str) -> None:
    checked = subprocess.run(("bash", "-n"), input=command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
    assert "kubectl set secret" not in command
    assert "base64 -d" not in command
    assert "kubectl scale" not in command
    if CATALOG.organisation.api_url in command and command.startswith("curl"):
        assert re.search(r"curl -\w*[fI]", command), "curl must fail on an HTTP error, or show its headers"
        assert "PATCH" not in command or "Authorization" in command


def test_every_sql_statement_runs_on_a_real_database(payments_database: PaymentsDatabase) -> None:
    payments_database.payment(ago=60)
    for statement in (command for language, command in COMMANDS if language == "sql"):
        payments_database.execute(statement)


def test_the_rollback_marks_recent_payments_and_notes_how_many_for_finance(payments_database: PaymentsDatabase) -> None:
    for age in ("1 minute", "50 minutes", "2 hours"):
        payments_database.payment()
        payments_database.execute(
            "UPDATE payments SET created_at = now() - %(age)s::interval WHERE id = (SELECT max(id) FROM payments)",
            {"age": age},
        )

    payments_database.execute(MARK_FOR_REVIEW.command)

    assert payments_database.value("SELECT count(*) FROM payments WHERE status = 'pending_review'") == 2
    assert payments_database.value("SELECT details ->> 'affected_count' FROM audit_log") == "2"


def test_the_idempotency_key_stays_the_same_between_tries() -> None:
    (command,) = [command for language, command in COMMANDS if language == "javascript"]

    assert "idempotencyKey: `${userId}-${orderId}`" in command
    assert "timestamp" not in command
