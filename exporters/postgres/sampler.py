"""When is which question asked, and for how long does its answer stand?"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from exporters.postgres.connection import Database
from exporters.postgres.explain import scans
from exporters.postgres.failures import NoConnectionError, TooSlowError
from exporters.postgres.questions import Answer, Elapsed, Health, Question
from exporters.postgres.relations import Relations
from exporters.process.logs import LOGGER, FailureLog
from exporters.sampling.model import Distribution, ErrorClass, Reading, SampleError, Sampler, Snapshot
from exporters.sampling.reconciling import NotKnownYetError
from rules.vocabulary import Source

__all__ = ["QuestionsSampler"]

_logger = logging.getLogger(f"{LOGGER}.postgres")

_SOON = timedelta(seconds=15)


_IDLE = 30.0
"""For each second that queries take which then time out, so many seconds without one: 3 % of the time busy, whichever
sources they belong to."""


@dataclass(slots=True)
class _Standing:
    """How matters stand with one question; moments are in seconds that never go back."""

    question: Question
    max_age: float
    interval: float
    """In how many seconds it is asked again: more than usual after it timed out, half of that each time it does not."""
    asked_at: float | None = None
    answer: Answer | None = None
    answered_at: float = 0.0
    lasts: float = 0.0
    failure: SampleError | None = None
    waits: bool = False
    explained: bool = False

    @property
    def usual(self) -> float:
        """In how many seconds it is asked again where all is well."""
        return self.question.interval.total_seconds()

    @property
    def steps_back(self) -> bool:
        """Whether it takes too long for what the database can bear."""
        return isinstance(self.failure, TooSlowError)

    def due(self, at: float, slack: float) -> bool:
        """Whether it is time to ask, a little early rather than one sample late."""
        interval = self.interval
        if self.asks_soon:
            interval = min(interval, _SOON.total_seconds())
        return self.asked_at is None or at - self.asked_at >= interval - slack

    def pace(self, seconds: float, too_slow: int) -> None:
        """Ask less often after a timeout that took so long, one of so many that do; come back slowly, else."""
        if self.steps_back:
            enough = max(self.usual, _IDLE * seconds * too_slow)
            self.interval = min(2 * self.interval, max(enough, self.interval))
        else:
            self.interval = max(self.usual, self.interval / 2)

    @property
    def asks_soon(self) -> bool:
        """Whether nobody could be asked, or there was nothing to ask yet, so that trying again costs nothing."""
        nothing_yet = self.answer is not None and self.answer.catching_up and not self.answer.readings
        return self.waits or nothing_yet or (self.failure is not None and self.failure.kind is ErrorClass.UNREACHABLE)

    @property
    def answered(self) -> bool:
        """Whether there was an answer when it was asked last, be it with a problem."""
        return self.answer is not None and self.answered_at == self.asked_at

    def stands(self, at: float) -> bool:
        """Whether the latest answer may still be served."""
        return self.answer is not None and at - self.answered_at <= self.lasts


class QuestionsSampler(Sampler):
    """A source whose questions are asked one by one, so that a failing one takes only its own series with it."""

    def __init__(
        self,
        source: Source,
        database: Database,
        questions: Sequence[Question],
        relations: Relations,
        health: Health,
        elapsed: Elapsed,
        *,
        max_age: timedelta,
        large_table: int,
        serves_health: bool = False,
    ) -> None:
        """`max_age` holds for each answer by itself, or twice its question's interval where that is longer.

        `serves_health` is true for the source that owns the queries' metrics.
        """
        self._source = source
        self._database = database
        self._standings = tuple(
            _Standing(
                question,
                max(max_age, 2 * question.interval).total_seconds(),
                question.interval.total_seconds(),
            )
            for question in questions
        )
        self._relations = relations
        self._health = health
        self._elapsed = elapsed
        self._interval = min(question.interval for question in questions)
        self._max_age = max(max_age, 2 * self._interval)
        self._large_table = large_table
        self._serves_health = serves_health
        self._log = FailureLog(_logger)

    @property
    def source(self) -> Source:
        """The source that it samples."""
        return self._source

    @property
    def interval(self) -> timedelta:
        """That of the most frequent question; shorter while somebody cannot be reached or has nothing to say yet."""
        if any(standing.asks_soon for standing in self._standings):
            return min(self._interval, _SOON)
        return self._interval

    @property
    def max_age(self) -> timedelta:
        """How long what was sampled last is served where no sample succeeds any more."""
        return self._max_age

    async def sample(self, now: float) -> Snapshot:
        """Ask what is due.

        Raises SampleError where there is no connection, or where no question can be answered any more.
        """
        at = self._elapsed()
        slack = self.interval.total_seconds() / 2
        for standing in self._standings:
            if standing.due(at, slack):
                await self._ask(standing, now, at)
        failures = [standing.failure for standing in self._standings if standing.failure is not None]
        waiting = sum(standing.waits for standing in self._standings)
        if (
            failures
            and len(failures) + waiting == len(self._standings)
            and not any(standing.answered for standing in self._standings)
        ):
            raise failures[0]
        standing_now = [s for s in self._standings if s.stands(at)]
        answers = [s.answer for s in standing_now if s.answer is not None]
        readings: list[Reading | Distribution] = [found for answer in answers for found in answer.readings]
        if self._serves_health:
            readings.extend(self._health.readings())
        complete_until = min((a.complete_until for a in answers if a.complete_until is not None), default=now)
        return Snapshot(
            source=self._source,
            taken_at=now,
            complete_until=None if waiting == len(self._standings) else complete_until,
            readings=tuple(readings),
            catching_up=any(answer.catching_up for answer in answers),
        )

    async def close(self) -> None:
        """Let go of the connection."""
        await self._database.close()

    async def _ask(self, standing: _Standing, now: float, at: float) -> None:
        name = standing.question.name
        started = perf_counter()
        try:
            await self._relations.examine(standing.question, self._database, now)
            answer = await standing.question.answer(self._database, now)
        except NotKnownYetError:
            standing.waits, standing.failure, standing.answer, standing.asked_at = True, None, None, at
            self._health.waits(name)
            return
        except SampleError as error:
            standing.waits, standing.failure = False, error
            self._relations.forget()
            if isinstance(error, NoConnectionError):
                self._note(standing, perf_counter() - started)
                raise
        else:
            standing.waits, standing.failure = False, answer.problem
            standing.answer, standing.answered_at = answer, at
        seconds = perf_counter() - started
        standing.pace(seconds, self._health.too_slow(name, is_it=standing.steps_back))
        self._note(standing, seconds)
        standing.asked_at = at
        if standing.answered:
            standing.lasts = max(standing.max_age, 2 * standing.interval)
        if standing.failure is not None:
            self._log.failed(name, standing.failure.kind.value, str(standing.failure))
            return
        self._log.succeeded(name)
        if not standing.explained:
            standing.explained = True
            await self._explain(standing.question, now)

    def _note(self, standing: _Standing, seconds: float) -> None:
        self._health.ran(
            standing.question.name, success=standing.failure is None, seconds=seconds, interval=standing.interval
        )

    async def _explain(self, question: Question, now: float) -> None:
        try:
            for scan in await scans(question, self._database, now, large=self._large_table):
                _logger.warning("%s", scan)
        except SampleError as error:
            _logger.warning("%s could not be explained: %s", question.name, error)
