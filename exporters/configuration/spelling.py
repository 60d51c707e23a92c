"""Is a text of a setting spelled as it must be, and how would it be?"""

import re

from pydantic import AfterValidator

__all__ = ["spelled"]


def spelled(pattern: str, refusal: str) -> AfterValidator:
    """Refuse a text that the pattern does not match whole, in these words: `what is wrong; how to fix it`."""
    whole = re.compile(pattern)

    def checked(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(refusal)
        return text

    return AfterValidator(checked)
