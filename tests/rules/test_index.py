"""What does the index say lies behind a name?"""

from rules.catalog import catalog
from rules.index import index_of
from rules.payments import health, monitoring, silence, webhooks

INDEX = index_of(catalog())


def test_a_share_cannot_tell_without_what_it_counts_but_without_what_vector_stands_in_for() -> None:
    assert INDEX.names_read(webhooks.invalid_ratio) >= {webhooks.events.name, webhooks.unsigned_sent.name}
    assert INDEX.series_needed(webhooks.invalid_ratio) == {webhooks.events.name}


def test_where_vector_stands_in_for_everything_all_of_it_is_needed() -> None:
    """Its 0 would read as "nothing was lost" where nobody counts what is."""
    counted = {monitoring.notifications_failed.name, monitoring.notifications_dropped.name}
    assert INDEX.series_needed(monitoring.lost_notifications) == counted


def test_what_is_read_through_other_signals_is_needed_too() -> None:
    assert silence.last_completed.name in INDEX.series_needed(silence.recorded_untold)
    assert {health.up.name, health.check_ok.name} <= INDEX.series_needed(health.stripe_reachable)


def test_what_is_asked_for_by_its_absence_is_not_needed() -> None:
    absences = next(one.signal for one in INDEX.signals if one.signal.name == "payments_monitoring:own_metrics:absent")
    assert INDEX.names_read(absences) >= {monitoring.notifications_failed.name}
    assert INDEX.series_needed(absences) == set()
