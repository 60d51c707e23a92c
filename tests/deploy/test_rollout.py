"""Do the examples of a rollout ask for commands and options that there are, and for stages that are defined?"""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from paymon.gate.command import gate
from rules.catalog import catalog

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = ("ci/github-rollout.yml", "ci/gitlab-rollout.yml", "rollout/argo-rollouts.yaml", "rollout/flagger.yaml")


def commands(text: str) -> list[list[str]]:
    """Each call of the gate in a file, as its words; what a pipeline fills in becomes a stage."""
    filled = re.sub(r'"?\$\{?PERCENT\}?"?|\{\{args\.stage\}\}', "10", text).replace("{{args.prometheus}}", "http://p")
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
