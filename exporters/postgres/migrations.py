"""Which migrations are not applied, in the table of whichever tool keeps it?"""

from dataclasses import dataclass

from psycopg import sql

from exporters.postgres.questions import CAP, Holds, Read, column, table
from exporters.postgres.settings import MigrationsTable

__all__ = ["migrations_read", "migrations_table", "pending_migrations"]

_UNAPPLIED = "SELECT count(*) FROM (SELECT 1 FROM {migrations} WHERE {unapplied} LIMIT {cap}) AS counted"
"""Not by comparison with the latest that is applied: a gap below it would be missed."""

_EXPECTED = """
SELECT (
    SELECT count(*) FROM (VALUES {expected}) AS expected (version)
    WHERE NOT EXISTS (
        SELECT FROM {migrations} AS m WHERE ({version})::text = expected.version AND ({applied})
    )
) + (
    SELECT count(*) FROM (
        SELECT 1 FROM {migrations} AS m
        WHERE ({unapplied}) AND ({version})::text NOT IN (VALUES {expected}) LIMIT {cap}
    ) AS counted
)
"""


@dataclass(frozen=True, slots=True)
class _Tool:
    """Where a tool keeps its migrations, what it calls each, and by which condition one of them is not applied.

    `applied` is the condition on the row `m` of one that is, `told` what it reads besides. A tool that keeps its
    history has rows that say neither: of what was rolled back, or undone later.
    """

    table: str
    version: str
    unapplied: str
    columns: tuple[tuple[str, Holds], ...] = ()
    applied: str = "({unapplied}) IS NOT TRUE"
    told: tuple[tuple[str, Holds], ...] = ()


_TOOLS = {
    "runbook": _Tool("public.schema_migrations", "version", "{applied} IS NOT TRUE"),
    "alembic": _Tool("public.alembic_version", "version_num", "false"),
    "diesel": _Tool("public.__diesel_schema_migrations", "version", "false"),
    "django": _Tool(
        "public.django_migrations", "app || '.' || name", "false", (("app", Holds.ANYTHING), ("name", Holds.ANYTHING))
    ),
    "flyway": _Tool(
        "public.flyway_schema_history",
        "version",
        "success IS NOT TRUE",
        (("success", Holds.TRUTH),),
        "success AND type <> 'DELETE' AND left(type, 4) <> 'UNDO' AND installed_rank ="
        " (SELECT max(every.installed_rank) FROM {migrations} AS every WHERE every.{version} = m.{version})",
        (("type", Holds.ANYTHING), ("installed_rank", Holds.NUMBER)),
    ),
    "golang-migrate": _Tool("public.schema_migrations", "version", "dirty IS NOT FALSE", (("dirty", Holds.TRUTH),)),
    "liquibase": _Tool(
        "public.databasechangelog",
        "id",
        "exectype NOT IN ('EXECUTED', 'RERAN', 'MARK_RAN') OR exectype IS NULL",
        (("exectype", Holds.ANYTHING),),
    ),
    "prisma": _Tool(
        "public._prisma_migrations",
        "migration_name",
        "finished_at IS NULL AND rolled_back_at IS NULL",
        (("finished_at", Holds.MOMENT), ("rolled_back_at", Holds.MOMENT)),
        "finished_at IS NOT NULL AND rolled_back_at IS NULL",
    ),
    "rails": _Tool("public.schema_migrations", "version", "false"),
}


def migrations_table(settings: MigrationsTable) -> str:
    """The table as the settings name it, or where the tool puts it."""
    return settings.table or _TOOLS[settings.tool].table


def pending_migrations(settings: MigrationsTable) -> sql.Composed:
    """Counts what is written down and not applied, or what is expected and not written down as applied."""
    tool = _TOOLS[settings.tool]
    names: dict[str, sql.Composable] = {
        "migrations": table(migrations_table(settings)),
        "version": column(settings.version) if settings.version else sql.SQL(tool.version),
        "unapplied": sql.SQL(tool.unapplied).format(applied=column(settings.applied)),
        "cap": sql.Literal(CAP),
        "expected": sql.SQL(", ").join(sql.SQL("({}::text)").format(sql.Literal(one)) for one in settings.expected),
    }
    names["applied"] = sql.SQL(tool.applied).format(**names)
    return sql.SQL(_EXPECTED if settings.expected else _UNAPPLIED).format(**names)


def migrations_read(settings: MigrationsTable) -> Read:
    """What is read of the table."""
    tool = _TOOLS[settings.tool]
    own = (("applied", settings.applied, Holds.TRUTH),) if settings.tool == "runbook" else ()
    version = (("version", settings.version, Holds.ANYTHING),) if settings.expected and settings.version else ()
    read = (*tool.columns, *(tool.told if settings.expected else ()))
    columns = (*own, *version, *((name, name, holds) for name, holds in read))
    return Read("postgres.migrations", migrations_table(settings), "timestamp", columns)
