"""Traffic: do fewer customers come to pay than were to be expected, all together or from one country?

What is to be expected is the least of what two pasts say. One is last week: the same half-hour, or far fewer an hour
earlier or later, so that neither a shop that closes, nor a change of clocks, nor last week's sale is missed today. The other is the hour before the past one, with the course of last week's day: a holiday is quiet from its morning on.
"""

from decimal import Decimal
from textwrap import indent

from rules.payments import cards, monitoring, outcomes, rollout, silence
from rules.payments.runbook.procedures import HEALTH, RECENT_CHANGES, ROLL_BACK, STRIPE_STATUS, TELL_PEOPLE
from rules.vocabulary import (
    Alert,
    Example,
    Label,
    Priority,
    Runbook,
    Severity,
    Signal,
    Step,
    Unit,
    below,
    days,
    excluding,
    hours,
    matchers,
    minutes,
    only_if,
    plain,
    unless,
)

_CUSTOMERS = outcomes.BY_CUSTOMERS
_BY_CARD = (cards.attempts_by_country.where(result=excluding("abandoned")),)

_JUST_NOW = "30m"
_AN_HOUR_EARLIER, _SAME_TIME, _AN_HOUR_LATER = "7d1h", "7d", "6d22h40m"
"""The last one begins 50 minutes later than now: where clocks went forward, a shop closes an hour before last week's time."""
_SLOPE = "1.5"
"""By how much an hour of a usual day can differ from the next: where nights have a ninth of noon's traffic, by 1.42."""
_PAST, _BEFORE_NOW = "1h", "1h"

_MINUTES = {"10m": 10, "30m": 30, "1h": 60}


def _pace(series: tuple[str, ...], window: str, offset: str = "", by: Label | None = None) -> str:
    """PromQL for attempts a minute, replicas taken once.

    Their number by the window's minutes: VictoriaMetrics' rate() of a series that is younger is that of its own time.
    """
    of = f"[{window}]{f' offset {offset}' if offset else ''}"
    grown = " or ".join(f"increase({selector}{of})" for selector in series)
    return f"sum{f' by ({by.name})' if by else ''} (max without (instance, pod) ({grown})) / {_MINUTES[window]}"


def _on(by: Label | None) -> str:
    return f"on ({by.name if by else ''})"


def _least(parts: tuple[tuple[str, str], ...], known: str, by: Label | None) -> str:
    """PromQL for the least of several, each with what it is; nothing where the one that has to be known is not."""
    named = "\n  or ".join(f'label_replace({part}, "of", "{of}", "", "")' for of, part in (*parts, ("then", known)))
    return f"min{f' by ({by.name})' if by else ''} (\n  {named}\n)\n+ {_on(by)} 0 * ({known})"


def _week_ago(series: tuple[str, ...], by: Label | None = None) -> tuple[tuple[str, str], ...]:
    """What the pace of a week ago is at most, with what an hour earlier and an hour later brought."""
    hours_beside = (("an hour earlier", _AN_HOUR_EARLIER), ("an hour later", _AN_HOUR_LATER))
    return tuple((of, f"{_SLOPE} * {_pace(series, _JUST_NOW, offset, by)}") for of, offset in hours_beside)


def _from_past_hour(series: tuple[str, ...], by: Label | None = None) -> str:
    """The pace of the hour that ended an hour ago, changed as last week's day changed it, but for a leap upwards."""
    then = _pace(series, _JUST_NOW, _SAME_TIME, by)
    before_then = _pace(series, _PAST, f"{_SAME_TIME}{_BEFORE_NOW}", by)
    course = f"clamp_max(\n  {then}\n  / {_on(by)} ({before_then} > 0),\n  {_SLOPE}\n)"
    return f"{_pace(series, _PAST, _BEFORE_NOW, by)}\n* {_on(by)} {course}"


def _as_expected(series: tuple[str, ...], window: str, expected: Signal, by: Label | None = None) -> str:
    """PromQL for the share of the expected attempts that came; no result where nobody counts any more."""
    half_hour = f"{outcomes.of_half_an_hour(series, by=by.name if by else '')} / 30"
    came = half_hour if window == _JUST_NOW else _pace(series, window, by=by)
    return f"{came}\n/ {_on(by)} ({expected} > 0)"


_CARD = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
_NOBODYS = outcomes.attempts.where(result="success", payment_method="link", initiator="unknown")
_NOBODYS_DECLINES = outcomes.attempts.where(result="issuer_declined", payment_method="link", initiator="unknown")
_RENEWALS = outcomes.attempts.where(result="success", payment_method="card", initiator="automatic")
_ABANDONED = outcomes.attempts.where(result="abandoned", payment_method="card", initiator="api")

_EVERY = minutes(2)
_NOW = days(7) + hours(6) + minutes(1)
_DAY = 24 * 60
_WEEK = 7 * _DAY
_LAST_WEEK = ((_DAY // 4 - 40, 20), (_DAY // 4 + 50, 16), (_WEEK, 8))
"""Until which minute the counter grows by how much every two minutes: 10 a minute until 20 past five, then 8, and from ten to seven on 4."""
_TODAY = ((_WEEK + 240, 20), (_WEEK + 332, 10), (_WEEK + 340, 7), (_WEEK + 352, 8), (_WEEK + 362, 2))
"""5 a minute from four o'clock on, 3 in the past half-hour, and 1 in the past ten minutes."""
_LESS_EARLIER = ((_DAY // 4 - 90, 20), (_DAY // 4 - 58, 6), (_WEEK, 16))
_AS_MANY_LATER = ((_DAY // 4 - 40, 20), (_DAY // 4 + 50, 16), (_WEEK, 12))
_TWICE_AS_MANY = ((_DAY // 4 - 58, 8), (_WEEK, 16))
"""Other weeks before: 3 a minute an hour earlier; 6 an hour later, which is not far less; 4, and from five o'clock on 8."""
_A_GOOD_DAY, _A_BETTER_DAY, _A_QUIET_DAY = (((_WEEK + 362, grows),) for grows in (20, 24, 4))
"""10, 12 and 2 a minute."""
_Course = tuple[tuple[int, int], ...]


def _growing(*parts: tuple[int, int]) -> str:
    """A counter in promtool's notation."""
    written, value, since = ["0"], 0, 0
    for until, grows in parts:
        steps = (until - since) // 2
        written.append(f"{value + grows}+{grows}x{steps - 1}")
        value += grows * steps
        since = until
    return " ".join(written)


def _shared(course: _Course) -> tuple[str, str]:
    """Two counters that grow like that together, the second one by little, and not always by the same."""
    little = tuple((until, 1 + (number + 1) % 2) for number, (until, _) in enumerate(course))
    rest = tuple((until, grows - less) for (until, grows), (_, less) in zip(course, little, strict=True))
    return _growing(*rest), _growing(*little)


def _example(gives: str, last_week: _Course = _LAST_WEEK, today: _Course = _TODAY, *, alone: bool = False) -> Example:
    """Customers' attempts, and beside them such as do not count."""
    steadily = 5 * (_WEEK + 362)
    beside = () if alone else (_NOBODYS_DECLINES, _RENEWALS, _ABANDONED)
    by_card, nobodys = _shared((*last_week, *today))
    return Example(
        series=(
            (_CARD, by_card),
            (_NOBODYS, nobodys),
            *((name, f"0+5x{steadily // 10}") for name in beside),
        ),
        every=_EVERY,
        at=_NOW,
        gives=(("", gives),),
    )


_US, _GB = (cards.attempts_by_country.where(result="success", country=country) for country in ("us", "gb"))
_US_DECLINED = cards.attempts_by_country.where(result="issuer_declined", country="us")
_US_ABANDONED = cards.attempts_by_country.where(result="abandoned", country="us")


def _example_by_country(us: str, gb: str, last_week: _Course = _LAST_WEEK, today: _Course = _TODAY) -> Example:
    """The same course in one country; in another one, as ever, twice as many."""
    succeeded, declined = _shared((*last_week, *today))
    return Example(
        series=(
            (_US, succeeded),
            (_US_DECLINED, declined),
            (_US_ABANDONED, _growing((_WEEK + 362, 9))),
            (_GB, _growing((_WEEK + 362, 16))),
        ),
        every=_EVERY,
        at=_NOW,
        gives=(('country="us"', us), ('country="gb"', gb)),
    )


def _replaced(a: str, *series: tuple[str, int, int]) -> tuple[tuple[str, str], ...]:
    """Counters of an exporter until seven minutes ago and of another one from 23 minutes ago on.

    In five minutes of the half-hour they grow by 2.5 times as much as in two, and in the last five by the other's count.
    """
    one, other = {"instance": "a", "pod": a}, {"instance": "b", "pod": "b"}
    return (
        (monitoring.state_epoch.name + matchers(**one), "0x5217 stale"),
        (monitoring.state_epoch.name + matchers(**other), "_x5209 0x11"),
        *((outcomes.having(selector, **one), f"0+{first}x5217 stale") for selector, first, _ in series),
        *((outcomes.having(selector, **other), f"_x5209 90+{second}x11") for selector, _, second in series),
    )


_THOUGH_REPLACED = Example(
    series=(
        *_replaced("a", (_CARD, 18, 7), (_NOBODYS, 2, 1)),
        *((name, f"0+5x{5 * (_WEEK + 362) // 10}") for name in (_NOBODYS_DECLINES, _RENEWALS, _ABANDONED)),
    ),
    every=_EVERY,
    at=_NOW,
    gives=(("", "0.88"),),
)
"""50 in each five minutes but the last, which has 20, of 300 that were to be expected."""

week_ago = Signal(
    "payments:attempts_a_week_ago:least_per_minute",
    "Attempts by customers a minute in the same half-hour a week ago; where an hour earlier or later brought far fewer, those",
    Unit.PER_MINUTE,
    _least(_week_ago(_CUSTOMERS), _pace(_CUSTOMERS, _JUST_NOW, _SAME_TIME), None),
    _example("6"),
    also=(
        _example("4.5", last_week=_LESS_EARLIER, alone=True),
        _example("8", last_week=_AS_MANY_LATER, alone=True),
    ),
)

expected = Signal(
    "payments:attempts_expected:per_minute",
    "Attempts by customers a minute that are to be expected now, by last week and by the hour before",
    Unit.PER_MINUTE,
    f"(\n{indent(_from_past_hour(_CUSTOMERS), '  ')}\n  < on ()\n  {week_ago}\n)\nor on ()\n{week_ago}",
    _example("4"),
    also=(_example("6", today=_A_GOOD_DAY, alone=True), _example("3", _TWICE_AS_MANY, _A_QUIET_DAY, alone=True)),
)

come_10m = Signal(
    "payments:attempts_as_expected:ratio10m",
    "Attempts by customers in 10 minutes, as a share of those to be expected",
    Unit.SHARE_OF_COUNTED,
    _as_expected(_CUSTOMERS, "10m", expected),
    _example("0.25"),
)

come_30m = Signal(
    "payments:attempts_as_expected:ratio30m",
    "Attempts by customers in 30 minutes, as a share of those to be expected",
    Unit.SHARE_OF_COUNTED,
    _as_expected(_CUSTOMERS, "30m", expected),
    _example("0.75"),
    also=(_THOUGH_REPLACED,),
)

come_as_last_week = Signal(
    "payments:attempts_as_last_week:ratio30m",
    "Attempts by customers in 30 minutes, as a share of those of a week ago",
    Unit.SHARE_OF_COUNTED,
    _as_expected(_CUSTOMERS, "30m", week_ago),
    _example("0.5"),
    also=(_THOUGH_REPLACED,),
)

rolled_back = Signal(
    "payments:rollout:least_of_most3h",
    "The least rollout of the past 40 minutes, as a share of the most in 3 hours: below 1 after a rollback",
    Unit.RATIO,
    f"max(min_over_time({rollout.rollout}[40m]))\n/ on () (max(max_over_time({rollout.rollout}[3h])) > 0)",
    Example(
        series=(
            (f'{rollout.rollout}{{pod="a"}}', "0.9x10 0.8 0.7x137 0.1 0.2 0.4x37 0.6"),
            (f'{rollout.rollout}{{pod="b"}}', "0.05x190"),
        ),
        at=minutes(190) + minutes(1) / 2,
        gives=(("", "0.25"),),
    ),
    serves=("RB-03",),
)

country_expected = Signal(
    "payment_country:attempts_expected:per_minute",
    "Attempts by card a minute that are to be expected now, by the card's country",
    Unit.PER_MINUTE,
    _least(
        (("the hour before", _from_past_hour(_BY_CARD, cards.COUNTRY)), *_week_ago(_BY_CARD, cards.COUNTRY)),
        _pace(_BY_CARD, _JUST_NOW, _SAME_TIME, cards.COUNTRY),
        cards.COUNTRY,
    ),
    _example_by_country("4", "8"),
    also=(
        _example_by_country("6", "8", today=_A_GOOD_DAY),
        _example_by_country("4.5", "8", _LESS_EARLIER, _A_GOOD_DAY),
        _example_by_country("8", "8", _AS_MANY_LATER, _A_BETTER_DAY),
        _example_by_country("3", "8", _TWICE_AS_MANY, _A_QUIET_DAY),
    ),
)

country_come = Signal(
    "payment_country:attempts_as_expected:ratio30m",
    "Attempts by card in 30 minutes, as a share of those to be expected, by the card's country",
    Unit.SHARE_OF_COUNTED,
    _as_expected(_BY_CARD, "30m", country_expected, cards.COUNTRY),
    _example_by_country("0.75", "1"),
    also=(
        Example(
            series=_replaced("b", (_US, 16, 6), (_US_DECLINED, 4, 2), (_US_ABANDONED, 9, 9), (_GB, 10, 10)),
            every=_EVERY,
            at=_NOW,
            gives=(('country="us"', "0.88"), ('country="gb"', "1")),
        ),
    ),
)

_SUCCEEDED = outcomes.attempts.where(result="success", initiator=outcomes.BY_CUSTOMER)

successes_30m = Signal(
    "payments:customer_successes:increase30m",
    "Customers' payments that succeeded in 30 minutes",
    Unit.COUNT,
    f"{outcomes.total(_SUCCEEDED, '30m')}\nor 0 * {outcomes.total(outcomes.KNOWN_BY_CUSTOMERS, '30m')}",
    Example.over(
        minutes(30),
        (
            *((name, "0+7x10") for name in (_RENEWALS, _NOBODYS, _ABANDONED)),
            (_CARD, "0x5 1 1 3 5 5"),
            (outcomes.attempts.where(result="success", payment_method="link", initiator="api"), "0x5 2 2 4 8 10"),
            (outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="api"), "0+9x10"),
        ),
        (("", "15"),),
    ),
    steady=True,
)

_PAID_YESTERDAY, _PAID_BEFORE_YESTERDAY = (
    outcomes.total(_SUCCEEDED, *of) for of in (("30m", "increase", "1d"), ("1h", "increase", "1d30m"))
)
_PAID_BEFORE = f"0.5 * {outcomes.total(_SUCCEEDED, '1h', offset='30m')}"
_COURSE = f"clamp_max({_PAID_YESTERDAY} / on () (0.5 * {_PAID_BEFORE_YESTERDAY} > 0), 2)"
"""How yesterday's half-hour differed from the hour before it: where a shop opens or closes, tenfold, and not so today."""


def _expected(gives: str | None, successes: str) -> Example:
    """Samples 737 to 751 hold yesterday's half-hour, 707 to 736 the hour before it, 1427 to 1456 today's; and 1457 on is now."""
    return Example(
        series=(
            (_CARD, successes),
            (outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="api"), "0+7x1472"),
            *((name, "0+7x1472") for name in (_RENEWALS, _NOBODYS, _ABANDONED)),
        ),
        every=minutes(2),
        at=minutes(2943),
        gives=(("", gives),) if gives else (),
    )


successes_expected = Signal(
    "payments:customer_successes:expected30m",
    "Customers' payments that half an hour should hold: as many as yesterday's did, or as the hour before with yesterday's course, "
    "whichever is more",
    Unit.COUNT,
    f'max (\n  label_replace({_PAID_YESTERDAY}, "of", "yesterday", "", "")\n'
    f"  or label_replace(\n    {_PAID_BEFORE} * on () ({_COURSE} or on () 1 + 0 * {_PAID_BEFORE}),\n"
    f'    "of", "the hour before", "", ""\n  )\n)',
    # Twelve every two minutes of yesterday; of today's eight the course makes less.
    _expected("180", "0+7x706 4952+10x29 5254+12x14 5425+3x674 7455+8x29 7692+5x14"),
    also=(
        _expected("270", "0+7x706 4952+10x29 5257+15x14 5470+3x674 7504+12x29 7857+5x14"),
        # Yesterday more than twice as many as the hour before them; none before them; none at all.
        _expected("270", "0+7x706 4946+4x29 5072+10x14 5215+3x674 7246+9x29 7512+5x14"),
        _expected("90", "4942x736 4943+1x14 4960+3x674 6988+6x29 7167+5x14"),
        _expected("90", "_x1300 0+3x126 384+6x29 563+5x14"),
    ),
    steady=True,
)

_PAID_AROUND_YESTERDAY = outcomes.total(_SUCCEEDED, "30m", offset="23h45m")
_COMPARABLE_HOUR = 15
"""The fewest payments of an hour that a later ten minutes are compared with: of fewer, chance alone decides how many pay."""
_COMPARABLE = f">= {plain(Decimal(_COMPARABLE_HOUR) / 2)}"
"""The same of half an hour, in which both sides are counted."""

successes_as_usual = Signal(
    "payments:customer_successes:as_usual10m",
    "Customers' payments in 10 minutes that succeed, in terms of yesterday's same time or of the hour before, whichever had "
    f"fewer; an hour with less than {_COMPARABLE_HOUR}, as after a long outage, is nothing to compare with, nor is a quiet "
    "time of yesterday's",
    Unit.SHARE_OF_COUNTED,
    f"3 * {outcomes.total(_SUCCEEDED, '10m')}\n/ on () (\n  min(\n"
    f'    label_replace({_PAID_AROUND_YESTERDAY}, "of", "yesterday", "", "")\n'
    f'    or label_replace({_PAID_BEFORE} {_COMPARABLE}, "of", "the hour before", "", "")\n  )\n  {_COMPARABLE}\n)',
    _expected("1.5", "0+18x744 13400+8x6 8+8x7 82+18x696 12622+12x10 12+12x4"),
    also=(
        _expected("2", "0+18x1427 25692+6x12 6+6x15 108+12x14"),
        _expected("1", "_x1300 0+18x171"),
        # The hour before had 7.53 in half an hour, which count, or 7.47; yesterday had 270.
        _expected("1", "0+18x1426 25668.502+0.502x44"),
        _expected("1", "0+18x1426 25668.498+0.498x29 25700.94+18x14"),
        # Nobody paid in the hour before, and yesterday exactly 7.5 in half an hour, or 7.425.
        _expected("1", "0+0.5x760 380x704 380.5+0.5x6"),
        _expected(None, "0+0.495x760 376.2x704 376.695+0.495x6"),
        # Yesterday as good as nobody paid at this time, as after closing: what the hour before had is no measure.
        _expected(None, "7x1400 7+0.505x71"),
    ),
    steady=True,
)


_SWITCHED_OFF = unless(
    rollout.switched_off_in_1h, ">=", 1, "switched off, nobody comes; and after a release they come back slowly"
)
_MAINTAINED = unless(rollout.maintained_in_1h, ">=", 1, "who reads of maintenance does not try to pay")
_ROLLED_BACK = unless(rolled_back, "<", "0.95", "after a rollback by plan fewer customers are let through")

collapsed = Alert(
    "PaymentAttemptsCollapsed",
    watches=come_10m,
    thresholds=(
        below(
            "0.2",
            Severity.CRITICAL,
            Priority.P2,
            lasting=minutes(2),
            keep_firing=minutes(10),
            because="four customers of five do not come: that is an outage for them, though nothing fails",
        ),
    ),
    guards=(
        only_if(expected, ">=", 3, "of 30 in ten minutes fewer than 6 come by chance once in 50 million times"),
        _SWITCHED_OFF,
        _MAINTAINED,
        silence.OPEN,
        _ROLLED_BACK,
    ),
    stays_while=only_if(
        come_as_last_week, "<", "0.5", "the hour before soon holds the fault itself; last week does not"
    ),
    summary="Fewer than {threshold} of the payment attempts that were to be expected are made.",
    description="Only {value} of the attempts that were to be expected were made in the past 10 minutes.",
    runbook=Runbook(
        meaning="Most customers no longer reach the point where they pay, and a few still do.",
        impact="Most of the revenue is lost; the success rate shows nothing, since those who come can pay.",
        diagnosis=(
            Step("Open the shop from outside, on a phone as well, and pay: where does it end?"),
            Step("Look at API requests by status: requests that end in 5xx never become attempts."),
            HEALTH,
            RECENT_CHANGES,
            Step("Compare countries, methods and releases of the app: who still comes?"),
        ),
        mitigation=(ROLL_BACK, Step("If the front end is at fault, call its on-call engineer."), TELL_PEOPLE),
    ),
    hidden_by=(outcomes.complete_failure, silence.traffic_stopped),
    serves=("SEV-P2", "HLT-10"),
)

fallen = Alert(
    "PaymentAttemptsFallen",
    watches=come_30m,
    thresholds=(
        below(
            "0.6",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(15),
            because="half of what was to be expected is surely below 60 %, and no usual day is",
        ),
    ),
    guards=(
        only_if(expected, ">=", 6, "of 180 in half an hour fewer than 108 never come by chance; of 60 they might"),
        _SWITCHED_OFF,
        _MAINTAINED,
        silence.OPEN,
        _ROLLED_BACK,
    ),
    stays_while=only_if(
        come_as_last_week, "<", "0.7", "the hour before soon holds the fault itself; last week does not"
    ),
    summary="Fewer than {threshold} of the payment attempts that were to be expected are made.",
    description="Only {value} of the attempts that were to be expected were made in the past 30 minutes.",
    runbook=Runbook(
        meaning="Many customers who would pay at this hour do not come as far, or there are fewer of them today.",
        impact="Those customers' revenue, if something of ours keeps them away.",
        diagnosis=(
            Step("Is it a holiday, or did a campaign end? Then nothing is wrong."),
            Step("Compare payment methods, card countries and API requests by status: which part is missing?"),
            RECENT_CHANGES,
            STRIPE_STATUS,
        ),
        mitigation=(ROLL_BACK, Step("Tell the front end's team which customers are missing.")),
    ),
    hidden_by=(outcomes.complete_failure, silence.traffic_stopped, collapsed),
    serves=("SEV-P3", "HLT-10"),
)

country_missing = Alert(
    "PaymentCardCountryMissing",
    watches=country_come,
    thresholds=(
        below(
            "0.4",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(15),
            because="a country's own holiday costs it half its customers; more than that is no holiday",
        ),
    ),
    guards=(
        only_if(country_expected, ">=", 3, "of 90 in half an hour fewer than 36 never come by chance"),
        _SWITCHED_OFF,
        _MAINTAINED,
        silence.OPEN,
        _ROLLED_BACK,
    ),
    summary="Customers with cards of one country no longer come.",
    description="Only {value} of the attempts to be expected with cards of {country} were made in the past 30 minutes.",
    runbook=Runbook(
        meaning="Attempts with cards of one country are missing, while the others may go on as ever.",
        impact="Customers of that country do not get as far as paying; nothing fails.",
        diagnosis=(
            Step("Open the shop in that country's language and currency, and pay."),
            Step("Was a price, a currency, a method or a rule of access changed for that country?"),
            RECENT_CHANGES,
        ),
        mitigation=(ROLL_BACK, Step("Tell the front end's team which country is missing.")),
    ),
    hidden_by=(outcomes.complete_failure, silence.traffic_stopped, collapsed, fallen),
    serves=("SEV-P3", "RSP-02"),
)
