"""Which definitions are there, and where is the one of a given name?"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from rules.vocabulary.alert import Alert, Step
from rules.vocabulary.dashboard import Dashboard, Mark, Narrowing
from rules.vocabulary.former import Former
from rules.vocabulary.metric import Metric, Source
from rules.vocabulary.objective import Objective
from rules.vocabulary.people import Environment, Organisation
from rules.vocabulary.signal import Signal
from rules.vocabulary.stage import Rollout

__all__ = ["Area", "Catalog", "Chapter", "Excuse", "Item", "Served"]


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the runbook that can be measured, automated, or must be left to people.

    >>> Item("KM-01", "Key metrics", "Orders that fail, below 5 %", key_metric=True).left_to_people
    ''
    """

    id: str
    section: str
    text: str
    left_to_people: str = ""
    """Why no definition serves it."""
    key_metric: bool = False
    """True where the alerts that serve it stand in the index's table of key metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One subject: a module of definitions, a group of rules, a page of the runbook.

    >>> Area(
    ...     name="shop", title="Shop", question="is it open?", module="shop", metrics=(QUEUE,), signals=(LENGTH,), alerts=()
    ... ).objectives
    ()
    """

    name: str
    title: str
    question: str
    """What somebody asks who looks here, with a question mark."""
    module: str
    metrics: tuple[Metric, ...]
    signals: tuple[Signal, ...]
    alerts: tuple[Alert, ...]
    objectives: tuple[Objective, ...] = ()
    formerly: Former | None = None
    """The module's `FORMERLY`: the name that the area had before."""

    @classmethod
    def of(cls, module: ModuleType) -> "Area":
        """Everything that a module defines at its top level, in the order of its text.

        The module's docstring is the area's title, a colon, and its question. Other areas' definitions are reached through
        their module (`outcomes.attempts`) or under a private name, so that nothing counts twice.
        """
        title, _, question = (module.__doc__ or "").partition(":")
        found = [value for name, value in vars(module).items() if not name.startswith("_")]
        return cls(
            name=module.__name__.rsplit(".", 1)[-1],
            title=title.strip(),
            question=question.strip(),
            module=module.__name__,
            metrics=tuple(x for x in found if isinstance(x, Metric)),
            signals=tuple(x for x in found if isinstance(x, Signal)),
            alerts=tuple(x for x in found if isinstance(x, Alert)),
            objectives=tuple(x for x in found if isinstance(x, Objective)),
            formerly=vars(module).get("FORMERLY"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A definition that is neither metric nor alert, yet serves items of the runbook: a stage, a procedure.

    >>> Served(title="Open the shop", text="Turn the key.", serves=("STEP-01",)).title
    'Open the shop'
    """

    title: str
    text: str
    serves: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """A definition that need not keep one promise, for a reason.

    >>> Excuse(check="expressions/means-of-ratios", definition="shop:quality:ratio", because="a survey").because
    'a survey'
    """

    check: str
    """The check's name, as docs/checks.md has it."""
    definition: str
    """The name of the alert, signal, metric or whatever else the check complains of."""
    because: str

    def __post_init__(self) -> None:
        if not self.because.strip():
            raise ValueError(f"excuse of {self.definition} from {self.check} has no because; say why it need not hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A part of the runbook's index that no alert leads to: procedures, and steps that stand by themselves.

    >>> Chapter(title="After a rollback", steps=(Step("Count the parcels."),)).procedures
    ()
    """

    title: str
    steps: tuple[Step, ...]
    procedures: tuple[Served, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalog:
    """All definitions together; equal to itself alone, so that what was derived from it is found again at once.

    >>> shop = Area(
    ...     name="shop", title="Shop", question="is it open?", module="shop", metrics=(QUEUE,), signals=(LENGTH,), alerts=()
    ... )
    >>> Catalog(organisation=ORGANISATION, areas=(shop,), items=()).names
    ('shop:queue:sum', 'queue_length')
    """

    organisation: Organisation
    areas: tuple[Area, ...]
    items: tuple[Item, ...]
    chapters: tuple[Chapter, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    narrowings: tuple[Narrowing, ...] = ()
    """What every dashboard can be narrowed by, where one of its panels can."""
    marks: tuple[Mark, ...] = ()
    """What every dashboard marks, beside the alerts that fire."""
    rollout: Rollout | None = None
    excuses: tuple[Excuse, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric, area by area."""
        return tuple(metric for area in self.areas for metric in area.metrics)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Every signal, area by area."""
        return tuple(signal for area in self.areas for signal in area.signals)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Every alert, area by area."""
        return tuple(alert for area in self.areas for alert in area.alerts)

    def sampled_in(self, environment: Environment) -> tuple[Source, ...]:
        """The sources that the exporter has to sample there, so that every rule can speak; in the order of `Source`."""
        read = {metric.source for metric in self.metrics}.difference(environment.without_sources)
        return tuple(source for source in Source if source.sampled and source in read)

    @property
    def procedures(self) -> tuple[Served, ...]:
        """Every procedure, chapter by chapter."""
        return tuple(procedure for chapter in self.chapters for procedure in chapter.procedures)

    def area_of(self, definition: Metric | Signal | Alert) -> Area:
        """The area that defines it. Raises KeyError for a stranger."""
        for area in self.areas:
            here: tuple[Metric | Signal | Alert, ...] = (*area.metrics, *area.signals, *area.alerts)
            if any(one.name == definition.name for one in here):
                return area
        raise KeyError(definition.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every alert, signal and metric."""
        named: tuple[Alert | Signal | Metric, ...] = (*self.alerts, *self.signals, *self.metrics)
        return tuple(one.name for one in named)

    def named(self, name: str) -> Iterator[Metric | Signal | Alert]:
        """Every definition of that name; a metric also answers to its histogram's series."""
        for metric in self.metrics:
            if name == metric.name or name in metric.series_names:
                yield metric
        yield from (signal for signal in self.signals if signal.name == name)
        yield from (alert for alert in self.alerts if alert.name == name)
