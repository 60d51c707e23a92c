"""What does a failure of Postgres mean to the reader of a log, without host, user, password or data in it?"""

from datetime import UTC, datetime

import psycopg

from exporters.sampling.model import ErrorClass, SampleError

__all__ = [
    "NoConnectionError",
    "QueryError",
    "TooSlowError",
    "connection_failure",
    "deadline_exceeded",
    "null_value",
    "query_failure",
    "said_twice",
    "silence",
    "transient",
    "wrong_zone",
]

_NAMES_ONLY = ("42", "0A", "25006", "2BP01", "3F")
"""Errors found before any row was read: their messages hold names, types, and parts of the statement that was sent."""

_TRANSIENT = {"40001", "40P01"}
"""Cancelled by the server on somebody else's behalf: a replica's conflict with recovery, a deadlock."""


class NoConnectionError(SampleError):
    """There is no connection, so that no other query can succeed either."""


class QueryError(SampleError):
    """A statement that the server refused: `statement` is what was sent, with nothing of any row in it."""

    def __init__(self, kind: ErrorClass, where: str, what: str, how_to_fix: str, statement: str = "") -> None:
        super().__init__(kind, where, what, how_to_fix)
        self.statement = statement


class TooSlowError(SampleError):
    """A query that took too long for what the database can bear: asked again at once it would only do so again."""


def transient(error: psycopg.Error) -> bool:
    """Whether asking again at once is the right answer (PostgreSQL documentation, "Handling Query Conflicts")."""
    return error.sqlstate in _TRANSIENT


def connection_failure(error: Exception, where: str) -> NoConnectionError:
    """Why no connection could be opened, or why an open one was lost; `where` is the setting of its DSN."""
    text = str(error)
    if isinstance(error, psycopg.errors.ConnectionTimeout | TimeoutError):
        return NoConnectionError(
            ErrorClass.TIMEOUT, where, "the database did not answer in time", "see that it runs and can be reached"
        )
    for kind, signs, what, how_to_fix in _CONNECTION_FAILURES:
        if any(sign in text for sign in signs):
            return NoConnectionError(kind, where, what, how_to_fix)
    return NoConnectionError(
        ErrorClass.UNREACHABLE, where, "the database cannot be reached", "see that it runs, and that the DSN is right"
    )


_CONNECTION_FAILURES = (
    (
        ErrorClass.REFUSED,
        ("password authentication failed", "no password supplied", "authentication failed"),
        "the database refused the user or the password",
        "mend the DSN, or the role's password",
    ),
    (
        ErrorClass.REFUSED,
        ("pg_hba.conf", "is not permitted to log in", "permission denied for database"),
        "the database lets nobody in this way",
        "add a line to pg_hba.conf for this role, database and address, or let the role log in",
    ),
    (
        ErrorClass.REFUSED,
        ("does not exist",),
        "the role or the database does not exist",
        "create it (deploy/postgres/role.sql), or mend the DSN",
    ),
    (
        ErrorClass.REFUSED,
        ("SSL", "certificate"),
        "TLS could not be agreed upon",
        "see sslmode and sslrootcert of the DSN, and the server's certificate",
    ),
    (
        ErrorClass.UNREACHABLE,
        ("too many clients", "too many connections", "connection slots"),
        "the database has no connection left",
        "free some, or give this role a connection of its own",
    ),
    (
        ErrorClass.UNREACHABLE,
        ("starting up", "shutting down", "not accepting connections", "recovery"),
        "the database starts or stops",
        "wait; it is tried again",
    ),
    (
        ErrorClass.UNREACHABLE,
        ("resolve host", "translate host name", "Name or service not known"),
        "the name of the host is not known",
        "mend the DSN, or the name service",
    ),
)


def query_failure(error: psycopg.Error, where: str, statement: str = "") -> SampleError:
    """Why the query named `where`, sent as `statement`, failed on a connection that lives on."""
    state = error.sqlstate or ""

    def refused(kind: ErrorClass, what: str, how_to_fix: str) -> QueryError:
        return QueryError(kind, where, what, how_to_fix, statement)

    said = (error.diag.message_primary or "") if state.startswith(_NAMES_ONLY) else ""
    match state:
        case "57014":
            return TooSlowError(
                ErrorClass.TIMEOUT,
                where,
                "the query took longer than statement_timeout",
                "create the indexes of deploy/postgres/indexes.sql, or raise its timeout",
            )
        case "55P03":
            return SampleError(
                ErrorClass.TIMEOUT,
                where,
                "the table is locked, probably by a change of the schema",
                "wait; the exporter steps back rather than queue",
            )
        case "42501" if "row-level security" in said:
            return refused(
                ErrorClass.NOT_PERMITTED,
                f"row level security may hide rows from this role ({said})",
                "let a policy show it every row, which `paymon doctor` writes out, and set postgres.role_sees_all_rows",
            )
        case "42501":
            return refused(ErrorClass.NOT_PERMITTED, said, "grant what deploy/postgres/role.sql grants to this role")
        case "42P01" | "3F000":
            return refused(ErrorClass.BAD_DATA, said, "create it, set its name, or turn the query off")
        case "42703":
            return refused(
                ErrorClass.BAD_DATA, said, "set the column's name as the table has it, or turn the query off"
            )
        case "22023" if "TimeZone" in (error.diag.message_primary or ""):
            return refused(
                ErrorClass.BAD_DATA, "the server does not know postgres.time_zone", "write a zone of pg_timezone_names"
            )
        case _ if transient(error):
            return SampleError(
                ErrorClass.TIMEOUT,
                where,
                "the server cancelled the query again and again",
                "raise max_standby_streaming_delay on the replica, or sample the primary",
            )
        case _ if state.startswith("22") or isinstance(error, psycopg.DataError):
            return refused(
                ErrorClass.BAD_DATA,
                f"a value is not of the type that is needed (SQLSTATE {state or 'none'})",
                "compare the columns' types with what the statement expects of them; `paymon doctor` prints it",
            )
        case _:
            return refused(
                ErrorClass.BAD_ANSWER,
                f"{said or 'the query failed'} (SQLSTATE {state or 'none'})",
                "run the statement that `paymon doctor` prints in psql, as this role",
            )


def wrong_zone(where: str, setting: str, column: str, seconds_ahead: float) -> SampleError:
    """The newest moment of a column that does not say its zone has yet to come."""
    hours = seconds_ahead / 3600
    ahead = f"{hours:,.1f} h" if hours >= 1 else f"{seconds_ahead:.0f} s"
    return SampleError(
        ErrorClass.BAD_DATA,
        where,
        f"the newest {column} is {ahead} ahead of the clock, and does not say its time zone",
        f"set postgres.time_zone to the zone in which it is written ({setting}.moments where it is a number),"
        " or mend the row",
    )


def said_twice(where: str, column: str, zone: str, ends: float) -> SampleError:
    """A column holds what a clock on the wall says, which is set back: each of these times it says twice."""
    over = datetime.fromtimestamp(ends, UTC)
    return SampleError(
        ErrorClass.BAD_DATA,
        where,
        f"the clock of {zone} says this hour twice, and {column} does not say which of the two it means",
        f"wait until it is over, at {over:%Y-%m-%d %H:%M} UTC, and write moments with their zone or in UTC"
        " (docs/your-schema.md)",
    )


def deadline_exceeded(where: str) -> SampleError:
    """The server kept neither to its own timeout nor answered within the exporter's."""
    return TooSlowError(
        ErrorClass.TIMEOUT, where, "no answer within the deadline", "see whether the database and the network are well"
    )


def null_value(where: str, what: str) -> SampleError:
    """A NULL where a value was needed."""
    return SampleError(
        ErrorClass.BAD_DATA, where, f"{what} is NULL, or infinite", "mend the data, or let the query leave NULLs out"
    )


def silence(where: str) -> NoConnectionError:
    """A connection on which nothing comes any more, not even the end of a cancelled query."""
    return NoConnectionError(
        ErrorClass.TIMEOUT, where, "the database fell silent in the middle of a query", "see that it can be reached"
    )
