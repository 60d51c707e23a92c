"""Does a team hear in words what a new version changes for it, and is what nobody can tell not taken for nothing?"""

import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from generators.manifest import manifest
from paymon.renames import Rename, mentions
from paymon.upgrade import changes
from paymon.versions import NotAManifest, newer, read_manifest, written_by_a_newer_one
from rules.vocabulary import (
    Area,
    Catalog,
    Channel,
    Contact,
    Environment,
    Former,
    Override,
    Priority,
    Severity,
    above,
    minutes,
    only_if,
)
from tests.paymon import test_generate
from tests.paymon.test_generate import paymon
from tests.rules import small

project = test_generate.project

ORDERS = small.signal("sum(increase(orders_total[5m]))", name="shop:orders:increase5m")
QUEUE = small.signal("sum(queue_length)", name="shop:queue:sum")
TOO_MUCH = small.alert(ORDERS)


def written(*areas: Area, **changed: Any) -> dict[str, Any]:
    """What the manifest of that catalog holds, as it comes back from the disk."""
    found: dict[str, Any] = json.loads(json.dumps(manifest(small.catalog(*areas, **changed))))
    return found


def told(old: dict[str, Any], new: dict[str, Any], *renamed: Rename) -> dict[str, list[str]]:
    return dict(changes(old, new, renamed, "generated"))


BEFORE = written(small.area(ORDERS, QUEUE, alerts=(TOO_MUCH,)))


def test_where_nothing_changes_nothing_is_said() -> None:
    assert told(BEFORE, BEFORE) == {}


def test_alerts_that_are_new_gone_and_moved_are_named_with_what_they_are_for() -> None:
    new = small.alert(QUEUE, name="QueueLong", summary="The queue is long.")
    assert told(BEFORE, written(small.area(ORDERS, QUEUE, alerts=(TOO_MUCH, new)))) == {
        "Alerts": ["new: QueueLong (P3, shop): The queue is long."]
    }
    long = small.alert(QUEUE, name="QueueLong", summary="More than {threshold} wait.")
    bound = next(iter(long.thresholds)).value
    [said] = told(BEFORE, written(small.area(ORDERS, QUEUE, alerts=(TOO_MUCH, long))))["Alerts"]
    assert said == f"new: QueueLong (P3, shop): More than {bound} wait."
    assert told(BEFORE, written(small.area(ORDERS, QUEUE))) == {
        "Alerts": ["gone: TooMuch; nothing watches any more: A signal"]
    }
    moved = (small.area(ORDERS, QUEUE), small.area(alerts=(TOO_MUCH,), metrics=(), name="till"))
    assert told(BEFORE, written(*moved)) == {
        "Alerts": [
            "moved: TooMuch, from shop to till: its rule group, its runbook page and links to it move with it",
        ]
    }


def test_every_number_that_moves_is_said_once_for_the_environments_that_it_moves_in() -> None:
    bound = above(7, Severity.CRITICAL, Priority.P2, because="we sell more", lasting=minutes(2))
    guarded = replace(TOO_MUCH, thresholds=(bound,), guards=(only_if(QUEUE, ">=", 1, "open"),))
    staging = Environment(
        name="staging", pages=False, overrides=(Override(threshold="TooMuch", value=Decimal(5), because="small"),)
    )
    environments = (small.PRODUCTION, staging)
    before = written(small.area(ORDERS, QUEUE, alerts=(TOO_MUCH,)), environments=environments)
    after = written(small.area(ORDERS, QUEUE, alerts=(guarded,)), environments=environments)

    assert told(before, after) == {
        "Numbers": [
            "TooMuch: above 5 -> above 7, because we sell more [production]",
            "TooMuch: for 0s -> for 2m, because we sell more [production]",
            "TooMuch: severity warning -> critical [production]",
            "TooMuch: P3 -> P2; it wakes somebody now [production]",
            "TooMuch: now only if shop:queue:sum >= 1 [production, staging]",
            "TooMuch: for 0s -> for 2m, because small [staging]",
        ]
    }


def test_when_an_alert_keeps_quiet_and_how_it_is_told_are_told() -> None:
    long = small.alert(QUEUE, name="QueueLong")
    stays = only_if(ORDERS, ">", 4, "still many")
    otherwise = replace(TOO_MUCH, hidden_by=(long,), stays_while=stays, told_at_once=True, own_incident=True)
    before = written(small.area(ORDERS, QUEUE, alerts=(TOO_MUCH, long)))
    after = written(small.area(ORDERS, QUEUE, alerts=(otherwise, long)))

    assert told(before, after) == {
        "Alerts": [
            "TooMuch: keeps quiet now while QueueLong fires",
            "TooMuch: once it fires, it stays while shop:orders:increase5m > 4, no longer while its bound is passed",
            "TooMuch: is told at any hour now",
            "TooMuch: calls anew now while another P1 is worked on",
        ]
    }
    assert told(after, before)["Alerts"][0] == "TooMuch: no longer keeps quiet while QueueLong fires"


def test_that_a_louder_alert_has_another_name_is_told_once() -> None:
    was, isnow = small.alert(QUEUE, name="QueueLong"), small.alert(QUEUE, name="QueueJammed")
    note = Rename("alert", "QueueJammed", Former("QueueLong", until="0.4.0", because="it jams"))
    before, after = (
        written(small.area(ORDERS, QUEUE, alerts=(replace(TOO_MUCH, hidden_by=(one,)), one))) for one in (was, isnow)
    )
    assert told(before, after, note) == {
        "Alerts": ["renamed: QueueLong is now QueueJammed; silences and routes that name it need the new one"]
    }


def test_who_hears_of_a_priority_and_how_soon_they_answer_is_told() -> None:
    area = small.area(ORDERS, QUEUE, alerts=(TOO_MUCH,))
    first, *others = small.ORGANISATION.policies
    chat = Contact(name="Chat", channel=Channel.SLACK, address="#shop")
    changed = replace(first, notifies=(chat,), respond_within=minutes(90))
    after = written(area, policies=(changed, *others))
    priority = first.priority.value
    assert told(BEFORE, after) == {
        "People": [
            f"{priority}: to be answered within {_minutes(first.respond_within)} -> 1h30m",
            *(
                f"{priority}: no longer told to {one.name} by {one.channel.value} at {one.address}"
                for one in first.notifies
            ),
            f"{priority}: now told to Chat by Slack at #shop",
        ]
    }


def _minutes(time: timedelta) -> str:
    return f"{time.total_seconds() / 60:.0f}m"


def test_what_a_manifest_of_an_earlier_version_does_not_say_is_no_change() -> None:
    earlier = json.loads(json.dumps(BEFORE))
    del earlier["policies"]
    for key in ("hidden_by", "stays_while", "told_at_once", "own_incident"):
        del earlier["alerts"]["TooMuch"][key]
    for thresholds in earlier["alerts"]["TooMuch"]["thresholds"].values():
        for one in thresholds.values():
            del one["respond_within"]
    assert told(earlier, BEFORE) == {}


def test_a_renamed_metric_is_told_with_its_new_name_and_its_end() -> None:
    metrics = tuple(replace(one, name="parcels_total") if one is small.ORDERS else one for one in small.METRICS)
    signal = replace(ORDERS, expr="sum(increase(parcels_total[5m]))")
    note = Rename("metric", "parcels_total", Former("orders_total", until="0.4.0", because="they are parcels"))
    after = written(small.area(signal, QUEUE, alerts=(TOO_MUCH,), metrics=metrics))

    assert told(BEFORE, after, note) == {
        "Metrics": [
            "renamed: orders_total is now parcels_total, because they are parcels; "
            "let your service export the new one, the rules read either until version 0.4.0"
        ],
        "Signals": ["shop:orders:increase5m reads otherwise: sum(increase(parcels_total[5m]))"],
    }
    assert told(BEFORE, after)["Metrics"] == [
        "new: parcels_total (your service exports it): Orders by what became of them",
        "gone: orders_total (your service exports it)",
    ]


def test_an_environment_that_goes_is_told_with_where_to_look_first() -> None:
    eu = Environment(name="eu", pages=True)
    both = written(small.area(ORDERS, QUEUE, alerts=(TOO_MUCH,)), environments=(small.PRODUCTION, eu))
    assert told(both, BEFORE) == {
        "Environments": [
            "gone: eu; what fires there ends without a word when Prometheus drops its rules. "
            'Look first: ALERTS{environment="eu",service="shop",alertstate="firing"}'
        ]
    }
    assert told(BEFORE, both) == {
        "Environments": ["new: eu; its rules fire once its Prometheus loads generated/eu/rules/"]
    }


def test_a_team_s_own_files_that_say_an_old_name_are_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated/rules.yml").write_text("orders_total")
    (tmp_path / "area.py").write_text("# ours\nexpr = 'sum(orders_total)'\nother = 'my_orders_total'\n")
    note = Rename("metric", "parcels_total", Former("orders_total", until="0.4.0", because="so"))
    assert list(mentions(tmp_path, (note,))) == [
        "area.py:2: orders_total is now parcels_total; write that before 0.4.0"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is missing, so that nobody can tell what was generated before"),
        ("{", "cannot be read"),
        ("[]", "is no manifest of paymon's"),
        ('{"paymon": "9.0.0", "format": 2}', r"was written by paymon 9\.0\.0 in a format that this version"),
        ('{"paymon": "0.1.0", "format": 1}', "lacks a part"),
    ],
)
def test_what_cannot_be_told_is_never_taken_for_no_change(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(NotAManifest, match=message):
        read_manifest(tmp_path / "manifest.json")


def test_versions_are_compared_as_numbers() -> None:
    assert newer("0.10.0", "0.9.9")
    assert newer("1.0", "0.99.99")
    assert not newer("0.1.0", "0.1.0")
    assert not newer("unknown", "0.1.0")


@pytest.mark.slow
def test_what_a_newer_paymon_wrote_is_not_overwritten_unasked(project: Path) -> None:
    assert paymon(project, "generate").returncode == 0
    path = project / "generated/manifest.json"
    path.write_text(path.read_text().replace('"paymon": "', '"paymon": "9'))
    before = path.read_text()
    assert written_by_a_newer_one(project / "generated") is not None

    refused = paymon(project, "generate")

    assert refused.returncode == 1
    assert "was written by paymon 9" in refused.stderr
    assert path.read_text() == before
    assert paymon(project, "generate", "--older").returncode == 0
    assert path.read_text() != before


@pytest.mark.slow
def test_an_environment_that_generate_takes_away_is_told_and_leaves_nothing_behind(project: Path) -> None:
    assert paymon(project, "generate").returncode == 0
    path = project / "rules/payments/organisation.py"
    path.write_text(path.read_text().replace("environments=(PRODUCTION, STAGING)", "environments=(PRODUCTION,)"))

    result = paymon(project, "generate")

    assert result.returncode == 0, result.stderr
    assert "environment staging of payments is gone: take its rules out of Prometheus" in result.stderr
    assert not (project / "generated/staging").exists()


@pytest.mark.slow
def test_the_command_says_what_the_definitions_change(project: Path) -> None:
    assert paymon(project, "upgrade").returncode == 1
    assert paymon(project, "generate").returncode == 0
    assert paymon(project, "upgrade").stdout.splitlines()[1:] == ["nothing changes"]
    budget = project / "rules/payments/budget.py"
    budget.write_text(budget.read_text().replace("        above(\n            50,", "        above(\n            60,"))

    result = paymon(project, "upgrade")

    assert result.returncode == 0
    assert "PaymentFailuresPerHourHigh: above 50 -> above 60, because " in result.stdout
    assert "[production, staging]" in result.stdout

    assert paymon(project, "generate").returncode == 0
    organisation = project / "rules/payments/organisation.py"
    text = organisation.read_text()
    organisation.write_text(re.sub(r'mail_host="[^"]*"', 'mail_host="mail.example.org:587"', text))
    assert organisation.read_text() != text
    told_of_files = paymon(project, "upgrade").stdout.splitlines()[-1]
    assert told_of_files.startswith("nothing but "), told_of_files
    assert "generated/alertmanager/alertmanager.yml" in told_of_files


def test_the_manifest_of_this_catalog_is_the_same_for_equal_definitions() -> None:
    def again() -> Catalog:
        return small.catalog(small.area(ORDERS, QUEUE, alerts=(TOO_MUCH,)))

    assert manifest(again()) == manifest(again())
