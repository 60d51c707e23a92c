"""Identifiers: will there be a number for the next row, and for those of the months to come?"""

from rules.payments.runbook.procedures import RECENT_CHANGES
from rules.vocabulary import (
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
    below,
    hours,
    minutes,
    or_when,
)

IDENTIFIER = Label("identifier", bounded_by="the exporter's setting postgres.identifiers")

used_ratio = Gauge(
    "payments_db_identifiers_used_ratio",
    "Share of the numbers that a column and its sequence can hold which are used, by table and column",
    Unit.RATIO,
    Source.POSTGRES,
    labels=(IDENTIFIER,),
)

_PRIMARY = 'payments_db_identifiers_used_ratio{identifier="public.payments.id",instance="a"}'
_REPLICA = 'payments_db_identifiers_used_ratio{identifier="public.payments.id",instance="b"}'
_OTHER = 'payments_db_identifiers_used_ratio{identifier="public.orders.id",instance="a"}'

used = Signal(
    "payments_db:identifiers_used:ratio",
    "Share of a column's numbers that are used, by table and column",
    Unit.RATIO,
    f"max by (identifier) ({used_ratio})",
    Example(
        series=((_PRIMARY, "0.5x5 0.6x5"), (_REPLICA, "0.5x10"), (_OTHER, "0.1x10")),
        at=minutes(8),
        gives=(('identifier="public.payments.id"', "0.6"), ('identifier="public.orders.id"', "0.1")),
    ),
)

left = Signal(
    "payments_db:identifiers_left:seconds",
    "Time until a column's numbers run out at the pace of the past day; none where it stands still",
    Unit.SECONDS,
    f"(1 - {used})\n/ on (identifier) (max by (identifier) (delta({used_ratio}[1d])) > 0)\n* 86400",
    Example(
        series=((_PRIMARY, "0.25x5 0.25+0.0625x5"), (_REPLICA, "0.25x11"), (_OTHER, "0.5x11")),
        every=hours(4),
        at=hours(44) + minutes(2),
        gives=(('identifier="public.payments.id"', "100800"),),
    ),
)

running_out = Alert(
    "PaymentIdentifiersRunOut",
    watches=left,
    thresholds=(
        below(
            90 * 86_400,
            Severity.INFO,
            Priority.P4,
            lasting=hours(1),
            keep_firing=minutes(10),
            because="a key of a large table is widened within weeks, not in a night; the day it is full no payment is stored",
        ),
    ),
    or_else=(
        or_when(
            used,
            ">",
            "0.8",
            "where growth comes by leaps, as with an import, no pace of a day tells of the end",
        ),
    ),
    summary="The numbers of a column of the payments database run out.",
    description="{identifier} nears its largest number; the dashboard shows its share and how long the rest lasts.",
    runbook=Runbook(
        meaning="A key, or a column that points to one, is of a type whose largest number comes near, or its sequence ends there.",
        impact="From that moment on every INSERT fails: no payment can be stored, all at once.",
        diagnosis=(
            Step(
                "See how far the sequences are, those with the least left first.",
                "SELECT schemaname, sequencename, data_type, last_value, max_value,\n"
                "    round(100.0 * last_value / max_value, 1) AS percent\n"
                "FROM pg_sequences WHERE last_value IS NOT NULL ORDER BY percent DESC LIMIT 20;",
                "sql",
            ),
            Step(
                "Does something take numbers without need: retries of INSERT ... ON CONFLICT, an import that rolls back?"
            ),
            RECENT_CHANGES,
        ),
        mitigation=(
            Step(
                "Plan the change to bigint: a new column, filled in portions, and exchanged in one short transaction."
            ),
            Step("Do the same with every column that points to it, and with the types in the code and in messages."),
            Step(
                "Where time is short, let the sequence of a signed key begin again at the lowest number: half is unused.",
                "ALTER SEQUENCE payments_id_seq MINVALUE -2147483648 RESTART WITH -2147483648;",
                "sql",
            ),
        ),
    ),
)
