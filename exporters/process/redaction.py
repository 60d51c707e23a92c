"""What must never be seen in a log, whatever text it came in?

The last line of defence: nobody writes a secret into a message on purpose.
"""

import re

__all__ = ["redacted"]

_SECRETS = re.compile(
    r"(?P<key>\b(?:sk|rk|pk|whsec|ephkey)_[A-Za-z0-9_*]{4,})"
    r"|(?P<account>\bacct_[A-Za-z0-9]+)"
    r"|(?P<login>(?<=://)[^/\s@]+@)"
    r"|(?P<password>(?<=password=)(?:'[^']*'|[^\s&,;'\"]+))"
    r"|(?P<authorization>\b(?:Bearer|Basic) +[A-Za-z0-9+/=._~-]{6,})"
    r"|(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
)


def redacted(text: str) -> str:
    """The text with keys, account ids, logins in URLs, passwords and e-mail addresses struck out."""
    return _SECRETS.sub(lambda found: "***@" if found.lastgroup == "login" else "***", text)
