"""What do Alertmanager and Grafana say, and do they take what they are sent?"""

from collections.abc import Mapping
from typing import Any

import httpx

from paymon.live.access import Access, NoAnswerError, went_wrong

__all__ = ["asked_for", "sent"]

_TRIES = 3
_SEE = "see the address, with the path below which the server is published"


def asked_for(client: httpx.Client, access: Access, path: str, query: Mapping[str, str] | None = None) -> Any:
    """The JSON that the server has at that path; None where it has nothing there (404). Raises NoAnswerError."""
    for attempt in range(1, _TRIES + 1):
        try:
            response = client.get(path, params=dict(query or {}))
        except httpx.HTTPError as error:
            if attempt < _TRIES and not isinstance(error, httpx.TimeoutException):
                continue
            raise _unreachable(access, error) from error
        if response.status_code not in (429, 502, 503, 504) or attempt == _TRIES:
            return None if response.status_code == 404 else _json(response, access)
    raise AssertionError("the last try returns or raises")  # pragma: no cover


def sent(client: httpx.Client, access: Access, path: str, body: object) -> None:
    """Send JSON, once: what may have arrived is not sent again. Raises NoAnswerError where it was not taken."""
    try:
        response = client.post(path, json=body)
    except httpx.HTTPError as error:
        raise _unreachable(access, error) from error
    if not response.is_success:
        _json(response, access)


def _unreachable(access: Access, error: httpx.HTTPError) -> NoAnswerError:
    return NoAnswerError(
        f"{access.url} cannot be reached: {went_wrong(error)}", "See whether it runs, and whether the address is right"
    )


def _json(response: httpx.Response, access: Access) -> Any:
    status = response.status_code
    if status in (401, 403):
        raise NoAnswerError(f"{access.url} forbids it ({status})", "Give a token or a user that may; see --help")
    if response.is_redirect:
        raise NoAnswerError(
            f"{access.url} redirects elsewhere", "Give the address that it leads to, or the token that it asks for"
        )
    if not response.is_success:
        said = " ".join(response.text.split())[:200]
        raise NoAnswerError(
            f"{access.url} answers {status}: {said}", "See the address, with the path below which it is published"
        )
    try:
        return response.json()
    except ValueError as error:
        raise NoAnswerError(
            f"{access.url} answers no JSON", "See the address; this may be another server, or a login page"
        ) from error
