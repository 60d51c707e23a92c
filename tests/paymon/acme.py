"""A team's own project, as another company would write it: two files, and none of ours beside them."""

from pathlib import Path

__all__ = ["AREA", "MONITORING", "acme"]

AREA = '''"""Checkout: do customers wait before they can pay?"""

from paymon.api import *

queue_depth = Gauge("checkout_queue_depth", "Payments that wait for a free worker", Unit.COUNT, Source.APPLICATION)

queue = Signal(
    "checkout_workers:queue_depth:sum",
    "Payments that wait for a free worker, over all pods",
    Unit.COUNT,
    f"sum({queue_depth})",
    Example(
        series=((f'{queue_depth}{{pod="a"}}', "0x5 40x5"), (f'{queue_depth}{{pod="b"}}', "2x10")),
        at=minutes(8) + seconds(30),
        gives=(("", "42"),),
    ),
)

queue_long = Alert(
    "CheckoutQueueLong",
    watches=queue,
    thresholds=(
        above(
            100,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="our workers finish 100 a minute",
        ),
    ),
    summary="More than {threshold} payments wait for a worker.",
    description="{value} payments wait for a free worker.",
    runbook=Runbook(
        meaning="Payments come in faster than the workers finish them.",
        impact="Customers wait.",
        diagnosis=(Step("Look at the workers."),),
        mitigation=(Step("Add workers."),),
    ),
)
'''

MONITORING = """from paymon.api import *

import checkout

ON_CALL = Contact(name="On-call", channel=Channel.PAGERDUTY, address="acme-oncall")
CHAT = Contact(name="Chat", channel=Channel.SLACK, address="#acme-pay")
DEAD_MAN = Contact(name="Dead man", channel=Channel.DEAD_MAN_SWITCH, address="acme-monitoring", external=True)
PEOPLE = People(
    name="Acme",
    team="acmepay",
    contacts=(ON_CALL, CHAT, DEAD_MAN),
    policies=tuple(
        PriorityPolicy(
            priority=one, meaning="Something is wrong", respond_within=minutes(15), notifies=(ON_CALL, CHAT)
        )
        for one in (Priority.P1, Priority.P2, Priority.P3, Priority.P4)
    ),
    links=(),
    business_hours=BusinessHours(timezone="Europe/Berlin", weekdays=("monday",), start="09:00", end="17:00"),
    delivery=Delivery(
        secrets_folder="/etc/alertmanager/secrets",
        mail_host="smtp.acme.example:587",
        mail_sender="a@acme.example",
        mail_user="a@acme.example",
        relay_url="http://127.0.0.1:9095",
    ),
    runbook_url="https://wiki.acme.example/run",
    dashboard_url="https://grafana.acme.example",
    alertmanager_url="https://am.acme.example",
    scrape_interval=seconds(15),
    evaluation_interval=seconds(30),
    retention=days(15),
    stakeholder_update_every=minutes(30),
)


def service(name):
    return Service(
        service=name,
        environments=(
            Environment(
                name="eu-production",
                pages=True,
                api_url="https://api.eu.acme.example",
                flags_url="https://flags.eu.acme.example",
                jobs=Jobs(exporter=("eu-exporter", "eu-exporter-2"), application=(name,)),
            ),
            Environment(name="us-production", pages=True),
            Environment(name="staging", pages=False),
        ),
        jobs=Jobs(exporter=(f"{name}-exporter",), application=(name,)),
        api_url="https://api.acme.example",
        flags_url="https://flags.acme.example",
        feature_flag=f"{name}_live",
        payment_methods=("sepa_debit", "ideal"),
        currencies=("eur", "chf"),
        rate_limit_per_minute=60,
    )


CHANGED = (
    PAYMENTS.without(Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION, because="we have no Postgres")
    .without("PaymentTimeouts", because="our gateway ends them")
    .override("PaymentSuccessRateLow", value="0.97", because="our contract promises 97 %")
    .override("PaymentsDegraded", lasting=minutes(3), because="we deploy often")
    .with_area(checkout, because="our queue is ours to watch")
)
CATALOG = CHANGED.of(PEOPLE, service("shop"))
TWO = (CATALOG, PAYMENTS.of(PEOPLE, service("donations")))
"""


def acme(folder: Path, catalog: str = "monitoring:CATALOG", more: str = "") -> Path:
    """The project, written into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f'[tool.paymon]\ncatalog = "{catalog}"\n{more}')
    (folder / "monitoring.py").write_text(MONITORING)
    (folder / "checkout.py").write_text(AREA)
    return folder
