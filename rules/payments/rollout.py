"""Rollout and kill switch: who gets live payments, and does the switch work?"""

from rules.payments.runbook.procedures import RECENT_CHANGES
from rules.vocabulary import (
    FLAG,
    FLAGS_URL,
    Alert,
    Example,
    Gauge,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    at_least,
    hours,
    minutes,
    seconds,
    unless,
)

rollout = Gauge(
    "payments_feature_flag_rollout_ratio",
    "Share of customers for whom the feature flag turns live payments on",
    Unit.RATIO,
    Source.FLAG,
    serves=("STEP-01", "STEP-06", "STEP-07", "STEP-08", "RB-03"),
)

killed = Gauge(
    "payments_feature_flag_killed",
    "Whether the feature flag's kill switch is pulled",
    Unit.BOOLEAN,
    Source.FLAG,
    serves=("RB-01", "RB-02"),
)

expected = Gauge(
    "payments_rollout_expected_ratio",
    "Share of customers that the rollout plan declares for now",
    Unit.RATIO,
    Source.DECLARED,
    serves=("STEP-06", "STEP-07", "STEP-08", "STEP-09"),
)

backup_processor = Gauge(
    "payments_backup_processor_available",
    "Whether a second payment processor is declared ready to take over",
    Unit.BOOLEAN,
    Source.DECLARED,
    serves=("RSP-03",),
)

maintenance = Gauge(
    "payments_maintenance_mode",
    "Whether the payments service is declared to be in maintenance",
    Unit.BOOLEAN,
    Source.DECLARED,
    serves=("RSP-03",),
)

closed = Gauge(
    "payments_shop_closed",
    "Whether today is one of the days on which, as declared, nobody is expected to pay",
    Unit.BOOLEAN,
    Source.DECLARED,
)

FLAG_STATUS = f'curl -fsS {FLAGS_URL}/{FLAG} -H "Authorization: Bearer $ADMIN_TOKEN"'

kill_switch = Signal(
    "payments:kill_switch:engaged",
    "Live payments are switched off, by the kill switch or by a rollout of 0 %",
    Unit.BOOLEAN,
    f"clamp_max(max({killed}) + on () (max({rollout}) == bool 0), 1)",
    Example(
        series=((killed.name, "0x4 1x5"), (rollout.name, "1x10")),
        at=minutes(8),
        gives=(("", "1"),),
    ),
    also=(
        Example(series=((killed.name, "0x10"), (rollout.name, "1x10")), at=minutes(8), gives=(("", "0"),)),
        Example(series=((killed.name, "0x10"), (rollout.name, "0x10")), at=minutes(8), gives=(("", "1"),)),
        Example(series=((killed.name, "1x10"), (rollout.name, "0x10")), at=minutes(8), gives=(("", "1"),)),
        # Replicas that have not all heard yet: a flag that one saw pulled is pulled, and a share is that of the last to go.
        Example(
            series=(
                (f'{killed.name}{{pod="a"}}', "1x10"),
                (f'{killed.name}{{pod="b"}}', "0x10"),
                (rollout.name, "1x10"),
            ),
            at=minutes(8),
            gives=(("", "1"),),
        ),
        Example(
            series=(
                (killed.name, "0x10"),
                (f'{rollout.name}{{pod="a"}}', "1x10"),
                (f'{rollout.name}{{pod="b"}}', "0x10"),
            ),
            at=minutes(8),
            gives=(("", "0"),),
        ),
    ),
    serves=("RB-01",),
    steady=True,
)


def _over_19m(pulled: str, share: str, gives: str) -> Example:
    """What the switch and the rollout do over nineteen minutes, of which the last ten count."""
    return Example(
        series=((killed.name, pulled), (rollout.name, share)), at=minutes(19) + seconds(30), gives=(("", gives),)
    )


def _switched_off(window: str) -> str:
    """PromQL for 1 where payments were off at some moment of the window, else 0."""
    return f"clamp_max(max(max_over_time({killed}[{window}])) + on () (min(min_over_time({rollout}[{window}])) == bool 0), 1)"


switched_off_in_10m = Signal(
    "payments:kill_switch:engaged_in10m",
    "Live payments were switched off at some moment of the past 10 minutes",
    Unit.BOOLEAN,
    _switched_off("10m"),
    Example(
        series=((killed.name, "0x4 1x5 0x11"), (rollout.name, "1x20")),
        at=minutes(19) + seconds(30),
        gives=(("", "1"),),
    ),
    also=(
        _over_19m("0x20", "1x20", "0"),
        _over_19m("1x9 0x10", "1x20", "0"),
        _over_19m("0x20", "0x9 1x10", "0"),
        _over_19m("0x20", "1x9 0 1x9", "1"),
        _over_19m("1x20", "0x20", "1"),
        Example(
            series=(
                (f'{killed.name}{{pod="a"}}', "1x20"),
                (f'{killed.name}{{pod="b"}}', "0x20"),
                (rollout.name, "1x20"),
            ),
            at=minutes(19) + seconds(30),
            gives=(("", "1"),),
        ),
        Example(
            series=(
                (killed.name, "0x20"),
                (f'{rollout.name}{{pod="a"}}', "1x20"),
                (f'{rollout.name}{{pod="b"}}', "0x20"),
            ),
            at=minutes(19) + seconds(30),
            gives=(("", "1"),),
        ),
    ),
    serves=("RB-01",),
    steady=True,
)


def off_throughout(window: str, known: str) -> str:
    """PromQL that holds where payments were off at every moment of the window, and the flag was read as long ago as `known`.

    An exporter that was away may have just counted what was paid before they were switched off.
    """
    off = f"max(min_over_time({killed}[{window}])) + on () (max(max_over_time({rollout}[{window}])) == bool 0)"
    return f"({off} >= 1)\nand on () max(last_over_time({killed}[5m] offset {known}))"


closed_today = Signal(
    "payments:shop:closed",
    "Today is declared to be a day on which nobody is expected to pay",
    Unit.BOOLEAN,
    f"max({closed})",
    Example(
        series=((f'{closed}{{instance="a"}}', "0x10"), (f'{closed}{{instance="b"}}', "0x4 1x5")),
        at=minutes(8),
        gives=(("", "1"),),
    ),
    steady=True,
)


def kept(past: str) -> str:
    """PromQL for the share of the rollout of some time that is left of it now; no result without a flag."""
    return f"clamp_max(max({rollout}) / on () (max(max_over_time({rollout}[{past}])) > 0), 1)"


switched_off_in_1h = Signal(
    "payments:kill_switch:engaged_in1h",
    "Live payments were switched off at some moment of the past hour",
    Unit.BOOLEAN,
    _switched_off("1h"),
    Example(
        series=((killed.name, "0x4 1x5 0x58"), (rollout.name, "1x67")),
        at=minutes(66) + seconds(30),
        gives=(("", "1"),),
    ),
    also=tuple(
        Example(
            series=(
                (f'{killed.name}{{pod="a"}}', pulled),
                (f'{killed.name}{{pod="b"}}', "0x67"),
                (f'{rollout.name}{{pod="a"}}', share),
                (f'{rollout.name}{{pod="b"}}', "1x67"),
            ),
            at=minutes(66) + seconds(30),
            gives=(("", gives),),
        )
        for gives, pulled, share in (
            ("0", "1x6 0x60", "0x6 1x60"),
            ("1", "0x67", "1x6 0 1x59"),
            ("1", "0x30 1 0x35", "1x67"),
            ("1", "1x67", "0x67"),
        )
    ),
    serves=("RB-01",),
    steady=True,
)

maintained_in_10m = Signal(
    "payments:maintenance:declared_in10m",
    "Maintenance was declared at some moment of the past 10 minutes",
    Unit.BOOLEAN,
    f"max(max_over_time({maintenance}[10m]))",
    Example(
        series=((f'{maintenance}{{instance="a"}}', "0x20"), (f'{maintenance}{{instance="b"}}', "0x4 1x5 0x11")),
        at=minutes(19) + seconds(30),
        gives=(("", "1"),),
    ),
    also=(
        Example(series=((maintenance.name, "1x9 0x10"),), at=minutes(19) + seconds(30), gives=(("", "0"),)),
        Example(series=((maintenance.name, "1x20"),), at=minutes(19) + seconds(30), gives=(("", "1"),)),
    ),
    serves=("RSP-03",),
    steady=True,
)

UNLESS_KEPT_OUT = f"unless on () ({switched_off_in_10m} >= 1)\nunless on () ({closed_today} >= 1)\nunless on () ({maintained_in_10m} >= 1)"
"""PromQL after an expression in parentheses, of which it leaves nothing while customers are kept out on purpose."""

maintained_in_1h = Signal(
    "payments:maintenance:declared_in1h",
    "Maintenance was declared at some moment of the past hour",
    Unit.BOOLEAN,
    f"max(max_over_time({maintenance}[1h]))",
    Example(
        series=((f'{maintenance}{{instance="a"}}', "0x67"), (f'{maintenance}{{instance="b"}}', "0x4 1x5 0x58")),
        at=minutes(66) + seconds(30),
        gives=(("", "1"),),
    ),
    also=(Example(series=((maintenance.name, "1x6 0x60"),), at=minutes(66) + seconds(30), gives=(("", "0"),)),),
    serves=("RSP-03",),
    steady=True,
)

kill_switch_pulled = Signal(
    "payments:kill_switch:pulled",
    "The kill switch is pulled, whatever the rollout is",
    Unit.BOOLEAN,
    f"max({killed})",
    Example(
        series=((f'{killed}{{instance="a"}}', "0x10"), (f'{killed}{{instance="b"}}', "0x4 1x5")),
        at=minutes(8),
        gives=(("", "1"),),
    ),
    serves=("RB-01",),
    steady=True,
)

drift = Signal(
    "payments:rollout:drift",
    "Distance between the flag's rollout and the one that the plan declares",
    Unit.RATIO,
    f"abs(max({rollout}) - on () max({expected}))",
    Example(
        series=((rollout.name, "0.1x10"), (expected.name, "0.01x4 0.5x5")),
        at=minutes(8),
        gives=(("", "0.4"),),
    ),
    serves=("STEP-09",),
)

rollout_drift = Alert(
    "PaymentRolloutDrift",
    watches=drift,
    thresholds=(
        above(
            "0.005",
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            keep_firing=minutes(10),
            because="the smallest step of the plan is 1 %; half of it cannot be rounding",
        ),
    ),
    guards=(unless(kill_switch_pulled, ">=", 1, "pulling the kill switch departs from the plan on purpose"),),
    summary="The feature flag's rollout is not the one that was planned.",
    description="The flag's rollout is {value} away from the declared one.",
    runbook=Runbook(
        meaning="Somebody changed the flag without the plan, or the plan without the flag.",
        impact="More or fewer customers than intended pay with the new system, and the rollout proves nothing.",
        diagnosis=(
            Step("Ask the flag service who changed it last.", FLAG_STATUS),
            Step("Compare with operations.rollout.percent in the exporter's declared file."),
            RECENT_CHANGES,
        ),
        mitigation=(Step("Set the flag back, or declare the new step in the exporter's declared file."),),
    ),
    serves=("STEP-01", "STEP-06", "STEP-07", "STEP-08", "STEP-09"),
)

maintained = Signal(
    "payments:maintenance:declared",
    "Maintenance is declared",
    Unit.BOOLEAN,
    f"max({maintenance})",
    Example(
        series=((f'{maintenance}{{instance="a"}}', "0x10"), (f'{maintenance}{{instance="b"}}', "0x4 1x5")),
        at=minutes(8),
        gives=(("", "1"),),
    ),
    serves=("RSP-03",),
)

maintenance_forgotten = Alert(
    "PaymentMaintenanceForgotten",
    watches=maintained,
    thresholds=(
        at_least(
            1,
            Severity.INFO,
            Priority.P4,
            lasting=hours(4),
            because="maintenance that lasts half a working day is planned for days, or over and still declared",
        ),
    ),
    summary="Maintenance has been declared for hours.",
    description="The declared file says that the payments service is in maintenance (value {value}), for 4 hours now.",
    runbook=Runbook(
        meaning="Somebody declared maintenance, and nobody took it back.",
        impact="Alerts on missing customers stay quiet, and customers may still be told that they cannot pay.",
        diagnosis=(Step("Ask in the team's channel who works on it, and until when."),),
        mitigation=(Step("Take operations.maintenance back in the exporter's declared file."),),
    ),
    serves=("RSP-03",),
)

kill_switch_forgotten = Alert(
    "PaymentsKillSwitchForgotten",
    watches=kill_switch_pulled,
    thresholds=(
        at_least(
            1,
            Severity.WARNING,
            Priority.P3,
            lasting=hours(4),
            because="the reason for a kill switch is found within hours; whoever still works on it hears it once more",
        ),
    ),
    summary="The kill switch has been pulled for hours.",
    description="The kill switch is pulled (value {value}), and has been for 4 hours: customers cannot pay.",
    runbook=Runbook(
        meaning="The switch was pulled in an incident or for a rehearsal, and is pulled still.",
        impact="No revenue at all, for hours, and no other alert says so: they take it for intended.",
        diagnosis=(Step("See who pulled it, and read the incident's channel: is the reason gone?", FLAG_STATUS),),
        mitigation=(
            Step("Once the reason is gone, switch on again step by step, beginning with 1 %."),
            Step("If it has to stay, silence this alert until the day on which it ends."),
        ),
    ),
    serves=("RB-01", "RB-02"),
)

kill_switch_active = Alert(
    "PaymentsKillSwitchActive",
    watches=kill_switch,
    thresholds=(
        at_least(
            1,
            Severity.INFO,
            Priority.P4,
            because="everybody must know at once that payments are off on purpose, and until when",
        ),
    ),
    told_at_once=True,
    summary="Live payments are switched off.",
    description="The kill switch is pulled or the rollout is 0 %: customers cannot pay, on purpose.",
    runbook=Runbook(
        meaning="Somebody pulled the kill switch, or the rollout stands at 0 %.",
        impact="Customers cannot pay. Alerts on missing traffic stay quiet meanwhile.",
        diagnosis=(Step("See who switched it off, and read the incident's channel for the reason.", FLAG_STATUS),),
        mitigation=(
            Step("Once the reason is gone, switch on again step by step, beginning with 1 %."),
            Step("Update the status page, and write to stakeholders every 30 minutes until payments are on again."),
        ),
    ),
    serves=("RB-01", "HLT-08"),
)
