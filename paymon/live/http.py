"""What do Alertmanager and Grafana say, and do they take what they are sent?"""

from collections.abc import Mapping
from typing import Any

import httpx

from paymon.live.access import Access, NoAnswerError, no_answer

__all__ = ["alerts", "asked_for", "configuration", "dashboard", "sent"]

_TRIES = 3
_BUSY = (429, 502, 503, 504)


class NothingThereError(NoAnswerError):
    """The server has nothing at that path (404); `said` is what it says of it."""

    said: Any = None


def asked_for(client: httpx.Client, access: Access, path: str, query: Mapping[str, str] | None = None) -> Any:
    """The JSON that the server has at that path. Raises NoAnswerError, also where it has nothing there."""
    for attempt in range(1, _TRIES + 1):
        try:
            response = client.get(path, params=dict(query or {}))
        except httpx.HTTPError as error:
            if attempt < _TRIES and not isinstance(error, httpx.TimeoutException):
                continue
            raise NoAnswerError(*no_answer(access, error)) from error
        if response.status_code not in _BUSY or attempt == _TRIES:
            return _json(response, access)
    raise AssertionError("the last try returns or raises")  # pragma: no cover


def alerts(client: httpx.Client, access: Access, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The alerts that Alertmanager has. Raises NoAnswerError, also for what no Alertmanager says."""
    path = "/api/v2/alerts"
    found = asked_for(client, access, path, query)
    if not isinstance(found, list) or not all(
        isinstance(one, Mapping) and isinstance(one.get("labels"), Mapping) for one in found
    ):
        raise _odd(access, path)
    return found


def configuration(client: httpx.Client, access: Access) -> Mapping[str, Any]:
    """The status that has Alertmanager's configuration. Raises NoAnswerError, also for what no Alertmanager says."""
    path = "/api/v2/status"
    match asked_for(client, access, path):
        case {"config": {"original": str()}} as found:
            return dict(found)
    raise _odd(access, path)


def dashboard(client: httpx.Client, access: Access, uid: str) -> Mapping[str, Any] | None:
    """Grafana's model of the dashboard; None where it says that it has none.

    Raises NoAnswerError, also for what no Grafana says.
    """
    path = f"/api/dashboards/uid/{uid}"
    try:
        found = asked_for(client, access, path)
    except NothingThereError as error:
        match error.said:
            case {"message": str(said)} if "dashboard" in said.lower():
                return None
        raise
    match found:
        case {"dashboard": Mapping() as model}:
            return model
    raise _odd(access, path)


def sent(client: httpx.Client, access: Access, path: str, body: object) -> None:
    """Send JSON, once: what may have arrived is not sent again. Raises NoAnswerError where it was not taken."""
    try:
        response = client.post(path, json=body)
    except httpx.HTTPError as error:
        raise NoAnswerError(*no_answer(access, error)) from error
    if not response.is_success:
        _json(response, access)


def _odd(access: Access, path: str) -> NoAnswerError:
    title = access.server.capitalize()
    return NoAnswerError(f"{access.url} answers {path} in a form that {title} never does", _see(access))


def _see(access: Access) -> str:
    return f"See whether the address is {access.server.capitalize()}'s, with the path below which it is published"


def _json(response: httpx.Response, access: Access) -> Any:
    status = response.status_code
    if status in (401, 403):
        raise NoAnswerError(f"{access.url} forbids it ({status})", "Give a token or a user that may; see --help")
    if response.is_redirect:
        raise NoAnswerError(
            f"{access.url} redirects elsewhere", "Give the address that it leads to, or the token that it asks for"
        )
    if status in _BUSY:
        raise NoAnswerError(f"{access.url} is too busy ({status})", "Try again in a while")
    if status == 404:
        raise _nothing_there(response, access)
    if not response.is_success:
        said = " ".join(response.text.split())[:200]
        raise NoAnswerError(f"{access.url} answers {status}: {said}", _see(access))
    try:
        return response.json()
    except ValueError as error:
        raise NoAnswerError(
            f"{access.url} answers no JSON", f"{_see(access)}; this may be another server, or a login page"
        ) from error


def _nothing_there(response: httpx.Response, access: Access) -> NothingThereError:
    error = NothingThereError(f"{access.url} has no {response.url.path} (404)", _see(access))
    try:
        error.said = response.json()
    except ValueError:
        error.said = None
    return error
