"""Where is the ledger kept, and who holds it at the moment?"""

import asyncio

from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, ErrorClass, SampleError
from exporters.stripe.counting.ledger import Ledger
from exporters.stripe.settings import StateSettings, StripeSettings
from exporters.stripe.storage.database import CorruptError, Database
from exporters.stripe.storage.postgres import open_postgres
from exporters.stripe.storage.sqlite import open_memory, open_sqlite

__all__ = ["State", "of_other_payments", "open_ledger"]


def open_ledger(settings: StateSettings, clock: Clock, overflow: LabelOverflow, *, yielding: bool = False) -> Ledger:
    """The ledger that the settings name, `yielding` to another writer that is at work. Raises SampleError."""

    def read(database: Database) -> Ledger:
        return Ledger(database, overflow, clock, yielding=yielding)

    if settings.dsn is not None:
        database = open_postgres(settings.dsn)
        try:
            return read(database)
        except CorruptError as damage:
            database.close()
            raise SampleError(
                ErrorClass.BAD_DATA,
                "state database",
                f"it is damaged ({damage})",
                "drop the tables paymon_*; counters start again at 0",
            ) from None
        except SampleError:
            database.close()
            raise
    if settings.backend == "memory":
        return read(open_memory())
    return open_sqlite(settings.path, settings.largest_bytes, clock, read)


class State:
    """The ledger while this replica holds it: opened when first wanted, and again after a failure.

    It is given out for the payments alone that it was begun with: live ones or those of test mode, of one account.
    """

    def __init__(self, settings: StripeSettings, clock: Clock, overflow: LabelOverflow) -> None:
        self._stripe = settings
        self._settings = settings.state
        self._clock = clock
        self._overflow = overflow
        self._ledger: Ledger | None = None
        self._opening = asyncio.Lock()

    @property
    def current(self) -> Ledger | None:
        """The ledger, None where it is not held, or holds other payments than are read now."""
        ledger = self._ledger
        return None if ledger is None or ledger.closed or ledger.payments != self._stripe.payments else ledger

    async def ledger(self) -> Ledger:
        """The ledger, opened where it is not. Raises SampleError."""
        async with self._opening:
            if self.current is not None:
                await asyncio.to_thread(self.current.ping)
            if self._ledger is None or self._ledger.closed:
                yielding = self._ledger is not None and self._ledger.superseded
                opened = asyncio.ensure_future(
                    asyncio.to_thread(open_ledger, self._settings, self._clock, self._overflow, yielding=yielding)
                )
                try:
                    self._ledger = await asyncio.shield(opened)
                except asyncio.CancelledError:
                    opened.add_done_callback(_close)
                    raise
            await self._identify(self._ledger)
            return self._ledger

    async def _identify(self, ledger: Ledger) -> None:
        """Raises SampleError where other payments were counted there than are read now."""
        if ledger.payments is None:
            await asyncio.to_thread(ledger.belong_to, self._stripe.payments)
        elif refused := of_other_payments(ledger.payments, self._stripe):
            raise refused

    async def release(self) -> None:
        """Let go of the ledger, so that another process may take it."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await asyncio.to_thread(ledger.close)


def of_other_payments(counted: str, settings: StripeSettings) -> SampleError | None:
    """Why a state that counted those payments is not gone on from; None where they are the ones that are read now."""
    mode, now = counted.partition(" ")[0], settings.payments.partition(" ")[0]
    what, back = "of another account than stripe.account names", "account"
    if mode != now:
        what, back = f"in {mode} mode, and stripe.api_key reads {now} payments", "key"
    how_to_fix = "name another file or database in stripe.state, where counters begin at 0, or give back the "
    refused = SampleError(ErrorClass.BAD_DATA, "state", f"it was counted {what}", f"{how_to_fix}{back} of before")
    return None if counted == settings.payments else refused


def _close(opened: "asyncio.Future[Ledger]") -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()
