"""Does every alert lead to a page that helps, with commands that work?"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from generators.rules import Expressions, rule_groups
from generators.runbook_pages import first_queries, link_problems, runbook_files
from rules.catalog import catalog
from rules.checks import Problem
from rules.composition import filled, in_environment
from rules.composition.places import words_in
from rules.payments.runbook import procedures
from rules.payments.runbook.procedures import MARK_FOR_REVIEW, RELEASE_FROM_REVIEW
from rules.promql import parse
from rules.vocabulary import Alert, Step
from simulator.payments_service import PaymentsService
from simulator.serving import serving
from tests.postgres import PaymentsDatabase

CATALOG = in_environment(catalog(), catalog().organisation.environment("production"))
ROOT = Path(__file__).parents[2]
ORGANISATION = CATALOG.organisation
PRODUCTION = ORGANISATION.environment("production")
PAGES = runbook_files(CATALOG, PRODUCTION)
ROLL_BACK, SET_STAGE, PULL_KILL_SWITCH = filled(
    (procedures.ROLL_BACK, procedures.SET_STAGE, procedures.PULL_KILL_SWITCH), words_in(ORGANISATION, PRODUCTION)
)
STEPS = (
    *(step for alert in CATALOG.alerts for step in (*alert.runbook.diagnosis, *alert.runbook.mitigation)),
    SET_STAGE,
    MARK_FOR_REVIEW,
)
COMMANDS = sorted({(step.language, step.command) for step in STEPS if step.command})


def _entry(alert: Alert) -> str:
    page = PAGES[f"runbook/{CATALOG.area_of(alert).name}.md"]
    (entry,) = re.findall(rf"^## {alert.name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return str(entry)


def test_every_runbook_url_leads_to_a_heading_that_exists() -> None:
    for environment in CATALOG.organisation.environments:
        pages = runbook_files(catalog(), environment)
        assert link_problems(pages, rule_groups(catalog(), environment), catalog(), environment) == ()


def test_an_anchor_that_leads_nowhere_is_a_problem_with_place_cause_and_cure() -> None:
    pages = dict(PAGES) | {
        "runbook/rollout.md": PAGES["runbook/rollout.md"].replace("## PaymentRolloutDrift", "## Drift")
    }

    problems = link_problems(pages, rule_groups(CATALOG, PRODUCTION), CATALOG, PRODUCTION)

    url = "https://wiki.gametriq.com/payments/runbook/production/rollout#paymentrolloutdrift"
    assert problems == (
        Problem(
            where="rules.payments.rollout",
            what=f"the runbook_url {url} leads nowhere",
            how_to_fix="generate a heading 'paymentrolloutdrift' on the page runbook/rollout.md",
        ),
    )


def test_pages_that_are_shown_as_files_are_linked_with_their_ending() -> None:
    folder = "https://github.com/gametriq/runbooks/blob/main/payments"
    as_files = replace(
        CATALOG, organisation=replace(ORGANISATION, runbook_url=folder, runbook_suffix=".md", dashboard_url="")
    )
    groups = rule_groups(as_files, PRODUCTION)

    urls = {dict(getattr(rule, "annotations", ())).get("runbook_url") for group in groups for rule in group.rules}
    assert f"{folder}/production/rollout.md#paymentrolloutdrift" in urls
    assert link_problems(runbook_files(as_files, PRODUCTION), groups, as_files, PRODUCTION) == ()


def test_each_page_leads_back_to_the_index_and_on_to_where_one_looks_first() -> None:
    for area in CATALOG.areas:
        title, ways_out = PAGES[f"runbook/{area.name}.md"].splitlines()[2:5:2]

        assert title == f"# {area.title}"
        assert ways_out.startswith("[Index](index.md) · [")
        assert f"({ORGANISATION.dashboard_url}/d/paymon-" in ways_out
        assert ways_out.endswith(
            " · [Stripe status](https://status.stripe.com)"
            " · [Error tracking](https://sentry.gametriq.com/projects/payments)"
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
    branches = [branch for threshold in alert.thresholds for branch in alert.branches(threshold)]
    guards = [guard for branch in branches for guard in branch.guards]
    for because in (*(branch.because for branch in branches), *(guard.because for guard in guards)):
        assert f". {because[:1].upper()}{because[1:]}." in entry
    for query in first_queries(alert, Expressions(CATALOG, PRODUCTION)):
        assert query in entry
        parse(query)


def test_an_entry_names_the_channel_that_hears_at_once_beside_the_ticket() -> None:
    entry = _entry(next(alert for alert in CATALOG.alerts if alert.told_at_once))

    assert "- Payments tickets: ticket system, payments\n- Payments on-call channel: Slack, #payments-oncall\n" in entry
    assert "go out by themselves" not in entry


def test_an_entry_says_that_its_alert_calls_though_another_p1_is_open() -> None:
    said = {alert.name for alert in CATALOG.alerts if "also while another P1 is open" in _entry(alert)}

    assert said == {"PaymentsKillSwitchIneffective", "StripeAccountDisabled"}


@pytest.mark.parametrize("alert", CATALOG.alerts, ids=lambda alert: alert.name)
def test_a_silence_names_its_alertmanager_and_the_heartbeat_has_none(alert: Alert) -> None:
    silence = _entry(alert).partition("### Silence")[2].partition("###")[0]

    if alert.always:
        assert "Never silence this one" in silence
        assert "amtool" not in silence
    else:
        (command,) = re.findall(r"```bash\n(.*?)```", silence, re.DOTALL)
        assert shlex.split(command.replace("\\\n", " "))[:7] == [
            *("amtool", "silence", "add", f"alertname={alert.name}", "environment=production", "service=payments"),
            f"--alertmanager.url={ORGANISATION.alertmanager_url}",
        ]


def test_what_else_has_to_hold_stands_below_the_way_to_fire_that_it_belongs_to() -> None:
    reasons = _entry(next(alert for alert in CATALOG.alerts if alert.name == "PaymentsCompleteFailure"))

    assert [line.partition(". ")[0] for line in reasons.partition("### Why these thresholds\n\n")[2].splitlines()] == [
        "- Fires when **Share of customers' attempts that succeed, over 2 minutes**: below 5 %",
        "  - and **Attempts that customers ended in 2 minutes, renewals by Stripe left aside**: at least 20",
        "  - unless **Payments by customers that failed for whatever reason in 15 minutes, each once however"
        " often it was tried**: below 8",
        "  - unless **Customers' successes as a share of those before: over 2 minutes where 15 are usual in"
        " them, else over 15 minutes; and where fewer are usual in those, too, the share of declines, if it"
        " is above 80 %**: at least 20 %",
        "  - unless **Live payments are switched off, by the kill switch or by a rollout of 0 %**: yes",
        "- Or when **Share of customers' attempts that succeed, over 15 minutes**: below 5 %",
        "  - and **Attempts that customers ended in 15 minutes, renewals by Stripe left aside**: at least 10",
        "  - unless **Payments by customers that failed for whatever reason in 15 minutes, each once however"
        " often it was tried**: below 8",
        "  - unless **Customers' successes as a share of those before: over 2 minutes where 15 are usual in"
        " them, else over 15 minutes; and where fewer are usual in those, too, the share of declines, if it"
        " is above 80 %**: at least 20 %",
        "  - unless **Live payments were switched off at some moment of the past 10 minutes**: yes",
        "- Or when **Share of customers' attempts that succeed, over 15 minutes**: below 5 %",
        "  - unless **Payments by customers that failed for whatever reason in 15 minutes, each once however"
        " often it was tried**: below 8",
        "  - unless **Today is declared to be a day on which nobody is expected to pay**: yes",
        "  - unless **Maintenance was declared at some moment of the past 10 minutes**: yes",
        "  - and **Customers' successes in 15 minutes as a share of yesterday's or last week's at this time, whichever"
        " had fewer; none where fewer than 15 were usual**: below 20 %",
        "  - unless **Live payments were switched off at some moment of the past 10 minutes**: yes",
        "- Or when **Share of customers' attempts that succeed, over 4 minutes**: below 5 %",
        "  - and **Payments by customers that failed for a technical reason in 4 minutes, each once however"
        " often it was tried**: at least 6",
        "  - unless **Live payments were switched off at some moment of the past 10 minutes**: yes",
        "- Once it fires, it goes on while **Share of customers' attempts that succeed, over 15 minutes** is"
        " below 20 %",
        "- It stays for 10 minutes after the last breach.",
        "",
    ]


def test_yes_and_no_are_said_in_words() -> None:
    outcomes, monitoring = PAGES["runbook/outcomes.md"], PAGES["runbook/monitoring.md"]

    assert (
        "Fires when **The counter of attempts is missing altogether**: yes for 5 minutes."
        in PAGES["runbook/blindness.md"]
    )
    assert "unless **Live payments are switched off, by the kill switch or by a rollout of 0 %**: yes." in outcomes
    assert "answers Prometheus; 0 where there is none at all**: no for 5 minutes." in monitoring
    assert "missing where the counter is younger**: known." in PAGES["runbook/budget.md"]


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
    assert "a P2 page that a P1 hid later stays open" in index


def test_every_alert_is_in_the_index_once() -> None:
    for alert in CATALOG.alerts:
        expected = 0 if alert.always else 1
        assert PAGES["runbook/index.md"].count(f'- <a id="{alert.name}"></a>[{alert.name}](') == expected


def test_a_page_changes_with_its_threshold() -> None:
    area = next(area for area in CATALOG.areas if area.name == "rollout")
    drift, *others = area.alerts
    moved = replace(drift, thresholds=(replace(drift.thresholds[0], because="A reason of its own"),))
    changed = replace(
        CATALOG, areas=tuple(replace(a, alerts=(moved, *others)) if a is area else a for a in CATALOG.areas)
    )

    assert "A reason of its own." in runbook_files(changed, PRODUCTION)["runbook/rollout.md"]


@pytest.mark.parametrize("command", [command for language, command in COMMANDS if language == "bash"])
def test_a_shell_command_is_well_formed_and_none_of_the_runbooks_slips(command: str) -> None:
    checked = subprocess.run(("bash", "-n"), input=command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
    assert "kubectl set secret" not in command
    assert "base64 -d" not in command
    assert "kubectl scale" not in command
    for words in _programs(command):
        match words[0]:
            case "curl" if ORGANISATION.api_url in " ".join(words):
                assert re.match(r"-\w*[fI]", words[1]), "curl must fail on an HTTP error, or show its headers"
                assert "-X" not in words or any(word.startswith("Authorization: ") for word in words)
            case "stripe":
                assert "--live" in words, "Stripe's CLI asks test mode unless it is told otherwise"
            case "paymon":
                pytest.fail("the exporter runs in a pod; nobody has its configuration at hand")


def _programs(command: str) -> Iterator[list[str]]:
    """The words of each program that a shell command runs."""
    for line in command.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if word in {"|", ";", "&&", "||"}:
                yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words


def test_the_exporters_pods_are_found_by_the_label_that_their_manifests_give_them() -> None:
    commands = [command for _, command in COMMANDS if "paymon" in command and "kubectl" in command]

    assert len(commands) == 4
    for command in commands:
        assert "-l app.kubernetes.io/name=paymon " in command
        assert "kubectl logs" not in command or {"--prefix", "--tail=-1"} <= set(command.split())
        assert "paymon doctor" not in command or "-c paymon-exporter -- paymon doctor" in command
    for manifest in ("sidecar", "singleton"):
        workload = next(yaml.safe_load_all((ROOT / f"deploy/kubernetes/{manifest}.yaml").read_text()))
        pod = workload["spec"]["template"]
        assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "paymon"
        assert "paymon-exporter" in [container["name"] for container in pod["spec"]["containers"]]


def test_the_flag_has_one_address_and_the_exporter_reads_it() -> None:
    flag = f"{ORGANISATION.flags_url}/{ORGANISATION.feature_flag}"

    found = {url for page in PAGES.values() for url in re.findall(r"https://\S*flags\S*", page)}
    assert found == {flag, f"{flag}/kill"}
    assert yaml.safe_load((ROOT / "examples/exporter.yaml").read_text())["flag"]["url"] == flag


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="whoever pastes this needs curl, and so do we")


def _on_a_simulated_service(command: str, service: PaymentsService, **environment: str) -> tuple[int, str]:
    """Runs a shell command as it is pasted, though against that service; its status, and what it said."""
    with serving(service.application()) as port:
        ran = subprocess.run(
            ("bash", "-c", command.replace(ORGANISATION.api_url, f"http://127.0.0.1:{port}")),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={
                "PATH": "/usr/bin:/bin",
                "ADMIN_TOKEN": service.token,
                "EMERGENCY_TOKEN": service.token,
                **environment,
            },
        )
    return ran.returncode, ran.stdout + ran.stderr


@needs_curl
@pytest.mark.parametrize(("step", "variable"), [(ROLL_BACK, "STEP"), (SET_STAGE, "STAGE")])
def test_a_stage_that_nobody_filled_in_shows_the_present_one_and_changes_nothing(step: Step, variable: str) -> None:
    service = PaymentsService(now=lambda: 0, rollout={"production": 1, "staging": 10})

    status, said = _on_a_simulated_service(step.command, service, **{variable: "100"})

    assert status != 0
    assert '"production":{"rollout":{"value":1}}' in said
    assert "1" in said.partition(f"{variable}: ")[2]
    assert service.rollout == {"production": 1, "staging": 10}


@needs_curl
@pytest.mark.parametrize(("step", "variable"), [(ROLL_BACK, "STEP"), (SET_STAGE, "STAGE")])
def test_a_stage_that_is_filled_in_is_set_in_production_alone(step: Step, variable: str) -> None:
    service = PaymentsService(now=lambda: 0, rollout={"production": 50, "staging": 100})

    status, said = _on_a_simulated_service(step.command.replace(f"{variable}=\n", f"{variable}=10\n"), service)

    assert status == 0, said
    assert service.rollout == {"production": 10, "staging": 100}


@needs_curl
def test_the_kill_switch_kills_and_shows_that_it_did() -> None:
    service = PaymentsService(now=lambda: 0)

    status, said = _on_a_simulated_service(PULL_KILL_SWITCH.command, service)

    assert (status, service.killed) == (0, True)
    assert said.rstrip().endswith('"killed":true}')


def test_whoever_changes_the_rollout_is_told_to_declare_it() -> None:
    for step in (ROLL_BACK, SET_STAGE):
        assert "operations.rollout.percent" in step.text
        assert "PaymentRolloutDrift" in step.text


def test_whom_to_call_at_stripe_stands_where_it_is_needed() -> None:
    assert "call Stripe support, +1-888-926-2289, with the request ids" in PAGES["runbook/outcomes.md"]


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


def test_one_payment_is_released_from_review_and_none_unless_it_is_named(payments_database: PaymentsDatabase) -> None:
    mitigation = next(alert for alert in CATALOG.alerts if alert.name == "PaymentsPendingReview").runbook.mitigation
    assert RELEASE_FROM_REVIEW in mitigation
    assert MARK_FOR_REVIEW not in mitigation
    for status in ("pending_review", "pending_review", "refunded"):
        payments_database.payment(status)

    payments_database.execute(RELEASE_FROM_REVIEW.command)
    assert payments_database.value("SELECT count(*) FROM payments WHERE status = 'pending_review'") == 2
    assert payments_database.value("SELECT count(*) FROM audit_log") == 0

    for named in ("1", "3"):
        payments_database.execute(RELEASE_FROM_REVIEW.command.replace("NULL AND", f"{named} AND"))
    assert payments_database.value("SELECT string_agg(status, ' ' ORDER BY id) FROM payments") == (
        "completed pending_review refunded"
    )
    assert payments_database.value("SELECT string_agg(details ->> 'payment_id', ' ') FROM audit_log") == "1"


def test_the_idempotency_key_stays_the_same_between_tries() -> None:
    (command,) = [command for language, command in COMMANDS if language == "javascript"]

    assert "idempotencyKey: `${userId}-${orderId}`" in command
    assert "timestamp" not in command
