"""How is a gate's judgement told: on a terminal, to a machine, in a browser?"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import click

from paymon.gate.going_back import StepBack
from paymon.gate.judging import Decision, Finding, Judgement, TestSeen, Weight
from paymon.gate.sequential import Crossing, Ratio, exact_interval
from paymon.live.page import Line, chart, page, table
from paymon.live.times import clock, shown

__all__ = ["as_data", "as_html", "as_lines", "back_as_data", "back_as_lines"]

_COLOURS = {
    Decision.PASS: "green",
    Decision.FAIL: "red",
    Decision.INCONCLUSIVE: "yellow",
    Decision.CANNOT_JUDGE: "magenta",
}
_WORDS = {
    Weight.STOP: "FAIL",
    Weight.FAILED: "FAIL",
    Weight.FOREIGN: "cannot judge",
    Weight.BLIND: "cannot judge",
    Weight.WAIT: "not yet",
    Weight.FINE: "fine",
}


def as_lines(seen: Judgement) -> Iterator[str]:
    """The judgement for a terminal."""
    yield _headline(seen.decision, f"{seen.stage.percent} % in {seen.environment}")
    yield f"  since {clock(seen.since)}, judged up to {clock(seen.until)}, {shown(seen.now - seen.until)} ago"
    for test in seen.tests:
        yield ""
        yield from _test(test)
    if seen.limits:
        yield ""
    for limit in seen.limits:
        share = limit.part / limit.whole if limit.whole else 0.0
        word = "above" if limit.exceeded else "of at most"
        bound = f"{word} {float(limit.limit.at_most):.0%}"
        yield f"  {limit.limit.title}: {limit.part} of {limit.whole}, {share:.1%}, {bound}"
    yield ""
    yield from _findings(seen.findings)
    if seen.decision is Decision.PASS and seen.tests:
        high = exact_interval(seen.tests[0].events[-1], seen.tests[0].failures[-1])[1]
        yield f"  A PASS does not prove more: up to {high:.2%} of payments may still fail (95 % interval)."


def back_as_lines(seen: StepBack) -> Iterator[str]:
    """A step back for a terminal."""
    yield _headline(seen.decision, f"back to {seen.percent} % in {seen.environment}")
    if seen.until is not None:
        yield f"  counted up to {clock(seen.until)}, {shown(seen.now - seen.until)} ago"
    if seen.before_per_minute is not None and seen.after_per_minute is not None:
        yield f"  attempts a minute: {seen.before_per_minute:.2f} before, {seen.after_per_minute:.2f} since"
    yield from _findings(seen.findings)


def _headline(decision: Decision, what: str) -> str:
    return click.style(decision.value, fg=_COLOURS[decision], bold=True) + f"  {what}"


def _findings(findings: tuple[Finding, ...]) -> Iterator[str]:
    order = list(Weight)
    for finding in sorted(findings, key=lambda one: order.index(one.weight)):
        yield f"  {_WORDS[finding.weight]:12}  {finding.text}"


def _test(seen: TestSeen) -> Iterator[str]:
    ratio, numbers = Ratio.of(seen.test), _numbers(seen)
    yield f"  {seen.test.title}"
    yield f"    n {numbers['events']}, k {numbers['failures']}, share {numbers['share']:.3%} (95 % interval " + (
        f"{numbers['low']:.3%} to {numbers['high']:.3%})"
    )
    yield (
        f"    ratio {_times(numbers['log_ratio'])}: passes at {_times(ratio.passes_at)}, fails at "
        f"{_times(ratio.stops_at)} ({float(seen.test.healthy):.1%} against {float(seen.test.unacceptable):.1%})"
    )
    if seen.crossing is Crossing.UNDECIDED:
        pace = numbers["per_minute"]
        soon = f", {shown(numbers['needed'] / pace * 60)} at the present pace" if pace else ", and none come"
        yield f"    {numbers['needed']} more without a failure pass{soon}; {numbers['to_stop']} more failures fail"
    else:
        yield f"    decided at {clock(seen.grid[seen.decided_at])}; {seen.events[-1]} and {seen.failures[-1]} by now"


def _numbers(seen: TestSeen) -> dict[str, Any]:
    ratio = Ratio.of(seen.test)
    n, k = seen.events[seen.decided_at], seen.failures[seen.decided_at]
    low, high = exact_interval(n, k)
    outlook = ratio.outlook(n, k)
    recent = min(60, len(seen.events) - 1)
    return {
        "events": n,
        "failures": k,
        "share": k / n if n else 0.0,
        "low": low,
        "high": high,
        "log_ratio": ratio.log(n, k),
        "needed": outlook.events_if_clean,
        "to_stop": outlook.failures_to_stop,
        "per_minute": (seen.events[-1] - seen.events[-1 - recent]) / recent if recent else 0.0,
    }


def _times(log: float) -> str:
    return f"{math.exp(min(log, 60)):.3g}"


def as_data(seen: Judgement) -> Mapping[str, Any]:
    """The judgement for a machine; moments in Unix seconds, shares as fractions."""
    return {
        "decision": seen.decision.value,
        "exit_status": seen.decision.exit_status,
        "stage_percent": seen.stage.percent,
        "environment": seen.environment,
        "since": seen.since,
        "until": seen.until,
        "now": seen.now,
        "tests": [
            {
                "title": test.test.title,
                "crossing": test.crossing.value,
                "decided_at": test.grid[test.decided_at] if test.crossed is not None else None,
                "passes_at_log_ratio": Ratio.of(test.test).passes_at,
                "fails_at_log_ratio": Ratio.of(test.test).stops_at,
                "events_now": test.events[-1],
                "failures_now": test.failures[-1],
                **_numbers(test),
            }
            for test in seen.tests
        ],
        "limits": [
            {"title": one.limit.title, "part": one.part, "whole": one.whole, "exceeded": one.exceeded}
            for one in seen.limits
        ],
        "findings": [{"weight": one.weight.value, "text": one.text} for one in seen.findings],
    }


def back_as_data(seen: StepBack) -> Mapping[str, Any]:
    """A step back for a machine."""
    return {
        "decision": seen.decision.value,
        "exit_status": seen.decision.exit_status,
        "back_to_percent": seen.percent,
        "environment": seen.environment,
        "since": seen.since,
        "until": seen.until,
        "now": seen.now,
        "attempts_per_minute_before": seen.before_per_minute,
        "attempts_per_minute_since": seen.after_per_minute,
        "findings": [{"weight": one.weight.value, "text": one.text} for one in seen.findings],
    }


def as_html(seen: Judgement) -> str:
    """The judgement with the path of each test between its bounds."""
    parts = [
        f'<p class="verdict">{seen.decision.value}</p>',
        f"<p>Since {clock(seen.since)}, judged up to {clock(seen.until)}.</p>",
        table(("", "finding"), ((_WORDS[one.weight], one.text) for one in seen.findings)),
    ]
    for test in seen.tests:
        ratio, numbers = Ratio.of(test.test), _numbers(test)
        last = max(test.events[-1], 1)
        reach = [last * part / 50 for part in range(51)]
        parts += [
            f"<h2>{click.unstyle(test.test.title)}</h2>",
            f"<p>n {numbers['events']}, k {numbers['failures']}, {numbers['share']:.3%} "
            f"(95 % interval {numbers['low']:.3%} to {numbers['high']:.3%}).</p>",
            chart(
                f"Failures against attempts: {test.test.title}",
                (
                    Line("failures so far", "#0072B2", list(zip(test.events, test.failures, strict=True))),
                    Line(
                        "fails above", "#D55E00", [(n, ratio.failures_at(int(n), ratio.stops_at)) for n in reach], "8 4"
                    ),
                    Line(
                        "passes below",
                        "#009E73",
                        [(n, max(ratio.failures_at(int(n), ratio.passes_at), 0)) for n in reach],
                        "2 3",
                    ),
                ),
                "events",
                "failures",
            ),
        ]
    return page(f"{seen.decision.value}: {seen.stage.percent} % in {seen.environment}", *parts)
