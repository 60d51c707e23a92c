"""Does any file or request, however odd, get more than a clear refusal? `make fuzz` tries thousands for each."""

import asyncio
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.configuration.configfile import ConfigurationError
from exporters.configuration.settings import Settings, load
from exporters.web.webconfig import WebConfigFile
from tests.exporters.web.serving import served

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPORTER = (EXAMPLES / "exporter.yaml").read_text()
WEB = (EXAMPLES / "web-config.yaml").read_text()

Place = tuple[str | int, ...]

one_folder_for_all = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "0", "1s", "-5m", "1e400", "https://", "/", "..", "%(now)s", "2026-02-30", "{}", "a: b"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
SNIPPETS = st.text(max_size=6) | st.sampled_from(
    ["\t", ": ", "- ", "&a ", "*a", "!!python/x ", "<<: ", "---\n", "'", '"', "\x85"]
)


def places(thing: object, at: Place = ()) -> Iterator[Place]:
    """Every place in a document but its root."""
    steps = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    for step, inner in steps:
        yield (*at, step)
        yield from places(inner, (*at, step))


def replaced(document: Any, at: Place, value: object) -> Any:
    changed = copy.deepcopy(document)
    inside = changed
    for step in at[:-1]:
        inside = inside[step]
    inside[at[-1]] = value
    return changed


def cut_and_pasted(text: str) -> st.SearchStrategy[str]:
    """The text with a few characters taken away somewhere, and others put there."""
    return st.builds(
        lambda at, gone, put: text[:at] + put + text[at + gone :],
        st.integers(0, len(text)),
        st.integers(0, 30),
        SNIPPETS,
    )


def told(error: ConfigurationError) -> None:
    """Every fault says where it is, what is wrong and what to do, on one line, and repeats no secret."""
    assert error.faults
    for fault in error.faults:
        assert fault.where
        assert fault.what
        assert fault.how_to_fix
        assert "\n" not in str(fault)


def tried(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = load(path, {})
    except ConfigurationError as error:
        told(error)
    else:
        assert isinstance(found, Settings)


def tried_as_web_configuration(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        WebConfigFile(path, lambda _: None)
    except ConfigurationError as error:
        told(error)


@pytest.mark.slow
@one_folder_for_all
@given(st.data())
def test_a_setting_of_any_value_is_taken_or_refused_with_its_place(tmp_path: Path, data: st.DataObject) -> None:
    document = yaml.safe_load(EXPORTER)
    at = data.draw(st.sampled_from(list(places(document))))
    tried(tmp_path / "exporter.yaml", yaml.safe_dump(replaced(document, at, data.draw(VALUES)), allow_unicode=True))


@pytest.mark.slow
@one_folder_for_all
@given(cut_and_pasted(EXPORTER))
def test_a_file_with_any_slip_of_the_keyboard_is_taken_or_refused(tmp_path: Path, text: str) -> None:
    tried(tmp_path / "exporter.yaml", text)


@pytest.mark.slow
@one_folder_for_all
@given(st.data())
def test_a_web_configuration_of_any_value_is_taken_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    document = yaml.safe_load(WEB)
    at = data.draw(st.sampled_from(list(places(document))))
    text = yaml.safe_dump(replaced(document, at, data.draw(VALUES)), allow_unicode=True)
    tried_as_web_configuration(tmp_path / "web.yaml", text)


@pytest.mark.slow
@one_folder_for_all
@given(cut_and_pasted(WEB))
def test_a_web_configuration_with_any_slip_of_the_keyboard_is_taken_or_refused(tmp_path: Path, text: str) -> None:
    tried_as_web_configuration(tmp_path / "web.yaml", text)


PATHS = ("/metrics", "/", "/-/healthy", "/-/ready", "/metrics?name[]=up", "/..", "*", "http://other/metrics")
NAMES = ("Accept", "Accept-Encoding", "Authorization", "Content-Length", "Connection", "Host", "Range", "If-None-Match")
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(NAMES) | TOKENS, st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
    ),
    max_size=6,
)
REQUESTS = st.tuples(
    st.sampled_from(("GET", "HEAD", "POST", "OPTIONS", "PUT", "TRACE")) | TOKENS,
    st.sampled_from(PATHS) | TOKENS.map(lambda path: f"/{path}"),
    HEADERS,
    st.binary(max_size=20),
)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_request_of_any_kind_is_answered_or_cut_off_and_the_next_one_is_served() -> None:
    async def story() -> None:
        async with served() as at:

            async def asked(request: bytes) -> bytes:
                async with at.connection() as (reader, writer):
                    writer.write(request)
                    writer.write_eof()
                    return await asyncio.wait_for(reader.read(), 100)

            loop = asyncio.get_running_loop()

            @given(REQUESTS)
            def any_request(drawn: tuple[str, str, list[tuple[str, str]], bytes]) -> None:
                method, path, headers, body = drawn
                lines = [
                    f"{method} {path} HTTP/1.1",
                    "Host: x",
                    *(f"{name}: {value}" for name, value in headers),
                    "",
                    "",
                ]
                request = "\r\n".join(lines).encode("latin-1", "replace") + body
                answer = asyncio.run_coroutine_threadsafe(asked(request), loop).result(200)
                status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None
                assert status is not None or not answer, f"no answer in HTTP: {answer[:80]!r}"
                assert status is None or status < 500, f"{status} to {request!r}"

            await asyncio.to_thread(any_request)
            async with at.client() as client:
                assert (await client.get("/metrics")).status_code == 200

    asyncio.run(story())
