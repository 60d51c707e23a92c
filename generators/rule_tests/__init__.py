"""Which tests follow from the definitions? For each alert when it fires, for each signal what it reads."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from itertools import groupby

from generators.rule_tests.alert_cases import alert_cases, evaluation_step, pace_of_waits, wait_cases
from generators.rule_tests.known import Known
from generators.rule_tests.sharing import Shared
from generators.rule_tests.signal_cases import nothing_there, signal_cases
from generators.rule_tests.text import TestFile, TestGroup, groups_text
from generators.rules import AlertingRule, RuleGroup, expressions_of, rule_groups
from generators.text import file_of
from rules.vocabulary import Alert, Area, Catalog, Environment, Signal, prometheus_duration

__all__ = ["rule_test_files", "rule_tests"]


def rule_tests(catalog: Catalog) -> Mapping[str, Mapping[str, str]]:
    """The files of `rule_test_files` for each environment, by its name; what several share is made once."""
    shared = Shared()
    return {one.name: _files(catalog, one, shared) for one in catalog.organisation.environments}


def rule_test_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """Test files for promtool 2.42 to 3.x by path: `<Alert>.yml` and `signals-<area>-<moment>.yml`.

    They name the rule files as `../rules/<area>.yml`. The signals of an area are split by the moment of their examples,
    because promtool evaluates a whole file at one pace, and an example must be evaluated at its own moment. So do the
    waits of an alert that is tested at a slower pace than that of its rules have a file `<Alert>-waits.yml`.
    """
    return _files(catalog, environment, Shared())


def _files(catalog: Catalog, environment: Environment, shared: Shared) -> Mapping[str, str]:
    known = Known(expressions_of(catalog, environment))
    groups = rule_groups(catalog, environment)
    recorded_in = {signal.name: place for place, group in enumerate(groups) for signal in group.area.signals}
    files: dict[str, str] = {}
    for group in groups:
        area = group.area
        for alert, rules in _by_alert(group):
            step = evaluation_step(rules, group.interval)
            files[f"{alert.name}.yml"] = _alert_file(group, step, alert_cases(rules, step, known))
            if step != group.interval and not alert.always:
                pace = pace_of_waits(rules, group.interval)
                files[f"{alert.name}-waits.yml"] = _alert_file(group, pace, wait_cases(rules, pace, known))
        for at, signals in _by_moment(area):
            read = {one.name: one for signal in signals for one in known.index.signals_read(signal)}
            needed = [groups[place] for place in _before_their_readers(read.values(), recorded_in, known)]
            rule_files = tuple(_rule_file(one.area) for one in needed)
            head = TestFile(file_of(area), rule_files, at, order=tuple(one.name for one in needed))
            path = f"signals-{area.name}-{prometheus_duration(at)}.yml"
            cases = shared.text(path, tuple(read.values()), known, partial(_signal_cases, signals, known))
            files[path] = f"{head}{cases}"
    return files


def _by_alert(group: RuleGroup) -> Iterator[tuple[Alert, list[AlertingRule]]]:
    alerting = (rule for rule in group.rules if isinstance(rule, AlertingRule))
    for alert, rules in groupby(alerting, key=lambda rule: rule.alert):
        yield alert, list(rules)


def _by_moment(area: Area) -> Iterator[tuple[timedelta, list[Signal]]]:
    for at in sorted({signal.example.at for signal in area.signals}):
        yield at, [signal for signal in area.signals if signal.example.at == at]


def _before_their_readers(read: Iterable[Signal], recorded_in: Mapping[str, int], known: Known) -> list[int]:
    """The places of the groups that record them, each after those whose records it reads: one evaluation is enough."""
    behind: dict[int, set[int]] = {}
    for signal in read:
        places = behind.setdefault(recorded_in[signal.name], set())
        places |= {recorded_in[one.name] for one in known.index.signals_read(signal)}
    return sorted(behind, key=lambda place: (len(behind[place]), place))


def _alert_file(group: RuleGroup, pace: timedelta, cases: Iterator[TestGroup]) -> str:
    return str(TestFile(file_of(group.area), (_rule_file(group.area),), pace, tuple(cases)))


def _signal_cases(signals: list[Signal], known: Known) -> str:
    return groups_text((*(case for one in signals for case in signal_cases(one, known)), nothing_there(signals, known)))


def _rule_file(area: Area) -> str:
    return f"../rules/{area.name}.yml"
