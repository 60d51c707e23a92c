"""Which mutants have been examined already, with the very same tests?

One file of the cache folder, in SQLite: what is known is written down at once, so that an interrupted run goes on where
it was, and two runs at once share what they find. A file that is damaged is thrown away, and a new one begun.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from paymon import programs

__all__ = ["Verdicts", "usual_file"]

_MOST = 500_000
"""Verdicts that are kept, the newest ones: those of some dozen versions of the rules."""
_PATIENCE_SECONDS = 60.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS verdicts "
    "(number INTEGER PRIMARY KEY AUTOINCREMENT, mutant BLOB UNIQUE NOT NULL, noticed_by TEXT)"
)


def usual_file() -> Path:
    """Where verdicts are kept."""
    return programs.cache_folder().parent / "mutants.sqlite"


class Verdicts:
    """For each mutant that is known, the case that notices it, None where none does."""

    def __init__(self, file: Path | None) -> None:
        """Of this file; for this run alone where there is none. Raises OSError where the file cannot be had."""
        self._file = file
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _opened(file)
        except sqlite3.DatabaseError as error:
            if file is None or isinstance(error, sqlite3.OperationalError):
                raise OSError(None, str(error), str(file)) from error
            for ending in ("", "-wal", "-shm"):
                Path(f"{file}{ending}").unlink(missing_ok=True)
            self._connection = _opened(file)

    def known(self, mutants: Iterable[bytes]) -> dict[bytes, str | None]:
        """What is known of these."""
        asked = list(mutants)
        found: dict[bytes, str | None] = {}
        for start in range(0, len(asked), 500):
            some = asked[start : start + 500]
            marks = ",".join("?" * len(some))
            with _told_plainly(self._file):
                rows = self._connection.execute(
                    f"SELECT mutant, noticed_by FROM verdicts WHERE mutant IN ({marks})",  # noqa: S608 - only marks
                    some,
                )
                found |= dict(rows)
        return found

    def add(self, verdicts: Iterable[tuple[bytes, str | None]]) -> None:
        """Write these down. Raises OSError."""
        with _told_plainly(self._file), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO verdicts (mutant, noticed_by) VALUES (?, ?)", verdicts)

    def close(self) -> None:
        """Let go of the oldest beyond what is kept, and of the file."""
        with _told_plainly(self._file), closing(self._connection), self._connection:
            self._connection.execute(
                "DELETE FROM verdicts WHERE number < (SELECT max(number) FROM verdicts) - ?", (_MOST,)
            )


@contextmanager
def _told_plainly(file: Path | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(None, str(error), str(file)) from error


def _opened(file: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(file or ":memory:", timeout=_PATIENCE_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_TABLE)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection
