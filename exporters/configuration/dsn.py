"""Is that a text with which libpq can find a database?"""

from typing import Annotated

import psycopg
from psycopg import conninfo
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from exporters.configuration.secrets import Secret

__all__ = ["Dsn"]


def _understood(dsn: Secret) -> Secret:
    if not _is_one(dsn.get_secret_value()):
        raise PydanticCustomError(
            "dsn", "it is not a DSN that libpq understands; write postgresql://role@host/database"
        )
    return dsn.only_if(_is_one)


def _is_one(text: str) -> bool:
    try:
        conninfo.conninfo_to_dict(text)
    except psycopg.ProgrammingError:  # its text may hold the password
        return False
    return True


Dsn = Annotated[Secret, AfterValidator(_understood)]
"""As libpq reads it, TLS modes included; what it does not say, libpq's environment variables may."""
