"""What is the exporter told to do, and by which file and variables?"""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource

from exporters.configuration.allowlists import AllowLists
from exporters.configuration.configfile import ConfigurationError, Document, Fault, faults_in, read
from exporters.configuration.former import under_new_names
from exporters.configuration.secrets import Section
from exporters.postgres.leader import LeaderSettings
from exporters.postgres.settings import PostgresSettings
from exporters.probes.settings import DeclaredSettings, FlagSettings, HealthSettings, ProbeSettings
from exporters.stripe.settings import StripeSettings

__all__ = ["Settings", "declared_file", "load"]

_LOG = logging.getLogger("paymon.exporter")
PREFIX = "PAYMON_"
NESTED = "__"


def _of_file(given: object) -> object:
    """What the file says that the setting names, where it names one."""
    if not isinstance(given, dict) or "file" not in given:
        return given
    path = Path(str(given["file"]))
    if len(given) > 1:
        raise PydanticCustomError("file_and_lists", "a file and lists of its own; give one of the two")
    try:
        return read(path).settings
    except ConfigurationError as error:
        raise PydanticCustomError("unreadable", "{faults}", {"faults": "; ".join(map(str, error.faults))}) from None


class Settings(Section):
    """The exporter's whole configuration; a source whose section is missing is off."""

    stripe: StripeSettings | None = None
    leader: LeaderSettings | None = None
    postgres: PostgresSettings | None = None
    health: HealthSettings | None = None
    probe: ProbeSettings | None = None
    flag: FlagSettings | None = None
    declared: DeclaredSettings | None = None
    allow_lists: Annotated[AllowLists, BeforeValidator(_of_file)] = AllowLists()
    """Written into the file by hand, or `file`: the one that `paymon generate` wrote."""


_SOURCES = dict.fromkeys(name for name in Settings.model_fields if name != "allow_lists")


class _Variables(EnvSettingsSource):
    """The settings that an environment holds; text that is no JSON where JSON is due is left to be refused."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        super().__init__(cast(type[BaseSettings], Settings), env_prefix=PREFIX, env_nested_delimiter=NESTED)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environment.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def load(
    path: Path, environment: Mapping[str, str] = os.environ, warn: Callable[[str], None] = _LOG.warning
) -> Settings:
    """The settings in the file, each overridden by its variable: `PAYMON_STRIPE__API_KEY` for `stripe.api_key`.

    A setting that is said under a former name is taken, and `warn` is told of it. Raises ConfigurationError with
    everything that is wrong, each with its place.
    """
    document = read(path)
    variables = _Variables(environment)()
    settings = _merged({name: value for name, value in document.settings.items() if value is not None}, variables)
    settings, renamed = under_new_names(settings, Settings)
    for one in renamed:
        warn(
            f"{_place(one.keys, document, variables)}: is {one.name} now, because {one.former.because}; "
            f"write that before version {one.former.until}, which no longer knows the old name"
        )
    faults = list(_unknown_variables(environment))
    try:
        found = Settings(**settings)
    except ValidationError as error:
        faults += faults_in(error, Settings, lambda keys: _place(keys, document, variables), _variable)
    else:
        if not settings.keys() & _SOURCES.keys():
            sections = ", ".join(_SOURCES)
            faults.append(Fault(str(path), "configures no source", f"add at least one of {sections}"))
        if not faults:
            return found
    raise ConfigurationError(tuple(faults))


def declared_file(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[Path, str] | None:
    """The file of declared dates, and the place of the setting that names it, whatever else is wrong.

    None where none is named. Raises ConfigurationError where the configuration cannot be read.
    """
    document, variables = read(path), _Variables(environment)()
    match _merged(document.settings, variables).get("declared"):
        case {"file": str() as file}:
            return Path(file), _place(("declared", "file"), document, variables)
    return None


def _place(keys: tuple[str | int, ...], document: Document, variables: Mapping[str, Any]) -> str:
    inside: Any = variables
    for key in keys:
        inside = inside.get(key) if isinstance(inside, dict) else None
    return document.place(keys) if inside is None else _variable(keys)


def _variable(keys: tuple[str | int, ...]) -> str:
    return PREFIX + NESTED.join(str(key) for key in keys).upper()


def _unknown_variables(environment: Mapping[str, str]) -> list[Fault]:
    """Variables that look like ours and belong to no section; without `__` they may be anybody's."""
    return [
        Fault(name, "belongs to no section", f"there is {', '.join(Settings.model_fields)}")
        for name in sorted(environment)
        if name.startswith(PREFIX)
        and NESTED in name
        and name.removeprefix(PREFIX).partition(NESTED)[0].lower() not in Settings.model_fields
    ]


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged
