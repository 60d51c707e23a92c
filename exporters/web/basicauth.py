"""Is this user the one they say they are?"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import bcrypt

__all__ = ["BasicAuth"]

_KNOWN_ANSWERS = 128
_BCRYPT_READS = 72
"""Bytes of a password that bcrypt looks at; hashing tools cut off what is longer."""
_HASH_OF_NOTHING = "$2b$10$" + "." * 53


class BasicAuth:
    """Users and bcrypt hashes, and the answers already given, so that a scrape costs no hashing.

    An answer is remembered by a keyed digest of everything that it depends on, the stored hash included, so that a
    changed password takes effect at once. Hashing happens in one thread: whoever guesses, guesses alone.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._answers: OrderedDict[bytes, bool] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="bcrypt")

    async def allows(self, users: Mapping[str, str], authorization: str) -> bool:
        """Whether the Authorization header names one of `users` with the right password.

        An unknown user costs as much time as a known one.
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        user, password = credentials
        stored = users.get(user, _stand_in(users))
        digest = hmac.digest(self._key, _joined(user.encode(), password, stored.encode()), hashlib.sha256)
        if digest in self._answers:
            self._answers.move_to_end(digest)
        else:
            matches = await asyncio.get_running_loop().run_in_executor(self._worker, _matches, password, stored)
            self._answers[digest] = matches and user in users
            if len(self._answers) > _KNOWN_ANSWERS:
                self._answers.popitem(last=False)
        return self._answers[digest]

    def close(self) -> None:
        """Hash nothing more."""
        self._worker.shutdown(wait=False)


def _stand_in(users: Mapping[str, str]) -> str:
    """A hash that nothing matches, as costly as the users' own."""
    cost = next(iter(users.values()), _HASH_OF_NOTHING)[:7]
    return cost + _HASH_OF_NOTHING[7:]


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _joined(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _matches(password: bytes, stored: str) -> bool:
    try:
        return bcrypt.checkpw(password[:_BCRYPT_READS], stored.encode())
    except ValueError:  # a password or hash that bcrypt does not take
        return False
