"""`paymon gate`: may the rollout go on, and did a rollback take effect?"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from paymon.definitions import load
from paymon.gate.going_back import WAITS, StepBack, step_back
from paymon.gate.judging import Decision, Judgement, Weight, judge
from paymon.gate.report import as_data, as_html, as_lines, back_as_data, back_as_lines
from paymon.live.access import access_options
from paymon.live.asking import as_json, asked, environment_named, environment_option, written
from paymon.live.prometheus import Prometheus, PrometheusError
from paymon.live.times import MOMENT, Ago, clock, moment_of
from paymon.not_judged import not_judged
from rules.vocabulary import Catalog, Environment, Rollout

__all__ = ["gate"]

EVERY = 30.0
"""Seconds between two looks of `--watch`."""
PATIENCE = 600.0
"""Seconds for which it goes on although nothing can be judged."""


class _Gate(click.Command):
    """A command that ends with 0, 1 or 2 for a decision alone: a pipeline must not take anything else for one."""

    def invoke(self, ctx: click.Context) -> Any:
        with not_judged():
            decision: Decision = super().invoke(ctx)
        sys.exit(decision.exit_status)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with not_judged():
            return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Gate)
@click.argument("stage", metavar="[STAGE]", required=False)
@click.option("--back", metavar="PERCENT", help="Judge a step of a rollback instead: 50, 10, 1 or 0.")
@click.option("--since", type=MOMENT, help="When the stage began: 3h, or an ISO time. Default: the flag's last change.")
@click.option(
    "--baseline", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Attempts a minute at 100 %."
)
@click.option("--watch", is_flag=True, help="Look again until there is a decision.")
@click.option("--json", "json_", is_flag=True, help="For machines; with --watch, one object a line.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with the path's plot.")
@environment_option
@access_options("prometheus")
def gate(
    stage: str | None,
    back: str | None,
    since: Ago | datetime | None,
    baseline: float | None,
    watch: bool,
    json_: bool,
    html: Path | None,
    environment: str | None,
    **_access: Any,
) -> Decision:
    """May the rollout go on from STAGE (1, 10 or 100 percent)? Or: did a step of the rollback take effect?

    A sequential test on what customers attempted since the stage began, and everything without which it would prove
    nothing. It reads and judges; nothing is changed, neither the flag nor a switch.

    \b
      paymon gate 1 --prometheus https://prometheus.example.com --watch
      paymon gate --back 10 --prometheus https://prometheus.example.com --watch

    Exit status: 0 PASS, 1 FAIL, 2 INCONCLUSIVE (go on watching, or let a person decide), 3 CANNOT JUDGE, also for wrong
    use, definitions that cannot be read, and where Prometheus does not answer; 130 when interrupted.
    """
    if baseline is not None and not math.isfinite(baseline):
        raise click.UsageError(f"--baseline {baseline} is no number of attempts a minute")
    catalog = load()
    rollout = catalog.rollout
    if rollout is None:
        raise click.UsageError(_no_rollout(catalog))
    place = environment_named(catalog, environment)
    if (stage is None) == (back is None):
        raise click.UsageError("say which STAGE to judge, or with --back to which percentage somebody went back")
    if html is not None and back is not None:
        raise click.UsageError("there is nothing to draw of a step back; leave --html away")
    with asked(click.get_current_context()) as prometheus:
        if back is not None:
            return _go_back(prometheus, catalog, place, _percent(back, rollout.back_to), since, watch, json_)
        return _go_on(prometheus, catalog, place, rollout, str(stage), since, baseline, watch, json_, html)


def _go_on(
    prometheus: Prometheus,
    catalog: Catalog,
    environment: Environment,
    rollout: Rollout,
    stage: str,
    since: Ago | datetime | None,
    baseline: float | None,
    watch: bool,
    json_: bool,
    html: Path | None,
) -> Decision:
    wanted = rollout.stage(_percent(stage, tuple(one.percent for one in rollout.stages)))
    begun = _begun(since)

    def look() -> Judgement:
        return judge(prometheus, catalog, environment, wanted, time.time(), begun, baseline)

    def is_over(seen: Judgement) -> bool:
        return seen.now - seen.since > wanted.at_most.total_seconds()

    for seen in _looks(prometheus, look, is_over, watch):
        _tell(as_json(as_data(seen)) if json_ else "\n".join(as_lines(seen)), json_ and watch)
        if html is not None:
            written(html, as_html(seen))
    return seen.decision


def _go_back(
    prometheus: Prometheus,
    catalog: Catalog,
    environment: Environment,
    percent: int,
    since: Ago | datetime | None,
    watch: bool,
    json_: bool,
) -> Decision:
    begun = _begun(since)
    first = time.time()

    def look() -> StepBack:
        return step_back(prometheus, catalog, environment, percent, time.time(), begun)

    def is_over(seen: StepBack) -> bool:
        return seen.now - first > WAITS

    for seen in _looks(prometheus, look, is_over, watch):
        _tell(as_json(back_as_data(seen)) if json_ else "\n".join(back_as_lines(seen)), json_ and watch)
    return seen.decision


def _begun(since: Ago | datetime | None) -> float | None:
    """When it began, as it was said. Raises click.UsageError for what is still to come."""
    now = time.time()
    begun = None if since is None else moment_of(since, now)
    if begun is not None and begun > now:
        raise click.UsageError(f"--since {clock(begun)} is still to come; say when it began, or leave it away")
    return begun


def _no_rollout(catalog: Catalog) -> str:
    return (
        f"the definitions of {catalog.organisation.service} have no rollout: nothing tells how many customers can pay; "
        "the gate needs the flag's metrics, so leave without(Source.FLAG) away and let the exporter sample it"
    )


_Seen = TypeVar("_Seen", Judgement, StepBack)


def _looks(
    prometheus: Prometheus, look: Callable[[], _Seen], is_over: Callable[[_Seen], bool], watch: bool
) -> Iterator[_Seen]:
    """One look, or with `watch` one after the other until there is a decision, or no more is to be expected.

    What cannot be seen for a moment does not end the watch; for ten minutes it does.
    """
    blind_since: float | None = None
    while True:
        prometheus.doubts.clear()
        try:
            seen = look()
        except PrometheusError as error:
            blind_since = blind_since or time.time()
            if not watch or time.time() - blind_since > PATIENCE:
                raise
            click.echo(f"not yet: {error}", err=True)
        else:
            yield seen
            foreign = any(one.weight is Weight.FOREIGN for one in seen.findings)
            blind_since = None if seen.decision is not Decision.CANNOT_JUDGE else blind_since or time.time()
            goes_on = seen.decision is Decision.INCONCLUSIVE or (blind_since is not None and not foreign)
            impatient = blind_since is not None and time.time() - blind_since > PATIENCE
            if not watch or not goes_on or is_over(seen) or impatient:
                return
        time.sleep(EVERY)


def _tell(text: str, one_line: bool) -> None:
    click.echo(" ".join(text.split()) if one_line else text)
    sys.stdout.flush()


def _percent(text: str, known: tuple[int, ...]) -> int:
    number = text.strip().removesuffix("%").strip()
    if not number.isdecimal() or int(number) not in known:
        raise click.UsageError(f"{text!r} is none of the stages; choose one of {', '.join(map(str, known))}")
    return int(number)
