"""How is a file of rule tests written, so that people read it, promtool runs it and a diff stays small?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from generators.text import generated_header
from rules.promtool.series import Series, labels_text
from rules.vocabulary import prometheus_duration

__all__ = ["Firing", "Firings", "Probe", "TestFile", "TestGroup", "groups_text"]


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to Prometheus at one moment, and its whole answer."""

    expr: str
    at: timedelta
    answer: tuple[tuple[tuple[tuple[str, str], ...], str], ...]
    """Labels and value of every sample."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing alert with all of its labels and annotations."""

    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Firings:
    """Every firing alert of one name at one moment."""

    alert: str
    at: timedelta
    firing: tuple[Firing, ...]


@dataclass(frozen=True, slots=True)
class TestGroup:
    """Some series, and what the rules make of them."""

    __test__ = False  # no class of pytest's

    name: str
    interval: timedelta
    series: tuple[tuple[Series, str], ...]
    probes: tuple[Probe, ...]
    firings: tuple[Firings, ...] = ()


@dataclass(frozen=True, slots=True)
class TestFile:
    """Test groups that share rule files and the pace of evaluation; without any, what stands before them."""

    __test__ = False

    source: str
    rule_files: tuple[str, ...]
    evaluation_interval: timedelta
    groups: tuple[TestGroup, ...] = ()
    order: tuple[str, ...] = ()
    """The order in which rule groups are evaluated, where there are several."""

    def __str__(self) -> str:
        lines = [
            generated_header(self.source).rstrip(),
            f"rule_files: [{', '.join(self.rule_files)}]",
            f"evaluation_interval: {prometheus_duration(self.evaluation_interval)}",
        ]
        if len(self.order) > 1:
            lines.append(f"group_eval_order: [{', '.join(self.order)}]")
        lines.append("tests:\n")
        return "\n".join(lines) + groups_text(self.groups)


def groups_text(groups: Iterable[TestGroup]) -> str:
    """The groups as they stand in a file, behind its head."""
    return "".join(f"{line}\n" for group in groups for line in _group(group))


def _group(group: TestGroup) -> list[str]:
    lines = [f"- name: {_quoted(group.name)}", f"  interval: {prometheus_duration(group.interval)}"]
    if group.series:
        lines.append("  input_series:")
        lines += [f"  - {{series: {_quoted(str(series))}, values: '{values}'}}" for series, values in group.series]
    lines.append("  promql_expr_test:")
    for probe in group.probes:
        samples = ", ".join(
            f"{{labels: {_quoted(labels_text(labels))}, value: {value}}}" for labels, value in probe.answer
        )
        at = prometheus_duration(probe.at)
        lines.append(f"  - {{expr: {_quoted(probe.expr)}, eval_time: {at}, exp_samples: [{samples}]}}")
    if group.firings:
        lines.append("  alert_rule_test:")
    for firings in group.firings:
        lines += [f"  - alertname: {firings.alert}", f"    eval_time: {prometheus_duration(firings.at)}"]
        lines.append("    exp_alerts:" if firings.firing else "    exp_alerts: []")
        for firing in firings.firing:
            lines.append(
                f"    - exp_labels: {{{', '.join(f'{name}: {_quoted(text)}' for name, text in firing.labels)}}}"
            )
            lines.append("      exp_annotations:")
            lines += [f"        {name}: {_quoted(text)}" for name, text in firing.annotations]
    return lines


def _quoted(text: str) -> str:
    """A YAML scalar that is itself, whatever it contains. Raises ValueError for a line break, which would be lost."""
    if "\n" in text:
        raise ValueError(f"{text!r} has a line break; write it on one line")
    return "'" + text.replace("'", "''") + "'"
