"""What is this organisation's own: people, channels, addresses, allow-lists and what staging does differently?"""

from decimal import Decimal

from rules.payments.runbook.procedures import STRIPE_SUPPORT
from rules.vocabulary import (
    BusinessHours,
    Channel,
    Contact,
    Delivery,
    Environment,
    Jobs,
    Link,
    Organisation,
    Override,
    People,
    Priority,
    PriorityPolicy,
    Service,
    days,
    hours,
    minutes,
    seconds,
)

ON_CALL = Contact(
    name="On-call engineer", channel=Channel.PAGERDUTY, address="payments-oncall", serves=("CON-01", "SEV-P3")
)
TEAM_CHAT = Contact(
    name="Payments on-call channel", channel=Channel.SLACK, address="#payments-oncall", serves=("LNK-04",)
)
TEAM_LEAD = Contact(
    name="Payment team lead", channel=Channel.EMAIL, address="payments-lead@gametriq.com", serves=("CON-02",)
)
VP_ENGINEERING = Contact(
    name="VP Engineering", channel=Channel.EMAIL, address="vp-eng@gametriq.com", serves=("CON-03",)
)
CTO = Contact(name="CTO", channel=Channel.EMAIL, address="cto@gametriq.com", serves=("CON-04",))
TICKETS = Contact(name="Payments tickets", channel=Channel.TICKET, address="payments", serves=("SEV-P4",))
DEAD_MAN = Contact(
    name="Dead man's switch", channel=Channel.DEAD_MAN_SWITCH, address="payments-monitoring", external=True
)
STRIPE_ACCOUNT_MANAGER = Contact(
    name="Stripe technical account manager",
    channel=Channel.EMAIL,
    address="tam@stripe.com",
    external=True,
    serves=("CON-06",),
)
BANK = Contact(
    name="Bank technical support",
    channel=Channel.EMAIL,
    address="bank-tech@partner.com",
    external=True,
    serves=("CON-07",),
)

PRODUCTION = Environment(name="production", pages=True)

STAGING = Environment(
    name="staging",
    pages=False,
    overrides=(
        Override(
            threshold="PaymentApiLatencyHigh",
            value=Decimal("0.2"),
            because="staging runs on a fraction of production's machines",
        ),
        Override(
            threshold="StripeWebhookDelay",
            value=Decimal("0.05"),
            because="one webhook worker serves all of staging",
        ),
        Override(
            threshold="PaymentMigrationsPending",
            lasting=hours(2),
            because="migrations are tried out in staging before anybody else has them",
        ),
        Override(
            threshold="PaymentsPendingReview",
            lasting=days(1),
            because="review rows in staging are left by rehearsals of the rollback",
        ),
    ),
)

PEOPLE = People(
    name="Gametriq",
    team="payments",
    contacts=(
        ON_CALL,
        TEAM_CHAT,
        TEAM_LEAD,
        VP_ENGINEERING,
        CTO,
        TICKETS,
        DEAD_MAN,
        STRIPE_SUPPORT,
        STRIPE_ACCOUNT_MANAGER,
        BANK,
    ),
    policies=(
        PriorityPolicy(
            priority=Priority.P1,
            meaning="No payment works, or payments run that must not",
            respond_within=minutes(5),
            notifies=(ON_CALL, TEAM_CHAT),
            escalates_to=(TEAM_LEAD, VP_ENGINEERING, CTO),
            serves=("SEV-P1", "RSP-01"),
        ),
        PriorityPolicy(
            priority=Priority.P2,
            meaning="Payments work worse than promised, or money is at risk",
            respond_within=minutes(15),
            notifies=(ON_CALL, TEAM_CHAT),
            escalates_to=(TEAM_LEAD,),
            serves=("SEV-P2",),
        ),
        PriorityPolicy(
            priority=Priority.P3,
            meaning="A minor fault, or one that will become worse",
            respond_within=hours(1),
            notifies=(ON_CALL, TEAM_CHAT),
            serves=("SEV-P3",),
        ),
        PriorityPolicy(
            priority=Priority.P4,
            meaning="Work for the working day",
            respond_within=hours(4),
            notifies=(TICKETS,),
            serves=("SEV-P4",),
        ),
    ),
    links=(
        Link(
            title="Payments dashboard",
            url="https://monitoring.gametriq.com/d/paymon-overview",
            serves=("LNK-01",),
        ),
        Link(title="Stripe dashboard", url="https://dashboard.stripe.com", serves=("LNK-02",)),
        Link(title="Stripe status", url="https://status.stripe.com", serves=("RSP-02",), first=True),
        Link(
            title="Error tracking",
            url="https://sentry.gametriq.com/projects/payments",
            serves=("LNK-03", "RSP-02"),
            first=True,
        ),
        Link(title="Payments wiki", url="https://wiki.gametriq.com/payments", serves=("LNK-05",)),
        Link(title="Runbook source", url="https://github.com/gametriq/runbooks", serves=("LNK-06",)),
    ),
    business_hours=BusinessHours(
        timezone="America/New_York",
        weekdays=("monday", "tuesday", "wednesday", "thursday", "friday"),
        start="09:00",
        end="17:00",
    ),
    delivery=Delivery(
        secrets_folder="/etc/alertmanager/secrets",
        mail_host="smtp.gametriq.com:587",
        mail_sender="alertmanager@gametriq.com",
        mail_user="alertmanager@gametriq.com",
        relay_url="http://127.0.0.1:9095",
    ),
    runbook_url="https://wiki.gametriq.com/payments/runbook",
    dashboard_url="https://monitoring.gametriq.com",
    alertmanager_url="https://alertmanager.gametriq.internal",
    scrape_interval=seconds(15),
    evaluation_interval=seconds(30),
    retention=days(15),
    stakeholder_update_every=minutes(30),
    serves=("RSP-04", "CHK-09"),
)

SERVICE = Service(
    service="payments",
    environments=(PRODUCTION, STAGING),
    api_url="https://api.gametriq.com",
    flags_url="https://api.gametriq.com/v1/flags",
    payment_methods=("card", "apple_pay", "google_pay", "link", "us_bank_account", "sepa_debit", "paypal"),
    currencies=("usd", "eur", "gbp", "cad", "aud", "jpy"),
    jobs=Jobs(exporter=("payments-exporter",), application=("payments",)),
    rate_limit_per_minute=100,
    attempts_per_minute=125,
    feature_flag="payments_live_v1",
)

ORGANISATION = Organisation.of(PEOPLE, SERVICE)
