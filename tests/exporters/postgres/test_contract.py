"""Does the exporter serve exactly the metrics that the rules declare for its database sources?"""

import asyncio

import pytest

from exporters.sampling.soundness import faults
from rules.payments import completion, database, replica, silence, webhooks
from rules.vocabulary import Metric, Source
from tests.exporters.postgres.asking import asking
from tests.exporters.postgres.test_reconciliation import HOUR, Known
from tests.postgres import NOW, PaymentsDatabase

DECLARED = {
    metric
    for module in (database, completion, replica, silence, webhooks)
    for metric in vars(module).values()
    if isinstance(metric, Metric)
}


@pytest.mark.parametrize("source", [Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION])
def test_every_declared_metric_is_served_and_nothing_else(payments_database: PaymentsDatabase, source: Source) -> None:
    payments_database.payment("completed", completed_ago=HOUR)
    payments_database.payment("pending")
    payments_database.attempt("failed")
    payments_database.event("evt_1", created=3, received=2)

    async def story() -> None:
        async with asking(payments_database.dsn, stripe=Known()) as exporter:
            snapshot = (await exporter.sample(NOW, source)).snapshot
            assert {one.metric for one in snapshot.readings} == {one for one in DECLARED if one.source is source}
            assert faults(snapshot.readings, source) == {}

    asyncio.run(story())
