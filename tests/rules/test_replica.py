"""Of payments that go on, what is told while the replica from which they are read stands still?"""

from pathlib import Path

from paymon.promtool import Promtool
from rules.payments import arrival, completion, database, outcomes, replica, silence, webhooks
from rules.vocabulary import minutes
from tests.rules.playing import play

NEVER = ()


def test_a_replica_that_stands_still_is_told_as_that_alone(promtool: Promtool, tmp_path: Path) -> None:
    """Ten payments a minute, replayed until minute 60 and again from minute 100 on; missing after 15 minutes."""
    moments = range(0, 120 * 60 + 30, 30)
    seen = [moment if moment <= 3600 or moment >= 6000 else 3600 for moment in moments]
    missing = [max(0, moment - at - 900) // 6 for moment, at in zip(moments, seen, strict=True)]
    fed = {
        outcomes.attempts.where(result="success", payment_method="card", initiator="api"): "0+5x240",
        webhooks.events.where(outcome="processed"): "0+15x240",
        webhooks.delivery_delay.counted(event_type="other"): " ".join(str(at // 2) for at in seen),
        webhooks.inbox_oldest.name: " ".join(str(max(0, at - 3)) for at in seen),
        silence.last_completed.name: " ".join(map(str, seen)),
        database.oldest_unfinished.where(status="processing"): " ".join(str(max(0, at - 3)) for at in seen),
        database.missing.where(side="database"): " ".join(map(str, missing)),
        database.events_missing.name: " ".join(map(str, missing)),
        replica.replica_lag.name: " ".join(str(moment - at) for moment, at in zip(moments, seen, strict=True)),
    }
    expected = {
        replica.replica_lag_high: ((minutes(67), minutes(104)),),
        completion.processing_lag_high: NEVER,
        database.payments_stuck: NEVER,
        database.reconciliation_gap: NEVER,
        database.events_unseen: NEVER,
        webhooks.backlog: NEVER,
        arrival.silent: NEVER,
    }

    play(promtool, tmp_path, fed, expected, until=minutes(120))
