"""Is a source that the rules read, and that the exporter is not told of, named where one looks?"""

from dataclasses import replace
from pathlib import Path

import pytest

from exporters.configuration.settings import Settings, load
from exporters.process.finding import Verdict
from paymon.expected import expected
from rules.catalog import PAYMENTS
from rules.payments.organisation import PEOPLE, SERVICE
from rules.vocabulary import Source
from tests.paymon.acme import acme
from tests.paymon.test_project import paymon

HEALTH = "health: {url: 'http://127.0.0.1:1/health/payments'}\n"


def configured(folder: Path, text: str) -> Settings:
    (folder / "exporter.yaml").write_text(text)
    return load(folder / "exporter.yaml", {})


def test_a_source_that_rules_read_and_nobody_samples_is_to_mend_with_both_cures(tmp_path: Path) -> None:
    without = PAYMENTS.without(Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION, because="none")
    found = list(expected(configured(tmp_path, HEALTH), [without.of(PEOPLE, SERVICE)]))
    assert [one.where for one in found] == ["stripe", "probe", "flag", "declared"]
    assert {one.verdict for one in found} == {Verdict.MEND}
    (flag,) = (str(one) for one in found if one.where == "flag")
    assert "the rules read flag, and this configuration has no flag: their alerts are silent for ever" in flag
    assert "configure it, or leave it out of your definitions, without(Source.FLAG, because=...)" in flag


def test_a_source_that_is_sampled_and_that_no_rule_reads_is_a_note(tmp_path: Path) -> None:
    without = PAYMENTS.without(Source.HEALTH, because="none").of(PEOPLE, SERVICE)
    found = [one for one in expected(configured(tmp_path, HEALTH), [without]) if one.where == "health"]
    assert [(one.verdict, one.what) for one in found] == [
        (Verdict.NOTE, "is sampled, and no rule of these definitions reads it")
    ]


def test_of_several_services_a_source_is_missing_where_all_of_them_read_it(tmp_path: Path) -> None:
    both = PAYMENTS.of(PEOPLE, SERVICE)
    without = PAYMENTS.without(Source.FLAG, because="none").of(PEOPLE, SERVICE)
    sections = [one.where for one in expected(configured(tmp_path, HEALTH), [both, without])]
    assert "flag" not in sections
    assert "probe" in sections


def test_a_source_that_one_environment_is_without_is_not_missing_in_a_configuration_that_may_be_its_own(
    tmp_path: Path,
) -> None:
    first, *others = SERVICE.environments
    service = replace(SERVICE, environments=(replace(first, without_sources=(Source.FLAG,)), *others))
    found = list(expected(configured(tmp_path, HEALTH), [PAYMENTS.of(PEOPLE, service)]))
    assert "flag" not in [one.where for one in found]
    assert "probe" in [one.where for one in found]


@pytest.mark.slow
def test_the_doctor_says_so_in_a_project_s_folder(tmp_path: Path) -> None:
    folder = acme(tmp_path)
    (folder / "exporter.yaml").write_text(HEALTH)
    result = paymon(folder, "doctor", "--config", "exporter.yaml")
    assert result.returncode == 1
    assert "the rules read probe, and this configuration has no probe" in result.stdout
    assert "postgres" not in result.stdout
