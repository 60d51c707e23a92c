"""When is which question asked, and for how long does its answer stand?"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from exporters.logs import LOGGER, FailureLog
from exporters.model import Distribution, ErrorClass, Reading, SampleError, Sampler, Snapshot
from exporters.postgres.connection import Database
from exporters.postgres.explain import scans
from exporters.postgres.failures import NoConnectionError
from exporters.postgres.questions import Answer, Health, Question
from rules.vocabulary import Source

__all__ = ["QuestionsSampler"]

_logger = logging.getLogger(f"{LOGGER}.postgres")

_SOON = timedelta(seconds=15)


@dataclass(slots=True)
class _Standing:
    """How matters stand with one question."""

    question: Question
    asked_at: float | None = None
    answer: Answer | None = None
    answered_at: float = 0.0
    failure: SampleError | None = None
    explained: bool = False

    def due(self, now: float, slack: float) -> bool:
        """Whether it is time to ask, a little early rather than one sample late; at once if the clock went back."""
        interval = self.question.interval.total_seconds()
        if self.unreachable:
            interval = min(interval, _SOON.total_seconds())
        return self.asked_at is None or now < self.asked_at or now - self.asked_at >= interval - slack

    @property
    def unreachable(self) -> bool:
        """Whether nobody was there to be asked, so that asking again soon costs nobody anything."""
        return self.failure is not None and self.failure.kind is ErrorClass.UNREACHABLE

    def stands(self, now: float, max_age: float) -> bool:
        """Whether the latest answer may still be served."""
        return self.answer is not None and now - self.answered_at <= max_age


class QuestionsSampler(Sampler):
    """A source whose questions are asked one by one, so that a failing one takes only its own series with it."""

    def __init__(
        self,
        source: Source,
        database: Database,
        questions: Sequence[Question],
        health: Health,
        *,
        max_age: timedelta,
        large_table: int,
        serves_health: bool = False,
    ) -> None:
        """`max_age` holds for each answer by itself; `serves_health` for the source that owns the queries' metrics."""
        self._source = source
        self._database = database
        self._standings = tuple(_Standing(question) for question in questions)
        self._health = health
        self._interval = min(question.interval for question in questions)
        self._max_age = max(max_age, 2 * max(question.interval for question in questions))
        self._large_table = large_table
        self._serves_health = serves_health
        self._log = FailureLog(_logger)

    @property
    def source(self) -> Source:
        """The source that it samples."""
        return self._source

    @property
    def interval(self) -> timedelta:
        """That of the most frequent question; shorter while somebody cannot be reached."""
        if any(standing.unreachable for standing in self._standings):
            return min(self._interval, _SOON)
        return self._interval

    @property
    def max_age(self) -> timedelta:
        """How long an answer is served after its query's latest success."""
        return self._max_age

    async def sample(self, now: float) -> Snapshot:
        """Ask what is due.

        Raises SampleError where there is no connection, or where no question can be answered any more.
        """
        slack = self.interval.total_seconds() / 2
        for standing in self._standings:
            if standing.due(now, slack):
                await self._ask(standing, now)
        failures = [standing.failure for standing in self._standings if standing.failure is not None]
        if len(failures) == len(self._standings) and not any(s.answered_at == now for s in self._standings):
            raise failures[0]
        standing_now = [s for s in self._standings if s.stands(now, self._max_age.total_seconds())]
        answers = [s.answer for s in standing_now if s.answer is not None]
        readings: list[Reading | Distribution] = [found for answer in answers for found in answer.readings]
        if self._serves_health:
            readings.extend(self._health.readings())
        return Snapshot(
            source=self._source,
            taken_at=now,
            complete_until=min((a.complete_until for a in answers if a.complete_until is not None), default=now),
            readings=tuple(readings),
            catching_up=any(answer.catching_up for answer in answers),
        )

    async def close(self) -> None:
        """Let go of the connection."""
        await self._database.close()

    async def _ask(self, standing: _Standing, now: float) -> None:
        name = standing.question.name
        started = perf_counter()
        try:
            answer = await standing.question.answer(self._database, now)
        except SampleError as error:
            standing.failure = error
            self._health.ran(name, success=False, seconds=perf_counter() - started)
            if isinstance(error, NoConnectionError):
                raise
        else:
            standing.failure = answer.problem
            standing.answer, standing.answered_at = answer, now
            self._health.ran(name, success=answer.problem is None, seconds=perf_counter() - started)
        standing.asked_at = now
        if standing.failure is not None:
            self._log.failed(name, standing.failure.kind.value, str(standing.failure))
            return
        self._log.succeeded(name)
        if not standing.explained:
            standing.explained = True
            await self._explain(standing.question, now)

    async def _explain(self, question: Question, now: float) -> None:
        try:
            for scan in await scans(question, self._database, now, large=self._large_table):
                _logger.warning("%s", scan)
        except SampleError as error:
            _logger.warning("%s could not be explained: %s", question.name, error)
