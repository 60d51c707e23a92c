"""What does an organisation put into the places of its definitions?"""

from dataclasses import replace
from functools import lru_cache
from urllib.parse import urlsplit

from rules.composition.filling import Words, filled
from rules.vocabulary import Catalog, Environment, Organisation

__all__ = ["in_environment", "words_everywhere", "words_in"]


def words_in(organisation: Organisation, environment: Environment) -> Words:
    """The words of that environment."""
    here = organisation.at(environment)
    return {
        "service": here.service,
        "team": here.team,
        "environment": environment.name,
        "api_url": here.api_url,
        "api_host": urlsplit(here.api_url).hostname or here.api_url,
        "flags_url": here.flags_url,
        "feature_flag": here.feature_flag,
        "rate_limit_per_minute": str(here.rate_limit_per_minute),
        "exporter_jobs": here.jobs.exporter,
        "exporter_job": here.jobs.exporter[0],
        "application_jobs": here.jobs.application,
        "application_job": here.jobs.application[0],
        "payment_methods": here.payment_methods,
        "currencies": here.currencies,
    }


def words_everywhere(organisation: Organisation) -> Words:
    """The words on which all environments agree."""
    first, *others = (words_in(organisation, environment) for environment in organisation.environments)
    return {name: word for name, word in first.items() if all(other[name] == word for other in others)}


@lru_cache(maxsize=64)
def in_environment(catalog: Catalog, environment: Environment) -> Catalog:
    """The catalog as that environment has it: its own addresses, jobs and name in every place that was left open.

    The same catalog where nothing was; the same one again when it is asked for again.
    """
    organisation = catalog.organisation.at(environment)
    whole = filled(catalog, words_in(catalog.organisation, environment))
    return whole if organisation == catalog.organisation else replace(whole, organisation=organisation)
