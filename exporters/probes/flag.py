"""For how many customers does the feature flag turn live payments on, and is its kill switch pulled?

Both facts come from one answer, and are believed together or not at all: an answer of another shape is an error.
"""

from datetime import timedelta

from exporters.probes.fetch import Answer, Fetcher, NoAnswerError
from exporters.probes.foreign_json import NotJsonError, number_in, parse, value_at
from exporters.probes.settings import FlagSettings
from exporters.sampling.model import ErrorClass, Reading, SampleError, Sampler, Snapshot, reading
from rules.payments import rollout
from rules.vocabulary import Source

__all__ = ["FlagSampler"]

_LARGEST = 256 * 1024
_REFUSALS = (401, 403)


class FlagSampler(Sampler):
    """The sampler of the feature flag's API."""

    def __init__(self, settings: FlagSettings) -> None:
        self._settings = settings
        self._fetcher = Fetcher(authorities=settings.ca_file, proxies_of_environment=True)

    @property
    def source(self) -> Source:
        return Source.FLAG

    @property
    def interval(self) -> timedelta:
        return self._settings.interval

    @property
    def max_age(self) -> timedelta:
        return self._settings.max_age

    async def sample(self, now: float) -> Snapshot:
        """One request. Raises SampleError for every answer that does not hold both facts."""
        answer = await self._ask()
        if answer.status in _REFUSALS and self._settings.token.renew():
            answer = await self._ask()
        _refuse(answer.status)
        return Snapshot(self.source, taken_at=now, complete_until=now, readings=self._readings(answer))

    async def close(self) -> None:
        """Close the connection that is kept between samples."""
        await self._fetcher.close()

    async def _ask(self) -> Answer:
        settings = self._settings
        try:
            return await self._fetcher.fetch(
                "GET",
                str(settings.url),
                within=settings.timeout.total_seconds(),
                largest=_LARGEST,
                headers={"authorization": f"Bearer {settings.token.get_secret_value()}"},
            )
        except NoAnswerError as gap:
            cure = "mend this machine's name server, proxy or limits" if gap.ours else "see whether the flag API runs"
            raise SampleError(gap.kind, "flag.url", gap.what, cure) from None

    def _readings(self, answer: Answer) -> tuple[Reading, ...]:
        try:
            value = parse(answer.body or b"").value
        except NotJsonError:
            raise SampleError(
                ErrorClass.BAD_ANSWER,
                "flag.url",
                f"the answer is no JSON of at most {_LARGEST} bytes",
                "name the address of one flag",
            ) from None
        percent = number_in(value_at(value, self._settings.rollout_pointer), highest=100)
        if percent is None:
            raise _not_there("flag.rollout_pointer", "a number from 0 to 100")
        killed = value_at(value, self._settings.killed_pointer)
        if not isinstance(killed, bool):
            raise _not_there("flag.killed_pointer", "true or false")
        return (reading(rollout.rollout, percent / 100), reading(rollout.killed, killed))


def _refuse(status: int) -> None:
    what = f"the flag API answered {status}"
    match status:
        case 200:
            return
        case 401 | 403:
            raise SampleError(
                ErrorClass.NOT_PERMITTED, "flag.token", what, "give a token that may read this flag, and nothing else"
            )
        case 429:
            raise SampleError(ErrorClass.RATE_LIMITED, "flag.interval", what, "ask less often")
        case _ if 300 <= status < 500:
            raise SampleError(ErrorClass.REFUSED, "flag.url", what, "name the address of one flag, without redirects")
    raise SampleError(ErrorClass.BAD_ANSWER, "flag.url", what, "see what ails the flag API")


def _not_there(setting: str, wanted: str) -> SampleError:
    return SampleError(
        ErrorClass.BAD_DATA,
        setting,
        f"the answer does not hold {wanted} there",
        "point to where this flag API writes it",
    )
