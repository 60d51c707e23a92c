"""What do the tests need to know of signals and metrics, by name?"""

from collections.abc import Mapping
from decimal import Decimal

from generators.rule_tests.series import Series
from generators.rule_tests.without_data import value_without_data
from generators.rules import Expressions
from rules.promql import Expression, Selector, parse, selectors
from rules.vocabulary import Metric, Signal

__all__ = ["Known"]

_OF_ABSENCE = frozenset({"absent", "absent_over_time"})


class Known:
    """The definitions behind the names in one environment's expressions, each looked into once."""

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self.signals: Mapping[str, Signal] = {signal.name: signal for signal in expressions.catalog.signals}
        self.metrics: Mapping[str, Metric] = {
            name: metric for metric in expressions.catalog.metrics for name in metric.series_names
        }
        self.labels_declared = frozenset(label.name for metric in self.metrics.values() for label in metric.labels)
        self._trees: dict[str, Expression] = {}
        self._reads: dict[str, tuple[Selector, ...]] = {}

    def tree(self, signal: Signal) -> Expression:
        """The signal's expression as a tree."""
        if signal.name not in self._trees:
            self._trees[signal.name] = parse(signal.expr)
        return self._trees[signal.name]

    def reads(self, signal: Signal) -> tuple[Selector, ...]:
        """Every place where raw series are read, by the signal or by signals that it reads."""
        if signal.name not in self._reads:
            found: list[Selector] = []
            for selector in selectors(self.tree(signal)):
                inner = self.signals.get(selector.name)
                found.extend(self.reads(inner) if inner else (selector,))
            self._reads[signal.name] = tuple(found)
        return self._reads[signal.name]

    def signals_read(self, signal: Signal) -> tuple[Signal, ...]:
        """The signals that it reads, directly or not, each after those that it reads; itself last."""
        found: dict[str, Signal] = {}
        for selector in selectors(self.tree(signal)):
            inner = self.signals.get(selector.name)
            if inner:
                found |= {one.name: one for one in self.signals_read(inner)}
        return (*found.values(), signal)

    def metrics_read(self, signal: Signal) -> tuple[Metric, ...]:
        """The metrics whose values, not whose absence, the signal shows."""
        names = (one.name for one in self.reads(signal) if not _OF_ABSENCE & set(one.calls))
        return tuple({self.metrics[name].name: self.metrics[name] for name in names if name in self.metrics}.values())

    def absences(self, signal: Signal) -> tuple[Series, ...]:
        """The series whose absence the signal speaks of."""
        return tuple(
            Series(one.name, tuple((label, value) for label, operator, value in one.matchers if operator == "="))
            for one in self.reads(signal)
            if _OF_ABSENCE & set(one.calls)
        )

    def without_data(self, signal: Signal) -> Decimal | None:
        """The signal's value where nothing is scraped, None where it then says nothing."""
        return self.value(self.tree(signal))

    def value(self, expression: Expression) -> Decimal | None:
        """The expression's value where nothing is scraped, None where it then says nothing."""

        def of_series(name: str) -> Decimal | None:
            inner = self.signals.get(name)
            return self.without_data(inner) if inner else None

        return value_without_data(expression, of_series)

    def scoped(self, series: Series) -> Series:
        """The series as it is scraped in this environment."""
        return Series.parse(self.expressions.scoped(str(series)))
