"""What does the payments database say, asked gently?"""

from collections.abc import Iterator

from exporters.postgres.amounts import ComparedAmounts
from exporters.postgres.attempts import attempts_questions
from exporters.postgres.connection import Database
from exporters.postgres.custom import custom_questions
from exporters.postgres.explain import Plan, Scan, plan_of, scans
from exporters.postgres.identifiers import UsedIdentifiers
from exporters.postgres.inbox import inbox_questions
from exporters.postgres.leader import Leader, LeaderSettings
from exporters.postgres.payments import payments_questions
from exporters.postgres.questions import Elapsed, Health, Question, since_start
from exporters.postgres.reconciliation import MissingEvents, MissingPayments
from exporters.postgres.relations import Relations
from exporters.postgres.sampler import QuestionsSampler
from exporters.postgres.settings import PostgresSettings
from exporters.postgres.structure import structure_questions
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Sampler
from exporters.sampling.reconciling import SucceededPayments
from rules.vocabulary import Source

__all__ = [
    "Database",
    "Leader",
    "LeaderSettings",
    "Plan",
    "PostgresSettings",
    "Question",
    "Relations",
    "Scan",
    "plan_of",
    "questions",
    "samplers",
    "scans",
]


def samplers(
    settings: PostgresSettings,
    overflow: LabelOverflow,
    stripe: SucceededPayments | None = None,
    elapsed: Elapsed = since_start,
) -> tuple[Sampler, ...]:
    """The samplers of POSTGRES, WEBHOOK_INBOX and, where Stripe's side is known, RECONCILIATION, on one connection."""
    database = Database(settings)
    health = Health()
    by_source = questions(settings, overflow, stripe, elapsed)
    relations = Relations((one for asked in by_source.values() for one in asked), settings.time_zone, elapsed)
    return tuple(
        QuestionsSampler(
            source,
            database,
            asked,
            relations,
            health,
            elapsed,
            max_age=settings.max_age,
            large_table=settings.large_table,
            serves_health=source is Source.POSTGRES,
        )
        for source, asked in by_source.items()
        if asked
    )


def questions(
    settings: PostgresSettings,
    overflow: LabelOverflow,
    stripe: SucceededPayments | None = None,
    elapsed: Elapsed = since_start,
) -> dict[Source, tuple[Question, ...]]:
    """Every question that is to be asked, by source."""
    asked: dict[Source, tuple[Question, ...]] = {
        Source.POSTGRES: (
            *payments_questions(settings, overflow),
            *attempts_questions(settings, elapsed),
            *structure_questions(settings),
            *((UsedIdentifiers(settings),) if settings.identifiers else ()),
            *custom_questions(settings, overflow),
        ),
        Source.WEBHOOK_INBOX: inbox_questions(settings, elapsed) if settings.inbox.enabled else (),
        Source.RECONCILIATION: (
            tuple(_comparisons(settings, stripe, overflow)) if stripe and settings.reconciliation.enabled else ()
        ),
    }
    off = {name for name, chosen in settings.built_in.items() if not chosen.enabled}
    return {source: tuple(one for one in some if one.name not in off) for source, some in asked.items()}


def _comparisons(settings: PostgresSettings, stripe: SucceededPayments, overflow: LabelOverflow) -> Iterator[Question]:
    yield MissingPayments(settings, stripe)
    if settings.inbox.enabled:
        yield MissingEvents(settings, stripe)
    if settings.payments.amounts is not None:
        yield ComparedAmounts(settings, settings.payments.amounts, stripe, overflow)
