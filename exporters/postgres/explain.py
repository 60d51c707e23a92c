"""Would a query read a large table as a whole?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from exporters.postgres.connection import Database
from exporters.postgres.questions import Question

__all__ = ["Scan", "scans"]

_SIZE = "SELECT pg_relation_size(to_regclass(%(table)s))"


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


async def scans(question: Question, database: Database, now: float, *, large: int) -> tuple[Scan, ...]:
    """The tables of `large` bytes and more that the question would scan, by the planner's word. Raises SampleError."""
    tables: set[str] = set()
    for statement, parameters in question.statements(now):
        rows = await database.rows(
            sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE) ") + statement, parameters, where=question.name
        )
        tables.update(_scanned(rows[0][0][0]["Plan"]))
    found = []
    for table in sorted(tables):
        rows = await database.rows(sql.SQL(_SIZE).format(), {"table": table}, where=question.name)
        size = rows[0][0] or 0
        if size >= large:
            found.append(Scan(question.name, table, size))
    return tuple(found)


def _scanned(plan: Mapping[str, Any]) -> Iterator[str]:
    whole = plan["Node Type"] == "Seq Scan" or (
        plan["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in plan and "Filter" in plan
    )
    if whole and "Relation Name" in plan:
        yield sql.Identifier(plan["Schema"], plan["Relation Name"]).as_string()
    for below in plan.get("Plans", ()):
        yield from _scanned(below)
