"""Is everything that the exporter does tried by the doctor, or named as not tried?"""

import asyncio
import itertools
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import httpx
import psycopg
import pytest
from psycopg import sql

from exporters.configuration.settings import Settings, load
from exporters.postgres import Database
from exporters.postgres.settings import QueryName
from exporters.process.assembly import assemble
from exporters.process.diagnosis import diagnose
from exporters.process.finding import Finding, Verdict
from exporters.process.run import Exporter, report
from exporters.web.page import form_for
from exporters.web.webconfig import WebConfigFile
from rules.catalog import catalog
from simulator.surroundings import Surroundings

pytestmark = pytest.mark.timeout(900)

EXAMPLE = Path(__file__).parents[3] / "examples" / "exporter.yaml"


_COMPARED = ("PAYMON_POSTGRES__RECONCILIATION__GRACE", "PAYMON_POSTGRES__RECONCILIATION__INTERVAL")


class Done:
    """The statements and the requests that were really sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: set[str] = set()
        self.requests: set[tuple[str, str]] = set()
        rows, send = Database.rows, httpx.AsyncClient.send

        async def noted_rows(database: Database, query: sql.Composed, *arguments: Any, **named: Any) -> Any:
            self.statements.add(query.as_string())
            return await rows(database, query, *arguments, **named)

        async def noted_send(client: httpx.AsyncClient, request: httpx.Request, *arguments: Any, **named: Any) -> Any:
            self.requests.add((request.method, str(request.url.copy_with(query=None))))
            return await send(client, request, *arguments, **named)

        monkeypatch.setattr(Database, "rows", noted_rows)
        monkeypatch.setattr(httpx.AsyncClient, "send", noted_send)


async def page_of(settings: Settings, *, until: str) -> str:
    """The exporter's page once it says that, after three samples at least."""
    exporter = Exporter(
        lambda: settings,
        assemble,
        WebConfigFile(None, report),
        metrics=catalog().metrics,
        clock=time.time,
        version="1",
        environment={},
    )
    page = ""
    async with asyncio.timeout(200):
        for sample in itertools.count():
            await exporter.sample()
            page = (await exporter.page.render(form_for("", ""))).body.decode()
            if until in page and sample >= 2:
                break
            await asyncio.sleep(0.3)
    await exporter.close()
    return page


def findings(settings: Settings) -> list[Finding]:
    async def story() -> list[Finding]:
        return [finding async for finding in diagnose(settings, time.time)]

    return asyncio.run(story())


def settings_of(around: Surroundings, more: Mapping[str, str] | None = None) -> Settings:
    memory = {"PAYMON_STRIPE__STATE__BACKEND": "memory", **dict.fromkeys(_COMPARED, "1s")}
    environment = {**around.environment, **memory, **(more or {})}
    del environment["PAYMON_STRIPE__STATE__PATH"]
    return load(EXAMPLE, environment)


@pytest.mark.slow
def test_each_statement_and_each_request_of_the_exporter_is_sent_by_the_doctor_too(around: Surroundings) -> None:
    settings = settings_of(around)
    with pytest.MonkeyPatch.context() as patch:
        sampled = Done(patch)
        page = asyncio.run(page_of(settings, until='query_success{query="reconciled_events"}'))
    queries = set(re.findall(r'payments_db_query_success\{query="(\w+)"\} 1.0', page))
    assert queries == {*get_args(QueryName), "payments_by_status"}, "the exporter is seen at all of its work"
    assert len(sampled.requests) == 10, "five of Stripe, the health endpoint, two front doors, the webhook and the flag"
    with pytest.MonkeyPatch.context() as patch:
        tried = Done(patch)
        found = findings(settings)
    assert sampled.statements - tried.statements == set()
    assert sampled.requests - tried.requests == set()
    told = {one.where.removeprefix("postgres, ") for one in found if one.where.startswith("postgres, ")}
    assert queries <= told


def test_what_is_turned_off_is_named_with_what_turns_it_off(around: Surroundings) -> None:
    environment = dict(around.environment)
    off = {"inbox": {"enabled": False}, "built_in": {"attempts": {"enabled": False}}}
    postgres = settings_of(around).postgres
    assert postgres is not None
    alone = Settings.model_validate({"postgres": {"dsn": environment["PAYMON_POSTGRES__DSN"], **off}})
    said = [str(one) for one in findings(alone)]
    assert "postgres, attempts: not asked: postgres.built_in.attempts turns it off" in said
    assert "postgres, inbox_backlog: not asked: postgres.inbox.enabled turns it off" in said
    assert "postgres, reconciled_payments: not asked: there is no section stripe to compare with" in said


@pytest.mark.parametrize(
    ("change", "back", "query", "said"),
    [
        (
            "ALTER TABLE webhook_events ADD own uuid DEFAULT gen_random_uuid()",
            "ALTER TABLE webhook_events DROP own",
            "reconciled_events",
            "public.webhook_events.own (postgres.inbox.id) is of type uuid, in which no id of Stripe's can be found;"
            " set postgres.inbox.id to the column that holds Stripe's ids, or turn the query off",
        ),
        (
            "ALTER TABLE audit_log RENAME TO log",
            "ALTER TABLE log RENAME TO audit_log",
            "tables",
            "the table audit_log is missing; create it, or set the name that it has in postgres.audit_log: null where"
            " you have none",
        ),
    ],
    ids=["key of its own", "missing table"],
)
def test_what_the_exporter_would_fail_at_is_found_before(
    around: Surroundings, change: str, back: str, query: str, said: str
) -> None:
    inbox = {"PAYMON_POSTGRES__INBOX__ID": "own"} if query == "reconciled_events" else {}
    with psycopg.connect(around.dsn, autocommit=True) as admin:
        admin.execute(change.encode())
        admin.execute("GRANT SELECT ON webhook_events TO paymon_exporter")
        try:
            found = [one for one in findings(settings_of(around, inbox)) if one.where == f"postgres, {query}"]
        finally:
            admin.execute(back.encode())
            admin.execute("REVOKE SELECT ON webhook_events FROM paymon_exporter")
            admin.execute(
                "GRANT SELECT (id, type, created_at, received_at, processed_at) ON webhook_events TO paymon_exporter"
            )
    assert [str(one) for one in found if one.verdict is Verdict.MEND] == [f"postgres, {query}: {said}"]


def test_an_answer_without_a_row_is_told_as_such(around: Surroundings) -> None:
    with psycopg.connect(around.dsn, autocommit=True) as admin:
        admin.execute("CREATE TABLE nothing (LIKE payment_attempts); GRANT SELECT ON nothing TO paymon_exporter")
        try:
            found = findings(settings_of(around, {"PAYMON_POSTGRES__ATTEMPTS__TABLE": "nothing"}))
        finally:
            admin.execute("DROP TABLE nothing")
    [told] = [str(one) for one in found if one.where == "postgres, last_attempt"]
    assert told == (
        "postgres, last_attempt: answers with no row, so that its metric is absent, and reads no large table as a whole"
    )


@pytest.mark.slow
def test_the_policy_that_shows_every_row_is_written_out(around: Surroundings) -> None:
    def said(**more: str) -> list[str]:
        return [str(one) for one in findings(settings_of(around, more)) if "row level security" in one.where]

    with psycopg.connect(around.dsn, autocommit=True) as admin:
        assert said() == []
        admin.execute("ALTER TABLE payments ENABLE ROW LEVEL SECURITY")
        try:
            [line] = said()
            policy = 'CREATE POLICY paymon_sees_all ON "public"."payments" FOR SELECT TO "paymon_exporter" USING (true)'
            assert line == (
                "postgres, row level security: the policies of public.payments may hide rows from the role, so that no"
                f" number is given; {policy}; then set postgres.role_sees_all_rows to true"
            )
            admin.execute(policy.encode())
            [line] = said()
            assert line.endswith("set postgres.role_sees_all_rows to true")
            [line] = said(PAYMON_POSTGRES__ROLE_SEES_ALL_ROWS="true")
            assert line == "postgres, row level security: a policy shows the role every row of public.payments"
        finally:
            admin.execute("DROP POLICY IF EXISTS paymon_sees_all ON payments")
            admin.execute("ALTER TABLE payments DISABLE ROW LEVEL SECURITY")


@pytest.mark.slow
def test_columns_without_a_zone_are_named_with_how_far_their_newest_moment_is(around: Surroundings) -> None:
    with psycopg.connect(around.dsn, autocommit=True) as admin:
        admin.execute(
            "CREATE TABLE local (id bigint, user_id bigint, status text, created_at timestamp);"
            "GRANT SELECT ON local TO paymon_exporter;"
            "INSERT INTO local VALUES (1, 1, 'failed', (now() - interval '10 minutes') AT TIME ZONE 'Asia/Tokyo')"
        )
        try:
            lines = {}
            for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
                more = {"PAYMON_POSTGRES__ATTEMPTS__TABLE": "local", "PAYMON_POSTGRES__TIME_ZONE": zone}
                found = findings(settings_of(around, more))
                [lines[zone]] = [one for one in found if one.where == "postgres, local.created_at"]
        finally:
            admin.execute("DROP TABLE local")
    assert "the newest is 8.8 h ahead of the clock; set postgres.time_zone" in str(lines["UTC"])
    assert lines["UTC"].verdict is Verdict.MEND
    assert "read in Asia/Tokyo: the newest is 10 min ago" in str(lines["Asia/Tokyo"])
    assert lines["Asia/Tokyo"].verdict is Verdict.NOTE
    assert lines["America/New_York"].verdict is Verdict.MEND


def test_the_statement_that_was_really_sent_is_kept_for_whoever_looks_for_the_cause(around: Surroundings) -> None:
    query = (
        '[{"name": "mine", "sql": "SELECT nonsense(1) AS value", "metric": "payments_custom_mine",'
        ' "help": "What nobody knows"}]'
    )
    found = findings(settings_of(around, {"PAYMON_POSTGRES__QUERIES": query}))
    [mine] = [one for one in found if one.where == "postgres, mine"]
    assert "SELECT nonsense(1) AS value" in mine.statement
    assert mine.statement.startswith('SELECT "value" FROM (')
