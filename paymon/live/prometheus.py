"""What does a Prometheus, or whatever speaks its API, say?

Prometheus 2.42 to 3.x, VictoriaMetrics, Thanos and Mimir. Every question has a deadline and is asked again a few times
where the server was only busy; a question that is too large is split. Nothing is guessed: an answer that is incomplete
says so in `doubts`, and what is no answer raises PrometheusError.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from paymon.live.access import Access, NoAnswerError, no_answer

__all__ = ["Course", "Prometheus", "PrometheusError", "RefusedError", "Sample", "TooLargeError"]

Labels = Mapping[str, str]

_TRIES = 3
_WAITS_IN_VAIN = 2
_BUSY = (429, 502, 503, 504)
_LONGEST_PAUSE = 5.0
_MOST_POINTS = 10_000
"""Points that one series may have in an answer; Prometheus refuses more than 11,000, VictoriaMetrics than 30,000."""
_TOO_LARGE = (
    "exceeded maximum resolution",
    "too many samples",
    "too many points",
    "too many data points",
    "maxsamplesperquery",
    "maxseries",
    "maxmemoryperquery",
    "query timed out",
    "timeout",
    "max-query-length",
    "query length",
    "exceeds the limit",
    "limit exceeded",
    "maximum number of",
    "not enough memory",
)
_INFO = "PromQL info"
_CLOCKS_AGREE = 30.0
"""Seconds by which two clocks may differ before an answer is about another moment than the one that was meant."""


class PrometheusError(NoAnswerError):
    """Prometheus gave no answer."""


class RefusedError(PrometheusError):
    """Prometheus understood the question and cannot answer it, as where a match is ambiguous."""


class TooLargeError(PrometheusError):
    """The server could not take a question of that size, or not within the time that it had."""

    waited = False
    """True where nothing came at all, which may also mean that the server is merely slow."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value at the moment that was asked for."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Course:
    """One series' values over time, oldest first; moments are Unix seconds, a moment without a value is missing."""

    labels: Labels
    moments: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(slots=True)
class Prometheus:
    """One server. `doubts` are the warnings that came with its answers, each once; `notes` what it merely remarked."""

    access: Access
    pause: Callable[[float], None] = time.sleep
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    requests: int = 0
    clock: Callable[[], float] = time.time
    is_cancelled: Callable[[], bool] = lambda: False
    """True once nobody wants the rest of a long answer any more."""
    _ahead: tuple[float, float] | None = None
    """Between which seconds the server's clock was ahead of ours when it last said what time it has."""
    _client: httpx.Client | None = None
    _post: bool = True

    def __enter__(self) -> "Prometheus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def url(self) -> str:
        """Its address."""
        return self.access.url

    @property
    def clock_doubts(self) -> tuple[str, ...]:
        """What is wrong with asking for this moment, where the server's clock and ours differ; by its Date header."""
        if self._ahead is None or (self._ahead[0] <= _CLOCKS_AGREE and self._ahead[1] >= -_CLOCKS_AGREE):
            return ()
        seconds, where = abs(round(sum(self._ahead) / 2)), "behind" if self._ahead[0] > 0 else "ahead of"
        return (
            f"this machine's clock is {seconds} s {where} that of {self.url}, so that now is another moment there: "
            "set both by NTP",
        )

    def query(self, expr: str, at: float) -> tuple[Sample, ...]:
        """The value of every series at that moment. Raises PrometheusError."""
        data = self._ask("query", {"query": expr, "time": _moment(at)})
        try:
            if data["resultType"] == "scalar":
                return (Sample({}, float(data["result"][1])),)
            return tuple(Sample(one["metric"], float(one["value"][1])) for one in data["result"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise self._odd("query") from error

    def one(self, expr: str, at: float) -> float | None:
        """The value of an expression that gives at most one series; None where it gives none, or no number.

        Raises PrometheusError, also where there are several.
        """
        found = [sample.value for sample in self.query(expr, at)]
        if len(found) > 1:
            raise PrometheusError(
                f"{self.url} has {len(found)} series where one was expected: {expr}",
                "See whether two Prometheus servers or two environments write into it",
            )
        return found[0] if found and not math.isnan(found[0]) else None

    def range(self, expr: str, start: float, end: float, step: float) -> tuple[Course, ...]:
        """The value of every series at `start`, `start + step` and so on up to `end`; split where it is too large.

        Raises PrometheusError.
        """
        pieces = list(self._pieces(expr, start, end, step))
        return pieces[0] if len(pieces) == 1 else _joined(pieces)

    def raw(self, selector: str, start: float, end: float) -> tuple[Course, ...]:
        """Every sample after `start` and up to `end`, as it was scraped or recorded. Raises PrometheusError."""
        span = max(round((end - start) * 1000), 1)
        return self._courses(self._ask("query", {"query": f"{selector}[{span}ms]", "time": _moment(end)}), "query")

    def rules(self) -> list[dict[str, Any]]:
        """The rule groups that it has loaded, as it describes them. Raises PrometheusError."""
        data = self._ask("rules", {}, post=False)
        try:
            groups: list[dict[str, Any]] = list(data["groups"])
        except (KeyError, TypeError) as error:
            raise self._odd("rules") from error
        return groups

    def series(self, *selectors: str, start: float, end: float) -> list[dict[str, str]]:
        """The labels of every series that there was between the two moments. Raises PrometheusError."""
        data = self._ask("series", {"match[]": list(selectors), "start": _moment(start), "end": _moment(end)})
        if not isinstance(data, list):
            raise self._odd("series")
        return data

    def _pieces(self, expr: str, start: float, end: float, step: float) -> Iterator[tuple[Course, ...]]:
        waiting, in_vain = list(_chunks(start, end, step, _MOST_POINTS)), 0
        while waiting:
            first, last = waiting.pop(0)
            if self.is_cancelled():
                raise PrometheusError(f"{self.url} is not asked for the rest", "Ask again")
            try:
                data = self._ask(
                    "query_range",
                    {"query": expr, "start": _moment(first), "end": _moment(last), "step": f"{step:.10g}"},
                )
            except TooLargeError as error:
                points = round((last - first) / step) + 1
                in_vain += error.waited
                if points < 2 or in_vain > _WAITS_IN_VAIN:
                    raise
                waiting[:0] = _chunks(first, last, step, -(-points // 2))
                continue
            yield self._courses(data, "query_range")

    def _courses(self, data: Any, what: str) -> tuple[Course, ...]:
        try:
            found = []
            for one in data["result"]:
                points = one["values"]
                moments = tuple(float(point[0]) for point in points)
                found.append(Course(one["metric"], moments, tuple(float(point[1]) for point in points)))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise self._odd(what) from error
        return tuple(found)

    def _ask(self, what: str, parameters: Mapping[str, str | list[str]], *, post: bool = True) -> Any:
        body = {**parameters, "timeout": f"{self.access.timeout_seconds:g}s", "nocache": "1"} if post else {}
        response = self._sent(f"/api/v1/{what}", body, post=post and self._post)
        if response.status_code == 405 and post and self._post:
            self._post = False  # some gateways let only GET through
            response = self._sent(f"/api/v1/{what}", body, post=False)
        return self._understood(response, what)

    def _sent(self, path: str, parameters: Mapping[str, str | list[str]], *, post: bool) -> httpx.Response:
        if self._client is None:
            self._client = self.access.client()
        for attempt in range(1, _TRIES + 1):
            self.requests += 1
            last = attempt == _TRIES
            asked_at = self.clock()
            try:
                if post:
                    response = self._client.post(path, data=dict(parameters))
                else:
                    response = self._client.get(path, params=dict(parameters))
            except httpx.TimeoutException as error:
                late = TooLargeError(*no_answer(self.access, error))
                late.waited = True
                raise late from error
            except httpx.TransportError as error:
                if last:
                    raise PrometheusError(*no_answer(self.access, error)) from error
            except (httpx.HTTPError, ValueError) as error:
                raise PrometheusError(f"{self.url} cannot be asked: {_short(str(error))}", _SEE_ADDRESS) from error
            else:
                self._compare_clocks(response, asked_at)
                if response.status_code not in _BUSY or last or _is_too_large(response):
                    return response
                self.pause(_wished_pause(response, attempt))
                continue
            self.pause(min(0.5 * 2**attempt, _LONGEST_PAUSE))
        raise AssertionError("every last attempt returns or raises")  # pragma: no cover

    def _compare_clocks(self, response: httpx.Response, asked_at: float) -> None:
        try:
            said = parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return
        self._ahead = (said - self.clock(), said + 1 - asked_at)  # a Date is of whole seconds

    def _understood(self, response: httpx.Response, what: str) -> Any:
        status = response.status_code
        if status in (301, 302, 303, 307, 308):
            raise PrometheusError(
                f"{self.url} redirects to {_where(response)}",
                "Give that address instead; if it is a login page, give the token that it asks for",
            )
        if status == 401:
            raise PrometheusError(
                f"{self.url} does not know who asks (401)", "Give a token, a user or a client certificate; see --help"
            )
        if status == 403:
            raise PrometheusError(
                f"{self.url} forbids it (403)", "Ask for a token that may read, or the right tenant's header"
            )
        answer = _as_json(response)
        if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
            if status in _BUSY:
                raise PrometheusError(f"{self.url} is too busy ({status})", "Try again in a while")
            if status == 404:
                raise PrometheusError(f"{self.url} has no /api/v1/{what} (404)", _SEE_ADDRESS)
            raise PrometheusError(f"{self.url} answers {what} with {status} and no JSON of Prometheus'", _SEE_ADDRESS)
        if answer["status"] == "error" or status != 200:
            said = f"{answer.get('errorType', status)}: {_short(str(answer.get('error', '')))}"
            if _is_too_large(response):
                raise TooLargeError(f"{self.url} cannot take so large a question: {said}", "Ask for less time at once")
            raise RefusedError(f"{self.url} refuses: {said}", "Correct the question, or see the server's log")
        self._remember(answer)
        return answer.get("data")

    def _remember(self, answer: Mapping[str, Any]) -> None:
        said = [str(one) for one in answer.get("warnings") or ()]
        infos = [str(one) for one in answer.get("infos") or ()]
        if answer.get("isPartial"):
            said.append("the answer is partial: some storage did not reply")
        for text in (*infos, *said):
            kept = self.notes if text in infos or text.startswith(_INFO) else self.doubts
            if text not in kept:
                kept.append(_short(text))

    def _odd(self, what: str) -> PrometheusError:
        return PrometheusError(f"{self.url} answers {what} in a form that Prometheus never does", _SEE_ADDRESS)


_SEE_ADDRESS = "See whether the address is Prometheus', with the path below which it is published"


def _chunks(start: float, end: float, step: float, most: int) -> Iterator[tuple[float, float]]:
    """Spans of at most so many points that together cover start to end."""
    points = math.floor((end - start) / step + 1e-6) + 1
    for first in range(0, points, most):
        last = min(first + most, points) - 1
        yield start + first * step, start + last * step


def _joined(pieces: Sequence[tuple[Course, ...]]) -> tuple[Course, ...]:
    labels: dict[tuple[tuple[str, str], ...], Labels] = {}
    moments: dict[tuple[tuple[str, str], ...], list[float]] = {}
    values: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for piece in pieces:
        for course in piece:
            key = tuple(sorted(course.labels.items()))
            labels.setdefault(key, course.labels)
            moments.setdefault(key, []).extend(course.moments)
            values.setdefault(key, []).extend(course.values)
    return tuple(Course(labels[key], tuple(moments[key]), tuple(values[key])) for key in labels)


def _moment(at: float) -> str:
    return f"{at:.3f}"


def _as_json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None


def _is_too_large(response: httpx.Response) -> bool:
    if response.status_code not in (400, 413, 414, 422, 500, 503):
        return False
    answer = _as_json(response)
    if not isinstance(answer, dict):
        return response.status_code in (413, 414)
    said = f"{answer.get('errorType', '')} {answer.get('error', '')}".lower()
    return any(sign in said for sign in _TOO_LARGE)


def _wished_pause(response: httpx.Response, attempt: int) -> float:
    wished = response.headers.get("Retry-After", "")
    return min(float(wished) if wished.isdigit() else 0.5 * 2**attempt, _LONGEST_PAUSE)


def _where(response: httpx.Response) -> str:
    """The host and path of a redirect; a login's query may hold what nobody should see."""
    try:
        target = response.url.join(response.headers.get("Location", ""))
    except (httpx.InvalidURL, ValueError):
        return "an address that is none"
    return _short(str(target.copy_with(query=None, fragment=None)))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:300]}..."
