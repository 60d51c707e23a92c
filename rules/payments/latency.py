"""Latency and limits: do customers wait, and are they turned away?"""

from decimal import Decimal

from rules.payments import outcomes, silence
from rules.payments.outcomes import PAYMENT_METHOD
from rules.payments.runbook.procedures import (
    CALL_STRIPE,
    DATABASE_REACHABLE,
    ERROR_LOGS,
    RECENT_CHANGES,
    ROLL_BACK,
    SCALE_WORKERS,
    STRIPE_STATUS,
)
from rules.vocabulary import (
    API_URL,
    RATE_LIMIT,
    Alert,
    Counter,
    Example,
    Gauge,
    Histogram,
    Label,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    at_least,
    below,
    minutes,
    only_if,
)

API_BOUND = Decimal("0.5")
TIMEOUT_BOUND = Decimal(30)

STATUS_CLASS = Label("status_class", ("2xx", "3xx", "4xx", "5xx"))

payment_duration = Histogram(
    "payment_duration_seconds",
    "Time from the customer's confirmation to the final result of the payment",
    Unit.SECONDS,
    Source.APPLICATION,
    labels=(PAYMENT_METHOD,),
    bounds=tuple(map(Decimal, ("0.5", "1", "2", "3", "5", "10", "30", "60"))),
    serves=("ISS-02",),
)

api_request_duration = Histogram(
    "payment_api_request_duration_seconds",
    "Time that the payments API took to answer a request",
    Unit.SECONDS,
    Source.APPLICATION,
    labels=(STATUS_CLASS,),
    bounds=tuple(map(Decimal, ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"))),
    serves=("KM-02", "HLT-09"),
)

rate_limited = Counter(
    "payment_rate_limited_total",
    "Requests to the payments API that were refused because their user sent too many",
    Unit.COUNT,
    Source.APPLICATION,
    serves=("CHK-09",),
)

circuit_open = Gauge(
    "payments_circuit_breaker_open",
    "Whether the payments service has stopped calling Stripe by itself",
    Unit.BOOLEAN,
    Source.APPLICATION,
    serves=("RSP-07",),
)

application_build = Gauge(
    "payments_build_info",
    "The payments service's version, always 1",
    Unit.BOOLEAN,
    Source.APPLICATION,
    labels=(Label("version", bounded_by="the releases of the payments service"),),
    serves=("STEP-05", "RSP-02"),
)

synthetic_success = Gauge(
    "payments_synthetic_success",
    "Whether the latest test payment through the payments API succeeded (staging, or Stripe's test mode)",
    Unit.BOOLEAN,
    Source.APPLICATION,
    serves=("HLT-12",),
)


def counted(histogram: Histogram, selector: str, window: str, function: str = "increase") -> str:
    """PromQL for the sum over a histogram's series; those that every replica exports alike are taken once."""
    series = f"{function}({selector}[{window}])"
    return f"sum(max without (instance, pod) ({series}))" if histogram.source.exported else f"sum({series})"


def share_over(histogram: Histogram, bound: Decimal, window: str) -> str:
    """PromQL for the share of observations above a bucket bound: exactly "quantile above bound", without estimates."""
    quick = counted(histogram, histogram.within(bound), window, "rate")
    return f"1 - {quick}\n/ on () ({counted(histogram, histogram.count, window, 'rate')} > 0)"


_OK = api_request_duration.counted(status_class="2xx")
_OK_FAST = api_request_duration.name + '_bucket{status_class="2xx",le="0.5"}'
_BAD = api_request_duration.counted(status_class="5xx")
_BAD_FAST = api_request_duration.name + '_bucket{status_class="5xx",le="0.5"}'
_API_REQUESTS = (
    (_OK, "0+10x5 60 66 84 92 100"),
    (_OK_FAST, "0+10x5 51 60 69 77 85"),
    (_BAD, "0+2x10"),
    (_BAD_FAST, "0+2x10"),
)

api_slow = Signal(
    "payments_api:slow_requests:ratio_rate5m",
    "Share of API requests that take more than 0.5 seconds",
    Unit.RATIO,
    share_over(api_request_duration, API_BOUND, "5m"),
    Example.over(minutes(5), _API_REQUESTS, (("", "0.125"),)),
    serves=("KM-02",),
)

api_requests = Signal(
    "payments_api:requests:increase5m",
    "API requests in 5 minutes",
    Unit.COUNT,
    counted(api_request_duration, api_request_duration.count, "5m"),
    Example.over(minutes(5), ((_OK, "0+10x5 61 72 84 97 107"), (_BAD, "0+2x10")), (("", "67.5"),)),
)

_FAILING_REQUESTS = ((_OK, "0+9x10"), (_BAD, "0x5 1 1 3 5 5"))
_ERRORS = api_request_duration.counted(status_class="5xx")


def _errors(window: str) -> str:
    every = counted(api_request_duration, api_request_duration.count, window)
    return f"{counted(api_request_duration, _ERRORS, window)}\nor 0 * {every}"


def _error_share(window: str) -> str:
    errors = counted(api_request_duration, _ERRORS, window, "rate")
    every = counted(api_request_duration, api_request_duration.count, window, "rate")
    return f"(\n  {errors}\n  or vector(0)\n)\n/ on () ({every} > 0)"


api_errors = Signal(
    "payments_api:server_errors:increase5m",
    "API requests in 5 minutes that ended in a 5xx",
    Unit.COUNT,
    _errors("5m"),
    Example.over(minutes(5), _FAILING_REQUESTS, (("", "5"),)),
)

api_error_ratio = Signal(
    "payments_api:server_errors:ratio_rate5m",
    "Share of API requests that end in a 5xx",
    Unit.RATIO,
    _error_share("5m"),
    Example.over(minutes(5), _FAILING_REQUESTS, (("", "0.1"),)),
)

api_error_ratio_30m = Signal(
    "payments_api:server_errors:ratio_rate30m",
    "Share of API requests that end in a 5xx, over 30 minutes",
    Unit.RATIO,
    _error_share("30m"),
    Example.over(minutes(30), _FAILING_REQUESTS, (("", "0.1"),)),
)

breaker_open = Signal(
    "payments:circuit_breaker:open",
    "Whether the circuit breaker of any pod is open",
    Unit.BOOLEAN,
    f"max({circuit_open})",
    Example(
        series=(
            (f'{circuit_open}{{instance="a"}}', "0x10"),
            (f'{circuit_open}{{instance="b"}}', "0x5 1x5"),
            (f'{circuit_open}{{instance="c"}}', "1x10"),
        ),
        at=minutes(8),
        gives=(("", "1"),),
    ),
    serves=("RSP-07",),
)

timeouts = Signal(
    "payments:timeouts:increase5m",
    "Payments in 5 minutes that took more than 30 seconds",
    Unit.COUNT,
    f"{counted(payment_duration, payment_duration.count, '5m')}\n"
    f"- on () {counted(payment_duration, payment_duration.within(TIMEOUT_BOUND), '5m')}",
    Example.over(
        minutes(5),
        (
            (payment_duration.counted(payment_method="card"), "0+10x10"),
            (payment_duration.name + '_bucket{payment_method="card",le="30.0"}', "0+10x5 60 69 78 86 94"),
            (payment_duration.counted(payment_method="link"), "0+10x10"),
            (payment_duration.name + '_bucket{payment_method="link",le="30"}', "0+10x5 60 70 80 90 98"),
        ),
        (("", "10"),),
    ),
)

timeout_ratio = Signal(
    "payments:timeouts:ratio_rate5m",
    "Share of payments that take more than 30 seconds",
    Unit.RATIO,
    share_over(payment_duration, TIMEOUT_BOUND, "5m"),
    Example.over(
        minutes(5),
        (
            (payment_duration.counted(payment_method="card"), "0+10x5 60 64 82 91 100"),
            (payment_duration.name + '_bucket{payment_method="card",le="30.0"}', "0+10x5 60 69 78 86 94"),
            (payment_duration.counted(payment_method="link"), "0+10x10"),
            (payment_duration.name + '_bucket{payment_method="link",le="30"}', "0+10x5 60 70 80 90 98"),
        ),
        (("", "0.1"),),
    ),
    serves=("ISS-02",),
)

refused = Signal(
    "payments_api:rate_limited:increase5m",
    "API requests in 5 minutes that were refused for being too many",
    Unit.COUNT,
    f"sum(increase({rate_limited}[5m]))",
    Example.over(
        minutes(5),
        (
            (rate_limited.name + '{instance="a"}', "0x5 1 1 3 5 5"),
            (rate_limited.name + '{instance="b"}', "0x5 2 2 4 8 10"),
        ),
        (("", "15"),),
    ),
)

refused_ratio = Signal(
    "payments_api:rate_limited:ratio_rate5m",
    "Share of API requests that are refused for being too many",
    Unit.RATIO,
    f"sum(rate({rate_limited}[5m]))\n/ on () (sum(rate({api_request_duration.count}[5m])) > 0)",
    Example.over(
        minutes(5),
        (
            (rate_limited.name, "0x5 1 1 3 5 5"),
            (_OK, "0+8x5 48 50 64 72 80"),
            (_BAD, "0+2x10"),
        ),
        (("", "0.1"),),
    ),
    serves=("CHK-09",),
)

synthetic_ok = Signal(
    "payments_synthetic:success:min",
    "Whether the latest test payment of every pod that makes them succeeded",
    Unit.BOOLEAN,
    f"min({synthetic_success})",
    Example(
        series=(
            (f'{synthetic_success}{{instance="a"}}', "1x10"),
            (f'{synthetic_success}{{instance="b"}}', "1x5 0x5"),
        ),
        at=minutes(8),
        gives=(("", "0"),),
    ),
    also=(Example(series=((synthetic_success.name, "1x10"),), at=minutes(8), gives=(("", "1"),)),),
    serves=("HLT-12",),
)

api_latency_high = Alert(
    "PaymentApiLatencyHigh",
    watches=api_slow,
    thresholds=(
        above(
            "0.05",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            respond_within=minutes(15),
            because="key metrics table: more than 500 ms; read as the 95th percentile, that is 5 % of requests above it",
        ),
    ),
    guards=(only_if(api_requests, ">=", 100, "5 % of fewer than 100 requests are too few to judge by"),),
    summary="More than {threshold} of payments API requests take longer than 500 ms.",
    description="{value} of the requests in the past 5 minutes took longer than 500 ms.",
    runbook=Runbook(
        meaning="The 95th percentile of the payments API's response time is above its bound.",
        impact="The checkout feels slow; some customers give up.",
        diagnosis=(
            Step("Look at the latency heatmap: are all requests slower, or is there a second, slow hump?"),
            DATABASE_REACHABLE,
            RECENT_CHANGES,
            STRIPE_STATUS,
        ),
        mitigation=(ROLL_BACK, SCALE_WORKERS),
    ),
    serves=("KM-02", "HLT-09"),
)

api_errors_high = Alert(
    "PaymentApiErrorsHigh",
    watches=api_error_ratio,
    thresholds=(
        above(
            "0.05",
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(5),
            because="below 95 % success is critical; a request that our own API fails never becomes a payment attempt, "
            "so that no other share counts it",
        ),
    ),
    guards=(only_if(api_errors, ">=", 10, "a few 5xx are a deployment or a client's odd request"),),
    stays_while=only_if(
        api_error_ratio_30m, ">", "0.01", "a fault near the bound is one fault, though it crosses it all day"
    ),
    summary="More than {threshold} of payments API requests end in a 5xx.",
    description="{value} of the requests in the past 5 minutes ended in a 5xx.",
    runbook=Runbook(
        meaning="The payments API fails by itself, before Stripe is asked or after it answered.",
        impact="These customers cannot pay, or do not see that they have; the success rate shows none of it.",
        diagnosis=(
            ERROR_LOGS,
            RECENT_CHANGES,
            DATABASE_REACHABLE,
            Step("Does the database refuse writes: a full disk, a sequence at its end, a lock of a migration?"),
            STRIPE_STATUS,
        ),
        mitigation=(ROLL_BACK, SCALE_WORKERS),
    ),
    hidden_by=(outcomes.complete_failure, silence.traffic_stopped, outcomes.degraded),
    serves=("SEV-P2", "KM-01"),
)

circuit_breaker_open = Alert(
    "PaymentCircuitBreakerOpen",
    watches=breaker_open,
    thresholds=(
        at_least(
            1,
            Severity.INFO,
            Priority.P4,
            lasting=minutes(5),
            keep_firing=minutes(10),
            because="a breaker opens and closes by itself; open for five minutes it is how payments are now",
        ),
    ),
    summary="The payments service has stopped calling Stripe by itself.",
    description="The circuit breaker of at least one pod is open (value {value}).",
    runbook=Runbook(
        meaning="So many calls to Stripe failed that the service makes none for a while.",
        impact="Payments through that pod are refused at once instead of waiting; alerts on failures tell how many.",
        diagnosis=(STRIPE_STATUS, ERROR_LOGS, Step("Is it one pod or all? One alone has a network of its own.")),
        mitigation=(
            Step("If Stripe works again and the breaker stays open, restart the pod."),
            Step("If somebody opened it by hand, ask why, and close it."),
        ),
    ),
    hidden_by=(outcomes.complete_failure,),
    serves=("RSP-07",),
)

payment_timeouts = Alert(
    "PaymentTimeouts",
    watches=timeout_ratio,
    thresholds=(
        above(
            "0.01",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(10),
            because="common issues: payments that take more than 30 seconds; one in a hundred is more than bad luck",
        ),
    ),
    guards=(only_if(timeouts, ">=", 5, "a few slow issuers are always there"),),
    summary="More than {threshold} of payments take longer than 30 seconds.",
    description="{value} of the payments in the past 5 minutes took longer than 30 seconds.",
    runbook=Runbook(
        meaning="Payments hang. Those that never end are counted by PaymentsStuck instead.",
        impact="Customers stare at a spinner, and try again: duplicate charges may follow.",
        diagnosis=(
            STRIPE_STATUS,
            Step(
                "Measure the way to Stripe from a payments pod.",
                "curl -so /dev/null -w '%{time_total}\\n' https://api.stripe.com",
            ),
            DATABASE_REACHABLE,
            ERROR_LOGS,
        ),
        mitigation=(
            SCALE_WORKERS,
            Step("Let identical requests in flight share one answer, so that impatient customers do not add load."),
            CALL_STRIPE,
        ),
    ),
    serves=("ISS-02", "ISS-03"),
)

rate_limiting_high = Alert(
    "PaymentRateLimitingHigh",
    watches=refused_ratio,
    thresholds=(
        above(
            "0.05",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            because=f"no customer needs {RATE_LIMIT} requests a minute; "
            "where 5 % of requests are refused, the limit or a client is wrong",
        ),
    ),
    guards=(only_if(refused, ">=", 20, "one user with a stuck key is no incident"),),
    summary="More than {threshold} of payments API requests are refused for being too many.",
    description="{value} of the requests in the past 5 minutes were refused by the rate limit.",
    runbook=Runbook(
        meaning="Many requests hit the limit per user: an attack, a client in a loop, or a limit that is too low.",
        impact="Those users cannot pay; if the limit counts addresses, users behind one proxy suffer together.",
        diagnosis=(
            Step("Find the users and addresses with the most refused requests in the API's log."),
            RECENT_CHANGES,
        ),
        mitigation=(
            Step("Block the attacker at the edge, or fix the client that repeats itself."),
            Step("If honest users are hit, raise the limit."),
        ),
    ),
    serves=("CHK-09",),
)

synthetic_failing = Alert(
    "PaymentTestPaymentFailing",
    watches=synthetic_ok,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            because="health checks: the test payment succeeds. Made every five minutes or more often, it failed twice "
            "in ten; it has no customer, and where customers fail as well, other alerts page",
        ),
    ),
    summary="The test payment through the payments API fails.",
    description="The latest test payment did not succeed (value {value}), nor has one in the past 10 minutes.",
    runbook=Runbook(
        meaning="The payment that the service makes for a test, in staging or with Stripe's test keys, does not succeed.",
        impact="Perhaps none yet. At night, when hardly anybody pays, it is the first to tell that nobody could.",
        diagnosis=(
            Step(
                "Make one by hand, and read the answer.",
                f"curl -fsS -X POST {API_URL}/api/payments/test \\\n"
                '  -H "Authorization: Bearer $SERVICE_TOKEN" -H "Content-Type: application/json" \\\n'
                '  -d \'{"amount":100,"currency":"usd"}\'',
            ),
            Step("Is it the test key? They are rolled apart from the live ones."),
            STRIPE_STATUS,
            RECENT_CHANGES,
            ERROR_LOGS,
        ),
        mitigation=(ROLL_BACK, Step("If only the test is broken, mend the test.")),
    ),
    hidden_by=(outcomes.complete_failure,),
    serves=("HLT-12",),
)
