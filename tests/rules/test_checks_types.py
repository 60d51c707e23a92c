"""Is a value of another type told with its definition, instead of breaking the checks?"""

from dataclasses import replace
from typing import Any

import pytest

from rules.vocabulary import Area, Item
from tests.rules.small import ON_CALL, RUNBOOK, alert, area, problems, signal, threshold

QUEUE_MAX = signal("max(queue_length)")
ALERT = "rules.shop: alert TooMuch has"


def alert_with(**fields: Any) -> Area:
    return area(QUEUE_MAX, alerts=(replace(alert(QUEUE_MAX), **fields),))


def threshold_with(**fields: Any) -> Area:
    return alert_with(thresholds=(replace(threshold(), **fields),))


def runbook_with(**fields: Any) -> Area:
    return alert_with(runbook=replace(RUNBOOK, **fields))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (alert_with(watches=None), "None as its watches; give a Signal"),
        (alert_with(guards=None), "None as its guards; write a tuple of Guard, and (x,) where there is one"),
        (alert_with(description=5), "5 as its description; give a text"),
        (
            threshold_with(severity="critical"),
            "'critical' as its thresholds[0].severity; write Severity. and one of CRITICAL, WARNING, INFO, NONE",
        ),
        (
            threshold_with(lasting=300),
            "300 as its thresholds[0].lasting; write seconds(), minutes(), hours() or days()",
        ),
        (threshold_with(value=0.05), '0.05 as its thresholds[0].value; write Decimal("0.05")'),
        (threshold_with(respond_within=5), "5 as its thresholds[0].respond_within; give timedelta or None"),
        (
            runbook_with(diagnosis="look"),
            "'look' as its runbook.diagnosis; write a tuple of Step, and (x,) where there is one",
        ),
        (runbook_with(mitigation=("open",)), "'open' as its runbook.mitigation[0]; give a Step"),
    ],
)
def test_a_field_of_another_type_is_told_with_its_alert_and_the_cure(wrong: Area, problem: str) -> None:
    assert problems(wrong) == [f"{ALERT} {problem}"]


def test_it_is_told_of_every_kind_of_definition_at_once() -> None:
    example = replace(QUEUE_MAX.example, gives=(("", "1", "2"),))  # type: ignore[arg-type]
    items = (Item("A-1", "A", 5),)  # type: ignore[arg-type]
    contacts = (replace(ON_CALL, channel="pager"),)  # type: ignore[arg-type]
    assert problems(area(replace(QUEUE_MAX, example=example)), items=items, contacts=contacts) == [
        "rules.shop: signal shop:test:signal has ('', '1', '2') as its example.gives[0]; write (text, text)",
        "organisation: contact On-call has 'pager' as its contacts[0].channel; "
        "write Channel. and one of PAGERDUTY, SLACK, EMAIL, TICKET, DEAD_MAN_SWITCH, PHONE",
        "rules.payments.runbook.items: item A-1 has 5 as its text; give a text",
    ]
