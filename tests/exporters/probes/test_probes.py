"""A source whose section is missing is off."""

from pathlib import Path

from exporters.probes import samplers
from exporters.probes.settings import DeclaredSettings, FlagSettings, HealthSettings, ProbeSettings
from rules.vocabulary import Source


def test_each_section_makes_its_sampler_and_touches_nothing_yet() -> None:
    url = "https://payments.invalid/"
    made = samplers(
        health=HealthSettings.model_validate({"url": url}),
        probe=ProbeSettings.model_validate({"hosts": ["payments.invalid"]}),
        flag=FlagSettings.model_validate({"url": url, "token": "flag-token"}),
        declared=DeclaredSettings(file=Path("/nowhere/declared.yaml")),
        monotonic=lambda: 0.0,
    )
    assert [sampler.source for sampler in made] == [Source.HEALTH, Source.PROBE, Source.FLAG, Source.DECLARED]
    assert all(sampler.interval <= sampler.max_age for sampler in made)


def test_without_sections_there_is_nothing_to_sample() -> None:
    assert samplers(health=None, probe=None, flag=None, declared=None, monotonic=lambda: 0.0) == ()
