"""Can every alert fire, stay quiet, and say what it has to?"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from string import Formatter

from rules.checks.expressions import matched_values
from rules.checks.problem import Problem
from rules.index import Index
from rules.promql import Aggregation, Call, Expression, Operation, Series, Subquery
from rules.vocabulary import (
    Alert,
    Branch,
    Comparison,
    Guard,
    Override,
    Priority,
    Source,
    Unit,
    minutes,
    plain,
    spoken_duration,
)

__all__ = ["CHECKS"]

KEEP_FIRING = {Priority.P1: minutes(10), Priority.P2: minutes(5)}
"""Least time that a page goes on after its cause is gone, so that a flapping signal does not page anew each time."""

_COMPARISONS = frozenset(one.value for one in Comparison) | {"==", "!="}

_ROUNDS = 2
"""Scrapes that make an absence more than a chance."""


def recorded_signals(index: Index) -> Iterator[Problem]:
    """What an alert looks at is recorded by some area."""
    for watch in index.watches:
        if watch.signal.name not in index.by_name:
            yield Problem(
                watch.where,
                f"{watch.role} {watch.signal.name}, which no area defines",
                "give the signal a name at the top level of an area's module",
            )


def lag(index: Index) -> Iterator[Problem]:
    """Groups are evaluated apart: another group's signal is up to one evaluation old."""
    for watch in index.watches:
        read = index.by_name.get(watch.signal.name)
        if read is not None and read.area.module != watch.area.module and not watch.signal.steady:
            yield Problem(
                watch.where,
                f"{watch.role} {watch.signal.name} of {read.area.module}, and so one evaluation late",
                "move one of them, or mark the signal steady if a late value does no harm",
            )


def bounds(index: Index) -> Iterator[Problem]:
    """A bound lies where the signal's values can be on either side of it."""
    for alert, threshold, where in index.thresholds:
        for branch in alert.branches(threshold):
            wrong = _wrong_bound(branch.comparison, branch.value, branch.watches.unit, always=alert.always)
            if wrong:
                watched = f"{branch.watches.name} ({branch.watches.unit.value})"
                yield Problem(where, f"compares {watched} {wrong}", "choose a bound between its values")
    for alert, guard, where in _guards(index):
        presence = guard.comparison is Comparison.AT_LEAST
        wrong = _wrong_bound(guard.comparison, guard.value, guard.signal.unit, always=presence or alert.always)
        if wrong:
            watched = f"{guard.signal.name} ({guard.signal.unit.value})"
            yield Problem(where, f"has a guard that compares {watched} {wrong}", "choose a bound between its values")


def overridden_bounds(index: Index) -> Iterator[Problem]:
    """What an environment changes exists, and its own bound can be met too."""
    known = _overridable(index)
    for environment in index.organisation.environments:
        seen: set[str] = set()
        for override in environment.overrides:
            where = f"organisation: environment {environment.name}"
            if override.threshold in seen:
                yield Problem(where, f"overrides {override.threshold} twice", "remove one of the two")
            seen.add(override.threshold)
            if override.threshold not in known:
                yield Problem(where, f"overrides {override.threshold}, which is no threshold", _which(override, known))
                continue
            alert, branches, lasts = known[override.threshold]
            if override.value is not None:
                if len({(branch.comparison, str(branch.value)) for branch in branches}) != 1:
                    yield Problem(
                        where,
                        f"overrides the bound of {override.threshold}, which has several",
                        "split the alert"
                        if branches
                        else _which(override, {name: one for name, one in known.items() if one[1]}),
                    )
                for branch in branches:
                    watched = f"{branch.watches.name} ({branch.watches.unit.value})"
                    wrong = _wrong_bound(branch.comparison, override.value, branch.watches.unit, always=alert.always)
                    if wrong:
                        yield Problem(
                            where,
                            f"makes {override.threshold} compare {watched} {wrong}",
                            "choose a bound between its values",
                        )
            if override.lasting is not None:
                if lasts:
                    yield from _lasting(index, where, f"makes {override.threshold} wait", override.lasting)
                else:
                    yield Problem(
                        where,
                        f"makes {override.threshold} wait, and all branches of an alert last alike",
                        f"say for all of {alert.name} how long it lasts",
                    )


def tiers(index: Index) -> Iterator[Problem]:
    """The tiers of an alert look the same way, and the graver one lies farther out."""
    for _, alert, where in index.alerts:
        if len({threshold.comparison.upward for threshold in alert.thresholds}) > 1:
            yield Problem(where, "has tiers above and tiers below", "split it into two alerts")
            continue
        severities = list(type(alert.thresholds[0].severity))
        for one in alert.thresholds:
            for other in alert.thresholds:
                graver = severities.index(one.severity) < severities.index(other.severity)
                if graver and one.value.is_finite() and other.value.is_finite() and one.lasting <= other.lasting:
                    nearer = one.value < other.value if one.comparison.upward else one.value > other.value
                    if nearer:
                        yield Problem(
                            where,
                            f"is {one.severity.value} at {plain(one.value)} and only {other.severity.value} "
                            f"farther out, at {plain(other.value)}",
                            "put the graver tier farther out",
                        )


def burn_rates(index: Index) -> Iterator[Problem]:
    """An error ratio cannot exceed 1, and so a budget cannot burn faster than 1 / budget."""
    retention = index.organisation.retention
    for area in index.catalog.areas:
        for objective in area.objectives:
            where = f"{area.module}: objective {objective.name}"
            for rate in objective.burn_rates:
                pair = f"burn rate {_number(rate.factor)} over {_spoken(rate.long)}"
                if not rate.factor.is_finite() or rate.factor <= 0:
                    yield Problem(where, f"has {pair}, which is no pace", "give a factor above 0")
                elif rate.factor >= 1 / objective.budget:
                    yield Problem(
                        where,
                        f"has {pair}, which needs an error ratio of {_number(rate.factor / (1 / objective.budget))}",
                        f"stay below a factor of {_number(1 / objective.budget)}, or set a stricter target",
                    )
                if not timedelta(0) < rate.short < rate.long:
                    yield Problem(
                        where, f"has {pair}, and a short window of {_spoken(rate.short)}", "make it the shorter one"
                    )
                if rate.long > retention:
                    yield Problem(
                        where,
                        f"has {pair}, and samples are kept for {_spoken(retention)}",
                        "shorten the window, or keep samples longer",
                    )
        fastest = min((1 / objective.budget for objective in area.objectives), default=None)
        for alert in area.alerts if fastest is not None else ():
            for branch in (one for threshold in alert.thresholds for one in alert.branches(threshold)):
                value = branch.value
                if branch.watches.unit is Unit.BUDGETS and value.is_finite() and fastest and value >= fastest:
                    yield Problem(
                        f"{area.module}: alert {alert.name}",
                        f"waits for {plain(value)} error budgets, and all failing burns {_number(fastest)}",
                        "lower the bound, or set a stricter target",
                    )


def durations(index: Index) -> Iterator[Problem]:
    """Waiting for less than one evaluation waits for none, and a page that ends at once pages again."""
    for alert, threshold, where in index.thresholds:
        yield from _lasting(index, where, "waits", threshold.lasting)
        least = KEEP_FIRING.get(threshold.priority, timedelta(0))
        if not _whole(threshold.keep_firing):
            yield Problem(where, f"keeps firing for {threshold.keep_firing}", "give a whole number of seconds")
        elif threshold.keep_firing < least and not alert.always:
            yield Problem(
                where,
                f"is {threshold.priority.value} and keeps firing for {_spoken(threshold.keep_firing)} only",
                f"keep it firing for {_spoken(least)}, so that a flapping signal pages once",
            )


def absences(index: Index) -> Iterator[Problem]:
    """One failed scrape is no absence."""
    least = _ROUNDS * index.scrape_interval
    for alert, threshold, where in index.thresholds:
        for branch in alert.branches(threshold):
            absent = any("absent" in one.calls for one in index.reads(branch.watches))
            if absent and threshold.lasting < least:
                yield Problem(
                    where,
                    f"watches {branch.watches.name}, which one failed scrape makes absent, "
                    f"and waits for {_spoken(threshold.lasting)}",
                    f"wait for {_spoken(least)} or more",
                )


def guards_that_belong(index: Index) -> Iterator[Problem]:
    """A guard has one answer for each series that is watched: its labels are among theirs, or picked by `where`."""
    for _, alert, where in index.alerts:
        for branch in alert.branches(alert.thresholds[0]):
            if branch.watches.name not in index.by_name:
                continue
            watched = index.declared(branch.watches.name)
            staying = (alert.stays_while,) if alert.stays_while and branch.watches is alert.watches else ()
            for guard in (*branch.guards, *staying):
                if guard.signal.name not in index.by_name:
                    continue
                carried = index.declared(guard.signal.name)
                for label, value in guard.where:
                    if label not in carried:
                        yield Problem(
                            where,
                            f"has a guard on {guard.signal.name} where {label} is {value!r}, a label it does not carry",
                            f"use one that it carries: {_listed(carried)}",
                        )
                    elif not _possible(index, guard.signal.name, label, value):
                        yield Problem(
                            where,
                            f"has a guard on {guard.signal.name} where {label} is {value!r}, a value it never has",
                            "use a value of that label",
                        )
                left = carried - {label for label, _ in guard.where} - watched
                if left:
                    yield Problem(
                        where,
                        f"has a guard on {guard.signal.name}, whose label {_listed(left)} "
                        f"{branch.watches.name} does not carry",
                        "say which series with only_if(..., label=value), or aggregate the guard's signal",
                    )


def freshness(index: Index) -> Iterator[Problem]:
    """A sampled value stays as it was while its source is out of reach; some alert must tell of that."""
    if index.circles:
        return  # told by itself; what its signals tell of has no end
    ages = [
        read.tree
        for watch in index.watches
        if watch.role == "watches"
        and watch.signal.unit is Unit.INTERVALS
        and "source" in index.carried(watch.signal.name)
        and (read := index.by_name[watch.signal.name]).tree is not None
    ]
    for watch in index.watches:
        sampled = sorted(
            source.value
            for source in index.sources(watch.signal.name)
            if source.sampled and not any(_tells_of(index, age, source) for age in ages)
        )
        if watch.role == "watches" and sampled:
            yield Problem(
                watch.where,
                f"watches what is sampled from {', '.join(sampled)}, and no alert tells when that grows old",
                "add an alert on the age of each source in its own intervals, by source",
            )


def texts(index: Index) -> Iterator[Problem]:
    """Somebody who was just woken finds a reason, a number and a way out."""
    for _, alert, where in index.alerts:
        runbook = alert.runbook
        for part in ("meaning", "impact"):
            if not getattr(runbook, part).strip():
                yield Problem(where, f"has a runbook entry without {part}", f"write its {part}")
        for part in ("diagnosis", "mitigation"):
            steps = getattr(runbook, part)
            if not steps or not all(step.text.strip() for step in steps):
                yield Problem(
                    where, f"has a runbook entry without {part}", "write at least one step, and leave none empty"
                )
        reasons = [
            (threshold.because, f"threshold {threshold.comparison.value} {_number(threshold.value)}")
            for threshold in alert.thresholds
        ]
        reasons += [(branch.because, f"branch on {branch.watches.name}") for branch in alert.or_else]
        reasons += [
            (guard.because, f"guard on {guard.signal.name}") for one, guard, _ in _guards_of(alert, where) if one
        ]
        for because, what in reasons:
            if not because.strip():
                yield Problem(where, f"has a {what} without a reason", "say in because= why it is there")
        yield from _placeholders(index, alert, where)


def hiding(index: Index) -> Iterator[Problem]:
    """An alert is hidden by others that exist, and not in a circle."""
    hidden_by = {alert.name: [other.name for other in alert.hidden_by] for _, alert, _ in index.alerts}
    for _, alert, where in index.alerts:
        for other in hidden_by[alert.name]:
            if other not in hidden_by:
                yield Problem(where, f"is hidden by {other}, which no area defines", "define it, or remove it there")
        if alert.hidden_by and min(one.lasting for one in alert.thresholds) < index.evaluation_interval:
            yield Problem(
                where,
                f"is hidden by {alert.hidden_by[0]}, and told before that one can be",
                f"let it last for {_spoken(index.evaluation_interval)} or more",
            )
        seen: set[str] = set()
        waiting = list(hidden_by[alert.name])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(hidden_by.get(name, ()))
        if alert.name in seen:
            yield Problem(where, "is hidden by itself, be it through others", "remove one hidden_by of that circle")


def policies(index: Index) -> Iterator[Problem]:
    """Somebody is told of every alert."""
    known = {policy.priority for policy in index.organisation.policies}
    for _, threshold, where in index.thresholds:
        if threshold.priority is not Priority.NONE and threshold.priority not in known:
            yield Problem(
                where,
                f"has priority {threshold.priority.value}, for which there is no policy",
                "add a PriorityPolicy to the policies of your people",
            )


def _wrong_bound(comparison: Comparison, value: Decimal, unit: Unit, *, always: bool) -> str:
    """What is wrong with a bound, in words that follow the signal's name; nothing if nothing is."""
    lowest, highest = unit.lowest, unit.highest
    if not value.is_finite():
        return f"with {value}, which is no number"
    bound = f"{comparison.value} {plain(value)}"
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        return f"{bound}, which lies outside its range"
    if (value == lowest and comparison is Comparison.BELOW) or (value == highest and comparison is Comparison.ABOVE):
        return f"{bound}, which is never true"
    if (value == lowest and comparison is Comparison.AT_LEAST) or (
        value == highest and comparison is Comparison.AT_MOST
    ):
        return "" if always else f"{bound}, which is always true"
    return ""


def _guards_of(alert: Alert, where: str) -> Iterator[tuple[Alert, Guard, str]]:
    for branch in alert.branches(alert.thresholds[0]):
        for guard in branch.guards:
            yield alert, guard, where
    if alert.stays_while:
        yield alert, alert.stays_while, where


def _guards(index: Index) -> Iterator[tuple[Alert, Guard, str]]:
    for _, alert, where in index.alerts:
        yield from _guards_of(alert, where)


_Overridable = tuple[Alert, tuple[Branch, ...], bool]
"""An alert, those of its branches whose bound goes by one name, and whether how long it lasts goes by that name too."""


def _overridable(index: Index) -> dict[str, _Overridable]:
    """What an environment can change, by name."""
    known: dict[str, _Overridable] = {}
    for alert, threshold, _ in index.thresholds:
        named: dict[str, tuple[Branch, ...]] = {alert.threshold_id(threshold): ()}
        for branch in alert.branches(threshold):
            name = alert.bound_id(threshold, branch)
            named[name] = (*named.get(name, ()), branch)
        known.update({name: (alert, found, name == alert.threshold_id(threshold)) for name, found in named.items()})
    return known


def _which(override: Override, known: dict[str, _Overridable]) -> str:
    same = sorted(name for name in known if name.split("/")[0] == override.threshold.split("/")[0])
    return f"use {' or '.join(same)}" if same else "name an alert, or Alert/tier"


def _whole(duration: timedelta) -> bool:
    return duration >= timedelta(0) and duration.microseconds == 0


def _lasting(index: Index, where: str, verb: str, lasting: timedelta) -> Iterator[Problem]:
    least = index.evaluation_interval
    if not _whole(lasting):
        yield Problem(where, f"{verb} for {lasting}", "give a whole number of seconds")
    elif timedelta(0) < lasting < least:
        yield Problem(
            where,
            f"{verb} for {_spoken(lasting)}, less than one evaluation",
            f"wait for {_spoken(least)} or more, or not at all",
        )


def _tells_of(index: Index, tree: Expression, source: Source, *, at_times: bool = True) -> bool:
    """Whether a series of that source comes out, by the label `source`; what a comparison lets through only `at_times`.

    What `unless` takes away is never there: a comparison behind it takes away at times, everything else always.
    """
    match tree:
        case Series(name=name, matchers=matchers):
            read = index.by_name.get(name)
            inner = read.tree if read is not None else None
            return _admits(matchers, source) and (inner is None or _tells_of(index, inner, source, at_times=at_times))
        case Subquery(of=inner) | Aggregation(of=inner):
            return _tells_of(index, inner, source, at_times=at_times)
        case Call(arguments=arguments):
            return all(_tells_of(index, one, source, at_times=at_times) for one in arguments)
        case Operation(operator="unless", left=left, right=right):
            return _tells_of(index, left, source, at_times=at_times) and not _tells_of(
                index, right, source, at_times=False
            )
        case Operation(operator="or", left=left, right=right):
            return any(_tells_of(index, side, source, at_times=at_times) for side in (left, right))
        case Operation(operator="and", left=left, right=right):
            return all(_tells_of(index, side, source, at_times=at_times) for side in (left, right))
        case Operation(left=left, right=right) as operation:
            met = at_times or operation.as_bool or operation.operator not in _COMPARISONS
            return met and all(_tells_of(index, side, source) for side in (left, right))
        case _:
            return True


def _admits(matchers: tuple[tuple[str, str, str], ...], source: Source) -> bool:
    named = frozenset({source.value})
    return all(
        bool(matched_values(operator, wanted, named)) == (operator in ("=", "=~"))
        for label, operator, wanted in matchers
        if label == "source"
    )


def _possible(index: Index, signal: str, label: str, value: str) -> bool:
    """Whether the label can have that value in the recorded signal, as far as the metrics behind it tell."""
    waiting, seen, found = [signal], {signal}, False
    while waiting:
        name = waiting.pop()
        if name in index.by_name:
            inner = {one.name for one in index.by_name[name].selectors} - seen
            seen |= inner
            waiting.extend(inner)
        elif label in index.carried(name):
            values = index.values(name, label)
            if values is None or matched_values("=", value, values):
                return True
            found = True
    return not found


def _placeholders(index: Index, alert: Alert, where: str) -> Iterator[Problem]:
    try:
        in_summary, in_description = _named(alert.summary), _named(alert.description)
    except ValueError as error:
        yield Problem(where, f"has a text that cannot be filled in: {error}", "close every brace, or double it")
        return
    for name in sorted(in_summary - {"threshold"}):
        yield Problem(
            where,
            f"has a summary that names {{{name}}}",
            "leave only {threshold} there; what differs between its series belongs into the description",
        )
    if not alert.description.strip():
        yield Problem(where, "has no description", "write one sentence, with {value} in it")
    for branch in alert.branches(alert.thresholds[0]):
        if branch.watches.name not in index.by_name:
            continue
        carried = index.declared(branch.watches.name)
        for name in sorted(in_description - {"value"} - carried):
            yield Problem(
                where,
                f"has a description that names {{{name}}}, which {branch.watches.name} does not carry",
                f"use {{value}}, or a label that it carries: {_listed(carried)}",
            )


def _named(text: str) -> frozenset[str]:
    """What stands between braces; a format with it, so that nothing is named by it. Raises ValueError."""
    parts = Formatter().parse(text)
    return frozenset(
        name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
        for _, name, spec, conversion in parts
        if name is not None
    )


def _number(value: Decimal) -> str:
    return f"{float(value):.6g}" if value.is_finite() else str(value)


def _spoken(duration: timedelta) -> str:
    return spoken_duration(duration) if _whole(duration) else str(duration)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


CHECKS = (
    recorded_signals,
    lag,
    bounds,
    overridden_bounds,
    tiers,
    burn_rates,
    durations,
    absences,
    guards_that_belong,
    freshness,
    texts,
    hiding,
    policies,
)
