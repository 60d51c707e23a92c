"""Is a text one SELECT, and where does that end?"""

import re
from collections.abc import Iterator

__all__ = ["one_select"]

_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\* )
  | (?P<quoted> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
              | \$(?P<tag>[^\W\d]\w*|)\$ .*? \$(?P=tag)\$ )
  | (?P<word> [^\W\d]\w*\$? )
  | (?P<sign> \S )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_ENDS = re.compile(r"/\*|\*/")
_READING = {"select", "with", "values", "table"}
_WRITING = {"insert", "update", "delete", "merge"}


def one_select(text: str) -> str:
    """The statement, without a semicolon and what stands behind it. Raises ValueError: what is wrong, and its cure."""
    end = len(text)
    words: list[str] = []
    before = ""
    for start, part in _tokens(text):
        if end < len(text):
            raise ValueError("it is more than one statement; write one SELECT")
        if part == ";":
            end = start
        elif before == "(" and part.lower() in _WRITING:
            raise ValueError(f"it would write ({part.upper()}); write one SELECT")
        elif part not in "()":
            words.append(part.lower())
        before = part
    if not words or words[0] not in _READING:
        raise ValueError("it is not a SELECT; write one SELECT, which may begin with WITH")
    return text[:end].rstrip()


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    """Words, signs and quoted parts, each with its place; comments left out."""
    place = 0
    while found := _TOKEN.search(text, place):
        place = found.end()
        if found["comment"] == "/*":
            place = _behind_comment(text, place)
        elif not found["comment"]:
            yield found.start(), found[0]


def _behind_comment(text: str, place: int) -> int:
    """Where the comment ends that began before `place`; comments may be nested."""
    depth = 1
    while depth and (found := _COMMENT_ENDS.search(text, place)):
        depth += 1 if found[0] == "/*" else -1
        place = found.end()
    return len(text) if depth else place
