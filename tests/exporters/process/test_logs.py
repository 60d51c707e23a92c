"""Does the log say what happened, once, in the form that is wanted, and never a secret?"""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from exporters.process.logs import LOGGER, FailureLog, configure
from exporters.process.redaction import redacted

LOG = logging.getLogger(LOGGER)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    LOG.setLevel(logging.NOTSET)


def test_a_terminal_gets_sentences_and_everything_else_gets_json() -> None:
    terminal, file = _Terminal(), io.StringIO()
    for stream in (terminal, file):
        configure("info", None, stream)
        LOG.info("hello %s", "there", extra={"facts": {"source": "postgres", "times": 2}})
    assert terminal.getvalue()[8:] == " info    hello there  [source=postgres times=2]\n"
    line = json.loads(file.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "info", "message": "hello there", "source": "postgres", "times": 2}


def test_the_form_may_be_chosen() -> None:
    stream = io.StringIO()
    configure("info", "human", stream)
    LOG.info("hello\nyou")
    assert stream.getvalue()[8:] == " info    hello you\n"


def test_nothing_below_the_level_is_said_and_libraries_only_warn() -> None:
    stream = io.StringIO()
    configure("warn", "json", stream)
    LOG.info("chatter")
    logging.getLogger("httpx").info("GET https://example.com")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert stream.getvalue() == ""


def test_libraries_that_would_name_a_host_say_nothing_before_an_error() -> None:
    stream = io.StringIO()
    configure("debug", "json", stream)
    for library in ("psycopg", "asyncio", "uvicorn.error"):
        logging.getLogger(library).warning("error ignored in rollback on <Connection (host=db.internal user=u)>")
    assert stream.getvalue() == ""


def test_an_exception_is_named_by_its_class_alone() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    LOG.error("it broke", exc_info=RuntimeError("password=hunter2"))
    assert json.loads(stream.getvalue())["message"] == "it broke (RuntimeError)"


def test_a_failure_is_said_at_doubling_counts_per_class_and_recovery_once() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    log = FailureLog(LOG)
    for _ in range(9):
        log.failed("stripe_events", "timeout", "slow")
    log.failed("stripe_events", "refused", "no")
    log.failed("postgres", "timeout", "slow too")
    log.succeeded("stripe_events")
    log.succeeded("stripe_events")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["source"], line.get("times", line.get("failures"))) for line in lines] == [
        *(("stripe_events", times) for times in (1, 2, 4, 8, 1)),
        ("postgres", 1),
        ("stripe_events", 10),
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_51H8abcdefg",
        "rk_test_51H8abc*******fg",
        "whsec_abcdef0123",
        "acct_1H8abcdEFG",
        "joe:hunter2@",
        "hunter2",
        "customer.one@example.com",
        "dXNlcjpwYXNz",
    ],
)
def test_no_secret_gets_through_in_whatever_text_it_comes(secret: str) -> None:
    text = (
        "key sk_live_51H8abcdefg, masked rk_test_51H8abc*******fg, whsec_abcdef0123 of acct_1H8abcdEFG at "
        "postgresql://joe:hunter2@db.internal/payments or host=db password=hunter2 user=x, password='hunter2', "
        "for customer.one@example.com with Authorization: Basic dXNlcjpwYXNz"
    )
    assert secret not in redacted(text)
    assert "db.internal/payments" in redacted(text)
    stream = io.StringIO()
    configure("info", "json", stream)
    LOG.warning("%s", text, extra={"facts": {"detail": text}})
    assert secret not in stream.getvalue()
