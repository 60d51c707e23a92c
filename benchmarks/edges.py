"""What did the alerts miss at their edges, or tell for nothing; what do they do now, and which test holds it?"""

from typing import NamedTuple

__all__ = ["EDGES", "Edge", "edge_table"]


class Edge(NamedTuple):
    """A fault at the edge of what an alert had been written for."""

    fault: str
    before: str
    now: str
    held_by: str
    """Tests, by their path and name."""


EDGES = (
    Edge(
        "Disputes above 1 % over all networks together",
        "never told: 4 + 4 + 3 of 1,000 are five in no network",
        "P3 after 62 minutes",
        "`tests/rules/test_edges.py::test_disputes_above_one_percent_over_all_networks_are_told_though_none_has_five`",
    ),
    Edge(
        "Stripe is down",
        "P2 after 150 s by the health endpoint; without one, P3 after 360 s",
        "P1 after 150 s, at 4 a minute after 5 minutes; none for a revoked key or a restart at night",
        "`tests/rules/test_stripe_down.py`",
    ),
    Edge(
        "Traffic falls by 95 %, by half, of one country; our API answers 5xx",
        "told to nobody",
        "95 %: P2; half: P3; one country: P3; a tenth of requests failing: P2 (tables below)",
        "`tests/rules/test_fewer_customers.py`",
    ),
    Edge(
        "Little traffic",
        "below 4 a minute a stop or a lag was never told; complete failure: 225 s at 10, 885 s at 1.25",
        "a stop is told once 20 customers are missed; complete failure after 240 s at 2 to 8 a minute, 150 s at 10; "
        "floors of latency and of webhooks stay ([41](decisions/0041-what-the-runbook-says-of-levels-and-floors.md))",
        "`tests/rules/test_little_traffic.py`, "
        "`tests/rules/test_shop_hours.py::test_at_little_traffic_a_stop_pages_when_twenty_customers_are_missed`",
    ),
    Edge(
        "A steady share at the bound, first tellings a day",
        "47 `PaymentsDegraded`, 31 `PaymentSuccessRateLow`, 17 `PaymentErrorBudgetBurnFast`",
        "at most 3, at 0.2 to 2 times the bound ([36](decisions/0036-two-bounds.md))",
        "`tests/rules/test_flapping.py`",
    ),
    Edge(
        "A shop closes, changes its clocks, rolls back by plan",
        "a P1 each evening, two a day after clocks go back, one in each run of a roll-back",
        "none after the first eight days, and one a day at most in these; a stop in opening hours within 300 s",
        "`tests/rules/test_shop_hours.py`",
    ),
    Edge(
        "Renewals and abandoned attempts",
        "27 to 30 `PaymentDeclineRateAnomalous` a month for a daily batch; 12 % failing, a quarter abandoned: 1,755 s",
        "none for a batch; the same 12 % after 7 minutes; 3-D Secure that fails or is left has alerts of its own",
        "`tests/rules/test_whose_failures.py`",
    ),
    Edge(
        "Card testing",
        "four times the attempts, all declined: P3 after 26 minutes; a tenth more: never",
        "P2 after 8 minutes; P3 after 38",
        "`tests/rules/test_whose_failures.py::test_four_times_the_attempts_all_declined_are_a_page_of_card_testing`",
    ),
    Edge(
        "Two pages for one outage",
        "`PaymentFailuresPerHourHigh` at 90 s, and the P1 at 120 s",
        "the P1 alone",
        "`tests/scenarios/test_incidents.py` (complete-failure)",
    ),
    Edge(
        "A gap in scraping, one window before",
        "the page on the error budget ended in the middle of the incident",
        "it goes on",
        "`tests/rules/test_edges.py::test_a_budget_alert_goes_on_though_nobody_scraped_one_window_earlier`",
    ),
    Edge(
        "An alert ends while a louder one hides it",
        "the page stayed open, and the next incident untold until the repeat interval was over",
        "each end is told within a group interval, nothing over is told, the next incident is "
        "([27](decisions/0027-courses-are-played-on-signals.md))",
        "`tests/generators/test_hidden_alerts_are_told_of.py`",
    ),
    Edge(
        "Prometheus 3.10 and newer, one Alertmanager of two down",
        "`PaymentNotificationsLost`, although nothing was",
        "quiet; and a Prometheus that knows no Alertmanager is told of",
        "`tests/rules/test_edges.py::test_an_alert_that_one_of_two_alertmanagers_took_is_not_lost`",
    ),
    Edge(
        "`type-and-unit-labels`",
        "four alerts were silent",
        "all read the same",
        "`tests/generators/test_type_and_unit_labels.py`",
    ),
    Edge(
        "VictoriaMetrics' `increase` and `rate`",
        "`StripePayoutFailed` for a day at each new pod; 15 times too much after a start",
        "as in Prometheus ([what differs](beyond-one-prometheus.md))",
        "`tests/deploy/test_victoriametrics.py`, `tests/rules/test_rare_events.py`",
    ),
    Edge(
        "What nobody watched",
        "webhooks that stop, a forgotten kill switch, duplicate charges after their page, an open breaker, amounts "
        "that differ, keys that fill up",
        "P2 after 14 minutes, P3 after 4 hours, P4 until refunded, P4, P3 from one payment and P2 from ten, P4 90 days "
        "ahead (the last two once their columns are named)",
        "`tests/rules/test_told_once.py`, `tests/rules/test_fewer_customers.py`, "
        "`tests/exporters/test_amounts_from_both_sides.py`, `tests/exporters/postgres/test_identifiers.py`",
    ),
    Edge(
        "A release drops a metric that alerts read",
        "told to nobody",
        "P3 after 61 minutes",
        "`tests/rules/test_fewer_customers.py::test_a_histogram_that_a_release_drops_is_told_after_an_hour`",
    ),
    Edge(
        'Levels, "immediate", abandoned attempts, floors',
        "not explained",
        "[decided](decisions/0041-what-the-runbook-says-of-levels-and-floors.md)",
        "`tests/rules/test_detection_times.py`",
    ),
)


def edge_table() -> list[str]:
    """Markdown: a line for each."""
    head = "| | fault | before | now | held by |"
    rows = (f"| {number} | {' | '.join(row)} |" for number, row in enumerate(EDGES, 1))
    return [head, "|---|---|---|---|---|", *rows]
