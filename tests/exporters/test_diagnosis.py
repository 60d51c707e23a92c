"""Does the doctor find what ails, name the cure, and find nothing where nothing does?"""

import asyncio
import logging
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporters.diagnosis import Finding, Verdict, diagnose
from exporters.logs import LOGGER
from exporters.model import Clock
from exporters.settings import load
from paymon.doctor import doctor
from simulator.stripe import PERMISSIONS
from simulator.surroundings import Surroundings

pytestmark = pytest.mark.timeout(120)

EXAMPLE = Path(__file__).parents[2] / "examples" / "exporter.yaml"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    log = logging.getLogger(LOGGER)
    before = log.level
    yield
    log.setLevel(before)


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
    assert any(line.startswith("the page: has about ") for line in said)


def test_a_missing_permission_of_the_key_is_named(around: Surroundings) -> None:
    around.stripe.keys["rk_test_lesser"] = frozenset(PERMISSIONS.values()) - {"rak_dispute_read"}
    [line] = to_mend(findings({**around.environment, "PAYMON_STRIPE__API_KEY": "rk_test_lesser"}))
    assert line.startswith("stripe_disputes, a sample: the key lacks rak_dispute_read (request req_")
    assert line.endswith("; grant it to the restricted key in Stripe's dashboard")


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
        "postgres, a sample",
        "webhook_inbox, a sample",
        "flag, a sample",
    ]
    assert "hunter" not in "".join(map(str, found))
    assert "payments_health_up" not in "".join(lines)


def test_the_command_ends_with_1_where_there_is_something_to_mend(around: Surroundings, tmp_path: Path) -> None:
    config = tmp_path / "exporter.yaml"
    config.write_text("flag: {url: 'http://127.0.0.1:9/flag', token_file: token}\n")
    missing = CliRunner().invoke(doctor, ["--config", str(config)])
    assert missing.exit_code == 1
    assert "the secret's file token cannot be read" in missing.output
    unreachable = CliRunner().invoke(doctor, ["--config", str(config)], env={"PAYMON_FLAG__TOKEN": "x"})
    assert unreachable.exit_code == 1
    assert unreachable.output.splitlines()[0].startswith("mend  flag, a sample: ")
    assert unreachable.output.splitlines()[-1] == "1 to mend"


def test_the_command_ends_with_0_where_nothing_is_to_mend(tmp_path: Path, around: Surroundings) -> None:
    config = tmp_path / "exporter.yaml"
    config.write_text(f"declared: {{file: {around.environment['PAYMON_DECLARED__FILE']}}}\n")
    done = CliRunner().invoke(doctor, ["--config", str(config)])
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "nothing to mend"
