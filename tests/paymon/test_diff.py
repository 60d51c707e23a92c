"""What does a change of the definitions mean, in words?"""

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from click.testing import CliRunner

from generators.files import generated_files
from generators.manifest import manifest
from paymon.diff import diff, followers, markdown
from paymon.upgrade import changes
from rules.catalog import PAYMENTS, catalog
from rules.payments import outcomes, silence
from rules.payments.organisation import PEOPLE, SERVICE
from rules.vocabulary import Catalog
from tests.paymon.live.test_prometheus import Answer, answering

CATALOG = catalog()


def changed() -> Catalog:
    """The catalog with another bound on PaymentsDegraded."""
    (threshold,) = outcomes.degraded.thresholds
    other = replace(outcomes.degraded, thresholds=(replace(threshold, value=Decimal("0.2")),))
    areas = tuple(
        replace(area, alerts=tuple(other if alert.name == other.name else alert for alert in area.alerts))
        for area in CATALOG.areas
    )
    return replace(CATALOG, areas=areas)


OLD, NEW = (json.loads(json.dumps(manifest(one))) for one in (CATALOG, changed()))


@pytest.mark.slow
def test_a_bound_is_told_with_what_would_have_fired_and_what_follows() -> None:
    before, now = generated_files(CATALOG), generated_files(changed())
    follow = followers("PaymentsDegraded", before, now, changed())
    assert (follow.tests >= 1, follow.pages) == (True, 1)
    lines = list(
        markdown(
            "main",
            list(changes(OLD, NEW, (), "generated")),
            {"PaymentsDegraded": follow},
            {"PaymentsDegraded": (3, 1), "PaymentsStuck": (0, 2), "PaymentBackupOld": (1, 1)},
            "30.0 d",
            OLD,
            NEW,
        )
    )
    (told,) = [line for line in lines if "above 10 % -> above 20 %" in line]
    assert told.startswith("- PaymentsDegraded: ")
    assert "would have fired once instead of 3 times in the last 30.0 d" in told
    assert told.endswith("1 page follow")
    assert "- PaymentsStuck: would have fired twice instead of never in the last 30.0 d" in lines
    assert not any("PaymentBackupOld" in line for line in lines)


@pytest.mark.slow
def test_another_alert_follows_from_nothing() -> None:
    before, now = generated_files(CATALOG), generated_files(changed())
    assert str(followers("PaymentBackupOld", before, now, changed())) == ""


def test_no_change_says_so() -> None:
    assert list(markdown("main", [], {}, {}, "", OLD, OLD))[-1] == "Nothing that the definitions say."


@pytest.mark.slow
def test_a_change_of_files_alone_is_not_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    people = replace(PEOPLE, delivery=replace(PEOPLE.delivery, mail_host="mail.example.org:587"))
    monkeypatch.setattr("paymon.diff.load_all", lambda: (PAYMENTS.of(people, SERVICE),))
    found = CliRunner().invoke(diff, ["HEAD"])
    assert found.exit_code == 0, found.output
    last = found.output.splitlines()[-1]
    assert re.fullmatch(r"Nothing but \d+ generated files: .*generated/alertmanager/alertmanager.yml.*\.", last)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("in part", "- the answer is partial: some storage did not reply"),
        ("refused", "- PaymentProcessingLagHigh cannot be evaluated: "),
    ],
)
def test_how_often_alerts_fired_is_not_known_where_the_server_does_not_tell(says: str, words: str) -> None:
    def answer(_count: int, path: str, form: dict[str, list[str]]) -> Answer:
        if path.endswith("/rules"):
            return Answer(200, {"status": "success", "data": {"groups": []}})
        (query,) = form["query"]
        metrics = query.startswith("count({")  # whether there is anything at all
        if says == "refused" and not metrics and silence.last_completed.name in query:
            return Answer(422, {"status": "error", "errorType": "execution", "error": "many-to-many matching"})
        values = [[float(at), "1"] for at in range(int(float(form["start"][0])), int(float(form["end"][0])), 60)]
        result = [{"metric": {}, "values": values}] if metrics else []
        data = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        return Answer(200, data | ({"isPartial": True} if says == "in part" else {}))

    with answering(answer) as server:
        found = CliRunner().invoke(diff, ["HEAD", "--prometheus", server.url, "--since", "10m"])
    assert found.exit_code == 3, found.output
    assert words in found.output
    assert "would have fired another number of times" not in found.output


@pytest.mark.slow
def test_an_environment_that_is_new_is_told_with_all_that_changes_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = SERVICE.environments
    service = replace(SERVICE, environments=(replace(first, name="prod"), *others))
    monkeypatch.setattr("paymon.diff.load_all", lambda: (PAYMENTS.of(PEOPLE, service),))
    found = CliRunner().invoke(diff, ["HEAD", "--prometheus", "http://127.0.0.1:1"])
    assert found.exit_code == 0, found.output
    assert "HEAD has no environment prod: what would have fired there is not compared" in found.output
    assert f'environment="{first.name}"' in found.output


@pytest.mark.slow
def test_the_command_compares_with_a_commit() -> None:
    found = CliRunner().invoke(diff, ["HEAD"])
    assert found.exit_code == 0, found.output
    assert "### What changes since `HEAD`" in found.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["no-such-revision"], 2, "there is no revision"),
        (["--help"], 0, "Exit status"),
        (["HEAD", "--prometheus", "http://127.0.0.1:1"], 3, "cannot be reached"),
        (["HEAD", "--from", "/nowhere"], 2, "is no folder"),
    ],
)
def test_what_cannot_be_compared_says_why(arguments: list[str], status: int, words: str) -> None:
    found = CliRunner().invoke(diff, arguments)
    assert (found.exit_code, words in found.output) == (status, True), found.output
