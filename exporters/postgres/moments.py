"""How are moments written in a column, and how does SQL compare and read them?

Comparisons leave the column alone on its side, so that its index applies. A column without a time zone is read in the
session's, which is `postgres.time_zone`.
"""

from psycopg import sql

from exporters.postgres.settings import Moments

__all__ = ["at", "between", "newest", "seconds", "soon"]

_AHEAD_SECONDS = 60
"""How far a moment may be ahead of the clock, for want of a better one."""

_AT = {
    "timestamp": "({moment})",
    "seconds": "floor(extract(epoch FROM {moment}))::bigint",
    "milliseconds": "floor(1000 * extract(epoch FROM {moment}))::bigint",
}
_SECONDS = {
    "timestamp": "CASE WHEN isfinite({column}::timestamptz) THEN extract(epoch FROM {column}::timestamptz)::float8 END",
    "seconds": "{column}::float8",
    "milliseconds": "({column} / 1000.0)::float8",
}
_BETWEEN = {
    "timestamp": (
        "CASE WHEN isfinite({since}::timestamptz) AND isfinite({until}::timestamptz)"
        " THEN extract(epoch FROM {until}::timestamptz - {since}::timestamptz)::float8 END"
    ),
    "seconds": "({until} - {since})::float8",
    "milliseconds": "(({until} - {since}) / 1000.0)::float8",
}
_BEFORE_INFINITY = {
    "timestamp": "{column} < 'infinity'",
    "seconds": "{column} IS NOT NULL",
    "milliseconds": "{column} IS NOT NULL",
}
_NEWEST = "(SELECT {seconds} FROM {table} AS t WHERE {finite} ORDER BY t.{column} DESC LIMIT 1)"


def at(written: Moments, moment: str) -> sql.Composed:
    """The moment, an SQL expression such as `%(now)s - interval '24 hours'`, as the column holds it."""
    return sql.SQL(_AT[written]).format(moment=sql.SQL(moment.replace("%(now)s", "%(now)s::timestamptz")))


def seconds(written: Moments, column: sql.Composable) -> sql.Composed:
    """The column in seconds since 1970; NULL where it is infinite, too."""
    return sql.SQL(_SECONDS[written]).format(column=column)


def between(written: Moments, since: sql.Composable, until: sql.Composable) -> sql.Composed:
    """The seconds from one column to the other; NULL where either is infinite, too."""
    return sql.SQL(_BETWEEN[written]).format(since=since, until=until)


def newest(written: Moments, table: sql.Composable, column: sql.Composable) -> sql.Composed:
    """The column's latest moment in seconds since 1970, however far ahead of the clock; NULL where there is none."""
    finite = sql.SQL(_BEFORE_INFINITY[written]).format(column=column)
    return sql.SQL(_NEWEST).format(seconds=seconds(written, column), table=table, column=column, finite=finite)


def soon(written: Moments) -> sql.Composed:
    """The moment past which nothing has happened yet."""
    return at(written, f"%(now)s + interval '{_AHEAD_SECONDS} seconds'")
