"""Does the doctor find what ails, name the cure, and find nothing where nothing does?"""

import asyncio
import logging
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import conninfo

from exporters.configuration.settings import load
from exporters.process.assembly import assemble
from exporters.process.diagnosis import diagnose
from exporters.process.finding import Finding, Verdict
from exporters.process.logs import LOGGER
from exporters.process.run import Exporter, report
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock
from exporters.stripe.settings import StateSettings
from exporters.stripe.state import open_ledger
from exporters.stripe.storage.database import SCHEMA_VERSION
from exporters.web.page import form_for
from exporters.web.webconfig import WebConfigFile
from paymon.doctor import doctor
from rules.catalog import catalog
from simulator.postgres_server import installations, running, standby
from simulator.stripe import PERMISSIONS
from simulator.surroundings import Surroundings

pytestmark = pytest.mark.timeout(900)

EXAMPLE = Path(__file__).parents[3] / "examples" / "exporter.yaml"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    logs = [logging.getLogger(name) for name in (None, LOGGER, "asyncio", "psycopg", "uvicorn")]
    before = [(log, log.level, log.handlers[:]) for log in logs]
    yield
    for log, level, handlers in before:
        log.setLevel(level)
        log.handlers[:] = handlers


def findings(environment: Mapping[str, str], clock: Clock = time.time) -> list[Finding]:
    async def story() -> list[Finding]:
        return [finding async for finding in diagnose(load(EXAMPLE, environment), clock)]

    return asyncio.run(story())


def to_mend(found: list[Finding]) -> list[str]:
    return [str(finding) for finding in found if finding.verdict is Verdict.MEND]


def test_where_nothing_ails_there_is_nothing_to_mend(around: Surroundings) -> None:
    found = findings(around.environment)
    assert to_mend(found) == []
    said = [str(finding) for finding in found]
    assert "postgres, the role: may only read" in said
    assert "stripe_events, a sample: " in "".join(said)
    assert any("reads in 30 days, of 5,000" in line for line in said)
    assert (
        "stripe.api_key: needs to read Events, Account, Balance, Webhook Endpoints, Disputes, and nothing else" in said
    )


@pytest.mark.slow
def test_the_page_has_no_more_series_than_it_says_and_not_many_fewer(around: Surroundings) -> None:
    [said] = [str(finding) for finding in findings(around.environment) if finding.where == "the page"]
    found = re.fullmatch(r"the page: has at most (\d+) series", said)
    assert found
    settings = load(EXAMPLE, around.environment)

    async def page() -> bytes:
        web = WebConfigFile(None, report)
        exporter = Exporter(
            lambda: settings, assemble, web, metrics=catalog().metrics, clock=time.time, version="1", environment={}
        )
        await exporter.sample()
        await exporter.sample()
        rendered = await exporter.page.render(form_for("", ""))
        await exporter.close()
        return rendered.body

    lines = [line for line in asyncio.run(page()).decode().splitlines() if not line.startswith("#")]
    assert 0.9 * int(found[1]) < len(lines) <= int(found[1])


def test_a_missing_permission_of_the_key_is_named(around: Surroundings) -> None:
    around.stripe.keys["rk_test_lesser"] = frozenset(PERMISSIONS.values()) - {"rak_dispute_read"}
    found = findings({**around.environment, "PAYMON_STRIPE__API_KEY": "rk_test_lesser"})
    [line] = to_mend(found)
    assert line.startswith("stripe_disputes, a sample: the key lacks rak_dispute_read (request req_")
    assert line.endswith("; grant it to the restricted key in Stripe's dashboard")
    [reads] = [one for one in found if one.where == "stripe, the reads"]
    assert reads.verdict is Verdict.NOTE, "how many its disputes will take is not known"
    assert "without those of what cannot be sampled yet" in reads.what


def test_everything_that_the_key_may_not_read_is_named_though_one_is_read_after_the_other(
    around: Surroundings,
) -> None:
    around.stripe.keys["rk_test_nothing"] = frozenset()
    lines = to_mend(findings({**around.environment, "PAYMON_STRIPE__API_KEY": "rk_test_nothing"}))
    assert [re.sub(r" \(.*", "", line) for line in lines] == [
        "stripe_events, a sample: the key lacks rak_event_read",
        "stripe_account, a sample: the key lacks rak_account_read",
        "stripe_account, a sample: the key lacks rak_balance_read",
        "stripe_webhooks, a sample: the key lacks rak_webhook_read",
        "stripe_webhooks, a sample: the key lacks rak_event_read",
        "stripe_disputes, a sample: the key lacks rak_dispute_read",
    ]


def about_stripe(around: Surroundings, **variables: str) -> list[str]:
    """What is said of the key, the account and the endpoints, with other settings."""
    found = findings({**around.environment, **{f"PAYMON_STRIPE__{name}": value for name, value in variables.items()}})
    return [str(one) for one in found if one.where in ("stripe.api_key", "stripe.account", "stripe, webhook endpoints")]


@pytest.mark.slow
def test_a_test_key_connect_and_destinations_are_named(around: Surroundings) -> None:
    endpoints = around.stripe.world.webhook_endpoints
    before = list(endpoints)
    test_key = "stripe.api_key: is a test key: it sees no real payment; use a live key in production"
    assert test_key in about_stripe(around)
    try:
        around.stripe.world.add_endpoint(application="ca_123")
        of_connect = "1 of Connect, for connected accounts' events, and not for this one's"
        assert f"stripe, webhook endpoints: {of_connect}" in about_stripe(around)
        said = about_stripe(around, ACCOUNT="acct_1QOpzlFakeConnected")
        watched = "a connected account is watched; the platform's own payments are not, nor those of other accounts"
        assert f"stripe.account: {watched}" in said
        own = f"{len(before)} of the platform's own, which connected accounts' events do not reach"
        assert f"stripe, webhook endpoints: {own}" in said
        said = about_stripe(around, WEBHOOK_URLS='["https://other.example/hook"]')
        assert any("none has an address that stripe.webhook_urls names; set stripe.webhook_urls" in one for one in said)
        around.stripe.world.add_endpoint(url="https://hooks.analytics.example/stripe")
        said = about_stripe(around)
        assert "stripe, webhook endpoints: 1 at other addresses than the payments service's, and not looked at" in said
        assert not any("webhook_urls" in line for line in said)
        endpoints[:] = endpoints[len(before) :]
        unknown = "none has the address in probe.webhook_url: what the payments service subscribes to is not known"
        assert any(f"{unknown}; set stripe.webhook_urls to " in line for line in about_stripe(around))
        endpoints[:] = endpoints[:1]
        assert any("stripe.event_destination" in line for line in about_stripe(around))
        said = about_stripe(around, EVENT_DESTINATION="true")
        by = "not looked at: events reach the payments service by an event destination"
        assert [line for line in said if line.startswith("stripe, webhook")] == [f"stripe, webhook endpoints: {by}"]
    finally:
        endpoints[:] = before


@pytest.mark.slow
def test_what_stripe_does_not_tell_of_the_account_is_said(around: Surroundings) -> None:
    where = "stripe, the account"
    shown = around.stripe.world.account
    before = dict(shown)
    assert not [finding for finding in findings(around.environment) if finding.where == where]
    try:
        del shown["requirements"], shown["payouts_enabled"]
        [said] = [finding for finding in findings(around.environment) if finding.where == where]
        assert said.verdict is Verdict.NOTE
        fields = "payouts_enabled, requirements.currently_due, requirements.past_due"
        assert said.what == f"Stripe does not tell {fields}: that is not known, and no alert can watch it"
    finally:
        shown.clear()
        shown.update(before)


def test_a_role_that_may_write_to_any_table_or_column_is_named(around: Surroundings) -> None:
    with psycopg.connect(around.dsn, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA shop; CREATE TABLE shop.carts (id int)")
        admin.execute("GRANT USAGE ON SCHEMA shop TO paymon_exporter; GRANT DELETE ON shop.carts TO paymon_exporter")
        admin.execute("GRANT UPDATE (status) ON payments TO paymon_exporter")
        admin.execute("GRANT INSERT ON audit_log TO paymon_exporter")
        try:
            assert to_mend(findings(around.environment)) == [
                "postgres, the role: may write to audit_log, payments, shop.carts; "
                "use a role made by deploy/postgres/role.sql"
            ]
        finally:
            admin.execute("DROP SCHEMA shop CASCADE")
            admin.execute("REVOKE UPDATE (status) ON payments FROM paymon_exporter")
            admin.execute("REVOKE INSERT ON audit_log FROM paymon_exporter")


def test_a_role_that_may_create_tables_as_everybody_may_where_the_database_is_old_is_named(
    around: Surroundings,
) -> None:
    """Up to Postgres 14 a new database let everybody create tables in `public`, and pg_upgrade keeps that."""
    with psycopg.connect(around.dsn, autocommit=True) as admin:
        admin.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        try:
            found = findings(around.environment)
        finally:
            admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert to_mend(found) == [
        "postgres, the role: may create tables in public; REVOKE CREATE ON SCHEMA public FROM PUBLIC where everybody"
        " may, or use a role made by deploy/postgres/role.sql"
    ]
    assert "postgres, the role: may only read" not in map(str, found)


@pytest.mark.slow
def test_a_state_whose_file_cannot_be_written_is_named_though_its_folder_can(
    around: Surroundings, tmp_path: Path
) -> None:
    there = tmp_path / "stripe.sqlite3"

    def state() -> list[str]:
        found = findings({**around.environment, "PAYMON_STRIPE__STATE__PATH": str(there)})
        return [str(one) for one in found if one.where == "stripe.state.path"]

    well = [f"stripe.state.path: {tmp_path} can be written to"]
    assert state() == well
    there.touch()
    assert state() == well
    there.unlink()
    there.mkdir()
    assert state() == [
        f"stripe.state.path: {there} is no file that this user can read and write; give it to the user that runs the"
        " exporter, or name another"
    ]


OTHER_PAYMENTS = (
    "it was counted in live mode, and stripe.api_key reads test payments; name another file or database in"
    " stripe.state, where counters begin at 0, or give back the key of before"
)


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["runs", "stopped", "killed"])
def test_a_state_file_of_other_payments_is_named_and_left_as_it_is(
    around: Surroundings, tmp_path: Path, ends: str
) -> None:
    """Whatever became of the exporter that writes it."""
    path = tmp_path / "stripe.sqlite3"
    ledger = open_ledger(StateSettings(path=path), time.time, LabelOverflow())
    ledger.belong_to("live")
    if ends == "stopped":
        ledger.close()
    if ends == "killed":
        copied = tmp_path / "volume"
        shutil.copytree(tmp_path, copied)
        path = copied / path.name

    def files() -> dict[str, bytes]:
        """The folder as it is; who reads at the moment is noted in the file of shared memory."""
        return {
            file.name: b"" if file.name.endswith("-shm") else file.read_bytes()
            for file in path.parent.iterdir()
            if file.is_file()
        }

    before = files()

    def said(**more: str) -> list[str]:
        found = findings({**around.environment, "PAYMON_STRIPE__STATE__PATH": str(path), **more})
        return [str(one) for one in found if one.where == "stripe.state.path"]

    assert said() == [f"stripe.state.path: {OTHER_PAYMENTS}"]
    connected = said(PAYMON_STRIPE__API_KEY="rk_live_any", PAYMON_STRIPE__ACCOUNT="acct_1Another")
    assert connected == [
        "stripe.state.path: it was counted of another account than stripe.account names; name another file or database"
        " in stripe.state, where counters begin at 0, or give back the account of before"
    ]
    assert said(PAYMON_STRIPE__API_KEY="rk_live_any") == [f"stripe.state.path: {path.parent} can be written to"]
    assert files() == before
    ledger.close()


@pytest.mark.slow
def test_a_state_file_that_the_exporter_would_set_aside_or_refuse_is_named(
    around: Surroundings, tmp_path: Path
) -> None:
    path = tmp_path / "stripe.sqlite3"

    def said() -> str:
        found = findings({**around.environment, "PAYMON_STRIPE__STATE__PATH": str(path)})
        [line] = [str(one) for one in found if one.where == "stripe.state.path"]
        return line

    path.write_bytes(b"no database at all" * 1000)
    assert said() == (
        "stripe.state.path: it is damaged (file is not a database): the exporter sets it aside, and counters start"
        " again at 0; bring back a copy of it, if there is one"
    )
    path.unlink()
    open_ledger(StateSettings(path=path), time.time, LabelOverflow()).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    assert said() == (
        f"stripe.state.path: {path} has schema version 4, this release knows 3; run the release that wrote it, or name"
        " another file"
    )


@pytest.mark.slow
def test_a_state_database_of_other_payments_is_named(around: Surroundings) -> None:
    schema = "state_of_others"
    dsn = conninfo.make_conninfo(around.dsn, options=f"-c search_path={schema}")
    state = {"PAYMON_STRIPE__STATE__BACKEND": "postgres", "PAYMON_STRIPE__STATE__DSN": dsn}

    def said(key: str) -> str:
        found = findings({**around.environment, **state, "PAYMON_STRIPE__API_KEY": key})
        [line] = [str(one) for one in found if one.where == "stripe.state.dsn"]
        return line

    with psycopg.connect(around.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {schema}")
        try:
            kept = StateSettings.model_validate({"backend": "postgres", "dsn": dsn})
            with closing(open_ledger(kept, time.time, LabelOverflow())) as ledger:
                ledger.belong_to("live")
                assert said("rk_test_any") == f"stripe.state.dsn: {OTHER_PAYMENTS}"
                well = "stripe.state.dsn: can be connected to, and tables can be created there"
                assert said("rk_live_any") == well
        finally:
            admin.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        (lambda it: it.dsn, None),
        (lambda _: "host=127.0.0.1 port=9 password=hunter2", "the database cannot be reached; see that it runs"),
        (
            lambda it: it.environment["PAYMON_POSTGRES__DSN"],
            "the role may not create tables in the first schema of its search path; grant it CREATE on that schema",
        ),
    ],
    ids=["may", "unreachable", "may not create"],
)
def test_the_database_of_the_state_is_tried_and_nothing_is_left_there(
    around: Surroundings, dsn: Callable[[Surroundings], str], said: str | None
) -> None:
    state = {"PAYMON_STRIPE__STATE__BACKEND": "postgres", "PAYMON_STRIPE__STATE__DSN": dsn(around)}
    found = findings({**around.environment, **state})
    lines = to_mend(found)
    if said is None:
        assert lines == []
        assert "stripe.state.dsn: can be connected to, and tables can be created there" in map(str, found)
    else:
        [line] = lines
        assert line.startswith(f"stripe.state.dsn: {said}")
        assert "hunter" not in line
    with psycopg.connect(around.dsn) as admin:
        assert admin.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'paymon%'").fetchone() == (0,)


@pytest.mark.slow
def test_a_state_that_would_be_kept_on_a_replica_is_refused(around: Surroundings) -> None:
    with running(installations()[0]) as primary, standby(primary) as replica:
        state = {"PAYMON_STRIPE__STATE__BACKEND": "postgres", "PAYMON_STRIPE__STATE__DSN": replica.dsn()}
        assert to_mend(findings({**around.environment, **state})) == [
            "stripe.state.dsn: leads to a replica, where nothing can be written; name the primary"
        ]


@pytest.mark.slow
def test_a_file_for_each_of_several_replicas_is_remarked_upon(around: Surroundings) -> None:
    remark = (
        "stripe.state.backend: sqlite keeps a file for each replica: one that leads later counts again from its own; "
        "use postgres where several replicas run"
    )
    assert remark not in map(str, findings(around.environment))
    leader = {"PAYMON_LEADER__DSN": around.environment["PAYMON_POSTGRES__DSN"]}
    assert remark in map(str, findings({**around.environment, **leader}))


def test_a_role_that_may_do_more_than_read_is_named(around: Surroundings) -> None:
    assert to_mend(findings({**around.environment, "PAYMON_POSTGRES__DSN": around.dsn})) == [
        "postgres, the role: is a superuser; use a role made by deploy/postgres/role.sql"
    ]


def test_a_clock_that_is_wrong_is_named_against_stripe_and_the_database(around: Surroundings) -> None:
    lines = to_mend(findings(around.environment, lambda: time.time() + 90.5))
    said = r"(postgres|stripe), the clock: ours is 9\d s ahead of it; synchronise this machine's clock \(NTP\)"
    found = [re.fullmatch(said, line) for line in lines]
    assert [match[1] for match in found if match] == ["postgres", "stripe"]


def test_each_thing_that_cannot_be_reached_is_named_and_stops_no_other(around: Surroundings) -> None:
    broken = {
        "PAYMON_STRIPE__STATE__PATH": "/nowhere/at/all/stripe.sqlite3",
        "PAYMON_POSTGRES__DSN": "host=127.0.0.1 port=9 dbname=payments password=hunter2",
        "PAYMON_HEALTH__URL": "http://127.0.0.1:9/health/payments",
        "PAYMON_FLAG__TOKEN": "hunter3",
        "PAYMON_LEADER__DSN": "host=127.0.0.1 port=9 password=hunter4",
    }
    found = findings({**around.environment, **broken})
    lines = to_mend(found)
    wheres = [line.partition(":")[0] for line in lines]
    assert wheres == [
        "stripe.state.path",
        "leader.dsn",
        "postgres.dsn",
        "health.url",
        "flag, a sample",
    ]
    assert "hunter" not in "".join(map(str, found))
    assert "payments_health_up" not in "".join(lines)
    assert not [one for one in found if one.where == "health, a sample"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://no-such-host.invalid/health/payments", "no connection"),
        ("{service}/no/such/path", "it answered 404"),
        ("{service}/v1/flags/payments_live_v1", "it answered 401"),
    ],
)
def test_a_health_address_that_gives_no_word_of_the_service_is_to_be_mended(
    around: Surroundings, url: str, said: str
) -> None:
    service = around.environment["PAYMON_HEALTH__URL"].removesuffix("/health/payments")
    found = findings({**around.environment, "PAYMON_HEALTH__URL": url.format(service=service)})
    assert to_mend(found) == [
        f"health.url: the payments service does not say how it is: {said}; see whether this is the address of its"
        " health endpoint, whether this machine reaches it, and whether health.status_pointer leads to its word"
    ]


def test_a_service_that_says_itself_that_it_is_not_well_is_a_note(around: Surroundings) -> None:
    found = findings({**around.environment, "PAYMON_HEALTH__WELL": '["splendid"]'})
    assert to_mend(found) == []
    [line] = [str(one) for one in found if one.where == "health.url"]
    assert line.startswith("health.url: the payments service is not well: its /status says ")


def test_what_a_probe_cannot_find_out_is_named_though_it_finds_out_something_else(around: Surroundings) -> None:
    elsewhere = around.environment["PAYMON_PROBE__WEBHOOK_URL"].replace("/stripe", "/nowhere")
    lines = to_mend(findings({**around.environment, "PAYMON_PROBE__WEBHOOK_URL": elsewhere}))
    assert (
        "probe.webhook_url: not known: it answered 404, which says nothing about signatures; write the address that"
        " Stripe calls, and see whether this machine reaches it"
    ) in lines


def test_a_look_that_fails_is_named_and_keeps_no_query_from_being_tried(around: Surroundings) -> None:
    with psycopg.connect(around.dsn) as other:
        other.execute("LOCK TABLE pg_policy IN ACCESS EXCLUSIVE MODE")
        found = findings(around.environment)
    [line] = to_mend(found)
    assert line.startswith("postgres, row level security: ")
    said = [str(one) for one in found]
    assert not [line for line in said if "not tried: there is no connection" in line]
    assert any(line.startswith("postgres, last_completed: answers with 1 series") for line in said)


def test_the_command_ends_with_1_where_there_is_something_to_mend(
    around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no project, whose rules would read other sources too
    config = tmp_path / "exporter.yaml"
    config.write_text("flag: {url: 'http://127.0.0.1:9/flag', token_file: token}\n")
    missing = CliRunner().invoke(doctor, ["--config", str(config)])
    assert missing.exit_code == 1
    assert "the secret's file token cannot be read" in missing.output
    unreachable = CliRunner().invoke(doctor, ["--config", str(config)], env={"PAYMON_FLAG__TOKEN": "x"})
    assert unreachable.exit_code == 1
    assert unreachable.output.splitlines()[0].startswith("mend  flag, a sample: ")
    assert unreachable.output.splitlines()[-1] == "1 to mend"


def test_what_psycopg_says_of_a_connection_with_its_host_is_not_shown(around: Surroundings, tmp_path: Path) -> None:
    libpq = logging.getLogger("psycopg")
    libpq.setLevel(logging.WARNING)
    config = tmp_path / "exporter.yaml"
    config.write_text(f"declared: {{file: {around.environment['PAYMON_DECLARED__FILE']}}}\n")
    CliRunner().invoke(doctor, ["--config", str(config)])
    assert not libpq.isEnabledFor(logging.WARNING)


def test_the_command_ends_with_0_where_nothing_is_to_mend(
    tmp_path: Path, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "exporter.yaml"
    config.write_text(f"declared: {{file: {around.environment['PAYMON_DECLARED__FILE']}}}\n")
    done = CliRunner().invoke(doctor, ["--config", str(config)])
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "nothing to mend"
