"""When is an alert pending, firing and resolved, given the moments at which its condition held?

A second implementation of what Prometheus does with `for` and `keep_firing_for` (rules/alerting.go), written from its
documentation and held to agree with promtool and with live servers. It knows nothing of PromQL: it is told for each
evaluation which series came out of the expression.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Episode", "Identity", "Restoring", "State", "Timing", "episodes", "states"]

Identity = frozenset[tuple[str, str]]
"""The labels that tell an alert's instances apart."""


class State(Enum):
    """What an instance of an alert is at an evaluation."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a condition must hold, and how long the alert outlives it; in seconds."""

    lasting: float = 0.0
    keep_firing: float = 0.0


@dataclass(frozen=True, slots=True)
class Episode:
    """One time of an alert's instance, from when its condition held to when it was over; moments in Unix seconds."""

    identity: Identity
    began: float
    """The first evaluation at which the condition held."""
    fired: float | None
    """The evaluation at which it fired; None where it was pending only."""
    ended: float | None
    """The evaluation at which it was gone; None where it lasted to the end."""

    @property
    def firing_seconds(self) -> float | None:
        """How long it fired; None where it did not, or still does."""
        return None if self.fired is None or self.ended is None else self.ended - self.fired


@dataclass(frozen=True, slots=True)
class Restoring:
    """How a server that starts anew takes up what was pending before; in seconds, as Prometheus has them by default.

    `grace` is its `--rules.alert.for-grace-period`, `tolerance` its `--rules.alert.for-outage-tolerance`.
    """

    grace: float = 600.0
    tolerance: float = 3600.0
    also_short: bool = False
    """Prometheus from 3.16 on: what fired is taken up also where its `for` is shorter than the grace period."""

    def active(self, timing: Timing, before: "_Before", now: float) -> float | None:
        """Since when it counts as active at `now`, the second evaluation after a start; None where it begins anew."""
        left = timing.lasting - (before.last - before.active)
        is_short = timing.lasting < self.grace
        if before.last < now - self.tolerance or (is_short and not (self.also_short and left <= 0)):
            return None
        return before.active if left <= 0 else now + max(left, self.grace) - timing.lasting


@dataclass(slots=True)
class _Active:
    began: float
    active: float
    """From when on it counts as pending: its beginning, or another moment where that was restored."""
    restored: bool = False
    fired: float | None = None
    kept_since: float | None = None

    def has_waited(self, now: float, lasting: float) -> bool:
        # What is restored counts from after an evaluation, so that one which comes exactly then is a moment too early.
        waited = now - self.active
        return waited > lasting if self.restored else waited >= lasting


@dataclass(frozen=True, slots=True)
class _Before:
    """What a server that starts anew finds of an alert: since when it was active, and when that was last written."""

    active: float
    last: float
    restored_at: int
    """The number of the evaluation after which it is looked at: the second after the start."""


_DEFAULT = Restoring()


def episodes(
    evaluations: Sequence[float],
    held: Mapping[Identity, Iterable[float]],
    timing: Timing,
    restarts: Sequence[float] = (),
    stays: Mapping[Identity, Iterable[float]] | None = None,
    restoring: Restoring = _DEFAULT,
) -> tuple[Episode, ...]:
    """Every episode, in the order of their beginnings.

    `evaluations` are the moments at which the rule was evaluated, ascending; `held` are, for each instance, those of
    them at which the expression gave it, and `stays` those at which it gives it only if it fires already. At a restart,
    a moment between two evaluations, an episode ends, and what goes on begins another: a long `for` is restored after
    two evaluations as `restoring` says, a short one begins anew, and what was only kept firing is over.
    """
    place = {moment: index for index, moment in enumerate(evaluations)} if held else {}
    found = [
        episode
        for identity, moments in held.items()
        for episode in _of(
            identity, evaluations, place, moments, timing, restarts, (stays or {}).get(identity, ()), restoring
        )
    ]
    return tuple(sorted(found, key=lambda one: (one.began, sorted(one.identity))))


def states(
    evaluations: Sequence[float],
    held: Mapping[Identity, Iterable[float]],
    timing: Timing,
    restarts: Sequence[float] = (),
    restoring: Restoring = _DEFAULT,
) -> dict[Identity, tuple[State, ...]]:
    """What each instance is at each evaluation."""
    result = {identity: [State.INACTIVE] * len(evaluations) for identity in held}
    place = {moment: index for index, moment in enumerate(evaluations)}
    for one in episodes(evaluations, held, timing, restarts, None, restoring):
        first, last = place[one.began], len(evaluations) if one.ended is None else place[one.ended]
        fires = last if one.fired is None else place[one.fired]
        row = result[one.identity]
        row[first:last] = [State.PENDING] * (min(fires, last) - first) + [State.FIRING] * max(last - fires, 0)
    return {identity: tuple(row) for identity, row in result.items()}


def _of(
    identity: Identity,
    evaluations: Sequence[float],
    place: Mapping[float, int],
    moments: Iterable[float],
    timing: Timing,
    restarts: Sequence[float],
    stays: Iterable[float],
    restoring: Restoring,
) -> Iterable[Episode]:
    """The episodes of one instance. Stretches of evaluations at which nothing is known of it are skipped."""
    true = sorted({place[moment] for moment in moments if moment in place})
    staying = {place[moment] for moment in stays if moment in place}
    active: _Active | None = None
    before: _Before | None = None
    position = 0
    while position < len(true) or active is not None:
        if active is None:
            index = true[position]
        begins = position < len(true) and true[position] == index
        index_true = begins or (active is not None and active.fired is not None and index in staying)
        now = evaluations[index]
        if active is not None and _restarted(evaluations, index, restarts):
            yield Episode(identity, active.began, active.fired, now)
            before = _Before(active.active, evaluations[index - 1], index + 1)
            active = None
            if not index_true:
                continue
        if index_true:
            position += begins
            active = active or _Active(now, now)
            active.kept_since = None
            if active.fired is None and active.has_waited(now, timing.lasting):
                active.fired = now
        elif active is not None:
            kept_since = now if active.kept_since is None else active.kept_since
            active.kept_since = kept_since
            if active.fired is None or timing.keep_firing <= 0 or now - kept_since >= timing.keep_firing:
                yield Episode(identity, active.began, active.fired, now)
                active = None
                continue
        if active is not None and before is not None and index == before.restored_at:
            restored = restoring.active(timing, before, now)
            if restored is not None:
                active.active, active.restored = restored, True
        index += 1
        if active is not None and index >= len(evaluations):
            yield Episode(identity, active.began, active.fired, None)
            return


def _restarted(evaluations: Sequence[float], index: int, restarts: Sequence[float]) -> bool:
    return index > 0 and any(evaluations[index - 1] < restart <= evaluations[index] for restart in restarts)
