"""Do the examples of a rollout ask for commands and options that there are, and for stages that are defined?"""

import os
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml

from paymon.gate.command import gate
from rules.catalog import catalog

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = ("ci/github-rollout.yml", "ci/gitlab-rollout.yml", "rollout/argo-rollouts.yaml", "rollout/flagger.yaml")


def commands(text: str) -> list[list[str]]:
    """Each call of the gate in a file, as its words; what a pipeline fills in becomes a stage."""
    filled = re.sub(r'"?\$\{?(?:PERCENT|weight)\}?"?|\{\{args\.stage\}\}', "10", text).replace(
        "{{args.prometheus}}", "http://p"
    )
    found = [shlex.split(one.split(";")[0].strip('"')) for one in re.findall(r"paymon (gate [^\n#]*)", filled)]
    listed = re.findall(r'args: \[("gate"[^\]]*)\]', filled)
    return found + [[word.strip(' "') for word in one.split(",")] for one in listed]


@pytest.mark.parametrize("name", FILES)
def test_every_call_of_the_gate_is_one_that_it_understands(name: str) -> None:
    rollout = catalog().rollout
    assert rollout is not None
    calls = commands((DEPLOY / name).read_text())
    assert calls
    for _, *arguments in calls:
        context = gate.make_context(
            "gate", [*arguments, *([] if "--prometheus" in arguments else ["--prometheus", "http://p"])]
        )
        stage, back = context.params["stage"], context.params["back"]
        assert (stage is None) != (back is None)
        if stage is not None:
            assert int(stage) in [one.percent for one in rollout.stages]
        else:
            assert int(back) in rollout.back_to
        assert isinstance(context, click.Context)


@pytest.mark.parametrize("name", FILES)
def test_every_example_is_yaml(name: str) -> None:
    assert list(yaml.safe_load_all((DEPLOY / name).read_text()))


def test_on_github_a_step_back_does_not_wait_until_the_gate_of_a_stage_has_watched_for_days() -> None:
    """Runs of one group wait for each other, unless the new one cancels what runs."""
    workflow = yaml.safe_load((DEPLOY / "ci/github-rollout.yml").read_text())
    assert workflow["concurrency"] == {"group": "payments-rollout", "cancel-in-progress": "${{ inputs.back }}"}
    assert workflow["jobs"]["back"]["if"] == "${{ inputs.back }}"
    assert not any("concurrency" in job for job in workflow["jobs"].values())


def test_on_gitlab_a_step_back_does_not_wait_until_the_gate_of_a_stage_has_watched_for_days() -> None:
    """Jobs of one resource group wait for each other."""
    pipeline = yaml.safe_load((DEPLOY / "ci/gitlab-rollout.yml").read_text())
    jobs = {name: {**pipeline[job["extends"]], **job} for name, job in pipeline.items() if "extends" in job}
    groups = {name: job["resource_group"] for name, job in jobs.items()}
    assert len(set(groups.values()) - {groups["payments back"]}) == 1
    assert [name for name, group in groups.items() if group == groups["payments back"]] == ["payments back"]


def webhook(kind: str) -> dict[str, str]:
    """Flagger's webhook of that type, as its load tester gets it: the command, and the path that it is sent to."""
    canary = yaml.safe_load((DEPLOY / "rollout/flagger.yaml").read_text())
    (found,) = (one for one in canary["spec"]["analysis"]["webhooks"] if one["type"] == kind)
    return {**found["metadata"], "path": urlsplit(found["url"]).path}


@pytest.mark.parametrize("kind", ["confirm-traffic-increase", "rollback"])
def test_flagger_s_load_tester_runs_the_gate_instead_of_asking_a_person_s_switch(kind: str) -> None:
    """It runs commands, and waits for their ends as for those of type bash, at / and nowhere else."""
    assert webhook(kind)["path"] == "/"
    assert webhook(kind)["type"] == "bash"


@pytest.mark.parametrize("status", [0, 1, 2, 3])
@pytest.mark.parametrize("weight", ["0", "1", "10", "100", ""])
def test_flagger_goes_on_after_a_pass_and_back_after_a_fail_of_the_stage_at_hand(
    weight: str, status: int, tmp_path: Path
) -> None:
    """The canary's weight is nowhere in what Flagger sends; empty, it could not be found out, and nothing happens."""
    programs = {
        "kubectl": f"echo -n {weight}",
        "paymon": f'echo "$2" >> {tmp_path}/asked; case "$2" in 1|10|100) exit {status};; *) exit 3;; esac',
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)

    def succeeds(kind: str) -> bool:
        environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(["bash", "-c", webhook(kind)["cmd"]], env=environment, check=False).returncode == 0

    judged = weight in ("1", "10", "100")
    assert succeeds("confirm-traffic-increase") == (weight == "0" or (judged and status == 0))
    assert succeeds("rollback") == (judged and status == 1)
    assert set((tmp_path / "asked").read_text().splitlines()) == {weight}
