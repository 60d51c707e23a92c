"""Does a real Alertmanager tell people what was promised?"""

from pathlib import Path

import pytest
import yaml

from generators.alertmanager import alertmanager_files
from rules.catalog import catalog
from tests.stated.alertmanager import complaints
from tests.versions import ALERTMANAGER


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_everybody_is_told_as_it_is_stated(version: str, tmp_path: Path) -> None:
    files = alertmanager_files(catalog())
    config = yaml.safe_load(files["alertmanager/alertmanager.yml"])
    loaded, found = complaints(version, config, files["alertmanager/templates/paymon.tmpl"], tmp_path)
    assert loaded
    assert found == []
