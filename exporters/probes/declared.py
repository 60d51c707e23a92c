"""What do people declare, by whom and until when, that no machine can measure?

The file is YAML and holds two kinds of entries. What happened: `by` whom, and `at` which time. What holds: `by` whom,
`at` which time it was said, `until` when it may be relied upon, and where there is one its value. A day without a time
of day is a day in UTC; `until` includes it. A day on which the shop is closed begins, where a time of day with its
offset is given, there; without one it is that day wherever on earth. The names of people stay in the file.

Each entry stands for itself: one that is wrong is left out and named in the log, and the others count, since a slip in
one paper's date must not take away what is declared about the rollout. The same goes for one that has expired, except
an attestation, whose expiry is itself the fact. A file that is no YAML mapping is an error as a whole.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from exporters.configuration.secrets import Section
from exporters.probes.settings import DeclaredSettings
from exporters.process.logs import LOGGER
from exporters.sampling.model import ErrorClass, Reading, SampleError, Sampler, Snapshot, reading
from rules.payments import governance, rollout
from rules.vocabulary import Metric, Source

__all__ = ["Declarations", "DeclaredSampler", "Problem", "declarations", "read"]

_LARGEST = 256 * 1024
_DAY = timedelta(days=1).total_seconds()
_log = logging.getLogger(LOGGER)


def _since(value: object) -> float:
    return _span(value)[0]


def _through(value: object) -> float:
    return _span(value)[1]


def _closed(value: object) -> tuple[float, float]:
    """The day that begins at that moment; of a mere date all that it is anywhere on earth."""
    begins, ends = _span(value)
    return (begins - _DAY / 2, ends + _DAY / 2) if begins < ends else (begins, begins + _DAY)


def _span(value: object) -> tuple[float, float]:
    """From when until when it is: a day in UTC, or a moment alone."""
    wrong = PydanticCustomError("moment", "not a date such as 2025-08-10 or a time such as 2025-08-10T12:00:00Z")
    if not isinstance(value, str):
        raise wrong
    try:
        day = date.fromisoformat(value)
    except ValueError:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise wrong from None
        if moment.tzinfo is None:
            raise PydanticCustomError(
                "moment", "a time of day without its offset from UTC; add Z, or one such as +02:00"
            ) from None
        return moment.timestamp(), moment.timestamp()
    begins = datetime.combine(day, time(), UTC).timestamp()
    return begins, begins + _DAY


_Since = Annotated[float, BeforeValidator(_since), Field(ge=0)]
_Through = Annotated[float, BeforeValidator(_through), Field(ge=0)]
_Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class _Happened(Section):
    """Something that took place once."""

    by: _Who
    at: _Since


class _Holds(_Happened):
    """Something that somebody vouched for, until a day."""

    until: _Through

    @model_validator(mode="after")
    def _forwards(self) -> "_Holds":
        if self.until <= self.at:
            raise PydanticCustomError("until", "it ends before it begins; let until be later than at")
        return self


class _Rollout(_Holds):
    """The share of customers that the rollout plan wants for now."""

    percent: Annotated[float, Field(ge=0, le=100, strict=True)]


class _YesOrNo(_Holds):
    """Something that is so or is not."""

    value: Annotated[bool, Field(strict=True)]


class _ClosedDays(_Holds):
    """Days on which nobody is expected to pay."""

    days: Annotated[list[Annotated[tuple[float, float], BeforeValidator(_closed)]], Field(max_length=400)]

    def includes(self, now: float) -> bool:
        """Whether it is one of these days."""
        return any(begins <= now < ends for begins, ends in self.days)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an entry must look like, and which reading it gives."""

    shape: type[_Happened]
    metric: Metric
    value: Callable[[Any, float], float]
    labels: tuple[tuple[str, str], ...] = ()
    outlives: bool = False
    """True where an entry is still told after it has expired, because its expiry is the fact."""


_ENTRIES: Mapping[str, Mapping[str, _Entry]] = {
    "attestations": {
        item: _Entry(
            _Holds,
            governance.attestation_expiry,
            lambda said, _: said.until,
            ((governance.ATTESTATION.name, item),),
            outlives=True,
        )
        for item in governance.ATTESTATION.values
    },
    "rotations": {
        secret: _Entry(_Happened, governance.secret_rotated, lambda it, _: it.at, ((governance.SECRET.name, secret),))
        for secret in governance.SECRET.values
    },
    "backups": {
        "last_success": _Entry(_Happened, governance.backup, lambda said, _: said.at),
        "last_restore_test": _Entry(_Happened, governance.restore_test, lambda said, _: said.at),
    },
    "operations": {
        "rollout": _Entry(_Rollout, rollout.expected, lambda said, _: said.percent / 100),
        "backup_processor": _Entry(_YesOrNo, rollout.backup_processor, lambda said, _: said.value),
        "closed": _Entry(_ClosedDays, rollout.closed, lambda said, now: said.includes(now)),
        "maintenance": _Entry(_YesOrNo, rollout.maintenance, lambda said, _: said.value),
    },
    "runbook": {
        "review": _Entry(_Happened, governance.runbook_reviewed, lambda said, _: said.at),
    },
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry that does not count: its place in the file, why, and what would be right."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a file declares, and what is wrong with it."""

    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...]


class DeclaredSampler(Sampler):
    """The sampler of the declared file, read anew every time.

    The thread that reads is its own: the event loop's pool may be full of look-ups that hang.
    """

    def __init__(self, settings: DeclaredSettings) -> None:
        self._settings = settings
        self._said: frozenset[Problem] = frozenset()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="declared")

    @property
    def source(self) -> Source:
        return Source.DECLARED

    @property
    def interval(self) -> timedelta:
        return self._settings.interval

    @property
    def max_age(self) -> timedelta:
        return self._settings.max_age

    async def sample(self, now: float) -> Snapshot:
        """Read the file. Raises SampleError where it cannot be read, or where not one of its entries counts."""
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                content = await asyncio.get_running_loop().run_in_executor(self._reader, read, self._settings.file)
        except TimeoutError:
            raise SampleError(
                ErrorClass.TIMEOUT, "declared.file", "it is not read in time", "see what ails its file system"
            ) from None
        found = declarations(content, now)
        if found.problems and not found.readings:
            first = found.problems[0]
            raise SampleError(
                ErrorClass.BAD_DATA, f"declared.file, {first.where}", first.what, "mend every entry; none counts"
            )
        problems = frozenset(found.problems)
        for problem in sorted(problems - self._said, key=str):
            _log.warning("declared.file, %s; the entry does not count", problem)
        self._said = problems
        return Snapshot(self.source, taken_at=now, complete_until=now, readings=found.readings)

    async def close(self) -> None:
        """Let the thread end once it has read; nobody waits for it."""
        self._reader.shutdown(wait=False)


def read(file: Path) -> Mapping[object, object]:
    """The YAML mapping that the file holds, dates left as text. Raises SampleError."""
    try:
        if file.exists() and not file.is_file():
            raise _unreadable(ErrorClass.BAD_DATA, "it is no regular file", "name a YAML file")
        with file.open("rb") as opened:
            text = opened.read(_LARGEST + 1)
    except PermissionError:
        raise _unreadable(ErrorClass.NOT_PERMITTED, "this user may not read it", "let this user read it") from None
    except OSError as error:
        raise _unreadable(ErrorClass.UNREACHABLE, error.strerror or "it cannot be read", "put it there") from None
    if len(text) > _LARGEST:
        raise _unreadable(ErrorClass.BAD_DATA, f"it is longer than {_LARGEST} bytes", "leave only declarations in it")
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise _unreadable(ErrorClass.BAD_DATA, f"{line}{error.problem}", "write valid YAML") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise _unreadable(ErrorClass.BAD_DATA, "it is no YAML", "write valid YAML") from None
    if not isinstance(content, Mapping):
        raise _unreadable(ErrorClass.BAD_DATA, "it is no mapping", f"write sections such as {', '.join(_ENTRIES)}")
    return content


def declarations(content: Mapping[object, object], now: float) -> Declarations:
    """Every entry of a file's content, judged at `now` (seconds since 1970): counted, or a problem."""
    judged = tuple(_judged(content, now))
    return Declarations(
        readings=tuple(one for one in judged if isinstance(one, Reading)),
        problems=tuple(one for one in judged if isinstance(one, Problem)),
    )


def _judged(content: Mapping[object, object], now: float) -> Iterator[Reading | Problem]:
    for section, entries in content.items():
        if section not in _ENTRIES:
            yield Problem(_place(section), f"there is no such section; there are {', '.join(_ENTRIES)}")
        elif entries is None:
            continue
        elif not isinstance(entries, Mapping):
            yield Problem(_place(section), f"no mapping; name entries such as {', '.join(_ENTRIES[str(section)])}")
        else:
            for name, said in entries.items():
                known = _ENTRIES[str(section)]
                if name in known:
                    yield from _entry(_place(section, name), known[name], said, now)
                else:
                    yield Problem(_place(section, name), f"there is no such entry; there are {', '.join(known)}")


def _entry(where: str, entry: _Entry, content: object, now: float) -> Iterator[Reading | Problem]:
    try:
        said = entry.shape.model_validate(content)
    except ValidationError as error:
        for one in error.errors(include_input=False, include_url=False, include_context=False):
            yield Problem(_place(where, *one["loc"]), one["msg"])
        return
    if said.at > now + _DAY:
        yield Problem(where, "it lies in the future; write when it happened, or was said")
    elif isinstance(said, _Holds) and said.until <= now and not entry.outlives:
        yield Problem(where, "it has expired; declare it anew, or take it out")
    else:
        yield reading(entry.metric, entry.value(said, now), **dict(entry.labels))


def _place(*parts: object) -> str:
    return ".".join(str(part)[:60] for part in parts)


def _unreadable(kind: ErrorClass, what: str, how_to_fix: str) -> SampleError:
    return SampleError(kind, "declared.file", what, how_to_fix)


class _Loader(yaml.SafeLoader):
    """YAML whose dates stay text, so that a wrong one spoils its own entry only, and whose keys stand once each."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
