"""What does the exporter say while it runs, in which form, and how often?"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from exporters.process.redaction import redacted

__all__ = ["LOGGER", "FailureLog", "configure"]

LOGGER = "paymon.exporter"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def configure(level: str, form: str | None, stream: TextIO = sys.stderr) -> None:
    """Send every log line to `stream`; `form` is `human` or `json`, None for what suits the stream.

    The libraries say nothing below warning: their lines at info name hosts and paths for every request, and psycopg's
    warnings describe the connection, with its user and host.
    """
    human = form == "human" or (form is None and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Human() if human else _Json())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(LOGGER).setLevel(_LEVELS[level])
    for library in ("asyncio", "psycopg", "uvicorn"):
        logging.getLogger(library).setLevel(logging.ERROR)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = getattr(record, "facts", {})
    return {name: redacted(value) if isinstance(value, str) else value for name, value in facts.items()}


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage().strip()
    if record.exc_info and record.exc_info[0]:
        text += f" ({record.exc_info[0].__name__})"
    return redacted(text)


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname.lower(), "message": _message(record), **_facts(record)}
        return json.dumps(line, ensure_ascii=False, default=str)


class _Human(logging.Formatter):
    """One sentence a line, the facts behind it."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        line = f"{when} {record.levelname.lower():7} {_message(record)}" + (f"  [{facts}]" if facts else "")
        return line.replace("\n", " ")


class FailureLog:
    """The log of what fails again and again: the 1st, 2nd, 4th, 8th … time, and the recovery."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._failures: dict[str, dict[str, int]] = {}

    def failed(self, source: str, kind: str, message: str) -> None:
        """Say that a sample failed, unless this class of failure was said often enough."""
        failures = self._failures.setdefault(source, {})
        failures[kind] = times = failures.get(kind, 0) + 1
        if times & (times - 1) == 0:
            self._logger.warning(message, extra={"facts": {"source": source, "class": kind, "times": times}})

    def succeeded(self, source: str) -> None:
        """Say that the source answers again, where it did not."""
        failures = self._failures.pop(source, None)
        if failures:
            facts = {"source": source, "failures": sum(failures.values())}
            self._logger.info("%s: answers again", source, extra={"facts": facts})

    def left_out(self, source: str, what: str) -> None:
        """Say which reading was not fit for the page."""
        self._logger.error("%s: left out %s; report it", source, what, extra={"facts": {"source": source}})
