"""How does a number become an id that looks like Stripe's, is not ordered, and can be read back?"""

__all__ = ["number_of", "token"]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MODULUS = 62**10
_FACTOR = 514_229_832_040_817
"""Coprime to 62**10, so that every number has a token of its own."""
_INVERSE = pow(_FACTOR, -1, _MODULUS)
_HEAD = "1Qx7mK2eZvKYlo2C"


def token(prefix: str, number: int) -> str:
    """The id of that number: `evt_1Qx7mK2eZvKYlo2C` and ten letters and digits."""
    left = number * _FACTOR % _MODULUS
    letters = []
    for _ in range(10):
        left, letter = divmod(left, 62)
        letters.append(_ALPHABET[letter])
    return f"{prefix}_{_HEAD}{''.join(letters)}"


def number_of(prefix: str, text: str) -> int | None:
    """The number whose id that is, None for an id that is none of ours."""
    head = f"{prefix}_{_HEAD}"
    letters = text.removeprefix(head)
    if not text.startswith(head) or len(letters) != 10 or any(letter not in _ALPHABET for letter in letters):
        return None
    left = 0
    for letter in reversed(letters):
        left = left * 62 + _ALPHABET.index(letter)
    return left * _INVERSE % _MODULUS
