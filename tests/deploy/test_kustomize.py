"""Does the kustomize base render, with a team's namespace, image and configuration in it?

The real program is asked where there is one: `go install sigs.k8s.io/kustomize/kustomize/v5@latest` builds it.
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

from tests.deploy.test_deploy import DEPLOY

OVERLAY = DEPLOY / "kustomize/production"
KUSTOMIZE = shutil.which(os.environ.get("KUSTOMIZE", "kustomize"))


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


@pytest.mark.skipif(KUSTOMIZE is None, reason="kustomize is not here; KUSTOMIZE names one")
def test_kustomize_renders_valid_manifests_with_the_team_s_namespace_image_and_configuration() -> None:
    ran = subprocess.run(
        [str(KUSTOMIZE), "build", str(OVERLAY)], capture_output=True, text=True, timeout=300, check=True
    )
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
    assert rendered["ConfigMap"]["data"].keys() == {"exporter.yaml", "declared.yaml", "allow-lists.yaml"}
