"""Which steps do several runbook entries share, with the commands as they really work?"""

from rules.vocabulary import API_URL, ENVIRONMENT, FLAG, FLAGS_URL, Channel, Chapter, Contact, Served, Step

STRIPE_SUPPORT = Contact(
    name="Stripe support", channel=Channel.PHONE, address="+1-888-926-2289", external=True, serves=("CON-05",)
)

_FLAG = f"{FLAGS_URL}/{FLAG}"
_EXPORTER_PODS = "-l app.kubernetes.io/name=paymon"
_DECLARE_IT = (
    "Then give operations.rollout.percent in the exporter's declared file the same value, or PaymentRolloutDrift fires."
)


def _set_rollout(variable: str, meaning: str) -> str:
    """Shows the flag, then sets this environment's rollout to the percentage that the person filled in, and to no other."""
    return (
        f"{variable}=\n"
        f'curl -fsS {_FLAG} -H "Authorization: Bearer $ADMIN_TOKEN"\n'
        f"curl -fsS -X PATCH {_FLAG} \\\n"
        '  -H "Authorization: Bearer $ADMIN_TOKEN" -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"environments":{{"{ENVIRONMENT}":{{"rollout":{{"value":\'"${{{variable}:?{meaning}}}"\'}}}}}}}}\''
    )


def _in_each_exporter(command: str) -> str:
    return (
        f"for pod in $(kubectl get pods {_EXPORTER_PODS} -o name); do\n"
        f'  echo "$pod"; kubectl exec "$pod" -c paymon-exporter -- {command}\n'
        "done"
    )


STRIPE_STATUS = Step("Look at Stripe's status page, and at the Stripe dashboard's error and event logs.")
ERROR_LOGS = Step("Open error tracking and sort by first seen: what is new since this began?")
RECENT_CHANGES = Step("Ask what changed: deployments, flag changes and migrations are marked on the dashboard.")
DATABASE_REACHABLE = Step(
    "See whether the payments database answers, and what it waits for.",
    "SELECT pid, state, wait_event_type, now() - query_start AS running, left(query, 80) AS query\n"
    "FROM pg_stat_activity WHERE state <> 'idle' ORDER BY query_start LIMIT 20;",
    "sql",
)
HEALTH = Step(
    "Ask the service itself; -f makes curl fail on an HTTP error.",
    f"curl -fsS {API_URL}/health/payments | jq .",
)
AFFECTED_USERS = Step(
    "Count the customers who were hit in the past 15 minutes.",
    "SELECT count(DISTINCT user_id) FROM payment_attempts\n"
    "WHERE status = 'failed' AND created_at > now() - interval '15 minutes';",
    "sql",
)
PULL_KILL_SWITCH = Step(
    "Pull the kill switch only if payments do harm while they run (wrong amounts, double charges); "
    "for mere failures a rollback loses less. The second command has to show that it is off, and "
    "`paymon gate --back 0 --watch` that nobody pays any more.",
    f'curl -fsS -X POST {_FLAG}/kill -H "Authorization: Bearer $EMERGENCY_TOKEN"\n'
    f'curl -fsS {_FLAG} -H "Authorization: Bearer $EMERGENCY_TOKEN"',
)
ROLL_BACK = Step(
    "If it began with a deployment or a rollout step, go back one stage, and see by `paymon gate --back STEP --watch` that "
    "it took effect before the next. "
    "Write behind STEP= the stage below the present one: 50, 10, 1 or 0. Left empty, the commands show the present stage "
    f"and change nothing. {_DECLARE_IT}",
    _set_rollout("STEP", "the stage below the present one: 50, 10, 1 or 0"),
)
SET_STAGE = Step(
    f"To set a stage, write it behind STAGE=; left empty, the commands show the present one. {_DECLARE_IT}",
    _set_rollout("STAGE", "the percentage of customers: 1, 10, 50 or 100"),
)
OTHER_PROCESSOR = Step(
    "If a second payment processor is ready, switch to it; if not, put up the maintenance page and say so to customers."
)
TELL_PEOPLE = Step(
    "Update the status page, and tell stakeholders every 30 minutes until it is over; the P1 e-mails go out by themselves."
)
CALL_STRIPE = Step(
    "If it is Stripe's fault, open a ticket in the Stripe dashboard and call "
    f"{STRIPE_SUPPORT.name}, {STRIPE_SUPPORT.address}, with the request ids from the logs."
)
SCALE_WORKERS = Step(
    "If payments queue up for workers, raise the autoscaler's floor; a plain scale is undone by the autoscaler.",
    'kubectl patch hpa payment-worker --patch \'{"spec":{"minReplicas":10}}\'',
)
EXPORTER_LOG = Step(
    "Read the exporter's log; it names place, cause and cure of every kind of failure.",
    f"kubectl logs {_EXPORTER_PODS} -c paymon-exporter --prefix --since=30m --tail=-1",
)
EXPORTER_DOCTOR = Step(
    "Let the exporter examine its surroundings.",
    _in_each_exporter("paymon doctor --config /etc/paymon/exporter.yaml"),
)
RESTART_EXPORTER = Step(
    "Restart the exporter inside its pod, and leave the pod alone: its counters then go on where they were. With the pod "
    "goes an emptyDir, as beside the payments service; what happened since the last sample is then never counted. "
    "State in Postgres, or on the singleton's volume, survives either.",
    _in_each_exporter("sh -c 'kill 1'"),
)

MARK_FOR_REVIEW = Step(
    "After a rollback, mark the payments of the past hour and note it for finance, in one statement. "
    "It neither refunds nor releases anything: reconcile each payment with Stripe before changing it back.",
    "WITH marked AS (\n"
    "  UPDATE payments SET status = 'pending_review', updated_at = now(), review_reason = 'system_rollback'\n"
    "  WHERE created_at > now() - interval '1 hour' AND status = 'completed' RETURNING id\n"
    ")\n"
    "INSERT INTO audit_log (event_type, details, created_at)\n"
    "SELECT 'payment_rollback', jsonb_build_object('affected_count', count(*), 'reason', 'emergency_rollback'), now()\n"
    "FROM marked;",
    "sql",
)
RELEASE_FROM_REVIEW = Step(
    "Release one payment that is reconciled, and note it for finance: put its id in the place of the NULL behind WHERE id. "
    "Only one for which Stripe has the money becomes completed again.",
    "WITH released AS (\n"
    "  UPDATE payments SET status = 'completed', updated_at = now(), review_reason = NULL\n"
    "  WHERE id = NULL AND status = 'pending_review' RETURNING id\n"
    ")\n"
    "INSERT INTO audit_log (event_type, details, created_at)\n"
    "SELECT 'payment_released', jsonb_build_object('payment_id', id, 'reason', 'reconciled_with_stripe'), now()\n"
    "FROM released;",
    "sql",
)
ROTATE_WEBHOOK_SECRET = Step(
    "Replace the webhook secret without showing it: the new value comes from a file that only you can read.",
    "kubectl create secret generic stripe-webhook --from-file=secret=./new-webhook-secret \\\n"
    "  --dry-run=client -o yaml | kubectl apply -f -\n"
    "kubectl rollout restart deployment/webhook-processor",
)
IDEMPOTENCY = Step(
    "Send an idempotency key that stays the same when a request is repeated: user and order, never the time. "
    "It is a request option, not a field of the payment.",
    "await stripe.paymentIntents.create(\n"
    "  { amount: 1000, currency: 'usd' },\n"
    "  { idempotencyKey: `${userId}-${orderId}` },\n"
    ");",
    "javascript",
)

ERROR_RATES = Step(
    "See how the key metrics stand and what fails, by class and by payment method; then watch it.",
    "paymon check --window 15m\npaymon status --watch",
)

_STAGES = (
    Served(
        title="Staging at 10 %",
        text="Turn the flag to 10 % in staging and see the three smoke-test events processed within three seconds.",
        serves=("STEP-01", "STEP-02"),
    ),
    Served(
        title="Production at 1 %",
        text="Turn the flag to 1 % and declare it; `paymon gate 1 --watch` says when it may go on. One hour shows about "
        "75 attempts: enough to see payments broken, not enough to promise 99.8 %.",
        serves=("STEP-06",),
    ),
    Served(
        title="Production at 10 %",
        text="Turn the flag to 10 %, declare it, and let `paymon gate 10 --watch` judge it for 24 hours without a P1 or P2.",
        serves=("STEP-07",),
    ),
    Served(
        title="Production at 100 %",
        text="Turn the flag to 100 % once the stage before it passed, declare it, and see it through with "
        "`paymon gate 100 --watch`.",
        serves=("STEP-08",),
    ),
    Served(
        title="Gradual rollback: 50 %, 10 %, 0 %",
        text="Go down step by step. After each, `paymon gate --back 50 --watch` (or 10, or 0) says whether it reached the "
        "customers; bad figures never hold it back.",
        serves=("RB-03",),
    ),
    Served(
        title="Payments are off",
        text="`paymon gate --back 0 --watch` says whether the flag or the kill switch is off and nobody has paid since.",
        serves=("RB-02",),
    ),
)

_INCIDENT = (
    Served(
        title="Error rates of the past 15 minutes",
        text="`paymon check --window 15m` shows the key metrics against their thresholds, results, classes of failures and "
        "payment methods; `paymon status --watch` the same live, with alerts and what changed.",
        serves=("RSP-05",),
    ),
    Served(
        title="Affected users",
        text="`paymon check` counts the users with a failed attempt in the past 15 minutes; the query on the pages of the "
        "alerts lists them.",
        serves=("RSP-06",),
    ),
)

CHAPTERS = (
    Chapter(
        title="Rolling out, and back",
        procedures=_STAGES,
        steps=(SET_STAGE, Step("To switch live payments off at once:", PULL_KILL_SWITCH.command)),
    ),
    Chapter(title="After a rollback", steps=(MARK_FOR_REVIEW,)),
    Chapter(title="In an incident", procedures=_INCIDENT, steps=(ERROR_RATES,)),
)
