"""How does a query of the user's own become a metric, under the same protections as ours?"""

from collections.abc import Mapping

from psycopg import sql

from exporters.postgres.connection import Database, Row
from exporters.postgres.questions import Answer, Question, Read, column, moment
from exporters.postgres.settings import CustomQuery, PostgresSettings
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import ErrorClass, Reading, SampleError, reading

__all__ = ["custom_questions"]

_NOW = "%(now)s"
_AROUND = "SELECT {columns} FROM (\n{asked}\n) AS asked LIMIT {limit}"

_AS_A_NUMBER = {
    "boolean": "{}::int::float8",
    "smallint": "{}::float8",
    "integer": "{}::float8",
    "bigint": "{}::float8",
    "real": "{}::float8",
    "double precision": "{}::float8",
    "numeric": "{}::float8",
    "money": "{}::numeric::float8",
    "text": "{}::float8",
    "character varying": "{}::float8",
    "date": "extract(epoch FROM {}::timestamptz)::float8",
    "timestamp without time zone": "extract(epoch FROM {}::timestamptz)::float8",
    "timestamp with time zone": "extract(epoch FROM {})::float8",
    "interval": "extract(epoch FROM {})::float8",
}
"""By the value's type: true is 1, a moment the seconds since 1970, a span of time its seconds."""


def custom_questions(settings: PostgresSettings, overflow: LabelOverflow) -> tuple[Question, ...]:
    """The user's own queries, each as a part of a SELECT of ours: one statement, so many rows and no more."""
    return tuple(_OwnQuery(query, settings, overflow) for query in settings.queries)


class _OwnQuery:
    """A query of the user's own, whose columns are looked at before it is asked for the first time."""

    reads: tuple[Read, ...] = ()

    def __init__(self, query: CustomQuery, settings: PostgresSettings, overflow: LabelOverflow) -> None:
        self.name = query.name
        self.interval = query.interval or settings.interval
        self._query = query
        self._overflow = overflow
        self._metric = query.gauge
        self._text = query.sql.replace("%", "%%").replace("%" + _NOW, _NOW)
        self._statement: sql.Composed | None = None

    async def answer(self, database: Database, now: float, /) -> Answer:
        """Ask it. Raises SampleError."""
        try:
            if self._statement is None:
                self._statement = await self._composed(database, now)
            parameters = self._parameters(now, self._query.max_rows + 1)
            rows = await database.rows(self._statement, parameters, where=self.name, timeout=self._query.timeout)
        except SampleError:
            self._statement = None  # the columns may be of other types by now
            raise
        return Answer(self._read(rows))

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The one statement, once its columns are known."""
        if self._statement is None:
            return ()
        return ((self._statement, self._parameters(now, self._query.max_rows + 1)),)

    async def _composed(self, database: Database, now: float) -> sql.Composed:
        """The statement that makes a number of the value, whatever its type. Raises SampleError."""
        value = column(self._query.value)
        labels = [column(name) for name in self._query.labels]
        shape = self._around([value, *labels])
        types = await database.types(shape, self._parameters(now, 0), where=self.name, timeout=self._query.timeout)
        if types[0] not in _AS_A_NUMBER:
            raise SampleError(
                ErrorClass.BAD_DATA,
                self.name,
                f"its column {self._query.value} is of type {types[0]}, which is no number",
                "cast it in the query",
            )
        as_text = (sql.SQL("{}::text").format(label) for label in labels)
        return self._around([*as_text, sql.SQL(_AS_A_NUMBER[types[0]]).format(value)])

    def _around(self, columns: list[sql.Composable]) -> sql.Composed:
        return sql.SQL(_AROUND).format(
            columns=sql.SQL(", ").join(columns),
            asked=sql.SQL(self._text),  # the user's own, from the configuration
            limit=sql.Placeholder("limit"),
        )

    def _parameters(self, now: float, limit: int) -> Mapping[str, object]:
        return {"now": moment(now), "limit": limit}

    def _read(self, rows: tuple[Row, ...]) -> tuple[Reading, ...]:
        query, metric = self._query, self._metric
        if len(rows) > query.max_rows:
            raise SampleError(
                ErrorClass.BAD_DATA,
                query.name,
                f"more than {query.max_rows} rows",
                "let the query group them, or raise max_rows",
            )
        sums: dict[tuple[str, ...], float] = {}
        for *values, value in rows:
            if value is None:
                if query.null == "error":
                    raise SampleError(
                        ErrorClass.BAD_DATA,
                        query.name,
                        f"its column {query.value} is NULL, as an aggregate of no rows is",
                        "set `null: absent` for it, or write coalesce(..., 0) in the query",
                    )
                continue
            key = tuple(
                self._overflow.bounded(label, "" if found is None else found)
                for label, found in zip(metric.labels, values, strict=True)
            )
            sums[key] = sums.get(key, 0.0) + value
        names = [label.name for label in metric.labels]
        return tuple(reading(metric, value, **dict(zip(names, key, strict=True))) for key, value in sums.items())
