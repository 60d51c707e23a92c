"""What do the tests need to know of signals and metrics, by name?"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property

from generators.rule_tests.without_data import value_without_data
from generators.rules import Expressions
from rules.promql import Expression, Selector, labels_carried, parse
from rules.promtool.series import Series
from rules.vocabulary import Alert, Counter, Histogram, Metric, Signal

__all__ = ["OTHERS", "Known"]

OTHERS = ("elsewhere", "somewhere")
"""What other environments, services and jobs are called in a test."""


class Known:
    """The definitions behind the names in one environment's expressions."""

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self.index = expressions.index
        self.metrics: Mapping[str, Metric] = self.index.by_series
        self.labels_declared = frozenset(label.name for metric in self.metrics.values() for label in metric.labels)
        self._without_data: dict[str, Decimal | None] = {}
        self._with_a_label_more: dict[tuple[str, str], frozenset[str]] = {}

    @cached_property
    def all_metrics(self) -> tuple[Metric, ...]:
        """Every metric of the catalog."""
        return self.index.catalog.metrics

    @cached_property
    def former_series_names(self) -> Mapping[str, str]:
        """The name that a series has now, by the one that it had before."""
        return {old: new for metric in self.all_metrics for old, new in metric.former_series_names.items()}

    @staticmethod
    def tree(signal: Signal) -> Expression:
        """The signal's expression as a tree."""
        return parse(signal.expr)

    def nodes(self, signal: Signal) -> tuple[Expression, ...]:
        """The tree and everything in it."""
        return self.index.by_name[signal.name].nodes

    def own_reads(self, signal: Signal) -> tuple[Selector, ...]:
        """What its own expression reads, metrics and signals."""
        return self.index.by_name[signal.name].selectors

    def carries(self, signal: Signal, label: str) -> bool:
        """Whether a label that every series has comes out of the signal."""

        def labels(name: str) -> frozenset[str]:
            inner = self.signal(name)
            if inner is None:
                return self.labels_declared | {label}
            if (name, label) not in self._with_a_label_more:
                self._with_a_label_more[name, label] = labels_carried(self.tree(inner), labels)
            return self._with_a_label_more[name, label]

        return label in labels(signal.name)

    def is_counter(self, name: str) -> bool:
        """Whether series of that name are counters, or a histogram's."""
        return isinstance(self.metrics.get(name), Counter | Histogram)

    def signal(self, name: str) -> Signal | None:
        """The signal that is recorded under that name."""
        read = self.index.by_name.get(name)
        return read.signal if read else None

    def alert(self, where: Iterable[tuple[str, str]]) -> Alert:
        """The alert that a selector of ALERTS names."""
        name = dict(where)["alertname"]
        return next(one for one in self.expressions.catalog.alerts if one.name == name)

    def reads(self, signal: Signal) -> tuple[Selector, ...]:
        """Every place where raw series are read, by the signal or by signals that it reads."""
        return self.index.reads(signal)

    def absences(self, signal: Signal) -> tuple[Series, ...]:
        """The series whose absence the signal speaks of."""
        return tuple(
            Series(
                one.name,
                tuple(
                    (label, value.partition("|")[0] if operator == "=~" else value)
                    for label, operator, value in one.matchers
                    if operator == "=" or (operator == "=~" and label == "job")
                ),
            )
            for one in self.reads(signal)
            if one.of_absence
        )

    def without_data(self, signal: Signal) -> Decimal | None:
        """The signal's value where nothing is scraped, None where it then says nothing."""
        if signal.name not in self._without_data:
            self._without_data[signal.name] = self.value(self.tree(signal))
        return self._without_data[signal.name]

    def value(self, expression: Expression) -> Decimal | None:
        """The expression's value where nothing is scraped, None where it then says nothing."""

        def of_series(name: str) -> Decimal | None:
            inner = self.signal(name)
            return self.without_data(inner) if inner else None

        return value_without_data(expression, of_series)

    def scoped(self, series: Series) -> Series:
        """The series as it is scraped in this environment."""
        return series.having_first(*self.expressions.scraped_labels(series.name))

    def asks_for_jobs(self, signal: Signal) -> bool:
        """Whether it reads series of any job, or of anybody, so that those of others are its own matter."""
        return signal.of_everyone or any(
            label == "job" and label in dict(self.expressions.scraped_labels(one.name))
            for one in self.reads(signal)
            for label, _, _ in one.matchers
        )

    def of_others(self, series: Series, whose: str = OTHERS[0], reader: Signal | None = None) -> Iterator[Series]:
        """The series as another environment, another service and another job would have it, each for itself.

        Of these only such as the `reader` does not ask for by itself.
        """
        if reader and reader.of_everyone:
            return
        reads = self.reads(reader) if reader else ()
        wanted = {label for one in reads if one.name == series.name for label, _, _ in one.matchers}
        here = self.scoped(series)
        for label, _ in self.expressions.scraped_labels(series.name):
            if label not in wanted:
                yield here.having(**{label: whose})
