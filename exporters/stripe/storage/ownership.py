"""Who writes the state, whatever lies between it and its writers?

A lock belongs to a session, and a pooler in transaction mode hands one session to many clients: each of them holds the
lock then, and it outlives them all. So the state names its writer itself: each transaction confirms the name first,
which also keeps it until the transaction ends. Who opens the state is its writer; whoever wrote it before notices with
its next transaction, counts nothing, and comes back only when nobody else is at work.
"""

from contextlib import suppress
from uuid import uuid4

from exporters.sampling.model import Clock, ErrorClass, SampleError
from exporters.stripe.storage.database import CorruptError, Database

__all__ = ["Ownership"]

_AT_WORK = 3600
"""Seconds after a writer's latest transaction for which it is taken to be at work."""

_TAKE = (
    "INSERT INTO paymon_marks (name, value) VALUES ('writer', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_CONFIRM = "UPDATE paymon_marks SET value = ? WHERE name = 'writer' AND value LIKE ? RETURNING name"


class Ownership:
    """One writer's hold on a state."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._token = uuid4().hex
        self.lost = False
        """Whether another writer was found to have taken over."""

    def take(self, *, yielding: bool) -> None:
        """Be the writer from now on. Raises SampleError where another is at work, and this one is to yield to it."""
        self._database.execute("BEGIN")
        if yielding:
            rows = self._database.execute("SELECT value FROM paymon_marks WHERE name = 'writer'")
            _, _, seen = (rows[0][0] if rows else "").partition(" ")
            if seen.isdecimal() and self._clock() < int(seen) + _AT_WORK:
                self._database.execute("ROLLBACK")
                self.lost = True
                raise self._taken()
        self._database.execute(_TAKE, (self._name(),))
        self._database.execute("COMMIT")

    def confirm(self) -> None:
        """Hold on for the transaction that has begun. Raises SampleError where another writer has taken over."""
        if not self._database.execute(_CONFIRM, (self._name(), f"{self._token} %")):
            self.lost = True
            raise self._taken()

    def give_up(self) -> None:
        """Let another writer take over at once; never raises."""
        with suppress(SampleError, CorruptError):
            self._database.execute(_CONFIRM, ("", f"{self._token} %"))

    def _name(self) -> str:
        return f"{self._token} {int(self._clock())}"

    @staticmethod
    def _taken() -> SampleError:
        return SampleError(
            ErrorClass.INTERNAL,
            "state",
            "another exporter has taken it over, and writes it now; this one counts nothing",
            "stop one of them, or give each its own stripe.state",
        )
