"""What did an alert miss, or tell for nothing, where a case lay at an edge of what it had been written for?"""

from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import budget, disputes, monitoring, outcomes
from rules.vocabulary import hours, minutes, seconds
from tests.rules.playing import play

NEVER = ()


def test_disputes_above_one_percent_over_all_networks_are_told_though_none_has_five(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Four, four and three of a thousand charges: no network has five, and all together 1.1 %."""
    opened = {"visa": 4, "mastercard": 4, "amex": 3}
    charged = {"visa": 400, "mastercard": 400, "amex": 200}
    fed = {disputes.window_disputes.where(window="30d", network=name): f"{n}x60" for name, n in opened.items()}
    fed |= {disputes.charges.where(window="30d", network=name): f"{n}x60" for name, n in charged.items()}
    lasting = ((minutes(63), hours(3)),)

    play(promtool, tmp_path, fed, {disputes.dispute_rate_high: lasting}, until=hours(3), every=minutes(3))


def test_ten_disputes_of_a_thousand_are_not_above_one_percent(promtool: Promtool, tmp_path: Path) -> None:
    fed = {
        disputes.window_disputes.where(window="30d", network="visa"): "5x60",
        disputes.window_disputes.where(window="30d", network="amex"): "5x60",
        disputes.charges.where(window="30d", network="visa"): "500x60",
        disputes.charges.where(window="30d", network="amex"): "500x60",
    }

    play(promtool, tmp_path, fed, {disputes.dispute_rate_high: NEVER}, until=hours(3), every=minutes(3))


@pytest.mark.slow
def test_a_budget_alert_goes_on_though_nobody_scraped_one_window_earlier(promtool: Promtool, tmp_path: Path) -> None:
    """Scraping pauses for 20 minutes; an hour later half of all payments fail, and go on failing."""
    gap = f"0+25x{2 * 60} _x39"
    resumed = 2 * 60 + 40
    succeeded, failed = attempts("success"), attempts("technical_failure")
    faulty = resumed + 60
    until = minutes(150)
    fed = {
        succeeded: f"{gap} {25 * resumed}+25x59 {25 * faulty}+13x{2 * 150 - faulty}",
        failed: f"0x{2 * 60} _x39 0x59 0+12x{2 * 150 - faulty}",
    }
    begins = faulty * seconds(30)

    play(promtool, tmp_path, fed, {budget.burn_fast: ((begins + minutes(5), until),)}, until=until)


def test_an_alert_that_one_of_two_alertmanagers_took_is_not_lost(promtool: Promtool, tmp_path: Path) -> None:
    """As Prometheus counts from 3.10 on: for each Alertmanager, and one of the two is down."""
    dropped = monitoring.notifications_dropped
    fed = {
        f'{dropped}{{alertmanager="http://a:9093/api/v2/alerts"}}': "0x240",
        f'{dropped}{{alertmanager="http://b:9093/api/v2/alerts"}}': "0x20 0+5x219",
    }

    play(promtool, tmp_path, fed, {monitoring.notifications_lost: NEVER}, until=hours(2))


def test_alerts_that_neither_of_two_alertmanagers_took_are_lost(promtool: Promtool, tmp_path: Path) -> None:
    dropped = monitoring.notifications_dropped
    fed = {
        f'{dropped}{{alertmanager="http://a:9093/api/v2/alerts"}}': "0x20 0+5x219",
        f'{dropped}{{alertmanager="http://b:9093/api/v2/alerts"}}': "0x20 0+5x219",
    }

    play(promtool, tmp_path, fed, {monitoring.notifications_lost: ((minutes(16), hours(2)),)}, until=hours(2))


def test_a_prometheus_that_knows_no_alertmanager_is_told_of_by_the_other(promtool: Promtool, tmp_path: Path) -> None:
    known = monitoring.alertmanagers_discovered
    fed = {f'{known}{{instance="a"}}': "2x240", f'{known}{{instance="b"}}': "2x20 0x219"}

    play(promtool, tmp_path, fed, {monitoring.alertmanager_unknown: ((minutes(16), hours(2)),)}, until=hours(2))


def attempts(result: str, **labels: str) -> str:
    """The counter of customers' attempts with that result."""
    return outcomes.attempts.where(**{"result": result, "payment_method": "card", "initiator": "api"} | labels)
