"""Has Prometheus loaded the rules that are defined, and is each of them healthy?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from generators.revision import REVISION_SERIES, revision, revision_group
from generators.rules import AlertingRule, RecordingRule, rule_groups
from paymon.drift.layers import Layer, Verdict, layer
from paymon.live.expressions import same_expression
from paymon.live.prometheus import Prometheus
from rules.vocabulary import Catalog, Environment

__all__ = ["prometheus_rules"]


def prometheus_rules(prometheus: Prometheus, catalog: Catalog, environment: Environment) -> Layer:
    """Has Prometheus loaded the rules, and is each of them healthy? Raises PrometheusError."""
    loaded = {group.get("name", ""): group for group in prometheus.rules()}
    findings: list[str] = []
    ours = rule_groups(catalog, environment)
    if not any(group.name in loaded for group in ours):
        said = f"none of the {len(ours)} groups of {environment.name} is loaded; it has {len(loaded)} others"
        return Layer("prometheus rules", Verdict.DRIFT, (said,))
    for group in ours:
        if group.name not in loaded:
            findings.append(f"group {group.name} is not loaded")
            continue
        there = loaded[group.name]
        if float(there.get("interval", 0)) != group.interval.total_seconds():
            findings.append(
                f"group {group.name} is evaluated every {there.get('interval')} s, not every {group.interval}"
            )
        findings += _rules(group.rules, there.get("rules", ()), group.name)
    told = str(revision_group(catalog, environment)["name"])
    findings += _revision(loaded.get(told), told, revision(catalog, environment))
    prefix = f"{catalog.organisation.service}.{environment.name}."
    names = {told, *(group.name for group in ours)}
    findings += [
        f"group {name} is loaded and not defined" for name in loaded if name.startswith(prefix) and name not in names
    ]
    return layer("prometheus rules", findings)


def _revision(there: Mapping[str, Any] | None, group: str, ours: str) -> Iterator[str]:
    if there is None:
        yield f"group {group} is not loaded, so that nobody can ask which revision runs"
        return
    rules = [one for one in there.get("rules", ()) if one.get("name") == REVISION_SERIES]
    said = [(one.get("labels") or {}).get("revision") for one in rules]
    if said != [ours]:
        yield f"{REVISION_SERIES} is loaded of {', '.join(map(str, said)) or 'no revision'}, not of {ours}"


def _rules(
    ours: Sequence[RecordingRule | AlertingRule], theirs: Sequence[Mapping[str, Any]], group: str
) -> Iterator[str]:
    wanted = {_key(rule): rule for rule in ours}
    there = {(str(one.get("name")), str((one.get("labels") or {}).get("tier", ""))): one for one in theirs}
    for key, rule in wanted.items():
        name = "/".join(part for part in key if part)
        found = there.get(key)
        if found is None:
            yield f"{name} is not loaded in {group}"
            continue
        if not same_expression(rule.expr, str(found.get("query", ""))):
            yield f"{name} is loaded with another expression"
        if isinstance(rule, AlertingRule):
            if float(found.get("duration", 0)) != rule.threshold.lasting.total_seconds():
                yield f"{name} waits {found.get('duration')} s, not {rule.threshold.lasting.total_seconds():g} s"
            if float(found.get("keepFiringFor", 0)) != rule.threshold.keep_firing.total_seconds():
                yield f"{name} keeps firing for another time than defined"
        if dict(found.get("labels") or {}) != dict(rule.labels):
            yield f"{name} is loaded with other labels"
        if found.get("health") not in ("ok", "unknown") or found.get("lastError"):
            yield f"{name} fails: {' '.join(str(found.get('lastError', 'no reason given')).split())[:200]}"
    for key in there.keys() - wanted.keys():
        yield f"{'/'.join(part for part in key if part)} is loaded in {group} and not defined"


def _key(rule: RecordingRule | AlertingRule) -> tuple[str, str]:
    return (rule.alert.name, rule.threshold.tier) if isinstance(rule, AlertingRule) else (rule.signal.name, "")
