"""Payments database: does it record what Stripe did, in time and once?"""

from rules.payments import completion, outcomes, replica
from rules.payments.rare_events import more_than_an_hour_ago, over_a_day
from rules.payments.runbook.procedures import (
    DATABASE_REACHABLE,
    ERROR_LOGS,
    IDEMPOTENCY,
    PULL_KILL_SWITCH,
    RECENT_CHANGES,
    RELEASE_FROM_REVIEW,
    SCALE_WORKERS,
)
from rules.vocabulary import (
    OTHER,
    Alert,
    Counter,
    Example,
    Gauge,
    Label,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    below,
    hours,
    minutes,
)

TABLE = Label("table", ("payments", "payment_attempts", "audit_log", "schema_migrations", "webhook_events"))
STATUS = Label("status", ("pending", "processing", "requires_action", OTHER))
QUERY = Label("query", bounded_by="the exporter's built-in queries and its setting postgres.queries")

last_attempt = Gauge(
    "payments_db_last_attempt_timestamp_seconds",
    "When the latest payment attempt was recorded; absent where there is none",
    Unit.TIMESTAMP,
    Source.POSTGRES,
    serves=("HLT-13",),
)

oldest_unfinished = Gauge(
    "payments_db_oldest_unfinished_timestamp_seconds",
    "Creation of the oldest payment that is neither completed nor failed; absent where there is none",
    Unit.TIMESTAMP,
    Source.POSTGRES,
    labels=(STATUS,),
    serves=("HLT-13", "ISS-02"),
)

unfinished = Gauge(
    "payments_db_unfinished",
    "Payments that are neither completed nor failed, counted up to a cap of 10001",
    Unit.COUNT,
    Source.POSTGRES,
    labels=(STATUS,),
    serves=("HLT-13", "ISS-02"),
)

recorded_attempts = Counter(
    "payments_db_attempts_total",
    "Rows added to the table of payment attempts",
    Unit.COUNT,
    Source.POSTGRES,
    serves=("RSP-06",),
)

recorded_failures = Counter(
    "payments_db_attempts_failed_total",
    "Rows added to the table of payment attempts with status failed",
    Unit.COUNT,
    Source.POSTGRES,
    serves=("RSP-06",),
)

affected_users = Gauge(
    "payments_db_affected_users",
    "Users with at least one failed attempt in the past 15 minutes, counted up to a cap of 10001",
    Unit.COUNT,
    Source.POSTGRES,
    serves=("RSP-06",),
)

duplicates = Gauge(
    "payments_db_duplicate_charges",
    "Orders that were charged more than once in the past 24 hours",
    Unit.COUNT,
    Source.POSTGRES,
    serves=("ISS-04",),
)

pending_review = Gauge(
    "payments_db_pending_review",
    "Payments that wait for a review after a rollback, counted up to a cap of 10001",
    Unit.COUNT,
    Source.POSTGRES,
    serves=("RB-04", "RB-05"),
)

table_present = Gauge(
    "payments_db_table_present",
    "Whether the table exists",
    Unit.BOOLEAN,
    Source.POSTGRES,
    labels=(TABLE,),
    serves=("STEP-03",),
)

migrations_pending = Gauge(
    "payments_db_migrations_pending",
    "Migrations that are recorded as not applied",
    Unit.COUNT,
    Source.POSTGRES,
    serves=("STEP-04",),
)

dead_tuples = Gauge(
    "payments_db_dead_tuples",
    "Dead rows that vacuum has not yet removed",
    Unit.COUNT,
    Source.POSTGRES,
    labels=(TABLE,),
    serves=("RSP-02",),
)

query_duration = Gauge(
    "payments_db_query_duration_seconds",
    "Time that the query took in its latest run",
    Unit.SECONDS,
    Source.POSTGRES,
    labels=(QUERY,),
    serves=("RSP-02",),
)

query_interval = Gauge(
    "payments_db_query_interval_seconds",
    "In how many seconds the query is asked again: more than is set while it takes too long for the database",
    Unit.SECONDS,
    Source.POSTGRES,
    labels=(QUERY,),
    serves=("RSP-02",),
)

query_success = Gauge(
    "payments_db_query_success",
    "Whether the latest run of the query succeeded",
    Unit.BOOLEAN,
    Source.POSTGRES,
    labels=(QUERY,),
    serves=("RSP-02",),
)

missing = Gauge(
    "payments_reconciliation_missing",
    "Payments older than the grace period that one side has and the other lacks, named by the side that lacks them",
    Unit.COUNT,
    Source.RECONCILIATION,
    labels=(Label("side", ("database", "stripe")),),
    serves=("RB-04", "ISS-04"),
)

events_missing = Gauge(
    "stripe_webhook_events_missing",
    "Events older than the grace period that Stripe sent and the webhook inbox never saw",
    Unit.COUNT,
    Source.RECONCILIATION,
    serves=("ISS-01",),
)


def _worst(metric: Gauge) -> str:
    return f"max without (instance, pod) ({metric})"


def _two_replicas(metric: Gauge, first: str, second: str, gives: str) -> Example:
    """The worse of two replicas counts, not their sum."""
    return Example(
        series=((f'{metric}{{instance="a"}}', first), (f'{metric}{{instance="b"}}', second)),
        at=minutes(8),
        gives=(("", gives),),
    )


UNFINISHED = ("pending", "processing")

oldest_in_flight = Signal(
    "payments_db:oldest_unfinished:seconds",
    "Age of the oldest payment that is neither completed nor failed, by status",
    Unit.SECONDS,
    f"max without (instance, pod) (time() - {oldest_unfinished.where(status=UNFINISHED)})",
    Example(
        series=(
            (oldest_unfinished.where(status="processing"), "60x10"),
            (oldest_unfinished.where(status="pending"), "300x10"),
            (oldest_unfinished.where(status="requires_action"), "0x10"),
        ),
        at=minutes(10),
        gives=(('status="processing"', "540"), ('status="pending"', "300")),
    ),
    serves=("HLT-13", "ISS-02"),
)

double_charges = Signal(
    "payments_db:duplicate_charges:max",
    "Orders that were charged more than once in 24 hours",
    Unit.COUNT,
    _worst(duplicates),
    _two_replicas(duplicates, "0x10", "0x5 2x5", "2"),
    serves=("ISS-04",),
)


_NEW_DOUBLE_CHARGES = over_a_day(f'{duplicates}{{instance="0"}}', f'{duplicates}{{instance="1"}}')

new_double_charges = Signal(
    "payments_db:duplicate_charges:new1h",
    "Orders that are charged more than once beyond those of the hour before, or beyond the last that was known before it; "
    "none where their number was known at neither",
    Unit.COUNT,
    more_than_an_hour_ago(duplicates.name),
    _NEW_DOUBLE_CHARGES[0],
    also=_NEW_DOUBLE_CHARGES[1:],
    serves=("ISS-04",),
)

gap = Signal(
    "payments_db:reconciliation_missing:max",
    "Payments that Stripe has and the database lacks, or the reverse, by the side that lacks them",
    Unit.COUNT,
    _worst(missing),
    Example(
        series=((missing.where(side="database"), "0x5 3x5"), (missing.where(side="stripe"), "0x10")),
        at=minutes(8),
        gives=(('side="database"', "3"), ('side="stripe"', "0")),
    ),
)

unseen_events = Signal(
    "payments_db:events_missing:max",
    "Events that Stripe sent and the webhook inbox never saw",
    Unit.COUNT,
    _worst(events_missing),
    _two_replicas(events_missing, "0x10", "0x5 4x5", "4"),
)

in_review = Signal(
    "payments_db:pending_review:max",
    "Payments that wait for a review",
    Unit.COUNT,
    _worst(pending_review),
    _two_replicas(pending_review, "0x10", "0x5 7x5", "7"),
    serves=("RB-04",),
)

migrations = Signal(
    "payments_db:migrations_pending:max",
    "Migrations that are not applied",
    Unit.COUNT,
    _worst(migrations_pending),
    _two_replicas(migrations_pending, "0x10", "0x5 1x5", "1"),
    serves=("STEP-04",),
)

tables = Signal(
    "payments_db:table_present:min",
    "Whether the tables of payments exist",
    Unit.BOOLEAN,
    f"min without (instance, pod) ({table_present.where(table=('payments', 'payment_attempts'))})",
    Example(
        series=(
            (table_present.where(table="payments"), "1x10"),
            (table_present.where(table="payment_attempts"), "1x5 0x5"),
            (table_present.where(table="audit_log"), "0x10"),
        ),
        at=minutes(8),
        gives=(('table="payments"', "1"), ('table="payment_attempts"', "0")),
    ),
    serves=("STEP-03",),
)

slowest_run = Signal(
    "payments_db_query:duration:max5m",
    "Time of each query's longest run in 5 minutes",
    Unit.SECONDS,
    f"max by (query) (max_over_time({query_duration}[5m]))",
    Example(
        series=(
            (f'{query_duration}{{query="inbox",instance="a"}}', "0.1x4 0.9 0.1x4"),
            (f'{query_duration}{{query="inbox",instance="b"}}', "0.2x10"),
            (f'{query_duration}{{query="lag",instance="a"}}', "3x3 0.1x7"),
        ),
        at=minutes(8) + minutes(1) / 2,
        gives=(('query="inbox"', "0.9"), ('query="lag"', "0.1")),
    ),
)

payments_stuck = Alert(
    "PaymentsStuck",
    watches=oldest_in_flight,
    thresholds=(
        above(
            300,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(5),
            because="a payment takes seconds; the runbook's lag of 300 seconds holds for the unfinished ones as well",
        ),
    ),
    guards=(replica.UP_TO_DATE,),
    summary="Payments have been unfinished for more than {threshold}.",
    description="The oldest payment in status {status} has been waiting for {value}.",
    runbook=Runbook(
        meaning="Payments were begun and never ended. They have no duration yet, so no latency alert sees them.",
        impact="Customers wait; some try again and may be charged twice.",
        diagnosis=(
            Step(
                "See the oldest unfinished payments.",
                "SELECT id, status, payment_intent_id, created_at FROM payments\n"
                "WHERE status IN ('pending', 'processing') ORDER BY created_at LIMIT 20;",
                "sql",
            ),
            Step("Look one of them up at Stripe: did it succeed there?"),
            DATABASE_REACHABLE,
        ),
        mitigation=(
            SCALE_WORKERS,
            Step("Restart the payment workers.", "kubectl rollout restart deployment/payment-worker"),
            Step(
                "Bank debits take days by nature. If it is they, name their methods in the exporter's setting "
                "postgres.slow_methods, as deploy/postgres tells; or give them a status of their own, which is counted "
                "under other and alerts nobody."
            ),
        ),
    ),
    hidden_by=(outcomes.complete_failure, completion.none_completed),
    serves=("HLT-13", "ISS-02", "ISS-03"),
)

duplicate_charges = Alert(
    "PaymentDuplicateCharges",
    watches=new_double_charges,
    thresholds=(
        above(
            0,
            Severity.CRITICAL,
            Priority.P2,
            keep_firing=minutes(5),
            because="common issues: duplicate charges; each one is money taken wrongly. For an hour it is new; what nobody has "
            "paid back by then is a ticket",
        ),
    ),
    summary="Customers were charged twice for one order.",
    description="{value} more orders than an hour ago were charged more than once.",
    runbook=Runbook(
        meaning="One order has more than one successful payment.",
        impact="Customers paid twice; complaints and disputes follow.",
        diagnosis=(
            Step(
                "List the orders.",
                "SELECT order_id, array_agg(payment_intent_id) AS payments FROM payments\n"
                "WHERE status IN ('completed', 'pending_review') AND created_at > now() - interval '24 hours'\n"
                "GROUP BY order_id HAVING count(DISTINCT payment_intent_id) > 1;",
                "sql",
            ),
            RECENT_CHANGES,
            Step("See whether the idempotency key of these payments changed between tries."),
        ),
        mitigation=(
            PULL_KILL_SWITCH,
            IDEMPOTENCY,
            Step("Add a unique constraint on the order of a completed payment."),
            Step("Refund the duplicates in the Stripe dashboard, and write to the customers."),
        ),
    ),
    serves=("ISS-04",),
)

duplicate_charges_open = Alert(
    "PaymentDuplicateChargesOpen",
    watches=double_charges,
    thresholds=(
        above(
            0,
            Severity.INFO,
            Priority.P4,
            lasting=hours(1),
            keep_firing=minutes(10),
            because="whoever paid twice is owed the money back; nobody need be woken for it a second time",
        ),
    ),
    summary="Customers who were charged twice have not been paid back.",
    description="{value} orders of the past 24 hours are charged more than once still.",
    runbook=Runbook(
        meaning="Orders have more than one successful payment, and none of them is refunded in the database.",
        impact="Each is a customer who waits for money, and a dispute to come.",
        diagnosis=(
            Step("The entry of PaymentDuplicateCharges has the query that lists them."),
            Step("Was one refunded at Stripe only? Then its row was never told."),
        ),
        mitigation=(
            Step("Refund the duplicates in the Stripe dashboard, and see that their rows become refunded."),
            Step(
                "An order that is settled in another way is named in the exporter's setting postgres.settled_duplicates."
            ),
        ),
    ),
    hidden_by=(duplicate_charges,),
    serves=("ISS-04",),
)

reconciliation_gap = Alert(
    "PaymentReconciliationGap",
    watches=gap,
    thresholds=(
        above(
            0,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="after the grace period both sides must agree; one payment amiss is one customer wronged",
        ),
    ),
    guards=(replica.UP_TO_DATE,),
    summary="Stripe and the payments database disagree.",
    description="{value} payments are missing from the side named {side}.",
    runbook=Runbook(
        meaning="Missing from database: Stripe has the money, we do not know. Missing from stripe: no event told us that it was "
        "paid. Either nobody paid, or the event came more than 15 minutes late, or could not be understood.",
        impact="Customers paid and get nothing, or perhaps get it for nothing.",
        diagnosis=(
            Step("Were webhooks lost? Look at the backlog, the dead events and the events that the inbox never saw."),
            Step("Was the database restored, or were payments marked for review?"),
            Step(
                "Missing from stripe: ask Stripe for each payment before anybody acts. One that succeeded there is paid: its event "
                "was late, is in no counter, and never will be.",
                "stripe payment_intents retrieve pi_... --live",
            ),
            ERROR_LOGS,
        ),
        mitigation=(
            Step(
                "Let Stripe send the missed events again.",
                "stripe events resend evt_... --webhook-endpoint we_... --live",
            ),
            Step("Only of payments that did not succeed at Stripe itself, stop the delivery and ask finance."),
        ),
    ),
    serves=("RB-04", "ISS-04"),
)

events_unseen = Alert(
    "StripeWebhookEventsMissing",
    watches=unseen_events,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            because="Stripe counts them as delivered, so nobody will send them again",
        ),
    ),
    guards=(replica.UP_TO_DATE,),
    summary="Webhook events that Stripe delivered are not in the inbox.",
    description="{value} events were delivered by Stripe and are not in the webhook inbox.",
    runbook=Runbook(
        meaning="Our endpoint said thank you and then lost the event.",
        impact="Payments, refunds or disputes that nobody here knows of.",
        diagnosis=(ERROR_LOGS, Step("Does the endpoint answer before the event is stored? It must not.")),
        mitigation=(
            Step(
                "Let Stripe send the lost events again.",
                "stripe events resend evt_... --webhook-endpoint we_... --live",
            ),
        ),
    ),
    hidden_by=(reconciliation_gap,),
    serves=("ISS-01",),
)

payments_pending_review = Alert(
    "PaymentsPendingReview",
    watches=in_review,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            lasting=hours(1),
            because="after a rollback finance has to clear each of these payments, and nothing else reminds them",
        ),
    ),
    summary="Payments wait for a review after a rollback.",
    description="{value} payments have status pending_review.",
    runbook=Runbook(
        meaning="The database rollback set completed payments aside; the money is still taken.",
        impact="Customers paid, and their orders stand still.",
        diagnosis=(
            Step(
                "List them.",
                "SELECT id, order_id, payment_intent_id, review_reason, updated_at FROM payments\n"
                "WHERE status = 'pending_review' ORDER BY updated_at LIMIT 100;",
                "sql",
            ),
        ),
        mitigation=(
            Step(
                "Reconcile each with Stripe: completed again where Stripe has the money, refunded where it was returned."
            ),
            RELEASE_FROM_REVIEW,
        ),
    ),
    serves=("RB-04", "RB-05"),
)

migrations_waiting = Alert(
    "PaymentMigrationsPending",
    watches=migrations,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            because="deployment step 3: the schema must be complete before the code that needs it runs",
        ),
    ),
    summary="Database migrations are pending.",
    description="{value} migrations are recorded and not applied.",
    runbook=Runbook(
        meaning="The schema is behind the code.",
        impact="New code may fail on columns that do not exist.",
        diagnosis=(
            Step("List them.", "SELECT version FROM schema_migrations WHERE NOT applied ORDER BY version;", "sql"),
            RECENT_CHANGES,
        ),
        mitigation=(Step("Apply them in their order, or roll the deployment back."),),
    ),
    serves=("STEP-04",),
)

table_missing = Alert(
    "PaymentTableMissing",
    watches=tables,
    thresholds=(
        below(
            1,
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(5),
            because="deployment step 3: the tables exist; without them no payment can be recorded",
        ),
    ),
    summary="A table of the payments database is missing.",
    description="Table {table} does not exist in the payments database.",
    runbook=Runbook(
        meaning="The table is gone or was never made, or the exporter looks at the wrong database.",
        impact="Payments cannot be recorded.",
        diagnosis=(
            Step(
                "Look with the exporter's role; a role without rights sees the table's name all the same.",
                "SELECT to_regclass('public.payments'), to_regclass('public.payment_attempts');",
                "sql",
            ),
            RECENT_CHANGES,
        ),
        mitigation=(Step("Apply the migrations, or restore the table from the backup."),),
    ),
    serves=("STEP-03",),
)
