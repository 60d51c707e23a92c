"""Is a source that the rules read, and that no exporter samples, told while everything runs, and only then?"""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from generators.files import environment_files
from paymon.promtool import Promtool
from rules.catalog import PAYMENTS, catalog
from rules.payments import blindness, monitoring, outcomes
from rules.payments.organisation import PEOPLE, PRODUCTION, SERVICE
from rules.vocabulary import Environment, Service, Source, minutes
from tests.rules.playing import play

SOURCES = tuple(source for source in Source if source.sampled)
LASTS = minutes(40)
ATTEMPTS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
"""The counter without which a graver alert speaks."""


def fed(sources: tuple[Source, ...] = SOURCES, build: str = "1x80") -> dict[str, str]:
    """What the rules record of themselves, an exporter that answers, and its counter of attempts."""
    expected = {monitoring.expected_source.where(source=one.value): "1x80" for one in sources}
    return {**expected, monitoring.build.where(version="0.1.0"): build, ATTEMPTS: build.replace("1", "0")}


def test_a_source_that_nobody_samples_is_told_after_ten_minutes(promtool: Promtool, tmp_path: Path) -> None:
    told = {blindness.never_sampled: ((minutes(10), LASTS),)}
    play(promtool, tmp_path, fed(), told, LASTS, without=(Source.POSTGRES,))


def test_sources_that_are_all_sampled_are_not_told_however_old_one_is(promtool: Promtool, tmp_path: Path) -> None:
    quiet = {blindness.never_sampled: ()}
    play(promtool, tmp_path, fed(), quiet, LASTS, last_read={Source.POSTGRES: minutes(1)})


def test_a_source_that_no_rule_reads_is_not_expected(promtool: Promtool, tmp_path: Path) -> None:
    read = tuple(one for one in SOURCES if one is not Source.POSTGRES)
    play(promtool, tmp_path, fed(read), {blindness.never_sampled: ()}, LASTS, without=(Source.POSTGRES,))


def test_an_exporter_that_does_not_answer_is_told_by_another_alert(promtool: Promtool, tmp_path: Path) -> None:
    gone = {**fed(), monitoring.build.where(version="0.1.0"): "_x80"}
    play(promtool, tmp_path, gone, {blindness.never_sampled: ()}, LASTS, without=tuple(Source))


def test_a_service_that_starts_up_has_ten_minutes_for_its_sources(promtool: Promtool, tmp_path: Path) -> None:
    late = {monitoring.watermark.where(source=one.value): "_x30 900+30x50" for one in SOURCES}
    starting = {**fed(build="_x14 1x66"), **late}
    play(promtool, tmp_path, starting, {blindness.never_sampled: ()}, LASTS, without=tuple(Source))


def expected_of(service: Service, environment: Environment, *without: Source) -> set[str]:
    """The sources that the rules record as read there."""
    definitions = PAYMENTS.without(*without, because="none") if without else PAYMENTS
    files = environment_files(definitions.of(PEOPLE, service), environment)
    (group,) = yaml.safe_load(files[f"generated/{environment.name}/rules/definitions-info.yml"])["groups"]
    return {rule["labels"]["source"] for rule in group["rules"] if rule["record"] == "paymon_source_expected"}


@pytest.mark.slow
def test_the_rules_record_the_sources_that_they_read() -> None:
    read = {metric.source for metric in catalog().metrics}
    assert expected_of(SERVICE, PRODUCTION) == {one.value for one in read if one.sampled}


@pytest.mark.slow
def test_a_source_that_a_team_leaves_out_is_not_expected_anywhere() -> None:
    of_database = (Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION)
    left = expected_of(SERVICE, PRODUCTION) - {one.value for one in of_database}
    assert expected_of(SERVICE, PRODUCTION, *of_database) == left


@pytest.mark.slow
def test_an_environment_without_a_source_expects_it_nowhere_but_elsewhere() -> None:
    place = replace(PRODUCTION, without_sources=(Source.FLAG,))
    service = replace(SERVICE, environments=(place, *(one for one in SERVICE.environments if one.name != place.name)))
    assert expected_of(SERVICE, PRODUCTION) - expected_of(service, place) == {"flag"}
    assert "flag" in expected_of(service, service.environments[1])
