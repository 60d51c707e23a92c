"""Does the kustomize base render, with a team's namespace, image and configuration in it?

The real programs are asked: kubectl, which has a kustomize inside, where it is installed, and kustomize itself, which
`make matrix` builds from its Go module. `KUSTOMIZE` names another one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from paymon.init.answers import Answers
from paymon.init.files import project_files
from tests.deploy.test_deploy import DEPLOY

OVERLAY = DEPLOY / "kustomize/production"
RENDERERS = {"kustomize": (os.environ.get("KUSTOMIZE", "kustomize"), "build"), "kubectl": ("kubectl", "kustomize")}
"""The commands that render a folder, by the program's name."""


def kustomization(folder: Path) -> dict[str, Any]:
    (file,) = [folder / name for name in ("kustomization.yaml", "Kustomization") if (folder / name).exists()]
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def test_everything_that_a_kustomization_names_is_there() -> None:
    overlay = kustomization(OVERLAY)
    (base,) = (OVERLAY / one for one in overlay["resources"])
    assert [(base / one).exists() for one in kustomization(base)["resources"]] == [True]
    (configuration,) = overlay["configMapGenerator"]
    assert all((OVERLAY / one).exists() for one in configuration["files"])
    image = overlay["images"][0]["name"]
    assert f"image: {image}:" in (base / "singleton.yaml").read_text()


@pytest.mark.slow
def test_the_example_s_configuration_is_one_that_the_exporter_takes(tmp_path: Path) -> None:
    text = (OVERLAY / "exporter.yaml").read_text()
    for mounted, here in (("/etc/paymon", OVERLAY), ("/var/lib/paymon", tmp_path), ("/run/secrets", tmp_path)):
        text = text.replace(mounted, str(here))
    (tmp_path / "exporter.yaml").write_text(text)
    (tmp_path / "stripe-api-key").write_text("rk_test_x")
    command = [sys.executable, "-c", "from paymon.cli import main; main()", "exporter", "--check-config"]
    checked = subprocess.run(
        [*command, "--config", tmp_path / "exporter.yaml"], capture_output=True, text=True, timeout=300, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_what_init_and_generate_write_starts_under_the_overlay_s_names(tmp_path: Path) -> None:
    answers = {"organisation": "Harbor", "domain": "harbor.example", "team": "payments", "timezone": "UTC"}
    several = {"services": ("checkout", "payouts"), "environments": ("live",), "currencies": ("eur",)}
    ways = {"pagerduty": "oncall", "slack": "#oncall", "payment_methods": ("card",)}
    has = {"postgres": False, "flag": False, "inbox": False}
    written = project_files(Answers(**answers, **several, **ways, **has))  # type: ignore[arg-type]
    (tmp_path / "declared.yaml").write_text(written["exporter/checkout/declared-live.yaml"])
    (tmp_path / "allow-lists.yaml").write_text((OVERLAY / "allow-lists.yaml").read_text())
    text = written["exporter/checkout/live.yaml"].replace("/run/secrets", str(tmp_path))
    (tmp_path / "exporter.yaml").write_text(text)
    (tmp_path / "stripe-api-key").write_text("rk_test_x")
    [patch] = kustomization(OVERLAY)["patches"]
    [change] = yaml.safe_load(patch["patch"])
    assert change["path"] == "/spec/template/spec/containers/0/env"
    mounted = {one["name"]: one["value"].replace("/etc/paymon", str(tmp_path)) for one in change["value"]}
    command = [sys.executable, "-c", "from paymon.cli import main; main()", "exporter", "--check-config"]
    checked = subprocess.run(
        [*command, "--config", tmp_path / "exporter.yaml"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **mounted},
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.servers
@pytest.mark.parametrize("program", RENDERERS)
def test_the_overlay_renders_to_valid_manifests_with_the_team_s_namespace_image_and_configuration(program: str) -> None:
    command = RENDERERS[program]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not here; `make matrix` builds kustomize")
    ran = subprocess.run([*command, str(OVERLAY)], capture_output=True, text=True, timeout=300, check=True)
    rendered = {one["kind"]: one for one in yaml.safe_load_all(ran.stdout)}
    assert rendered.keys() == {"ConfigMap", "Service", "StatefulSet"}
    for one in rendered.values():
        assert one["metadata"]["namespace"] == "payments-production"
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    spec = rendered["StatefulSet"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "registry.shop.example/paymon:0.1.0"
    name = rendered["ConfigMap"]["metadata"]["name"]
    assert name.startswith("paymon-")
    assert {"name": "configuration", "configMap": {"name": name}} in spec["volumes"]
    variables = {one["name"] for one in spec["containers"][0]["env"]}
    assert variables == {"PAYMON_DECLARED__FILE", "PAYMON_ALLOW_LISTS__FILE"}
    assert rendered["ConfigMap"]["data"].keys() == {"exporter.yaml", "declared.yaml", "allow-lists.yaml"}
