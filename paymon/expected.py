"""Does the exporter's configuration have the sources that a project's rules read, and no others?"""

from collections.abc import Iterator, Sequence

from exporters.configuration.settings import Settings
from exporters.process.finding import Finding, mend, note
from rules.vocabulary import Catalog, Source

__all__ = ["expected"]

_SECTIONS = {
    Source.STRIPE_EVENTS: "stripe",
    Source.STRIPE_ACCOUNT: "stripe",
    Source.STRIPE_WEBHOOKS: "stripe",
    Source.STRIPE_DISPUTES: "stripe",
    Source.POSTGRES: "postgres",
    Source.HEALTH: "health",
    Source.PROBE: "probe",
    Source.FLAG: "flag",
    Source.DECLARED: "declared",
}
"""The section of the configuration without which nobody samples a source."""


def expected(settings: Settings, catalogs: Sequence[Catalog]) -> Iterator[Finding]:
    """For each section that is missing what would be silent, and for each that nobody reads that it is idle.

    Of several services and environments, a section is missing where the rules of all of them read it.
    """
    read = [
        set(catalog.sampled_in(environment))
        for catalog in catalogs
        for environment in catalog.organisation.environments
    ]
    everywhere, anywhere = set.intersection(*read), set.union(*read)
    for section in dict.fromkeys(_SECTIONS.values()):
        sources = [source for source, its in _SECTIONS.items() if its == section]
        there = getattr(settings, section) is not None
        silent = [source for source in sources if source in everywhere]
        if silent and not there:
            names = " and ".join(source.value for source in silent)
            yield mend(
                section,
                f"the rules read {names}, and this configuration has no {section}: their alerts are silent for ever",
                f"configure it, or leave it out of your definitions, "
                f"without({', '.join(f'Source.{source.name}' for source in silent)}, because=...)",
            )
        elif there and not anywhere & set(sources):
            yield note(
                section, "is sampled, and no rule of these definitions reads it", "take it out, or keep its data"
            )
