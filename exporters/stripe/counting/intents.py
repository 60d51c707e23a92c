"""How did a payment end, once its retries are folded into one, and was an attempt abandoned?

Pure. The answer must not depend on the order in which events are seen, only on when they were created. So the steps of
an intent are collected, and nothing is decided before everything that could change the decision is known to have been
seen: `settled` is the moment up to which that is so.

- The outcome is `failed` where the first failure was not followed by a success, an authorization or a cancellation
  within an hour, and it stays so: a success weeks later, from a dunning retry, changes nothing.
- An authorization is no outcome yet: the intent succeeds when it is captured, and is canceled when it is let go.
- An attempt is `abandoned` where its customer was asked to act and within an hour nothing followed but, perhaps, a
  cancellation. Where the customer was asked again within that hour, only the last time counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from exporters.stripe.counting.facts import AttemptEnded, IntentStep

__all__ = ["HOUR", "Decision", "Intent", "Step", "decided", "was_given_up", "with_steps"]

HOUR = 3600

_OUTCOMES = {"S": "succeeded", "C": "canceled"}
_SAVED = ("S", "C", "R")
"""What makes up for a failure within the hour."""
_ANSWERED = "a"
"""A request that the customer act about which everything is decided."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an intent, with the labels that an abandoned attempt would be counted under."""

    at: int
    kind: str
    method: str = ""
    initiator: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is remembered of a payment intent: its steps in order, and its outcome once decided."""

    steps: tuple[Step, ...] = ()
    outcome: str = ""

    @property
    def touched(self) -> int:
        """The second of the latest step, 0 where there is none."""
        return self.steps[-1].at if self.steps else 0

    @property
    def due(self) -> int | None:
        """What `settled` must reach before the next decision can be made; None where nothing is open."""
        moments = [] if self.outcome else [self._outcome_due()]
        moments += [_abandoned_due(self.steps, step.at) for step in self.steps if step.kind == "A"]
        return min((moment for moment in moments if moment is not None), default=None)

    def _outcome_due(self) -> int | None:
        ends = [step.at - HOUR for step in self.steps if step.kind in _OUTCOMES]
        if ends:
            return min(ends)
        failed = _first(self.steps, "F")
        return None if failed is None or _is_saved(self.steps, failed) else failed + HOUR


@dataclass(frozen=True, slots=True)
class Decision:
    """What became certain about an intent: at most one outcome, and the abandoned attempts with their second."""

    intent: Intent
    outcome: str
    abandoned: tuple[tuple[int, AttemptEnded], ...]


def with_steps(intent: Intent, steps: Iterable[tuple[int, IntentStep]]) -> Intent:
    """The intent with those steps too, in any order, each once."""
    known = {(step.at, step.kind.upper()) for step in intent.steps}
    new = []
    for at, step in steps:
        if (at, step.kind) not in known:
            known.add((at, step.kind))
            new.append(Step(at, step.kind, step.method, step.initiator, step.currency))
    return Intent(tuple(sorted((*intent.steps, *new), key=lambda step: (step.at, step.kind))), intent.outcome)


def decided(intent: Intent, settled: int) -> Decision:
    """Every decision that `settled` (seconds since 1970) allows."""
    due = intent._outcome_due()
    outcome = _outcome(intent.steps) if not intent.outcome and due is not None and due <= settled else ""
    if all(step.kind != "A" for step in intent.steps):
        return Decision(Intent(intent.steps, intent.outcome or outcome), outcome, ())
    steps = []
    abandoned = []
    for step in intent.steps:
        if step.kind == "A" and _abandoned_due(intent.steps, step.at) <= settled:
            if _is_abandoned(intent.steps, step.at):
                ended = AttemptEnded("abandoned", "", (), step.method, step.initiator, step.currency)
                abandoned.append((step.at, ended))
            steps.append(replace(step, kind=_ANSWERED))
        else:
            steps.append(step)
    return Decision(Intent(tuple(steps), intent.outcome or outcome), outcome, tuple(abandoned))


def was_given_up(steps: Sequence[Step], at: int) -> bool:
    """Whether the latest of these steps asked the customer to act over an hour before: it counts as abandoned."""
    asking = [step for step in steps if step.kind not in "FC"]
    return bool(asking) and asking[-1].kind in ("A", _ANSWERED) and at > asking[-1].at + HOUR


def _outcome(steps: tuple[Step, ...]) -> str:
    failed = _first(steps, "F")
    if failed is not None and not _is_saved(steps, failed):
        return "failed"
    return next(_OUTCOMES[step.kind] for step in steps if step.kind in _OUTCOMES)


def _first(steps: tuple[Step, ...], kind: str) -> int | None:
    return next((step.at for step in steps if step.kind == kind), None)


def _is_saved(steps: tuple[Step, ...], failed: int) -> bool:
    return any(step.kind in _SAVED and step.at <= failed + HOUR for step in steps)


def _cancellation(steps: tuple[Step, ...], asked: int) -> int | None:
    return min((step.at for step in steps if step.kind == "C" and asked <= step.at <= asked + HOUR), default=None)


def _abandoned_due(steps: tuple[Step, ...], asked: int) -> int:
    canceled = _cancellation(steps, asked)
    return asked + HOUR if canceled is None else canceled


def _is_abandoned(steps: tuple[Step, ...], asked: int) -> bool:
    until = _abandoned_due(steps, asked)
    if any(step.kind in "FSPR" and asked <= step.at <= until for step in steps):
        return False
    return not any(step.kind in "Aa" and asked < step.at <= until for step in steps)
