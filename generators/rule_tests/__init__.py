"""Which tests follow from the definitions? For each alert when it fires, for each signal what it reads."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from itertools import groupby

from generators.rule_tests.alert_cases import alert_cases, evaluation_step
from generators.rule_tests.known import Known
from generators.rule_tests.sharing import Shared
from generators.rule_tests.signal_cases import nothing_there, signal_cases
from generators.rule_tests.text import TestFile, groups_text
from generators.rules import AlertingRule, alerting_rules, expressions_of, group_name
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
    because promtool evaluates a whole file at one pace, and an example must be evaluated at its own moment.
    """
    return _files(catalog, environment, Shared())


def _files(catalog: Catalog, environment: Environment, shared: Shared) -> Mapping[str, str]:
    known = Known(expressions_of(catalog, environment))
    areas = [area for area in known.expressions.catalog.areas if area.signals or area.alerts]
    recorded_in = {signal.name: place for place, area in enumerate(areas) for signal in area.signals}
    files: dict[str, str] = {}
    for area in areas:
        for alert, rules in _by_alert(area, known):
            files[f"{alert.name}.yml"] = _alert_file(area, rules, known)
        for at, signals in _by_moment(area):
            read = {one.name: one for signal in signals for one in known.index.signals_read(signal)}
            needed = [areas[place] for place in sorted({recorded_in[name] for name in read})]
            head = TestFile(
                file_of(area),
                tuple(map(_rule_file, needed)),
                at,
                order=tuple(group_name(one, known.expressions) for one in needed),
            )
            path = f"signals-{area.name}-{prometheus_duration(at)}.yml"
            cases = shared.text(path, tuple(read.values()), known, partial(_signal_cases, signals, known))
            files[path] = f"{head}{cases}"
    return files


def _by_alert(area: Area, known: Known) -> Iterator[tuple[Alert, list[AlertingRule]]]:
    for alert, rules in groupby(alerting_rules(area, known.expressions), key=lambda rule: rule.alert):
        yield alert, list(rules)


def _by_moment(area: Area) -> Iterator[tuple[timedelta, list[Signal]]]:
    for at in sorted({signal.example.at for signal in area.signals}):
        yield at, [signal for signal in area.signals if signal.example.at == at]


def _alert_file(area: Area, rules: list[AlertingRule], known: Known) -> str:
    step = evaluation_step(rules, known.index.organisation.evaluation_interval)
    return str(TestFile(file_of(area), (_rule_file(area),), step, tuple(alert_cases(rules, step, known))))


def _signal_cases(signals: list[Signal], known: Known) -> str:
    return groups_text((*(case for one in signals for case in signal_cases(one, known)), nothing_there(signals, known)))


def _rule_file(area: Area) -> str:
    return f"../rules/{area.name}.yml"
