"""Would a query read a large table as a whole, by the planner's word?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from exporters.postgres.connection import Database, Row
from exporters.postgres.questions import Question

__all__ = ["Plan", "Scan", "plan_of", "scans"]

_SIZES = """
WITH RECURSIVE asked AS (
    SELECT n AS place, to_regclass(name)::oid AS relation FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS l (name, n)
), above AS (
    SELECT place, relation, relation AS top FROM asked
    UNION ALL
    SELECT place, relation, inhparent FROM above JOIN pg_inherits ON inhrelid = top
)
SELECT above.place, format('%%I.%%I', n.nspname, c.relname), coalesce(pg_relation_size(above.relation), 0)
FROM above JOIN pg_class AS c ON c.oid = above.top JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE above.top NOT IN (SELECT inhrelid FROM pg_inherits)
"""
"""A partition's size counts for the table that it is a part of."""

_INDEXES = """
SELECT listed.n, pg_get_indexdef(i.indexrelid, 1, true), pg_relation_size(i.indexrelid), i.indpred IS NOT NULL
FROM unnest(%(schemas)s::text[], %(names)s::text[]) WITH ORDINALITY AS listed (schema, name, n)
JOIN pg_class AS c ON c.relname = listed.name
JOIN pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = listed.schema
JOIN pg_index AS i ON i.indexrelid = c.oid
"""


_PAGE = 8192


@dataclass(frozen=True, slots=True)
class Scan:
    """A large table that a query would read from end to end."""

    query: str
    table: str
    size: int

    def __str__(self) -> str:
        return (
            f"{self.query}: reads the whole of {self.table} ({self.size // 1024**2} MiB) each time;"
            " create the indexes of deploy/postgres/indexes.sql and run ANALYZE"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found out about the plans of one question."""

    scans: tuple[Scan, ...] = ()
    unknown: tuple[str, ...] = ()
    """What the planner says nothing about: foreign tables, scans of extensions."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One scan of a plan: of which table, by which index if any, and what tells how much of it is read."""

    table: str
    schema: str
    index: str | None
    condition: str
    stops_early: bool
    cost: float

    def reads_whole(self, first: str, size: int) -> bool:
        """Whether it reads the whole index, whose first column and size are given.

        Without a bound on the first column it does, unless the server skips from one of its values to the next, which
        costs less than reading each page.
        """
        named = re.search(rf'(?<![\w"]){re.escape(first)}(?![\w"])', self.condition)
        bounded = named or ("(" in first and self.condition)
        skips = bool(self.condition) and self.cost < size / _PAGE / 2
        return not (self.stops_early or bounded or skips)


async def scans(question: Question, database: Database, now: float, *, large: int) -> tuple[Scan, ...]:
    """The tables of `large` bytes and more that the question would scan. Raises SampleError."""
    return (await plan_of(question, database, now, large=large)).scans


async def plan_of(question: Question, database: Database, now: float, *, large: int) -> Plan:
    """What the planner says of the question's statements. Raises SampleError."""
    sizes: dict[str, int] = {}
    unknown: dict[str, None] = {}
    for statement, parameters in question.statements(now):
        rows = await database.rows(
            sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE) ") + statement, parameters, where=question.name
        )
        visits = list(_visits(rows[0][0][0]["Plan"], stops_early=False, unknown=unknown))
        for table, size in (await _read_whole(visits, database, question.name)).items():
            sizes[table] = max(size, sizes.get(table, 0))
    found = tuple(Scan(question.name, table, size) for table, size in sorted(sizes.items()) if size >= large)
    return Plan(found, tuple(unknown))


_BLOCKING = {"Sort", "Incremental Sort", "Aggregate", "Group", "Hash", "WindowAgg", "Unique", "SetOp", "Materialize"}
_BY_INDEX = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}
_FOREIGN = {"Foreign Scan": "the foreign table", "Custom Scan": "by an extension's scan"}


def _visits(
    plan: Mapping[str, Any], *, stops_early: bool, unknown: dict[str, None], heap: Mapping[str, Any] | None = None
) -> Iterator[_Visit]:
    """Every scan of a table; one below a LIMIT ends early, unless something between them wants all of its rows."""
    kind = plan["Node Type"]
    here = (stops_early or kind == "Limit") and kind not in _BLOCKING
    relation = plan if "Relation Name" in plan else heap
    if kind in _FOREIGN:
        name = plan.get("Relation Name") or plan.get("Relations") or plan.get("Custom Plan Provider", "")
        unknown[f"{_FOREIGN[kind]}: {name}"] = None
    elif relation is not None and (kind in ("Seq Scan", "Sample Scan") or kind in _BY_INDEX):
        condition = str(plan.get("Index Cond", ""))
        filtered = "Filter" in plan
        yield _Visit(
            sql.Identifier(relation["Schema"], relation["Relation Name"]).as_string(),
            relation["Schema"],
            plan.get("Index Name"),
            condition,
            here and not filtered and kind != "Bitmap Index Scan",
            float(plan.get("Total Cost", 0)),
        )
    below = plan if kind == "Bitmap Heap Scan" else heap if kind in ("BitmapOr", "BitmapAnd") else None
    for part in plan.get("Plans", ()):
        apart = part.get("Parent Relationship") in ("InitPlan", "SubPlan")
        yield from _visits(part, stops_early=here and not apart, unknown=unknown, heap=below)


async def _read_whole(visits: list[_Visit], database: Database, where: str) -> dict[str, int]:
    """By table, its partitions together, the bytes that are read without a bound."""
    by_index = [visit for visit in visits if visit.index is not None]
    indexes: dict[int, Row] = {}
    if by_index:
        names = {"schemas": [visit.schema for visit in by_index], "names": [visit.index for visit in by_index]}
        rows = await database.rows(sql.SQL(_INDEXES).format(), names, where=where)
        indexes = {row[0] - 1: row for row in rows}
    whole: list[tuple[str, int | None]] = [(v.table, None) for v in visits if v.index is None and not v.stops_early]
    for place, visit in enumerate(by_index):
        _, first, size, partial = indexes.get(place, (place, "", 0, False))
        if visit.reads_whole(first, size):
            whole.append((visit.table, size if partial else None))
    if not whole:
        return {}
    rows = await database.rows(sql.SQL(_SIZES).format(), {"tables": [table for table, _ in whole]}, where=where)
    found: dict[str, int] = {}
    counted = set()
    for place, top, bytes_of_table in rows:
        table, bytes_of_index = whole[place - 1]
        if (table, bytes_of_index) not in counted:
            counted.add((table, bytes_of_index))
            found[top] = found.get(top, 0) + (bytes_of_table if bytes_of_index is None else bytes_of_index)
    return found
