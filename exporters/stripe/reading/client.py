"""What does Stripe answer to a read, as plain data, and what went wrong where it does not?

The stripe package sends the requests. What it would log or put into an error may hold keys, account ids and customers'
data, so that nothing of an answer's text is passed on but names of permissions, error codes and request ids.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from exporters.libraries import httpx, stripe, whole_within
from exporters.sampling.model import Clock, ErrorClass, SampleError
from exporters.stripe.reading.governor import Governor
from exporters.stripe.settings import StripeSettings

__all__ = ["Answer", "CursorGoneError", "StripeReads"]

_PATHS = {
    "events": "/v1/events",
    "account": "/v1/account",
    "balance": "/v1/balance",
    "webhook_endpoints": "/v1/webhook_endpoints",
    "disputes": "/v1/disputes",
    "refunds": "/v1/refunds",
    "charges": "/v1/charges",
    "payment_intents": "/v1/payment_intents",
}
_OF_THE_PLATFORM = frozenset(("webhook_endpoints",))
"""Endpoints that are the platform's own even where a connected account is watched: it receives that one's events."""
_PERMISSION = re.compile(r"\brak_[a-z_]{3,60}\b")
_WORD = re.compile(r"[a-z0-9_-]{1,60}\Z")
_REQUEST = re.compile(r"req_[A-Za-z0-9]{1,40}\Z")
_SPACING = 0.05
"""Least seconds between two requests: Stripe allows 25 a second in a sandbox ("Rate limits")."""
_LARGEST = 32 * 1024**2
"""Bytes of an answer's body that are read; a hundred events take less than one MiB."""
_CURSORS = ("starting_after", "ending_before")


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object that Stripe sent, and the moment at which its clock says it did."""

    data: dict[str, Any]
    stripe_time: float | None


class CursorGoneError(SampleError):
    """The list no longer holds the object after which it was to go on."""


class _PlainBodies(stripe.HTTPXClient):
    """An HTTP client that keeps the body of a good answer for us, out of the package's parser and its debug log.

    The package would parse it into ordered dictionaries, which takes several times as long, and read it to its end.
    """

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        args, kwargs = self._get_request_args_kwargs(method, url, headers, post_data)
        try:
            async with self._client_async.stream(*args, **kwargs) as response:
                content = await _beginning(response)
        except Exception as error:
            self._handle_request_error(error)
        if response.status_code == 200:
            return b"{}", 200, _HeadersAndBody(response.headers, content)
        return content, response.status_code, response.headers


async def _beginning(response: httpx.Response) -> bytes:
    """The body, which is cut off where it is too large."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST:
            break
    return bytes(body)


class _HeadersAndBody(dict[str, str]):
    """An answer's headers, in lower case, with its body."""

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})
        self.body = body


class StripeReads:
    """Reads of Stripe's API, each permitted by the governor.

    `pause(seconds)` waits between requests that would follow one another too soon.
    """

    def __init__(
        self,
        settings: StripeSettings,
        governor: Governor,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._governor = governor
        self._clock = clock
        self._pause = pause
        self._client: stripe.StripeClient | None = None
        self._http: _PlainBodies | None = None
        self._key = ""
        self._last_sent = 0.0
        self.skew: float | None = None
        """Seconds by which our clock is ahead of Stripe's, None before the first answer."""

    async def get(self, endpoint: str, parameters: Mapping[str, Any] | None = None) -> Answer:
        """What the endpoint answers. Raises SampleError; CursorGoneError where the cursor is no longer listed."""
        now = self._clock()
        self._governor.permit(endpoint, now)
        soon = self._last_sent + _SPACING - now
        if 0 < soon <= _SPACING:
            await self._pause(soon)
        self._last_sent = self._clock()
        self._governor.sent(now)
        try:
            answer = await self._answered(endpoint, dict(parameters or {}))
        except CursorGoneError:
            self._governor.succeeded(endpoint)
            raise
        except SampleError as error:
            self._governor.failed(endpoint, error, now)
            raise
        self._governor.succeeded(endpoint)
        return answer

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            http, self._http, self._client = self._http, None, None
            await http.close_async()  # type: ignore[no-untyped-call]

    async def _answered(self, endpoint: str, parameters: dict[str, Any]) -> Answer:
        """What the endpoint answers; where the key was refused and its file holds another by now, to that one."""
        try:
            return await self._answer(endpoint, parameters)
        except SampleError as error:
            if error.kind is not ErrorClass.REFUSED or not self._settings.api_key.renew():
                raise
        return await self._answer(endpoint, parameters)

    async def _answer(self, endpoint: str, parameters: dict[str, Any]) -> Answer:
        seconds = self._settings.timeout.total_seconds()
        where = f"Stripe, {endpoint}"
        code = 0
        try:
            if self._settings.account and endpoint not in _OF_THE_PLATFORM:
                parameters["stripe_account"] = self._settings.account
            async with asyncio.timeout(seconds):
                response = await self._connected().raw_request_async("get", _PATHS[endpoint], **parameters)
            code = response.code
            headers = response.headers
            body = headers.body if isinstance(headers, _HeadersAndBody) else b""
            stripe_time = self._moment(headers)
            return Answer(_object(body, where), stripe_time)
        except TimeoutError:
            raise _timeout(where, seconds) from None
        except stripe.StripeError as error:
            code = error.http_status or 0
            if isinstance(error.headers, Mapping):
                self._moment(error.headers)
            raise _failure(error, where, seconds, parameters) from None
        finally:
            self._governor.answered(endpoint, code)

    def _connected(self) -> stripe.StripeClient:
        """The client, made inside the event loop that will use it."""
        key = self._settings.api_key.get_secret_value()
        if self._client is None or key != self._key:
            self._key = key
            stripe.enable_telemetry = False
            stripe.set_app_info("paymon", version=_version())
            logging.getLogger("stripe").setLevel(logging.ERROR)
            # The variable of that name has answers printed, past every filter.
            stripe.log = stripe._util.STRIPE_LOG = None
            self._http = self._http or _PlainBodies(timeout=whole_within(self._settings.timeout.total_seconds()))
            self._client = stripe.StripeClient(
                key,
                base_addresses={"api": str(self._settings.api_url).rstrip("/")},
                max_network_retries=0,
                http_client=self._http,
            )
        return self._client

    def _moment(self, headers: Mapping[str, str]) -> float | None:
        text = headers.get("date") or headers.get("Date")
        if text is None:
            return None
        with suppress(ValueError, TypeError, OverflowError):
            moment = parsedate_to_datetime(text).timestamp()
            self.skew = self._clock() - moment
            return moment
        return None


def _version() -> str:
    try:
        return version("paymon")
    except PackageNotFoundError:
        return "unknown"


def _object(body: bytes, where: str) -> dict[str, Any]:
    if len(body) > _LARGEST:
        raise SampleError(
            ErrorClass.BAD_ANSWER,
            where,
            f"the answer is larger than {_LARGEST // 1024**2} MiB",
            "see whether a proxy answers for Stripe",
        )
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise SampleError(
            ErrorClass.BAD_ANSWER, where, "the answer is no JSON object", "see whether a proxy answers for Stripe"
        )
    return data


def _timeout(where: str, seconds: float) -> SampleError:
    return SampleError(
        ErrorClass.TIMEOUT,
        where,
        f"no complete answer within {seconds:g} s",
        "see https://status.stripe.com and the way there, or raise stripe.timeout",
    )


def _failure(error: stripe.StripeError, where: str, seconds: float, parameters: Mapping[str, Any]) -> SampleError:
    """What a refused or broken request means; none of the answer's text is passed on."""
    status = error.http_status
    id_ = error.request_id
    request = f" (request {id_})" if isinstance(id_, str) and _REQUEST.match(id_) else ""
    match error:
        case stripe.APIConnectionError():
            if isinstance(error.__cause__, httpx.TimeoutException):
                return _timeout(where, seconds)
            why = type(error.__cause__).__name__ if error.__cause__ else "no connection"
            return SampleError(
                ErrorClass.UNREACHABLE,
                where,
                f"the connection failed ({why})",
                "see whether this machine reaches the API's host, and the proxy variables",
            )
        case stripe.AuthenticationError():
            return SampleError(
                ErrorClass.REFUSED,
                where,
                f"the key was refused{request}",
                "see whether it was rotated or revoked, and replace stripe.api_key",
            )
        case stripe.PermissionError():
            missing = ", ".join(sorted(set(_PERMISSION.findall(str(error.user_message or "")))))
            return SampleError(
                ErrorClass.NOT_PERMITTED,
                where,
                f"the key lacks {missing or 'a permission that Stripe does not name'}{request}",
                "grant it to the restricted key in Stripe's dashboard",
            )
        case stripe.RateLimitError():
            headers = error.headers if isinstance(error.headers, Mapping) else {}
            reason = _word(headers.get("stripe-rate-limited-reason")) or "lock_timeout"
            return SampleError(
                ErrorClass.RATE_LIMITED,
                where,
                f"too many requests ({reason}){request}",
                "lower stripe.read_share where this goes on: others use this account too",
            )
        case stripe.InvalidRequestError() if status in (400, 404):
            code = _word(error.code)
            parameter = _word(error.param)
            if parameter in _CURSORS and parameter in parameters:
                return CursorGoneError(
                    ErrorClass.BAD_DATA, where, "the place to go on from is gone", "nothing: the range is read again"
                )
            named = ", ".join(word for word in (code, parameter) if word)
            return SampleError(
                ErrorClass.BAD_ANSWER,
                where,
                f"Stripe rejects the request with {status}{f' ({named})' if named else ''}{request}",
                "report it: the request should be valid",
            )
    if status is not None and status >= 500:
        return SampleError(
            ErrorClass.BAD_ANSWER, where, f"Stripe answers {status}{request}", "see https://status.stripe.com"
        )
    if status is not None and status >= 300:
        return SampleError(
            ErrorClass.BAD_ANSWER, where, f"an unexpected answer {status}{request}", "see what answers for Stripe"
        )
    return SampleError(
        ErrorClass.BAD_ANSWER, where, "the answer is none of Stripe's", "see whether a proxy answers for Stripe"
    )


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.match(value) else ""
