"""What would promtool pass in silence, though it tests nothing?"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from paymon.rule_testing.files import Rule, Suite

__all__ = ["silent_passes"]


def silent_passes(rules: Sequence[Rule], suites: Sequence[Suite]) -> Iterator[str]:
    """One sentence for each thing that promtool does not object to, and that makes a test worthless."""
    yield from _duplicates(rules)
    alerts = {rule.name for rule in rules if rule.kind == "alert"}
    records = {rule.name for rule in rules if rule.kind == "record"}
    for suite in suites:
        where = suite.path.name
        for pattern in suite.unmatched:
            yield f"{where}: rule_files pattern {pattern} matches no file"
        for name in sorted(suite.alerts_named - alerts):
            yield f"{where}: tests alert {name}, which no rule file has"
        if not suite.cases:
            yield f"{where}: has no test"
        for case in suite.cases:
            if case.interval is None:
                yield f"{where}: {case.name or 'a test without name'}: has no interval; long durations then go wrong"
            if not case.expectations:
                yield f"{where}: {case.name or 'a test without name'}: expects nothing"
        fed = {series.name for case in suite.cases for series, _ in case.series}
        for name in sorted(suite.names_asked - records - fed):
            if ":" in name.strip(":"):
                yield f"{where}: reads {name}, which nothing records and nothing feeds"


def _duplicates(rules: Iterable[Rule]) -> Iterator[str]:
    counted = Counter((rule.kind, rule.name, tuple(sorted(rule.labels.items()))) for rule in rules)
    for (kind, name, labels), count in counted.items():
        if count > 1:
            shown = ", ".join(f'{label}="{value}"' for label, value in labels)
            yield f"{count} rules make {kind} {name}{{{shown}}}"
