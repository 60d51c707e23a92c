"""Payment outcomes: do payments succeed, fail, or not happen at all?"""

from datetime import timedelta

from rules.payments import monitoring, rollout
from rules.payments.runbook.procedures import (
    AFFECTED_USERS,
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
    OTHER,
    PAYMENT_METHODS,
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
    at_least,
    below,
    excluding,
    minutes,
    only_if,
    or_when,
    prometheus_duration,
    seconds,
    unless,
)

RESULT = Label("result", ("success", "issuer_declined", "blocked", "technical_failure", "abandoned"))
PAYMENT_METHOD = Label("payment_method", (PAYMENT_METHODS, OTHER))
BY_CUSTOMER, BY_STRIPE, UNKNOWN = "api", "automatic", "unknown"
INITIATOR = Label("initiator", (BY_CUSTOMER, BY_STRIPE, UNKNOWN))
"""Who made a payment: a customer, by a request to the API; Stripe, for a renewal; or nothing tells."""
WINDOW = Label("window", ("24h", "30d", "month_to_date", "previous_month"))

attempts = Counter(
    "payment_attempts_total",
    "Payment attempts by their final result; a 3-D Secure failure is an attempt too, a retry is another one",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(RESULT, PAYMENT_METHOD, INITIATOR),
    serves=("KM-01", "AL-01", "SEV-P1", "SEV-P2", "HLT-10"),
)

successes = Counter(
    "payment_success_total",
    "Payment attempts that succeeded; equals payment_attempts_total with result success",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(PAYMENT_METHOD, INITIATOR),
    serves=("AL-01",),
)

distinct_attempts = Counter(
    "payment_distinct_attempts_total",
    "Payment attempts without those that ended like an earlier one of the same payment: who tries ten times counts once",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(RESULT, INITIATOR),
    serves=("SEV-P1",),
)

intents = Counter(
    "payment_intents_total",
    "Payments by their final outcome, retries folded into one; failed means that no retry succeeded within an hour",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(Label("outcome", ("succeeded", "failed", "canceled")),),
    serves=("KM-01",),
)

window_attempts = Gauge(
    "payments_window_attempts",
    "Payment attempts in a window of whole days of UTC (24h: of whole hours), exact however long Prometheus keeps its samples",
    Unit.COUNT,
    Source.STRIPE_EVENTS,
    labels=(WINDOW, RESULT),
    serves=("HLT-11",),
)


Series = str | tuple[str, ...]
"""A selector, or several that have no series in common."""


def total(series: Series, window: str, function: str = "increase", offset: str = "", by: str = "") -> str:
    """PromQL for the sum over all series, replicas that export the same counter taken once."""
    selectors = (series,) if isinstance(series, str) else series
    of = f"[{window}]{f' offset {offset}' if offset else ''}"
    grown = " or ".join(f"{function}({selector}{of})" for selector in selectors)
    return f"sum{f' by ({by})' if by else ''}(max without (instance, pod) ({grown}))"


def of_half_an_hour(series: Series, ended: timedelta = timedelta(0), by: str = "") -> str:
    """PromQL for the sum over the half-hour that ended so long ago, also of one in which the exporter was replaced repeatedly.

    `increase()` looks at one series at a time: of three exporters one after the other it sees the one that was there
    longest. So where several counted, and none both in the first and in the last five minutes, five minutes are summed at
    a time, of which each replacement costs half. Replicas that are there at the same time count once, there as everywhere.
    """
    offset = prometheus_duration(ended) if ended else ""
    until = f" offset {offset}" if offset else ""
    who = monitoring.state_epoch
    first = f"count_over_time({who}[5m] offset {prometheus_duration(ended + minutes(25))})"
    throughout = f"count_over_time({who}[5m]{until}) and on (instance, pod) {first}"
    replaced = f"count(count_over_time({who}[30m]{until})) > 1 unless on () ({throughout})"
    parts = f"1.2 * sum_over_time(({total(series, '5m', by=by)})[24m59s:5m]{until})"
    whole = total(series, "30m", offset=offset, by=by)
    return f"(\n  {parts}\n  and on () ({replaced})\n  or on ({by})\n  {whole}\n)"


def each_in_5m(counter: Counter) -> str:
    """PromQL for what was counted in 5 minutes, told apart by all of its labels: what tables over a month add up.

    Replicas that export the same counter are taken once; series that a label of a team's own tells apart are added up.
    """
    labels = ", ".join(label.name for label in counter.labels)
    return f"sum by ({labels}) (max without (instance, pod) (increase({counter}[5m])))"


def share(part: Series, whole: Series, window: str, offset: str = "") -> str:
    """PromQL for a ratio of sums: 0 where the part has no series yet, no result where nothing happened."""
    everything = total(whole, window, "rate", offset)
    return f"(\n  {total(part, window, 'rate', offset)}\n  or vector(0)\n)\n/ on () ({everything} > 0)"


def having(selector: str, **labels: str) -> str:
    """A series of an example with labels more, such as another replica or environment has."""
    more = "".join(f',{name}="{value}"' for name, value in labels.items())
    return f"{selector[:-1]}{more}}}"


ENDED = attempts.where(result=excluding("abandoned"), initiator=excluding(BY_STRIPE))
"""What shares of failures are shares of: attempts that came to an end, and that a customer may have made.

A batch of renewals by Stripe would thin or swell any share; and that an attempt was abandoned is known an hour later.
"""

TECHNICAL = attempts.where(result="technical_failure", initiator=excluding(BY_STRIPE))

_CARD_SUCCESS = attempts.where(result="success", payment_method="card", initiator="api")
_LINK_SUCCESS = attempts.where(result="success", payment_method="link", initiator="api")
_CARD_FAILURE = attempts.where(result="technical_failure", payment_method="card", initiator="api")
_LINK_FAILURE = attempts.where(result="technical_failure", payment_method="link", initiator="api")

_ASIDE = (("success", BY_STRIPE), ("technical_failure", BY_STRIPE), ("abandoned", BY_CUSTOMER))
"""What counts in no share."""

FIVE_FAILURES_IN_FIFTY = (
    (_CARD_SUCCESS, "0+2x5 16 18 22 29 32"),
    (_LINK_SUCCESS, "0+3x5 20 24 30 36 40"),
    (_CARD_FAILURE, "0x5 1 3 4 4 4"),
    (_LINK_FAILURE, "3x5 3 3 3 4 4"),
    *(
        (attempts.where(result=result, payment_method="card", initiator=initiator), "0+7x10")
        for result, initiator in _ASIDE
    ),
)
"""Eleven samples of which the last five hold 45 successes and 5 technical failures, card and link together; and beside
them renewals by Stripe and abandoned attempts."""

KNOWN_BY_CUSTOMERS = attempts.where(initiator=BY_CUSTOMER, result=excluding("abandoned"))
"""What customers certainly do now; that an attempt was abandoned is known only an hour later."""

BY_CUSTOMERS: tuple[str, ...] = (KNOWN_BY_CUSTOMERS, attempts.where(initiator=UNKNOWN, result="success"))
"""What customers do now, as far as anybody can tell.

Where nothing tells who made a payment, its success is taken for a customer's: most are, ended by Stripe on the
customer's behalf. Its failure counts for nothing: a batch of retries of old invoices is nearly all declined.
"""

SUCCESS_BY_CUSTOMERS = attempts.where(initiator=excluding(BY_STRIPE), result="success")

_RENEWALS = attempts.where(result="success", payment_method="card", initiator=BY_STRIPE)
_NOBODYS_DECLINES = attempts.where(result="issuer_declined", payment_method="card", initiator=UNKNOWN)
_NOBODYS_SUCCESS = attempts.where(result="success", payment_method="link", initiator=UNKNOWN)
AND_RENEWALS = (
    *FIVE_FAILURES_IN_FIFTY[:1],
    (_NOBODYS_SUCCESS, FIVE_FAILURES_IN_FIFTY[1][1]),
    *FIVE_FAILURES_IN_FIFTY[2:],
    (_NOBODYS_DECLINES, "0+8x10"),
)

attempts_2m = Signal(
    "payments:customer_attempts:increase2m",
    "Attempts that customers ended in 2 minutes, renewals by Stripe left aside",
    Unit.COUNT,
    total(BY_CUSTOMERS, "2m"),
    Example.over(minutes(2), AND_RENEWALS, (("", "50"),)),
)

known_attempts_2m = Signal(
    "payments:known_customer_attempts:increase2m",
    "Attempts in 2 minutes of which it is certain that a customer made them just now",
    Unit.COUNT,
    total(KNOWN_BY_CUSTOMERS, "2m"),
    Example.over(minutes(2), (*FIVE_FAILURES_IN_FIFTY, (_NOBODYS_DECLINES, "0+8x10")), (("", "50"),)),
)


def _after_the_switch(
    gives: str,
    pulled: str = "0x67 1x12",
    rolled_out: str = "1x80",
    usual: str = "0+9.9x66 653.4x14",
    replica: str = "0x80",
) -> Example:
    """Attempts minute by minute, read after 79; and others of which nothing is certain."""
    return Example(
        series=(
            (_CARD_SUCCESS, usual),
            (
                attempts.where(result="issuer_declined", payment_method="card", initiator="api"),
                "5x70 6 6 6 7 7 8 9 9 9.5",
            ),
            *((name, "0+7x80") for name in (_RENEWALS, _NOBODYS_DECLINES, _NOBODYS_SUCCESS)),
            (attempts.where(result="abandoned", payment_method="card", initiator="api"), "0+7x80"),
            (f'{rollout.killed.name}{{pod="a"}}', pulled),
            (f'{rollout.killed.name}{{pod="b"}}', replica),
            (rollout.rollout.name, rolled_out),
        ),
        at=minutes(79) + seconds(30),
        gives=(("", gives),) if gives else (),
    )


attempts_since_switch = Signal(
    "payments:known_customer_attempts:since_switch10m",
    "Attempts in 10 minutes of which it is certain that a customer made them, where payments have been switched off for 12, "
    "and at least a twentieth of those usual in 10 minutes before: fewer may have been under way",
    Unit.COUNT,
    f"(\n  {total(KNOWN_BY_CUSTOMERS, '10m')}\n  >= on () {total(KNOWN_BY_CUSTOMERS, '1h', offset='15m')} / 120\n)\n"
    f"and on () {rollout.off_throughout('12m', '10m')}",
    _after_the_switch("5"),
    also=(
        # Off since 12 minutes, not quite, or known to be for less; and a few more were usual.
        _after_the_switch("", pulled="0x68 1x12"),
        _after_the_switch("5", pulled="_x69 1x10", replica="_x69 0x10"),
        _after_the_switch("", pulled="_x70 1x10", replica="_x70 0x10"),
        _after_the_switch("5", pulled="0x80", rolled_out="1x67 0x12"),
        _after_the_switch("", pulled="0x80", rolled_out="1x68 0x12"),
        _after_the_switch("", usual="0+10.1x66 666.6x14"),
    ),
    serves=("RB-02",),
)

attempts_15m = Signal(
    "payments:customer_attempts:increase15m",
    "Attempts that customers ended in 15 minutes, renewals by Stripe left aside",
    Unit.COUNT,
    total(BY_CUSTOMERS, "15m"),
    Example.over(minutes(15), AND_RENEWALS, (("", "50"),)),
)

success_ratio_2m = Signal(
    "payments:customer_success:ratio_rate2m",
    "Share of customers' attempts that succeed, over 2 minutes",
    Unit.RATIO,
    share(SUCCESS_BY_CUSTOMERS, BY_CUSTOMERS, "2m"),
    Example.over(minutes(2), AND_RENEWALS, (("", "0.9"),)),
)

success_ratio_15m = Signal(
    "payments:customer_success:ratio_rate15m",
    "Share of customers' attempts that succeed, over 15 minutes",
    Unit.RATIO,
    share(SUCCESS_BY_CUSTOMERS, BY_CUSTOMERS, "15m"),
    Example.over(minutes(15), AND_RENEWALS, (("", "0.9"),)),
    serves=("RSP-05",),
)

_TRIED = distinct_attempts.where(initiator=BY_CUSTOMER, result=("issuer_declined", "blocked", "technical_failure"))
_TRIED_IN_VAIN = distinct_attempts.where(initiator=BY_CUSTOMER, result="technical_failure")
_DISTINCT = (
    (_TRIED_IN_VAIN, "0+1x5 6 7 9 10 12"),
    (distinct_attempts.where(initiator=BY_CUSTOMER, result="issuer_declined"), "3x5 4 4 5 7 8"),
    (distinct_attempts.where(initiator=BY_CUSTOMER, result="success"), "0+9x10"),
    (distinct_attempts.where(initiator=BY_STRIPE, result="technical_failure"), "0+9x10"),
)

success_ratio_4m = Signal(
    "payments:customer_success:ratio_rate4m",
    "Share of customers' attempts that succeed, over 4 minutes",
    Unit.RATIO,
    share(SUCCESS_BY_CUSTOMERS, BY_CUSTOMERS, "4m"),
    Example.over(minutes(4), AND_RENEWALS, (("", "0.9"),)),
)

failing_payments_4m = Signal(
    "payments:failing_payments:increase4m",
    "Payments by customers that failed for a technical reason in 4 minutes, each once however often it was tried",
    Unit.COUNT,
    total(_TRIED_IN_VAIN, "4m"),
    Example.over(minutes(4), _DISTINCT, (("", "7.5"),)),
)

unpaid_payments_15m = Signal(
    "payments:unpaid_payments:increase15m",
    "Payments by customers that failed for whatever reason in 15 minutes, each once however often it was tried",
    Unit.COUNT,
    total(_TRIED, "15m"),
    Example.over(minutes(15), _DISTINCT, (("", "12.5"),)),
)

_SUCCESSES_BEFORE = total(SUCCESS_BY_CUSTOMERS, "30m", "rate", "10m")
_ENOUGH_USUAL = 15
"""So many successes must be usual in a window before what it holds is taken as a share of them: that fewer than a fifth of
15 come, as `_OTHERS_PAY` asks, is chance once in 25,000 times, and of 5 already once in 150."""
_DECLINES = attempts.where(initiator=BY_CUSTOMER, result=("issuer_declined", "blocked"))


def _kept(gives: str, card: str, *more: tuple[str, str]) -> Example:
    """Successes minute by minute for an hour; neither renewals nor failures change anything."""
    return Example(
        series=((_CARD_SUCCESS, card), (_RENEWALS, "0+7x60"), (_CARD_FAILURE, "0x60"), *more),
        at=minutes(60) + seconds(30),
        gives=(("", gives),),
    )


def _declined(issuers: str, blocked: str) -> tuple[tuple[str, str], ...]:
    return (
        (_NOBODYS_SUCCESS, "0+0.2x60"),
        (attempts.where(result="issuer_declined", payment_method="card", initiator="api"), issuers),
        (attempts.where(result="blocked", payment_method="card", initiator="api"), blocked),
        (attempts.where(result="abandoned", payment_method="card", initiator="api"), "0+9x60"),
    )


success_kept = Signal(
    "payments:customer_success:of_before",
    f"Customers' successes as a share of those before: over 2 minutes where {_ENOUGH_USUAL} are usual in them, else over 15 minutes; "
    "and where fewer are usual in those, too, the share of declines, if it is above 80 %",
    Unit.SHARE_OF_COUNTED,
    f"{total(SUCCESS_BY_CUSTOMERS, '2m')} / on () (120 * {_SUCCESSES_BEFORE} >= {_ENOUGH_USUAL})\n"
    f"or on ()\n{total(SUCCESS_BY_CUSTOMERS, '15m')} / on () (900 * {_SUCCESSES_BEFORE} >= {_ENOUGH_USUAL})\n"
    f"or on ()\n({share(_DECLINES, BY_CUSTOMERS, '15m')}) > 0.8\n"
    f"or on ()\n({share(_DECLINES, BY_CUSTOMERS, '2m')}) > 0.8",
    _kept("0.5", "0+30x21 630x13 688+58x14 1515+15x9"),
    also=(
        # Just above 15 in two minutes, and just below, where 15 minutes are looked at: 59.9 x 15 / 14 of 112.125.
        _kept("0.398671096345515", "0+7.525x50 379.25+3x9"),
        _kept("0.572384137601529", "0+7.475x21 156.975x11 171.925+14.95x11 343.85+7.475x4 376.75+3x9"),
        # Just above 15 in 15 minutes: 8.02 x 15 / 14 of 15.075. Just below, the declines count: 56.35 of 70.
        _kept("0.57000710732054", "0+1.005x50 50.65+0.4x9"),
        _kept("0.805", "0+0.797x45 36.64+0.775x14", *_declined("0+3x60", "0+1x59 60.35")),
        # Just below 80 % in 15 minutes, and just above in two: 4.025 of 5.
        _kept("0.805", "0+0.7x45 32.33+0.83x13 43.895", *_declined("0+3x60", "0+0.97x59 58.255")),
    ),
)


def _days_after(gives: str | None, card: str, nobodys: str = "0+1x2032") -> Example:
    """Successes every five minutes for a week and an hour; neither renewals nor failures change anything."""
    return Example(
        series=(
            (_CARD_SUCCESS, card),
            (_NOBODYS_SUCCESS, nobodys),
            (_RENEWALS, "0+7x2032"),
            (_CARD_FAILURE, "0+9x2032"),
        ),
        every=minutes(5),
        at=minutes(10142) + seconds(30),
        gives=(("", gives),) if gives else (),
    )


success_of_days_before = Signal(
    "payments:customer_success:of_days_before",
    "Customers' successes in 15 minutes as a share of yesterday's or last week's at this time, whichever had fewer; none where "
    f"fewer than {_ENOUGH_USUAL} were usual",
    Unit.SHARE_OF_COUNTED,
    f"{total(SUCCESS_BY_CUSTOMERS, '15m')}\n/ on () (\n  0.5 * min(\n"
    f'    label_replace({total(SUCCESS_BY_CUSTOMERS, "30m", offset="23h45m")}, "of", "yesterday", "", "")\n'
    f'    or label_replace({total(SUCCESS_BY_CUSTOMERS, "30m", offset="6d23h45m")}, "of", "a week ago", "", "")\n'
    f"  )\n  >= {_ENOUGH_USUAL}\n)",
    _days_after("0.4", "0+18x9 180+9x1 9+9x3 54+18x1722 31061+11x1 11+11x2 51+18x282 3+3x5"),
    also=(
        _days_after("0.4", "0+14x1738 24341+9x4 24391+14x282 28342+3x5"),
        _days_after("0.4", "_x1000 0+9x1026 9237+3x5", "_x1000 0+1x1032"),
        _days_after("0.4", "0+4x2026 8105+1x5"),
        _days_after(None, "0+3.96x2026 8024+1x5"),
    ),
)

failures_5m = Signal(
    "payments:technical_failures:increase5m",
    "Technical failures in 5 minutes",
    Unit.COUNT,
    f"{total(TECHNICAL, '5m')}\nor 0 * {total(ENDED, '5m')}",
    Example.over(minutes(5), FIVE_FAILURES_IN_FIFTY, (("", "5"),)),
)

failure_ratio_5m = Signal(
    "payments:technical_failure:ratio_rate5m",
    "Share of attempts that fail for technical reasons, over 5 minutes",
    Unit.RATIO,
    share(TECHNICAL, ENDED, "5m"),
    Example.over(minutes(5), FIVE_FAILURES_IN_FIFTY, (("", "0.1"),)),
)

failure_ratio_30m = Signal(
    "payments:technical_failure:ratio_rate30m",
    "Share of attempts that fail for technical reasons, over 30 minutes",
    Unit.RATIO,
    share(TECHNICAL, ENDED, "30m"),
    Example.over(minutes(30), FIVE_FAILURES_IN_FIFTY, (("", "0.1"),)),
)

technical_success_5m = Signal(
    "payments:technical_success:ratio_rate5m",
    "Share of attempts that do not fail for technical reasons, over 5 minutes",
    Unit.RATIO,
    f"1 - {failure_ratio_5m}",
    Example.over(minutes(5), FIVE_FAILURES_IN_FIFTY, (("", "0.9"),)),
    serves=("KM-01",),
)

_SEVERAL = unless(unpaid_payments_15m, "<", 8, "one customer who tries ten times is one payment")
_OTHERS_PAY = unless(
    success_kept,
    ">=",
    "0.2",
    "customers pay as before; those who fail beside them are a card tester's, or where hardly anybody pays, may be",
)

complete_failure = Alert(
    "PaymentsCompleteFailure",
    watches=success_ratio_2m,
    thresholds=(
        below(
            "0.05",
            Severity.CRITICAL,
            Priority.P1,
            keep_firing=minutes(10),
            because="P1 is complete failure: no customer can pay. One straggler that gets through must not hide it, "
            "so under 5 % counts; a batch of Stripe's own retries of old invoices, nearly all declined, must not cause it",
        ),
    ),
    guards=(
        only_if(attempts_2m, ">=", 20, "a handful of attempts says nothing about all of them"),
        _SEVERAL,
        _OTHERS_PAY,
        unless(
            rollout.kill_switch, ">=", 1, "payments are off on purpose; those that go on have an alert of their own"
        ),
    ),
    or_else=(
        or_when(
            success_ratio_15m,
            "<",
            "0.05",
            "at little traffic two minutes hold too few attempts to tell",
            only_if(attempts_15m, ">=", 10, "ten failures in a row are no accident, at little traffic either"),
            _SEVERAL,
            _OTHERS_PAY,
            unless(
                rollout.switched_off_in_10m,
                ">=",
                1,
                "after a release the window still holds the failures for which the switch was pulled",
            ),
        ),
        or_when(
            success_ratio_15m,
            "<",
            "0.05",
            "what began longer ago than the half-hour before, and perhaps while nobody could look, has days to compare with",
            _SEVERAL,
            unless(rollout.closed_today, ">=", 1, "on a day that was declared closed fewer pay than on others"),
            unless(rollout.maintained_in_10m, ">=", 1, "in maintenance that was declared fewer pay than on other days"),
            only_if(
                success_of_days_before,
                "<",
                "0.2",
                "beside a card tester customers pay as on other days; a weekend is held against the last one",
            ),
            unless(
                rollout.switched_off_in_10m,
                ">=",
                1,
                "after a release the window still holds the failures for which the switch was pulled",
            ),
        ),
        or_when(
            success_ratio_4m,
            "<",
            "0.05",
            "where all fail for a technical reason, four minutes tell, from 2 payments a minute on",
            only_if(
                failing_payments_4m,
                ">=",
                6,
                "six payments in a row that fail for a technical reason are no accident, and no card tester either: "
                "those are declined",
            ),
            unless(
                rollout.switched_off_in_10m,
                ">=",
                1,
                "after a release the window still holds the failures for which the switch was pulled",
            ),
        ),
    ),
    stays_while=only_if(
        success_ratio_15m, "<", "0.2", "one success in ten is no recovery; of a quarter of an hour, three minutes are"
    ),
    summary="Fewer than {threshold} of payment attempts succeed.",
    description="Only {value} of customers' payment attempts succeed, whatever the reason.",
    runbook=Runbook(
        meaning="Almost no payment attempt by a customer succeeds, be it our fault, Stripe's or the issuers'.",
        impact="Customers cannot pay. Every minute costs the revenue of a minute.",
        diagnosis=(
            HEALTH,
            Step("Look at the outcomes panel: are the attempts declined, blocked or failing for technical reasons?"),
            STRIPE_STATUS,
            RECENT_CHANGES,
            ERROR_LOGS,
            DATABASE_REACHABLE,
        ),
        mitigation=(ROLL_BACK, OTHER_PROCESSOR, PULL_KILL_SWITCH, CALL_STRIPE, TELL_PEOPLE),
    ),
    serves=("SEV-P1", "RSP-01", "RSP-03"),
)

_ONE_FAULT = (
    "a fault near the bound is one fault, though it crosses the bound all day; half an hour of what is usual ends it"
)

degraded = Alert(
    "PaymentsDegraded",
    watches=failure_ratio_5m,
    thresholds=(
        above(
            "0.1",
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(5),
            because="P2 begins above 10 % failures; issuers' declines do not count, they are no fault of ours",
        ),
    ),
    guards=(only_if(failures_5m, ">=", 5, "two failures on a quiet night are no incident"),),
    stays_while=only_if(failure_ratio_30m, ">", "0.02", _ONE_FAULT),
    summary="More than {threshold} of payment attempts fail for technical reasons.",
    description="{value} of payment attempts failed for technical reasons in the past 5 minutes.",
    runbook=Runbook(
        meaning="Many payments fail because of us or of Stripe, not because an issuer said no.",
        impact="Many customers cannot pay.",
        diagnosis=(
            Step("Look at failures by class: technical points to Stripe or the network, integration to our own code."),
            STRIPE_STATUS,
            RECENT_CHANGES,
            ERROR_LOGS,
            AFFECTED_USERS,
        ),
        mitigation=(
            ROLL_BACK,
            Step("Open the circuit breaker or lengthen the retry interval, so that retries do not add to the load."),
            Step("If only one region is hit, send its traffic elsewhere."),
            CALL_STRIPE,
        ),
    ),
    hidden_by=(complete_failure,),
    serves=("SEV-P2", "RSP-05", "RSP-07"),
)

success_rate_low = Alert(
    "PaymentSuccessRateLow",
    watches=technical_success_5m,
    thresholds=(
        below(
            "0.95",
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(5),
            keep_firing=minutes(5),
            because="key metrics table: below 95 % is critical; between 5 and 10 % failures no other level applies",
        ),
    ),
    guards=(only_if(failures_5m, ">=", 5, "two failures on a quiet night are no incident"),),
    stays_while=only_if(failure_ratio_30m, ">", "0.01", _ONE_FAULT),
    summary="Payment success rate is below {threshold}.",
    description="{value} of payment attempts did not fail for technical reasons in the past 5 minutes.",
    runbook=Runbook(
        meaning="More attempts fail for technical reasons than may, and they go on failing.",
        impact="Customers have to try again, and some will not.",
        diagnosis=(
            Step("Compare the payment methods: is it one of them, or all?"),
            STRIPE_STATUS,
            RECENT_CHANGES,
            ERROR_LOGS,
            AFFECTED_USERS,
        ),
        mitigation=(ROLL_BACK, CALL_STRIPE),
    ),
    hidden_by=(complete_failure, degraded),
    serves=("KM-01", "AL-01", "SEV-P2"),
)

kill_switch_ineffective = Alert(
    "PaymentsKillSwitchIneffective",
    watches=known_attempts_2m,
    thresholds=(
        at_least(
            5,
            Severity.CRITICAL,
            Priority.P1,
            lasting=minutes(3),
            keep_firing=minutes(10),
            because="two minutes after the switch nobody should be able to pay; the runbook has it verified",
        ),
    ),
    guards=(only_if(rollout.kill_switch, ">=", 1, "it is about payments that run although they must not"),),
    or_else=(
        or_when(
            attempts_since_switch,
            ">=",
            3,
            "at the first stage of a rollout and at night few pay at all; that three began before the switch, and ended two "
            "minutes after it or later, is no chance where they are more than one in twenty",
        ),
    ),
    summary="Payments go on although the kill switch is pulled.",
    description="{value} payments were attempted with the kill switch pulled, in 2 minutes, or in 10 where fewer pay.",
    runbook=Runbook(
        meaning="The feature flag says that payments are off, and customers still pay.",
        impact="Whatever made somebody pull the switch goes on doing harm.",
        diagnosis=(
            Step("See which version and which host serves the payments: an old pod may never have read the flag."),
            Step("Ask the flag service what it answers.", rollout.FLAG_STATUS),
        ),
        mitigation=(
            Step("Restart the payments service, so that every pod reads the flag anew."),
            Step("If that does not help, take the payment route out of the load balancer."),
            TELL_PEOPLE,
        ),
    ),
    serves=("RB-01", "RB-02", "SEV-P1"),
    own_incident=True,
)
