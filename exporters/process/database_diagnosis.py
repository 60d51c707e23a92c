"""Would each query to the payments database succeed, mean what it seems to, and cost little?"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import get_args

from psycopg import sql

from exporters.postgres import Database, PostgresSettings, Question, Relations, plan_of, questions
from exporters.postgres.failures import NoConnectionError
from exporters.postgres.questions import column, schema_and_name, table
from exporters.postgres.settings import QueryName
from exporters.postgres.zones import next_repetition, repetition_at
from exporters.process.finding import Finding, failed, fine, mend, note
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, Reading, SampleError
from exporters.sampling.reconciling import Received, SucceededPayments
from rules.payments import database as metrics

__all__ = ["clock_skew", "diagnose_database"]

_LARGEST_SKEW = 30.0

_ROLE = sql.SQL(
    "SELECT rolsuper, rolcreaterole OR rolcreatedb, pg_is_in_recovery(),"
    " extract(epoch FROM clock_timestamp())::float8 FROM pg_roles WHERE rolname = current_user"
).format()
_WRITABLE = sql.SQL(
    "SELECT seen.oid::regclass::text FROM ("
    "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'f')"
    " AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND has_schema_privilege(n.oid, 'USAGE')"
    " ORDER BY c.relispartition, c.oid LIMIT 10000"
    ") AS seen WHERE has_table_privilege(seen.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
    " OR has_any_column_privilege(seen.oid, 'INSERT, UPDATE') ORDER BY 1 LIMIT {most}"
)
_CREATES = sql.SQL(
    "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'"
    " AND has_schema_privilege(oid, 'CREATE') ORDER BY 1 LIMIT {most}"
)
_NAMED_IN = {
    "payments": "postgres.payments.table",
    "payment_attempts": "postgres.attempts.table",
    "audit_log": "postgres.audit_log: null where you have none",
    "schema_migrations": "postgres.migrations.table",
    "webhook_events": "postgres.inbox.table",
}
"""The setting that says what each of the tables is called."""
_NAMED = 10
"""How many tables that can be written to are named, and schemas in which some can be made."""

_POLICIES = """
SELECT asked.name, current_user::text, EXISTS (
    SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*') AND p.polpermissive
        AND pg_get_expr(p.polqual, p.polrelid) = 'true'
        AND EXISTS (SELECT FROM unnest(p.polroles) AS r (oid) WHERE r.oid = 0 OR pg_has_role(r.oid, 'USAGE'))
) AND NOT EXISTS (
    SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*') AND NOT p.polpermissive
)
FROM unnest(%(names)s::text[], %(schemas)s::name[], %(relations)s::name[]) AS asked (name, schema, relation)
JOIN pg_class AS c ON c.relname = asked.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
    AND CASE WHEN asked.schema IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = asked.schema END
WHERE c.relkind IN ('r', 'p') AND row_security_active(c.oid) ORDER BY 1
"""
_CACHE = """
SELECT max(s.seqcache) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = %(column)s::name
JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
JOIN pg_sequence AS s ON s.seqrelid = d.objid
WHERE c.relname = %(relation)s::name
    AND CASE WHEN %(schema)s::name IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = %(schema)s::name END
"""
_WITHOUT_MOMENT = """
SELECT count(*) FROM (SELECT 1 FROM {attempts} WHERE {created_at} IS NULL LIMIT 1000) AS counted
"""


class _Stripes(SucceededPayments):
    """A Stripe of one payment and one event, so that both comparisons are asked as the exporter asks them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def known(self) -> tuple[float, float]:
        now = self._clock()
        return now - 30 * 86_400, now

    async def payment_intents(self, _since: float, _until: float, /) -> frozenset[str]:
        return frozenset({"pi_of_the_doctor"})

    async def received(self, _since: float, _until: float, /) -> Mapping[str, Received | None]:
        return {"pi_of_the_doctor": Received(100, "usd", refunded=False)}

    async def events_sent(self, _since: float, _until: float, /) -> frozenset[str]:
        return frozenset({"evt_of_the_doctor"})


async def diagnose_database(settings: PostgresSettings, clock: Clock, *, stripe: bool) -> AsyncIterator[Finding]:
    """Every query tried, or named as not tried; `stripe` says whether there is a Stripe to compare with."""
    asked = [
        question
        for some in questions(settings, LabelOverflow(), _Stripes(clock) if stripe else None).values()
        for question in some
    ]
    database, relations = Database(settings), Relations(asked, settings.time_zone)
    tried: list[str] = []
    try:
        for before in (_role(database, clock), _hidden_rows(settings, database, asked)):
            async for finding in _by_itself(before):
                yield finding
        for question in asked:
            async for finding in _question(question, settings, database, relations, clock):
                yield finding
            tried.append(question.name)
        for after in (_attempts(settings, database, asked), _zones(settings, database, relations, asked, clock)):
            async for finding in _by_itself(after):
                yield finding
    except NoConnectionError as error:
        yield failed(error)
        for question in asked:
            if question.name not in tried:
                yield note(f"postgres, {question.name}", "not tried: there is no connection")
    finally:
        await database.close()
    name: QueryName
    for name in get_args(QueryName):
        if name not in {question.name for question in asked}:
            yield note(f"postgres, {name}", f"not asked: {_why_not(name, settings, stripe=stripe)}")


def clock_skew(where: str, seconds: float) -> Finding:
    """`seconds` is how far our clock is ahead of the other one."""
    if abs(seconds) > _LARGEST_SKEW:
        direction = "ahead of" if seconds > 0 else "behind"
        return mend(where, f"ours is {abs(seconds):.0f} s {direction} it", "synchronise this machine's clock (NTP)")
    return fine(where, f"agrees with ours within {_LARGEST_SKEW:.0f} s")


def _why_not(name: QueryName, settings: PostgresSettings, *, stripe: bool) -> str:
    if name in settings.built_in and not settings.built_in[name].enabled:
        return f"postgres.built_in.{name} turns it off"
    if name == "identifiers":
        return "postgres.identifiers names none"
    if name.startswith("reconciled") and not stripe:
        return "there is no section stripe to compare with"
    if name.startswith("reconciled") and not settings.reconciliation.enabled:
        return "postgres.reconciliation.enabled turns it off"
    if name == "reconciled_amounts" and settings.payments.amounts is None:
        return "postgres.payments.amounts names no columns"
    return "postgres.inbox.enabled turns it off"


async def _by_itself(look: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """What it finds; where it cannot be made, that is found, and the others go on. Raises NoConnectionError."""
    try:
        async for finding in look:
            yield finding
    except NoConnectionError:
        raise
    except SampleError as error:
        yield failed(error)


async def _question(
    question: Question, settings: PostgresSettings, database: Database, relations: Relations, clock: Clock
) -> AsyncIterator[Finding]:
    """Raises NoConnectionError."""
    where = f"postgres, {question.name}"
    try:
        await relations.examine(question, database, clock())
        answer = await question.answer(database, clock())
        plan = await plan_of(question, database, clock(), large=settings.large_table)
    except NoConnectionError:
        raise
    except SampleError as error:
        yield failed(error, where)
        return
    if answer.problem:
        yield failed(answer.problem, where)
    for scan in plan.scans:
        what = f"reads the whole of {scan.table} ({scan.size // 1024**2} MiB) each time"
        yield mend(where, what, "create the indexes of deploy/postgres/indexes.sql and run ANALYZE")
    for unknown in plan.unknown:
        yield note(where, f"reads {unknown}, of whose cost the planner says nothing", "look at it with EXPLAIN ANALYZE")
    for one in answer.readings:
        if isinstance(one, Reading) and one.metric is metrics.table_present and not one.value:
            name = dict(one.labels)["table"]
            yield mend(
                where, f"the table {name} is missing", f"create it, or set the name that it has in {_NAMED_IN[name]}"
            )
    if plan.scans or answer.problem:
        return
    judged = "" if plan.unknown else ", and reads no large table as a whole"
    if answer.readings:
        yield fine(where, f"answers with {len(answer.readings)} series{judged}")
    else:
        yield note(where, f"answers with no row, so that its metric is absent{judged}")


async def _role(database: Database, clock: Clock) -> AsyncIterator[Finding]:
    """What it may do, and where. Raises SampleError."""
    where = "postgres, the role"
    rows = await database.rows(_ROLE, {}, where=where)
    superuser, creates, replica, their_time = rows[0]
    how_to_fix = "use a role made by deploy/postgres/role.sql"
    if superuser:
        yield mend(where, "is a superuser", how_to_fix)
    elif creates:
        yield mend(where, "may create roles or databases", how_to_fix)
    writable, schemas = [
        [name for (name,) in await database.rows(one.format(most=sql.Literal(_NAMED + 1)), {}, where=where)]
        for one in (_WRITABLE, _CREATES)
    ]
    if writable and not superuser:
        yield mend(where, f"may write to {_some(writable)}", how_to_fix)
    if schemas and not superuser:
        what = f"may create tables in {_some(schemas)}"
        yield mend(
            where, what, f"REVOKE CREATE ON SCHEMA {schemas[0]} FROM PUBLIC where everybody may, or {how_to_fix}"
        )
    if not (superuser or creates or writable or schemas):
        yield fine(where, "may only read")
    yield note("postgres", "is a replica" if replica else "is a primary")
    yield clock_skew("postgres, the clock", clock() - their_time)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" and more" if len(names) > _NAMED else "")


async def _hidden_rows(settings: PostgresSettings, database: Database, asked: list[Question]) -> AsyncIterator[Finding]:
    """Which tables have policies that apply to the role, and the policy that would show it every row."""
    where = "postgres, row level security"
    names = sorted({read.table for question in asked for read in question.reads})
    parts = [schema_and_name(name) for name in names]
    parameters = {"names": names, "schemas": [one for one, _ in parts], "relations": [one for _, one in parts]}
    for name, role, sees_all in await database.rows(sql.SQL(_POLICIES).format(), parameters, where=where):
        policy = sql.SQL("CREATE POLICY paymon_sees_all ON {} FOR SELECT TO {} USING (true)").format(
            table(name), sql.Identifier(role)
        )
        if settings.role_sees_all_rows and sees_all:
            yield fine(where, f"a policy shows the role every row of {name}")
        elif settings.role_sees_all_rows:
            what = f"postgres.role_sees_all_rows says that no row of {name} is hidden, and no policy says so"
            yield note(where, what, f"what is hidden is not counted: {policy.as_string()}")
        elif sees_all:
            what = f"a policy shows the role every row of {name}"
            yield mend(where, what, "set postgres.role_sees_all_rows to true")
        else:
            what = f"the policies of {name} may hide rows from the role, so that no number is given"
            yield mend(where, what, f"{policy.as_string()}; then set postgres.role_sees_all_rows to true")


async def _attempts(settings: PostgresSettings, database: Database, asked: list[Question]) -> AsyncIterator[Finding]:
    """What is to be known of the keys and moments by which new attempts are found."""
    where, there = "postgres, attempts", settings.attempts
    if not any(question.name == "attempts" for question in asked):
        return
    schema, relation = schema_and_name(there.table)
    parameters: Mapping[str, object] = {"schema": schema, "relation": relation, "column": there.id}
    [(cache,)] = await database.rows(sql.SQL(_CACHE).format(), parameters, where=where)
    if cache and cache > 1:
        yield note(where, f"{there.id} is handed out in blocks of {cache}, whose order is not relied upon")
    statement = sql.SQL(_WITHOUT_MOMENT).format(attempts=table(there.table), created_at=column(there.created_at))
    try:
        [(without,)] = await database.rows(statement, {}, where=where)
    except NoConnectionError:
        raise
    except SampleError as error:
        yield note(where, f"whether {there.created_at} is set in every row is not known: {error.what}")
    else:
        if without:
            what = f"{there.created_at} is NULL in {without} rows, which are not counted"
            yield mend(where, what, "set it in every row, and declare it NOT NULL")


async def _zones(
    settings: PostgresSettings, database: Database, relations: Relations, asked: list[Question], clock: Clock
) -> AsyncIterator[Finding]:
    """How far the latest moment is away in each column that does not say its zone, and when no clock can tell."""
    local = dict.fromkeys(of for question in asked for of in relations.local_times(question.reads))
    repetition = next_repetition(settings.time_zone, clock()) if local else None
    if repetition:
        begins, ends = (datetime.fromtimestamp(at, UTC) for at in (repetition.begins, repetition.ends))
        when = f"from {begins:%Y-%m-%d %H:%M} to {ends:%H:%M} UTC"
        what = (
            f"the clock of {settings.time_zone} says the time twice {when}: nothing is told then by {', '.join(local)}"
        )
        yield note("postgres.time_zone", what, "write moments with their zone or in UTC (docs/your-schema.md)")
    ambiguous = local if repetition_at(settings.time_zone, clock()) else {}
    told = set(ambiguous)
    for question in asked:
        for read, name, latest in relations.newest(question.reads):
            of = f"{read.table}.{name}"
            if of in told:
                continue
            told.add(of)
            where = f"postgres, {of}"
            as_what = f"in {settings.time_zone}" if read.moments == "timestamp" else f"as {read.moments} since 1970"
            try:
                [(newest,)] = await database.rows(sql.SQL("SELECT {}").format(latest), {}, where=where)
            except NoConnectionError:
                raise
            except SampleError as error:
                yield failed(error, where)
                continue
            read_as = f"says no time zone and is read {as_what}"
            away = None if newest is None else clock() - newest
            setting = "postgres.time_zone" if read.moments == "timestamp" else f"{read.setting}.moments"
            if away is None:
                yield note(where, f"{read_as}; it holds no moment yet")
            elif away < -60 or newest < 946_684_800:  # the year 2000
                yield mend(where, f"{read_as}: the newest is {_span(away)}", f"set {setting} to how it is written")
            else:
                yield note(where, f"{read_as}: the newest is {_span(away)}", f"{setting} is wrong if it is younger")


def _span(seconds: float) -> str:
    size = abs(seconds)
    text = f"{size:.0f} s" if size < 120 else f"{size / 60:.0f} min" if size < 7200 else f"{size / 3600:,.1f} h"
    return f"{text} ago" if seconds >= 0 else f"{text} ahead of the clock"
