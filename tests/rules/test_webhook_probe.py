"""What do the alerts on webhooks make of the exporter's own requests, which bear no signature?"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import arrival, outcomes, webhooks
from rules.vocabulary import Source, minutes, seconds
from tests.rules.playing import play

SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
PROCESSED = webhooks.events.where(outcome="processed")
INVALID = webhooks.events.where(outcome="invalid_signature")
FIRST, SECOND = ('{instance="first",pod="first"}', '{instance="second",pod="second"}')

EVERY = seconds(15)
HALF_AN_HOUR = 120
"""In scrapes."""


def minutely(first: int, until: timedelta) -> list[int]:
    """A counter of what happens once a minute, `first` seconds past each, as it is scraped."""
    return [(scrape * 15 - first) // 60 + 1 for scrape in range(until // EVERY + 1)]


def written(values: Iterable[int]) -> str:
    return " ".join(map(str, values))


@pytest.mark.parametrize("first", [5, 20, 40])
@pytest.mark.parametrize("exporters", [1, 2])
def test_the_probe_is_no_signature_failure_however_few_pay(
    exporters: int, first: int, promtool: Promtool, tmp_path: Path
) -> None:
    """Two payments a minute, of three webhooks each; the service counts each exporter's request of each minute."""
    until = minutes(30)
    sent = minutely(first, until)
    play(
        promtool,
        tmp_path,
        {
            PROCESSED: written(6 * 15 * scrape // 60 for scrape in range(until // EVERY + 1)),
            INVALID: written(exporters * one for one in sent),
            **{f"{webhooks.unsigned_sent}{which}": written(sent) for which in (FIRST, SECOND)[:exporters]},
        },
        {webhooks.signature_failures: ()},
        until=until,
        every=EVERY,
        never_pending=(webhooks.signature_failures,),
    )


def test_a_wrong_secret_is_told_beside_two_probes(promtool: Promtool, tmp_path: Path) -> None:
    """Eight webhooks a minute, refused from minute 30 on: five more than the probes sent are there 75 seconds later."""
    until = minutes(40)
    sent = minutely(20, until)
    refused = [2 * max(0, scrape - HALF_AN_HOUR) for scrape in range(until // EVERY + 1)]
    play(
        promtool,
        tmp_path,
        {
            PROCESSED: f"0+2x{HALF_AN_HOUR} {2 * HALF_AN_HOUR}x40",
            INVALID: written(2 * one + more for one, more in zip(sent, refused, strict=True)),
            f"{webhooks.unsigned_sent}{FIRST}": written(sent),
            f"{webhooks.unsigned_sent}{SECOND}": written(sent),
        },
        {webhooks.signature_failures: ((minutes(33) + seconds(30), until),)},
        until=until,
        every=EVERY,
    )


def test_webhooks_that_no_longer_come_are_told_while_the_probe_still_knocks(promtool: Promtool, tmp_path: Path) -> None:
    """Twenty payments a minute go on, and no inbox is sampled; what comes from minute 30 on bears no signature."""
    until = minutes(50)
    sent = minutely(20, until)
    play(
        promtool,
        tmp_path,
        {
            SUCCESS: f"0+5x{4 * 50}",
            PROCESSED: f"0+15x{HALF_AN_HOUR} {15 * HALF_AN_HOUR}x80",
            INVALID: written(sent),
            webhooks.unsigned_sent.name: written(sent),
        },
        {arrival.silent: ((minutes(43) + seconds(15), until),)},
        until=until,
        every=EVERY,
        without=(Source.WEBHOOK_INBOX,),
    )
