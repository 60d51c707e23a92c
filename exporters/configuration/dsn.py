"""Is that a text with which libpq can find a database?"""

from typing import Annotated

import psycopg
from psycopg import conninfo
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from exporters.configuration.secrets import Secret

__all__ = ["Dsn"]


def _understood(dsn: Secret) -> Secret:
    try:
        conninfo.conninfo_to_dict(dsn.get_secret_value())
    except psycopg.ProgrammingError:  # its text may hold the password
        raise PydanticCustomError(
            "dsn", "it is not a DSN that libpq understands; write postgresql://role@host/database"
        ) from None
    return dsn


Dsn = Annotated[Secret, AfterValidator(_understood)]
"""As libpq reads it, TLS modes included; what it does not say, libpq's environment variables may."""
