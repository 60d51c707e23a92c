"""Are the tables and columns of the settings of the shape that the questions take for granted?

A wrong shape need not be an error to Postgres: no row of a boolean column `processed_at` is NULL, and a moment without
a time zone may be read nine hours late. So the shape is looked at first, and a question about another one is not asked.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from exporters.postgres.connection import Database
from exporters.postgres.failures import said_twice, wrong_zone
from exporters.postgres.moments import newest
from exporters.postgres.questions import (
    Elapsed,
    Holds,
    Question,
    Read,
    Words,
    column,
    schema_and_name,
    since_start,
    table,
)
from exporters.postgres.zones import repetition_at
from exporters.sampling.model import ErrorClass, SampleError

__all__ = ["Column", "Relation", "Relations"]

_SHAPES = """
SELECT asked.name, has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'), (
    SELECT json_object_agg(a.attname, json_build_object(
        'type', format_type(a.atttypid, NULL),
        'base', format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
        'category', t.typcategory,
        'readable', has_column_privilege(c.oid, a.attnum, 'SELECT'),
        'words', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
                  WHERE enumtypid = coalesce(nullif(t.typbasetype, 0), t.oid)),
        'sortable', t.typcategory IN ('S', 'E') OR EXISTS (
            SELECT FROM pg_opclass AS o JOIN pg_am ON pg_am.oid = o.opcmethod
            WHERE amname = 'btree' AND opcdefault AND opcintype = coalesce(nullif(t.typbasetype, 0), t.oid)
        )
    ))
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
)
FROM unnest(%(names)s::text[], %(schemas)s::name[], %(relations)s::name[]) AS asked (name, schema, relation)
JOIN pg_class AS c ON c.relname = asked.relation AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
    AND CASE WHEN asked.schema IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = asked.schema END
"""

_RENEWED_SECONDS = 300.0
_NEWEST_SECONDS = 5.0
_AHEAD_SECONDS = 60.0
_WITH_ZONE = "timestamp with time zone"
_WITHOUT_ZONE = "timestamp without time zone"
_NUMBERS = {"seconds", "milliseconds"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type, what a domain stands for, whether the role may read it, and an enum's words."""

    type: str
    base: str
    category: str
    readable: bool
    sortable: bool
    words: tuple[str, ...] | None

    @property
    def is_number(self) -> bool:
        return self.category == "N"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view that is there."""

    usable: bool
    readable: bool
    columns: Mapping[str, Column]


class Relations:
    """What the database has of the tables that the questions read, looked at again every now and then."""

    def __init__(self, questions: Iterable[Question], time_zone: str, elapsed: Elapsed = since_start) -> None:
        """`time_zone` is where the clock hangs by which moments without a zone are written."""
        self._time_zone = time_zone
        self._reads = tuple(dict.fromkeys(read for question in questions for read in question.reads))
        self._elapsed = elapsed
        self._found: Mapping[str, Relation] | None = None
        self._looked_at = 0.0
        self._latest: dict[tuple[str, str], tuple[float, float | None]] = {}

    async def examine(self, question: Question, database: Database, now: float) -> None:
        """Raises SampleError where the question would be answered wrongly, with the setting that would mend it."""
        if not question.reads:
            return
        problem = await self._problem(question, database, older_than=_RENEWED_SECONDS)
        if problem:  # of another look, it may have been mended since
            problem = await self._problem(question, database, older_than=_NEWEST_SECONDS)
        if problem:
            raise problem
        if repetition := repetition_at(self._time_zone, now, ahead=_AHEAD_SECONDS):
            for of in self.local_times(question.reads):
                raise said_twice(question.name, of, self._time_zone, repetition.ends)
        for read, name, latest in self.newest(question.reads):
            seconds = await self._newest(read, name, latest, database, question.name)
            if seconds is not None and seconds > now + _AHEAD_SECONDS:
                raise wrong_zone(question.name, read.setting, f"{read.table}.{name}", seconds - now)

    async def _problem(self, question: Question, database: Database, older_than: float) -> SampleError | None:
        """What does not fit in what was seen; looked at again where that is older than so many seconds."""
        at = self._elapsed()
        if self._found is None or at - self._looked_at >= older_than:
            self._found, self._looked_at = await _shapes(database, self._reads, question.name), at
        found = self._found
        faults = (fault for read in question.reads for fault in _faults(read, found.get(read.table), question.name))
        return next(faults, None)

    def forget(self) -> None:
        """Look again before the next question: something is not as it was."""
        self._found = None

    def local_times(self, reads: Iterable[Read]) -> Iterator[str]:
        """Those of the columns that hold what a clock on the wall said, each behind its table."""
        for read in reads:
            relation = (self._found or {}).get(read.table)
            if relation and read.moments == "timestamp":
                for _, name, holds in read.columns:
                    shape = relation.columns.get(name)
                    if shape and shape.base == _WITHOUT_ZONE and holds in (Holds.MOMENT, Holds.ORDERED_MOMENT):
                        yield f"{read.table}.{name}"

    def newest(self, reads: Iterable[Read]) -> Iterator[tuple[Read, str, sql.Composed]]:
        """Those of the columns whose moments are of no certain zone, each with the expression of its latest one."""
        for read in reads:
            relation = (self._found or {}).get(read.table)
            for _, name, holds in read.columns:
                if holds is Holds.ORDERED_MOMENT and relation and name in relation.columns:
                    shape = relation.columns[name]
                    if shape.is_number if read.moments in _NUMBERS else shape.base == _WITHOUT_ZONE:
                        yield read, name, newest(read.moments, table(read.table), column(name))

    async def _newest(
        self, read: Read, name: str, latest: sql.Composed, database: Database, where: str
    ) -> float | None:
        at, key = self._elapsed(), (read.table, name)
        if key not in self._latest or at - self._latest[key][0] >= _NEWEST_SECONDS:
            [(seconds,)] = await database.rows(sql.SQL("SELECT {}").format(latest), {}, where=where)
            self._latest[key] = (at, seconds)
        return self._latest[key][1]


async def _shapes(database: Database, reads: Sequence[Read], where: str) -> dict[str, Relation]:
    names = list(dict.fromkeys(read.table for read in reads))
    parts = [schema_and_name(name) for name in names]
    rows = await database.rows(
        sql.SQL(_SHAPES).format(),
        {"names": names, "schemas": [schema for schema, _ in parts], "relations": [name for _, name in parts]},
        where=where,
    )
    return {
        name: Relation(usable, readable, {column: _column(shape) for column, shape in (columns or {}).items()})
        for name, usable, readable, columns in rows
    }


def _column(shape: Mapping[str, Any]) -> Column:
    return Column(
        shape["type"],
        shape["base"],
        shape["category"],
        shape["readable"],
        shape["sortable"],
        None if shape["words"] is None else tuple(shape["words"]),
    )


def _faults(read: Read, relation: Relation | None, where: str) -> Iterable[SampleError]:
    if relation is None:
        yield SampleError(
            ErrorClass.BAD_DATA,
            where,
            f"there is no table {read.table}",
            f"create it, set its name in {read.setting}.table, or turn the query off in postgres.built_in.{where}",
        )
        return
    if not relation.usable:
        schema, _ = schema_and_name(read.table)
        what = f"the role may not look into the schema of {read.table}"
        yield SampleError(ErrorClass.NOT_PERMITTED, where, what, f"GRANT USAGE ON SCHEMA {schema or 'public'} to it")
        return
    for setting, name, holds in read.columns:
        of = f"{read.table}.{name}"
        shape = relation.columns.get(name)
        if shape is None:
            close = difflib.get_close_matches(name, relation.columns, 1, cutoff=0.5)
            maybe = f" (there is {close[0]})" if close else ""
            yield SampleError(
                ErrorClass.BAD_DATA,
                where,
                f"{read.table} has no column {name}{maybe}",
                f"set {read.setting}.{setting} to what the table calls it, or turn the query off",
            )
        elif not shape.readable:
            lacking = [
                one for _, one, _ in read.columns if one in relation.columns and not relation.columns[one].readable
            ]
            yield SampleError(
                ErrorClass.NOT_PERMITTED,
                where,
                f"the role may not read {', '.join(lacking)} of {read.table}",
                f"GRANT SELECT ({', '.join(lacking)}) ON {read.table} to it, as deploy/postgres/role.sql does",
            )
        else:
            problem = _unfit(read, f"{read.setting}.{setting}", of, shape, holds)
            if problem:
                yield SampleError(ErrorClass.BAD_DATA, where, *problem)


def _unfit(read: Read, setting: str, of: str, shape: Column, holds: Holds | Words) -> tuple[str, str] | None:
    """What is wrong with a column for what it must hold, and the cure."""
    is_of_type = f"{of} ({setting}) is of type {shape.type}"
    view = "or name a view that has one (docs/your-schema.md)"
    match holds:
        case Words():
            return _words(of, shape, holds)
        case Holds.MOMENT | Holds.ORDERED_MOMENT if read.moments in _NUMBERS and not shape.is_number:
            return (
                f"{is_of_type}, and {read.setting}.moments says {read.moments}",
                f"set {read.setting}.moments to timestamp",
            )
        case Holds.MOMENT | Holds.ORDERED_MOMENT if read.moments == "timestamp" and shape.is_number:
            return f"{is_of_type}, not a timestamp", f"set {read.setting}.moments to seconds or milliseconds"
        case Holds.MOMENT | Holds.ORDERED_MOMENT if read.moments == "timestamp" and shape.base not in (
            _WITH_ZONE,
            _WITHOUT_ZONE,
        ):
            return f"{is_of_type}, not a timestamp", f"set {setting} to a column of moments, {view}"
        case Holds.KEY if not shape.sortable:
            return (
                f"{is_of_type}, by which rows cannot be told apart and put in order",
                f"set {setting} to a key, {view}",
            )
        case Holds.STRIPES_ID if shape.category != "S":
            return (
                f"{is_of_type}, in which no id of Stripe's can be found",
                f"set {setting} to the column that holds Stripe's ids, or turn the query off",
            )
        case Holds.NUMBER if not shape.is_number:
            return f"{is_of_type}, not a number", f"set {setting} to the column that holds the amount, {view}"
        case Holds.CODE if shape.category not in "SE":
            return f"{is_of_type}, not of letters", f"set {setting} to the column that holds the code, as EUR, {view}"
        case Holds.TRUTH if shape.category != "B":
            return f"{is_of_type}, not true or false", f"set postgres.migrations.tool to what keeps this table, {view}"
    return None


def _words(of: str, shape: Column, words: Words) -> tuple[str, str] | None:
    for setting, listed in words.by_setting:
        if shape.words is not None:
            lacking = [word for word in listed if word not in shape.words]
            if lacking:
                return (
                    f"{of} is of the enum type {shape.type} ({', '.join(shape.words)}),"
                    f" which lacks {', '.join(lacking)} of {setting}",
                    f"set {setting} to the words that it has, or turn the query off",
                )
        elif shape.is_number and not all(word.lstrip("-").isdecimal() for word in listed):
            return (
                f"{of} is of type {shape.type}, and {setting} holds {', '.join(listed)}",
                f"set {setting} to the numbers that stand for these words, each in quotes, or name a view",
            )
        elif shape.words is None and not shape.is_number and shape.category != "S":
            return (
                f"{of} is of type {shape.type}, not of words",
                "name a view that has a column of words (docs/your-schema.md)",
            )
    return None
