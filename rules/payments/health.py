"""Health and edge: does the service say that it is well, and is its front door sound?"""

from rules.payments import completion, monitoring, outcomes, rollout, silence
from rules.payments.runbook.procedures import (
    CALL_STRIPE,
    DATABASE_REACHABLE,
    ERROR_LOGS,
    HEALTH,
    OTHER_PROCESSOR,
    PULL_KILL_SWITCH,
    RECENT_CHANGES,
    ROLL_BACK,
    STRIPE_STATUS,
    TELL_PEOPLE,
)
from rules.vocabulary import (
    API_HOST,
    API_URL,
    STALE_AFTER_INTERVALS,
    Alert,
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
    excluding,
    hours,
    minutes,
    only_if,
    or_when,
    seconds,
    unless,
)

CHECK = Label("check", ("stripe_api", "webhook_endpoint", "database", "redis", "feature_flag"))
CERTIFICATE = Label("certificate", ("leaf", "intermediate", "root"))
HOST = Label("host", bounded_by="the exporter's setting probe.hosts")
HEADER = Label(
    "header",
    (
        "strict-transport-security",
        "content-security-policy",
        "x-content-type-options",
        "x-frame-options",
        "referrer-policy",
    ),
)

up = Gauge(
    "payments_health_up",
    "Whether the health endpoint answered 200 with valid JSON and status healthy",
    Unit.BOOLEAN,
    Source.HEALTH,
    serves=("HLT-01", "HLT-02", "STEP-05"),
)

check_ok = Gauge(
    "payments_health_check_status",
    "Whether the health endpoint reports this dependency as it should be",
    Unit.BOOLEAN,
    Source.HEALTH,
    labels=(CHECK,),
    serves=("HLT-04", "HLT-05", "HLT-06", "HLT-07", "HLT-08", "RSP-02"),
)

response = Gauge(
    "payments_health_response_seconds",
    "Time that the health endpoint took to answer the probe",
    Unit.SECONDS,
    Source.HEALTH,
    serves=("HLT-09",),
)

reported_response = Gauge(
    "payments_health_reported_response_seconds",
    "Response time that the health endpoint reports of itself",
    Unit.SECONDS,
    Source.HEALTH,
    serves=("HLT-09",),
)

reported_rate = Gauge(
    "payments_health_reported_transactions_per_minute",
    "Transactions per minute that the health endpoint reports",
    Unit.PER_MINUTE,
    Source.HEALTH,
    serves=("HLT-10",),
)

reported_success = Gauge(
    "payments_health_reported_success_ratio",
    "Share of successful payments that the health endpoint reports",
    Unit.RATIO,
    Source.HEALTH,
    serves=("HLT-11",),
)

reported_at = Gauge(
    "payments_health_reported_timestamp_seconds",
    "The moment that the health endpoint's answer claims to be from",
    Unit.TIMESTAMP,
    Source.HEALTH,
    serves=("HLT-03",),
)

certificate_not_after = Gauge(
    "payments_tls_not_after_timestamp_seconds",
    "When the first certificate expires of the chain that the host serves, by which of them that is",
    Unit.TIMESTAMP,
    Source.PROBE,
    labels=(HOST, CERTIFICATE),
    serves=("CHK-08",),
)

certificate_not_before = Gauge(
    "payments_tls_not_before_timestamp_seconds",
    "From when that certificate is valid",
    Unit.TIMESTAMP,
    Source.PROBE,
    labels=(HOST, CERTIFICATE),
    serves=("CHK-08",),
)

https_enforced = Gauge(
    "payments_https_enforced",
    "Whether plain HTTP is refused or redirected to HTTPS",
    Unit.BOOLEAN,
    Source.PROBE,
    labels=(HOST,),
    serves=("CHK-13",),
)

header_present = Gauge(
    "payments_security_header_present",
    "Whether the host's answers carry this security header",
    Unit.BOOLEAN,
    Source.PROBE,
    labels=(HOST, HEADER),
    serves=("CHK-15",),
)


def _all_replicas(metric: Gauge) -> str:
    return f"min without (instance, pod) ({metric})"


healthy = Signal(
    "payments_health:up:min",
    "Whether the service says that it is healthy",
    Unit.BOOLEAN,
    _all_replicas(up),
    Example(series=((f'{up}{{pod="a"}}', "1x10"), (f'{up}{{pod="b"}}', "1x5 0x5")), at=minutes(8), gives=(("", "0"),)),
    also=(Example(series=((up.name, "1x10"),), at=minutes(8), gives=(("", "1"),)),),
    serves=("HLT-01",),
)

dependency_ok = Signal(
    "payments_health:check_status:min",
    "Whether the service says that a dependency is well; the feature flag is no dependency",
    Unit.BOOLEAN,
    f"min without (instance, pod) ({check_ok.where(check=excluding('feature_flag'))})",
    Example(
        series=(
            (check_ok.where(check="redis"), "1x5 0x5"),
            (check_ok.where(check="database"), "1x10"),
            (check_ok.where(check="feature_flag"), "0x10"),
        ),
        at=minutes(8),
        gives=(('check="redis"', "0"), ('check="database"', "1")),
    ),
    serves=("HLT-04", "HLT-05", "HLT-06", "HLT-07"),
)


def _says(gives: tuple[tuple[str, str], ...], *series: tuple[str, str], off: str | None = "") -> Example:
    """What the service says of Stripe and of itself; `off` is what keeps customers out, None where nobody tells of any.

    Read while what was recorded at the begin still counts: that they are kept out is known one evaluation later.
    """
    keeps_out = (rollout.killed.name, rollout.closed.name, rollout.maintenance.name)
    return Example(
        series=(
            *series,
            *((name, f"{int(name == off)}x10") for name in keeps_out if off is not None),
            *(((rollout.rollout.name, "1x10"),) if off is not None else ()),
        ),
        at=minutes(4),
        gives=gives,
    )


stripe_reachable = Signal(
    "payments_health:stripe_reachable:min",
    "Whether the service says that it reaches Stripe, or, where it does not say, that it is well; nothing while customers "
    "are kept out on purpose",
    Unit.BOOLEAN,
    f"(min({check_ok.where(check='stripe_api')}) or min({up}))\n{rollout.UNLESS_KEPT_OUT}",
    _says(
        (("", "0"),),
        (check_ok.where(check="stripe_api"), "1x2 0x5"),
        (check_ok.where(check="redis"), "1x10"),
        (up.name, "1x10"),
    ),
    also=(
        _says((("", "1"),), (check_ok.where(check="stripe_api"), "1x10"), (up.name, "0x10")),
        _says((("", "0"),), (f'{up}{{pod="a"}}', "0x10"), (f'{up}{{pod="b"}}', "1x10")),
        _says((("", "0"),), (check_ok.where(check="stripe_api"), "0x10"), off=None),
        *(
            _says((), (check_ok.where(check="stripe_api"), "0x10"), off=name)
            for name in (rollout.killed.name, rollout.closed.name, rollout.maintenance.name)
        ),
    ),
    serves=("HLT-04",),
)

answer_age = Signal(
    "payments_health:answer_age:seconds",
    "How far the health endpoint's own timestamp is from now, either way",
    Unit.SECONDS,
    f"max without (instance, pod) (abs(time() - {reported_at}))",
    Example(
        series=((f'{reported_at}{{pod="a"}}', "60x10"), (f'{reported_at}{{pod="b"}}', "1500x10")),
        at=minutes(10),
        gives=(("", "900"),),
    ),
    serves=("HLT-03",),
)

pace = Signal(
    "payments_health:attempts:per_minute15m",
    "Attempts per minute over 15 minutes, as the exporter counts them",
    Unit.PER_MINUTE,
    f"{outcomes.total(outcomes.attempts.name, '15m')} / 15",
    Example.over(minutes(15), outcomes.FIVE_FAILURES_IN_FIFTY[:4], (("", "3.333333333333333"),)),
)

disagreement = Signal(
    "payments_health:attempts:disagreement",
    "How far the reported transactions per minute are from those counted, as a share of the latter",
    Unit.SHARE_OF_COUNTED,
    f"abs(max({reported_rate}) - on () {pace})\n/ on () ({pace} > 0)",
    Example.over(
        minutes(15),
        ((outcomes.FIVE_FAILURES_IN_FIFTY[0][0], "0x5 1 1 3 7 9"), (reported_rate.name, "5x5 0.6x5")),
        (("", "0.1"),),
    ),
    serves=("HLT-10",),
)

certificate_left = Signal(
    "payments_tls:lifetime_left:ratio",
    "Share of the certificate's lifetime that is left, by host",
    Unit.RATIO,
    f"clamp_min(min without (instance, pod) (\n  ({certificate_not_after} - time())\n"
    f"  / on (host, instance, pod) (({certificate_not_after} - on (host, instance, pod) {certificate_not_before}) > 0)\n), 0)",
    Example(
        series=(
            *(
                (f'{metric}{{host="api",certificate="leaf",instance="{one}",pod="{pod}"}}', f"{moment}x10")
                for one, pod, before, after in (("a", "a", 200, 1000), ("a", "b", 400, 1400), ("b", "a", 0, 1800))
                for metric, moment in ((certificate_not_before, before), (certificate_not_after, after))
            ),
            (certificate_not_after.name + '{host="www",certificate="intermediate"}', "300x10"),
            (certificate_not_before.name + '{host="www",certificate="intermediate"}', "0x10"),
        ),
        at=minutes(10),
        gives=(('host="api"', "0.5"), ('host="www"', "0")),
    ),
    serves=("CHK-08",),
)

https_only = Signal(
    "payments_https:enforced:min",
    "Whether plain HTTP is refused or redirected, by host",
    Unit.BOOLEAN,
    _all_replicas(https_enforced),
    Example(
        series=((https_enforced.name + '{host="api"}', "1x5 0x5"), (https_enforced.name + '{host="www"}', "1x10")),
        at=minutes(8),
        gives=(('host="api"', "0"), ('host="www"', "1")),
    ),
    serves=("CHK-13",),
)

headers = Signal(
    "payments_https:security_header:min",
    "Whether the security headers are there, by host and header",
    Unit.BOOLEAN,
    _all_replicas(header_present),
    Example(
        series=(
            (header_present.name + '{host="api",header="content-security-policy"}', "1x5 0x5"),
            (header_present.name + '{host="api",header="x-frame-options"}', "1x10"),
        ),
        at=minutes(8),
        gives=(
            ('host="api",header="content-security-policy"', "0"),
            ('host="api",header="x-frame-options"', "1"),
        ),
    ),
    serves=("CHK-15",),
)

_STRIPE = Source.STRIPE_EVENTS.value
_STRIPE_IS_SILENT = only_if(
    monitoring.source_age,
    ">=",
    STALE_AFTER_INTERVALS,
    "where the exporter reaches Stripe, what it counts says more than the service's word",
    source=_STRIPE,
)
_NO_DATABASE_TELLS = unless(
    completion.since_completed,
    ">=",
    0,
    "a database that says when the latest payment was completed knows better; one that answers other questions "
    "alone does not",
)

stripe_unreachable = Alert(
    "PaymentsStripeUnreachable",
    watches=stripe_reachable,
    thresholds=(
        below(
            1,
            Severity.CRITICAL,
            Priority.P1,
            lasting=minutes(2),
            keep_firing=minutes(10),
            because="neither the service nor the exporter reaches Stripe, so nobody can pay; two minutes outlast a "
            "restart",
        ),
    ),
    guards=(
        _STRIPE_IS_SILENT,
        only_if(silence.expected_recently, ">=", 20, "where hardly anybody pays, nobody is kept from it"),
        silence.STILL_ON,
        _NO_DATABASE_TELLS,
    ),
    or_else=(
        or_when(
            stripe_reachable,
            "<",
            1,
            "what began longer ago than the half-hour before, and perhaps while nobody could look, has days to compare with",
            _STRIPE_IS_SILENT,
            only_if(silence.expected_of_days_before, ">=", 20, "where hardly anybody pays, nobody is kept from it"),
            *silence.AS_ON_OTHER_DAYS,
            _NO_DATABASE_TELLS,
        ),
    ),
    summary="Neither the payments service nor the exporter reaches Stripe.",
    description="The service says that it does not reach Stripe (value {value}), and Stripe's data are old.",
    runbook=Runbook(
        meaning="Stripe answers neither the service nor the exporter, and no database tells whether payments go on.",
        impact="Customers cannot pay. Every minute costs the revenue of a minute.",
        diagnosis=(STRIPE_STATUS, HEALTH, RECENT_CHANGES, ERROR_LOGS),
        mitigation=(OTHER_PROCESSOR, ROLL_BACK, PULL_KILL_SWITCH, CALL_STRIPE, TELL_PEOPLE),
    ),
    stays_while=only_if(
        monitoring.source_age,
        ">=",
        STALE_AFTER_INTERVALS,
        "what was to be expected is no longer known once the outage is as long as its window",
        source=_STRIPE,
    ),
    serves=("SEV-P1", "RSP-01"),
)

health_down = Alert(
    "PaymentHealthDown",
    watches=healthy,
    thresholds=(
        below(
            1,
            Severity.CRITICAL,
            Priority.P2,
            lasting=seconds(150),
            keep_firing=minutes(5),
            because="two minutes outlast a restart; a P1 for the same may need half a minute more to speak first",
        ),
    ),
    summary="The payments service says that it is not healthy, or does not answer.",
    description="The health endpoint did not answer 200 with status healthy (value {value}).",
    runbook=Runbook(
        meaning="The service is down, or a dependency without which it cannot work.",
        impact="Payments fail or will soon.",
        diagnosis=(
            HEALTH,
            Step("See whether the pods run.", "kubectl get pods -l app=payments -o wide"),
            DATABASE_REACHABLE,
            RECENT_CHANGES,
        ),
        mitigation=(ROLL_BACK, Step("Restart the service.", "kubectl rollout restart deployment/payments")),
    ),
    hidden_by=(outcomes.complete_failure, completion.none_completed, stripe_unreachable),
    serves=("HLT-01", "HLT-02", "STEP-05", "SEV-P2"),
)

health_check_failing = Alert(
    "PaymentHealthCheckFailing",
    watches=dependency_ok,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="expected response: each of these checks is connected or verified",
        ),
    ),
    summary="The payments service reports a dependency as failing.",
    description="The health endpoint reports {check} as failing.",
    runbook=Runbook(
        meaning="The service works, and says that one of the things it needs does not.",
        impact="Depends on the dependency: without stripe_api or database, payments fail; without redis they are slow.",
        diagnosis=(HEALTH, DATABASE_REACHABLE, RECENT_CHANGES, ERROR_LOGS),
        mitigation=(Step("Mend or restart the dependency that is named."), CALL_STRIPE),
    ),
    hidden_by=(outcomes.complete_failure, health_down),
    serves=("HLT-04", "HLT-05", "HLT-06", "HLT-07"),
)

health_answer_stale = Alert(
    "PaymentHealthAnswerStale",
    watches=answer_age,
    thresholds=(
        above(
            120,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="the answer carries its time; two minutes off is a cached answer or a wrong clock",
        ),
    ),
    summary="The health endpoint's answer is more than {threshold} off.",
    description="The health endpoint's timestamp is {value} away from now.",
    runbook=Runbook(
        meaning="Something between us and the service answers from memory, or a clock is wrong.",
        impact="The health endpoint says healthy, whatever the truth is.",
        diagnosis=(
            Step("Look for a cache's headers (Age, X-Cache).", f"curl -fsSI {API_URL}/health/payments"),
            Step("Compare the clocks of the service and of this machine."),
        ),
        mitigation=(Step("Exclude the path from the cache, with Cache-Control: no-store."),),
    ),
    serves=("HLT-03",),
)

health_disagrees = Alert(
    "PaymentHealthNumbersDisagree",
    watches=disagreement,
    thresholds=(
        above(
            "0.2",
            Severity.WARNING,
            Priority.P4,
            lasting=minutes(15),
            because="two counts of the same payments may differ by their windows, not by a fifth for a quarter of an hour",
        ),
    ),
    guards=(only_if(pace, ">=", 1, "at less than a payment a minute, a window's edge makes a fifth"),),
    summary="The health endpoint and the exporter count payments differently.",
    description="The reported transactions per minute are {value} away from those counted.",
    runbook=Runbook(
        meaning="The service's own count of payments is not what Stripe's events say.",
        impact="One of the two is wrong, and somebody trusts it.",
        diagnosis=(
            Step("See whether one of them leaves something out: renewals, one region, one payment method."),
            RECENT_CHANGES,
        ),
        mitigation=(Step("Mend the count that is wrong, by ticket."),),
    ),
    serves=("HLT-10",),
)

certificate_expiring = Alert(
    "TlsCertificateExpiring",
    watches=certificate_left,
    thresholds=(
        below(
            "0.33",
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            tier="due",
            because="certificates renew with a third of their life left; 90 days are more than many have from the start",
        ),
        below(
            "0.1",
            Severity.WARNING,
            Priority.P3,
            lasting=hours(1),
            tier="urgent",
            because="with a tenth of its life left, the renewal has failed for weeks",
        ),
    ),
    summary="A certificate has less than {threshold} of its lifetime left.",
    description="The certificate of {host} has {value} of its lifetime left.",
    runbook=Runbook(
        meaning="The certificate was not renewed when it should have been.",
        impact="None until it expires; then browsers and Stripe refuse to connect.",
        diagnosis=(
            Step(
                "Read the dates of the certificate that is served.",
                f"echo | openssl s_client -connect {API_HOST}:443 -servername {API_HOST} 2>/dev/null \\\n"
                "  | openssl x509 -noout -dates -issuer",
            ),
            Step("Read the renewal job's log."),
        ),
        mitigation=(Step("Renew it, and see that every load balancer serves the new one."),),
    ),
    serves=("CHK-08",),
)

https_not_enforced = Alert(
    "HttpsNotEnforced",
    watches=https_only,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P4,
            lasting=minutes(5),
            because="checklist: HTTPS enforced on all payment endpoints",
        ),
    ),
    summary="A payments host answers over plain HTTP.",
    description="{host} answers over plain HTTP instead of redirecting or refusing.",
    runbook=Runbook(
        meaning="The redirect to HTTPS is missing.",
        impact="What customers send could be read on the way; a finding in the next PCI scan.",
        diagnosis=(Step("See the answer.", f"curl -sI http://{API_HOST}/health/payments"), RECENT_CHANGES),
        mitigation=(Step("Turn the redirect on at the load balancer, and send Strict-Transport-Security."),),
    ),
    serves=("CHK-13",),
)

security_header_missing = Alert(
    "SecurityHeaderMissing",
    watches=headers,
    thresholds=(
        below(
            1,
            Severity.WARNING,
            Priority.P4,
            lasting=minutes(15),
            because="checklist: security headers configured",
        ),
    ),
    summary="A payments host answers without a security header.",
    description="{host} answers without {header}.",
    runbook=Runbook(
        meaning="A header that tells browsers to be careful is missing.",
        impact="A mistake elsewhere could be exploited; a finding in the next PCI scan.",
        diagnosis=(Step("See the headers.", f"curl -sI {API_URL}/health/payments"), RECENT_CHANGES),
        mitigation=(Step("Add the header where the others are set."),),
    ),
    serves=("CHK-15",),
)
