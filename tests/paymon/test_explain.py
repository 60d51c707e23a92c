"""Does `paymon explain` tell the whole of a definition: every tier, every branch, down to raw metrics?"""

import pytest
from click.testing import CliRunner

from generators.rules import Expressions
from paymon.explain import explain
from rules.catalog import catalog
from rules.promql import selectors
from rules.vocabulary import Alert

CATALOG = catalog()
BRANCHED = [alert for alert in CATALOG.alerts if alert.or_else]
RAW = {name for metric in CATALOG.metrics for name in metric.series_names}


def explained(name: str) -> str:
    result = CliRunner().invoke(explain, [name])
    assert result.exit_code == 0, result.output
    return result.output


def section(text: str, title: str) -> str:
    return text.split(f"\n{title}\n")[1].split("\n\n")[0]


def test_a_signal_that_is_read_with_matchers_is_explained_below() -> None:
    text = explained("PaymentDisputeRateRising")

    down = section(text, "watches, down to raw metrics")
    assert 'stripe_network:dispute_activity:month_to_date{network="mastercard"}' in down
    assert "  stripe_network:dispute_activity:month_to_date is\n" in down
    assert 'stripe_window_disputes{window="month_to_date",network="visa"}' in down


def test_every_tier_is_told() -> None:
    text = explained("PaymentDisputeRateRising")

    assert "stripe_network:dispute_activity:ratio_month > 0.005\n" in section(text, "fires when, as elevated,")
    assert "stripe_network:dispute_activity:ratio_month > 0.0075\n" in section(text, "fires when, as excessive,")


@pytest.mark.parametrize("alert", BRANCHED, ids=str)
def test_every_branch_is_told_with_its_bound_its_reason_and_its_raw_metrics(alert: Alert) -> None:
    text = explained(alert.name)

    down = section(text, "watches, down to raw metrics")
    for branch in alert.or_else:
        assert f"\n  or {branch.watches} {branch.comparison.words} " in section(text, "in production")
        assert f"because {branch.because}\n" in text
        if branch.watches is not alert.watches:
            assert f"  {branch.watches} is\n" in down


@pytest.mark.parametrize("signal", CATALOG.signals, ids=str)
def test_every_signal_is_explained_down_to_raw_metrics(signal: object) -> None:
    text = explained(str(signal))

    down = section(text, "expression, down to raw metrics")
    expressions = Expressions(CATALOG, CATALOG.organisation.environments[0])
    told = {str(signal), *(line.strip().removesuffix(" is") for line in down.splitlines() if line.endswith(" is"))}
    shown = [expressions.expanded(one.expr) for one in CATALOG.signals if one.name in told]
    left = {selector.name for expr in shown for selector in selectors(expr)} - RAW
    assert left <= told


def test_a_name_that_does_not_exist_is_wrong_use_and_names_a_likely_one() -> None:
    result = CliRunner().invoke(explain, ["StripeWebhookBacklogs"])

    assert result.exit_code == 2
    assert "did you mean StripeWebhookBacklog" in result.output
