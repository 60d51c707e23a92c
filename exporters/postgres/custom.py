"""How does a query of the user's own become a metric, under the same protections as ours?"""

from psycopg import sql

from exporters.postgres.connection import Row
from exporters.postgres.failures import null_value
from exporters.postgres.questions import SingleQuery, column
from exporters.postgres.settings import CustomQuery, PostgresSettings
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import ErrorClass, Reading, SampleError, reading

__all__ = ["custom_questions"]

_NOW = "%(now)s"
_AROUND = "SELECT {columns} FROM (\n{asked}\n) AS asked LIMIT {limit}"


def custom_questions(settings: PostgresSettings, overflow: LabelOverflow) -> tuple[SingleQuery, ...]:
    """The user's own queries, each as a part of a SELECT of ours: one statement, so many rows and no more."""
    return tuple(_question(query, settings, overflow) for query in settings.queries)


def _question(query: CustomQuery, settings: PostgresSettings, overflow: LabelOverflow) -> SingleQuery:
    metric = query.gauge
    text = query.sql.rstrip().removesuffix(";").replace("%", "%%").replace("%" + _NOW, _NOW)
    columns = [
        *(sql.SQL("{}::text").format(column(name)) for name in query.labels),
        sql.SQL("{}::float8").format(column(query.value)),
    ]
    statement = sql.SQL(_AROUND).format(
        columns=sql.SQL(", ").join(columns),
        asked=sql.SQL(text),  # the user's own, from the configuration
        limit=sql.Placeholder("limit"),
    )

    def read(rows: tuple[Row, ...]) -> tuple[Reading, ...]:
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
                    raise null_value(query.name, query.value)
                continue
            key = tuple(
                overflow.bounded(label, "" if found is None else found)
                for label, found in zip(metric.labels, values, strict=True)
            )
            sums[key] = sums.get(key, 0.0) + value
        names = [label.name for label in metric.labels]
        return tuple(reading(metric, value, **dict(zip(names, key, strict=True))) for key, value in sums.items())

    return SingleQuery(
        query.name,
        query.interval or settings.interval,
        query.timeout,
        statement,
        read,
        {"limit": query.max_rows + 1},
    )
