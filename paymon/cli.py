"""What can one ask of paymon?"""

import importlib
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

__all__ = ["main"]

_COMMANDS = {
    "init": "paymon.init.command:init",
    "generate": "paymon.generate:generate",
    "upgrade": "paymon.upgrade:upgrade",
    "lint": "paymon.lint:lint",
    "test": "paymon.test:test",
    "mutate": "paymon.mutation.command:mutate",
    "explain": "paymon.explain:explain",
    "list": "paymon.explain:list_definitions",
    "exporter": "paymon.exporter:exporter",
    "doctor": "paymon.doctor:doctor",
    "gate": "paymon.gate.command:gate",
    "check": "paymon.now.check:check",
    "status": "paymon.now.status:status",
    "diff": "paymon.diff:diff",
    "drift": "paymon.drift.command:drift",
    "rehearse": "paymon.rehearse:rehearse",
    "backtest": "paymon.backtest.command:backtest",
    "demo": "paymon.demo.command:demo",
    "completion": "paymon.completion:completion",
}
"""Where each command lives; it is imported when it is asked for, so that each starts fast."""

_JUDGE_WHAT_RUNS = frozenset({"backtest", "check", "diff", "drift", "rehearse", "status"})


class _Commands(click.Group):
    """The commands, imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _of_a_decision(args):
            return super().make_context(info_name, args, parent, **extra)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name == "exporter":  # it quotes no definition, and keeps in memory what it loads
            return _command(cmd_name)
        from paymon.definitions import definitions_read

        with _of_a_decision((cmd_name,)), _of_a_finding(cmd_name), definitions_read():
            return _command(cmd_name)


def _of_a_decision(words: Sequence[str]) -> AbstractContextManager[None]:
    """Whose exit status is a decision must not end with one before it is even read."""
    if "gate" not in words:
        return nullcontext()
    from paymon.not_judged import not_judged

    return not_judged()


def _of_a_finding(name: str) -> AbstractContextManager[None]:
    """Whose exit status 1 is a finding about what runs must not end with it because definitions cannot be read."""
    if name not in _JUDGE_WHAT_RUNS:
        return nullcontext()
    from paymon.not_judged import no_finding

    return no_finding()


def _command(name: str) -> click.Command:
    module, variable = _COMMANDS[name].split(":")
    found: click.Command = getattr(importlib.import_module(module), variable)
    return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="paymon", message="paymon %(version)s")
@click.option("--service", metavar="S", help="Whose definitions, where a project has several services.")
def cli(service: str | None) -> None:
    """Payments monitoring as code.

    The definitions in rules/ say which metrics, signals and alerts watch live payments. From them come Prometheus rules
    with their unit tests, dashboards, alert routing and runbook pages; the exporter samples the metrics.

    \b
    A day's work:
      paymon explain PaymentSuccessRateLow   what an alert watches, and why its threshold is where it is
      paymon generate                        write generated/ after a definition has changed
      paymon lint && paymon test             see that it is sound, and that it fires when it should
      paymon generate --check                in CI: fail when generated/ is not what the definitions say

    Exit status: 0 fine, 1 findings or drift, 2 wrong use; 3 where what runs cannot be judged.
    """


def main() -> None:
    """Run the command line."""
    try:
        cli(prog_name="paymon")
    except BrokenPipeError:
        # The reader has gone (`paymon list | head`): nobody is left to be told.
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
