"""Which settings of the payments database are refused, and what do they say?"""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from exporters.postgres import PostgresSettings, questions, samplers
from exporters.sampling.labels import LabelOverflow
from exporters.stripe.counting.ledger import IDS_KEPT
from rules.vocabulary import Source


def settings(**more: object) -> PostgresSettings:
    return PostgresSettings.model_validate({"dsn": "host=x", **more})


def test_the_dsn_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://paymon:hunter2@db/payments\n")
    found = PostgresSettings.model_validate({"dsn_file": file})
    assert found.dsn.get_secret_value() == "postgresql://paymon:hunter2@db/payments"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"payments": {"table": "payments; drop table x"}},
            "is no table's name; write one such as payments or billing",
        ),
        ({"payments": {"table": "a.b.c"}}, "is no table's name; write one such as payments or billing.payments"),
        ({"payments": {"table": "payments\n"}}, "is no table's name; write one such as payments or billing.payments"),
        ({"payments": {"status": "state of it"}}, "is no column's name; write one such as created_at"),
        ({"time_zone": "Europe Stockholm"}, "is no time zone's name; write one such as UTC or Europe/Stockholm"),
        ({"payments": {"colour": "red"}}, "Extra inputs are not permitted"),
        ({"statuses": {"completed": []}}, "at least 1 item"),
        ({"statuses": {"completed": ["100%"]}}, "is no value to look for; write 1 to 100 characters, none of them %"),
        ({"lock_timeout": 2, "statement_timeout": 2}, "lock_timeout must be below statement_timeout"),
        ({"reconciliation": {"grace": 3600, "window": 3600}}, "the window must be longer than the grace period"),
        ({"reconciliation": {"window": "26h"}}, "write 25h or less"),
        ({"dsn": "not a dsn hunter2"}, "it is not a DSN that libpq understands"),
        ({"dsn": "postgresql://paymon:hunter2@[db.internal/payments"}, "it is not a DSN that libpq understands"),
        ({"built_in": {"unfinshed": {"enabled": False}}}, "Input should be 'last_completed'"),
        ({"interval": -1}, "greater than 0 seconds"),
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        settings(**wrong)
    assert "hunter2" not in str(refused.value)


def test_the_longest_window_is_compared_as_a_whole() -> None:
    window = settings(reconciliation={"window": "25h"}).reconciliation.window
    assert 2 * window.total_seconds() <= IDS_KEPT


def test_the_interval_and_the_timeout_of_a_built_in_query_may_be_set() -> None:
    asked = questions(settings(interval=30, built_in={"unfinished": {"interval": 45}}), LabelOverflow())
    intervals = {question.name: question.interval for question in asked[Source.POSTGRES]}
    assert intervals["unfinished"] == timedelta(seconds=45)
    assert intervals["last_completed"] == timedelta(seconds=30)
    assert intervals["duplicates"] == timedelta(minutes=1)


def test_a_rare_query_keeps_no_other_answer_alive() -> None:
    daily = {"name": "daily", "sql": "SELECT 1 AS value", "metric": "payments_custom_daily", "help": "Something slow"}
    (sampler, _) = samplers(settings(queries=[daily | {"interval": "1d"}]), LabelOverflow())
    assert sampler.max_age == timedelta(minutes=2)


def test_what_was_sampled_is_served_at_least_until_the_next_sample() -> None:
    (sampler, _) = samplers(settings(interval=300, max_age=20), LabelOverflow())
    assert sampler.max_age == timedelta(minutes=10)


def test_without_stripes_side_nothing_is_reconciled() -> None:
    assert [sampler.source for sampler in samplers(settings(), LabelOverflow())] == [
        Source.POSTGRES,
        Source.WEBHOOK_INBOX,
    ]
