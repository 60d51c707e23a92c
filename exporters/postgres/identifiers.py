"""How much of their range have the numbers used that rows are given?

A sequence says it by itself: reading its state costs nothing, however large the table. A column without one, such as a
reference to another table's key, is read at the end of an index that begins with it; where there is none, not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from psycopg import sql

from exporters.postgres.connection import Database
from exporters.postgres.questions import Answer, Read, column, schema_and_name, table, timing
from exporters.postgres.settings import Identifier, PostgresSettings
from exporters.sampling.model import ErrorClass, Reading, SampleError, reading
from rules.payments import identifiers as metrics

__all__ = ["UsedIdentifiers"]

_COLUMNS = """
SELECT c.relkind IN ('r', 'p'), format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
    has_column_privilege(c.oid, a.attnum, 'SELECT'),
    EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
    ),
    s.seqrelid::regclass::text, s.seqincrement, s.seqmin, s.seqmax,
    has_sequence_privilege(s.seqrelid, 'USAGE, SELECT'),
    CASE WHEN has_sequence_privilege(s.seqrelid, 'USAGE, SELECT') THEN pg_sequence_last_value(s.seqrelid) END
FROM unnest(%(schemas)s::name[], %(relations)s::name[], %(columns)s::name[])
    WITH ORDINALITY AS asked (schema, relation, name, place)
LEFT JOIN (pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace) ON c.relname = asked.relation
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND CASE WHEN asked.schema IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = asked.schema END
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = asked.name AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN LATERAL (
    SELECT min(found.oid) AS oid FROM (
        SELECT d.objid AS oid FROM pg_depend AS d
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
            AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        UNION ALL
        SELECT d.refobjid FROM pg_attrdef AS f JOIN pg_depend AS d ON d.objid = f.oid
        WHERE f.adrelid = c.oid AND f.adnum = a.attnum
            AND d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    ) AS found
    WHERE found.oid IN (SELECT seqrelid FROM pg_sequence)
) AS its ON true
LEFT JOIN pg_sequence AS s ON s.seqrelid = its.oid
ORDER BY asked.place
"""
"""One row for each column that is asked of: a sequence is the column's own, or the one that its default names."""

_STATEMENT = sql.SQL(_COLUMNS).format()

_HIGHEST = "SELECT max({column}) FROM {table}"

_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
"""The largest number of each type; the smallest is one farther away on the other side (PostgreSQL, "Numeric Types")."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the database has of one column; all but the first is None where it has none."""

    is_table: bool | None
    type: str | None
    readable: bool | None
    indexed: bool
    sequence: str | None
    increment: int | None
    least: int | None
    most: int | None
    permitted: bool | None
    last: int | None


class UsedIdentifiers:
    """The share that is used of each column's numbers, for the columns that the settings name."""

    name = "identifiers"
    reads: tuple[Read, ...] = ()

    def __init__(self, settings: PostgresSettings) -> None:
        self._asked = settings.identifiers
        self.interval, self._timeout = timing(settings, "identifiers", timedelta(minutes=5))
        parts = [schema_and_name(one.table) for one in self._asked]
        self._parameters: Mapping[str, object] = {
            "schemas": [schema for schema, _ in parts],
            "relations": [relation for _, relation in parts],
            "columns": [one.column for one in self._asked],
        }
        self._without_sequence: list[Identifier] = []

    async def answer(self, database: Database, now: float) -> Answer:  # noqa: ARG002 - as questions are asked
        """Ask for each. Raises SampleError; what is wrong with one of them does not hide the others."""
        rows = await database.rows(_STATEMENT, self._parameters, where=self.name, timeout=self._timeout)
        found: list[Reading] = []
        self._without_sequence = []
        problems: list[SampleError] = []
        for place, (one, row) in enumerate(zip(self._asked, rows, strict=True)):
            shape = _Shape(*row)
            problem = _problem(one, f"postgres.identifiers[{place}]", shape)
            if problem is not None:
                problems.append(problem)
                continue
            try:
                share = await self._share(one, shape, database)
            except SampleError as error:
                problems.append(error)
                continue
            found.append(reading(metrics.used_ratio, share, identifier=str(one)))
        if problems and not found:
            raise problems[0]
        return Answer(tuple(found), problem=next(iter(problems), None))

    async def _share(self, one: Identifier, shape: _Shape, database: Database) -> float:
        largest = _LARGEST[shape.type or ""]
        if shape.sequence is not None and shape.increment and shape.least is not None and shape.most is not None:
            if shape.last is None:  # nobody has taken a number yet
                return 0.0
            least, most = max(shape.least, -largest - 1), min(shape.most, largest)
            taken = shape.last - least if shape.increment > 0 else most - shape.last
            return _part(taken, most - least)
        self._without_sequence.append(one)
        rows = await database.rows(_highest(one), {}, where=self.name, timeout=self._timeout)
        return _part(rows[0][0] or 0, largest)

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:  # noqa: ARG002
        """The look into the catalogue, and at the end of each column that had no sequence in the latest answer."""
        return ((_STATEMENT, self._parameters), *((_highest(one), {}) for one in self._without_sequence))


def _part(taken: int, of: int) -> float:
    """The share exactly, until it becomes a float; 0 of what counts from below 0 on, and never more than all."""
    return float(min(max(Decimal(taken) / Decimal(max(of, 1)), Decimal(0)), Decimal(1)))


def _highest(one: Identifier) -> sql.Composed:
    return sql.SQL(_HIGHEST).format(column=column(one.column), table=table(one.table))


def _problem(one: Identifier, setting: str, shape: _Shape) -> SampleError | None:
    """What stands between the column and an answer."""

    def bad(what: str, how_to_fix: str, kind: ErrorClass = ErrorClass.BAD_DATA) -> SampleError:
        return SampleError(kind, "identifiers", f"{what} ({setting})", how_to_fix)

    if shape.is_table is None:
        return bad(f"there is no table {one.table}", "create it, or write the name that it has")
    if not shape.is_table:
        return bad(f"{one.table} is no table", "name the table in which the numbers are kept")
    if shape.type is None:
        return bad(f"{one.table} has no column {one.column}", "write the name that it has")
    if shape.type not in _LARGEST:
        return bad(f"{one} is of type {shape.type}, whose values never run out", "leave it out")
    if shape.sequence is not None:
        if not shape.permitted:
            return bad(
                f"the role may not read the sequence {shape.sequence}",
                f"GRANT SELECT ON SEQUENCE {shape.sequence} to it",
                ErrorClass.NOT_PERMITTED,
            )
        return None
    if not shape.readable:
        return bad(
            f"the role may not read {one}",
            f"GRANT SELECT ({one.column}) ON {one.table} to it",
            ErrorClass.NOT_PERMITTED,
        )
    if not shape.indexed:
        return bad(
            f"{one} has no sequence, and no index begins with it, so that all rows would be read for the highest",
            "create one, or leave it out",
        )
    return None
