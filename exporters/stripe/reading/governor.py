"""May this request be sent to Stripe now, and how often may each source ask?

Stripe allots reads by the month: all GETs of an account together may average 500 for each transaction over 30 days,
and at least 10,000 (Stripe, "Rate limits", "API read requests allocation"). The exporter keeps to a share of that, of
which it plans to spend nine tenths: the rest is for catching up and for failures. A failed request is a read, too.

Once more is spent than may be, as when payments become fewer, a trickle goes on: the share of the least allotment,
spread evenly. Who reads nothing learns of no payment, and no payment means no reads.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from exporters.sampling.model import ErrorClass, Reading, SampleError, reading
from rules.payments import account
from rules.vocabulary import Source

__all__ = ["ENDPOINTS", "Governor"]

ENDPOINTS = account.requests.label("endpoint").values

_DAY = 86400
_PERIOD = 30 * _DAY
_LEAST_ALLOTTED = 10_000
_PER_TRANSACTION = 500
_PLANNED = 0.9
_SHARES = {
    Source.STRIPE_EVENTS: 0.65,
    Source.STRIPE_WEBHOOKS: 0.17,
    Source.STRIPE_ACCOUNT: 0.10,
    Source.STRIPE_DISPUTES: 0.08,
}
"""How the sources divide what is planned; the counters are what pages people."""

_FIRST_DELAY = 5.0
_LONGEST_DELAY = 600.0
_TRICKLE_AT_ONCE = 10
"""Reads of the trickle that may be saved up: one sample of every source."""
_OPEN_FOR = 900.0
"""Seconds for which nothing is sent after a key was refused."""

_CODES = frozenset(account.requests.label("code").values)


@dataclass(slots=True)
class _Endpoint:
    """How requests to one endpoint go."""

    failures: int = 0
    not_before: float = 0.0
    error: SampleError | None = None


class Governor:
    """The owner of every request to Stripe: the budget, the back-off and the circuit breaker.

    `share` is the exporter's part of the account's allotment; `random` gives a number from 0 up to 1 for the jitter.
    """

    def __init__(self, share: float, random: Callable[[], float], key: Callable[[], str] = str) -> None:
        """`key` gives the key that requests are sent with: another one than was refused is tried at once."""
        self._share = share
        self._key = key
        self._key_before = ""
        self._random = random
        self._transactions = 0
        self._days: dict[int, int] = {}
        self._unsaved = 0
        self._trickled_until = 0.0
        self._sent: dict[tuple[str, str], int] = {}
        self._endpoints: dict[str, _Endpoint] = {}
        self._refused = _Endpoint()

    @property
    def allowance(self) -> float:
        """Reads that the exporter may spend in 30 days."""
        return self._share * max(_LEAST_ALLOTTED, _PER_TRANSACTION * self._transactions)

    def base_on(self, transactions: int) -> None:
        """Take that number of transactions in the past 30 days as the base of the allowance."""
        self._transactions = transactions

    def remember(self, reads_by_day: Mapping[int, int]) -> None:
        """Take over what was persisted, by the second at which each day began; what is known here may be part of it."""
        for day, reads in reads_by_day.items():
            self._days[day] = max(self._days.get(day, 0), reads)

    def take_unsaved(self) -> int:
        """The number of requests since the last call, for whoever persists it."""
        unsaved, self._unsaved = self._unsaved, 0
        return unsaved

    def give_back(self, unsaved: int) -> None:
        """Take back requests that could not be persisted."""
        self._unsaved += unsaved

    def spent(self, now: float) -> int:
        """Requests sent in the past 30 days."""
        return sum(reads for day, reads in self._days.items() if day > now - _PERIOD)

    def interval(self, source: Source, reads: float, least: float, now: float) -> float:
        """Seconds between two samples of a source that takes that many reads each, `least` or more.

        On the trickle it stays as it was: a source that cannot keep it up is stale, and no alert may take it for fresh.
        """
        plan = _PLANNED * _SHARES[source] * self.allowance / _PERIOD
        seconds = max(least, reads / plan)
        return 2 * seconds if self.spent(now) > 0.95 * self.allowance else seconds

    def exhausted(self, now: float) -> bool:
        """Whether the allowance is spent, so that only a trickle is left."""
        return self.spent(now) >= self.allowance

    def retry_delay(self, endpoint: str, now: float) -> float | None:
        """Seconds until the endpoint may be asked again after a failure, None where it did not fail."""
        self._look_at_key()
        waits = [one.not_before - now for one in (self._endpoint(endpoint), self._refused) if one.error]
        return min(max(*waits, 0.0), _OPEN_FOR) if waits else None

    def permit(self, endpoint: str, now: float) -> None:
        """Raises SampleError where the request must not be sent now."""
        self._look_at_key()
        for one in (self._refused, self._endpoint(endpoint)):
            if one.error and now < one.not_before <= now + max(_LONGEST_DELAY, _OPEN_FOR):
                raise one.error
        if self.exhausted(now) and now < self._trickled_until <= now + _PERIOD / self._trickle:
            raise SampleError(
                ErrorClass.RATE_LIMITED,
                "Stripe",
                f"the exporter has spent its {self.allowance:.0f} reads of the past 30 days,"
                f" and goes on with {self._trickle / 30:.0f} a day",
                "raise stripe.read_share, or wait until the oldest are 30 days old",
            )

    def sent(self, now: float) -> None:
        """Note a request that is about to be sent."""
        if self.exhausted(now):
            each = _PERIOD / self._trickle
            self._trickled_until = max(min(self._trickled_until, now), now - _TRICKLE_AT_ONCE * each) + each
        day = int(now) // _DAY * _DAY
        self._days[day] = self._days.get(day, 0) + 1
        if len(self._days) > 40:
            self._days = {day: reads for day, reads in self._days.items() if day > now - _PERIOD}
        self._unsaved += 1

    def answered(self, endpoint: str, code: int) -> None:
        """Note an answer's status code, 0 where there was none."""
        text = str(code)
        if text not in _CODES:
            text = f"{text[0]}xx"
        key = (endpoint, text if text in _CODES else "0")
        self._sent[key] = self._sent.get(key, 0) + 1

    def succeeded(self, endpoint: str) -> None:
        """Close the circuit."""
        self._endpoints.pop(endpoint, None)
        self._refused = _Endpoint()

    def failed(self, endpoint: str, error: SampleError, now: float) -> None:
        """Wait before the next request: longer after each failure, and a quarter of an hour after a refusal.

        A refused key stops every endpoint, a missing permission its own.
        """
        if error.kind is ErrorClass.REFUSED:
            self._refused = _Endpoint(1, now + _OPEN_FOR, error)
            return
        one = self._endpoints.setdefault(endpoint, _Endpoint())
        one.failures += 1
        one.error = error
        if error.kind is ErrorClass.NOT_PERMITTED:
            one.not_before = now + _OPEN_FOR
        else:
            longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(one.failures - 1, 10))
            one.not_before = now + self._random() * longest

    def _look_at_key(self) -> None:
        """What one key was refused, another need not be."""
        key = self._key()
        if key != self._key_before:
            self._key_before = key
            for one in (self._refused, *self._endpoints.values()):
                if one.error and one.error.kind in (ErrorClass.REFUSED, ErrorClass.NOT_PERMITTED):
                    one.not_before = 0.0

    def readings(self, now: float) -> Iterable[Reading]:
        """Requests by endpoint and code, 0 included, and the budget."""
        for endpoint in ENDPOINTS:
            for code in account.requests.label("code").values:
                yield reading(account.requests, self._sent.get((endpoint, code), 0), endpoint=endpoint, code=code)
        yield reading(account.reads_used, self.spent(now) / self.allowance)
        yield reading(account.read_allowance, self.allowance)

    @property
    def _trickle(self) -> float:
        """Reads in 30 days that are sent whatever was spent."""
        return self._share * _LEAST_ALLOTTED

    def _endpoint(self, endpoint: str) -> _Endpoint:
        return self._endpoints.get(endpoint, _Endpoint())
