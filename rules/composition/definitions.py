"""What can be watched, before anybody says whose, and what does a team change?

Every change gives new definitions and leaves the old ones as they were. What a change no longer finds, and what still needs
something that it takes away, is told at once as a ValueError with the cure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from rules.composition.exchange import exchanged
from rules.composition.filling import filled
from rules.composition.overlap import with_former_names
from rules.composition.places import words_everywhere
from rules.composition.reduction import reductions
from rules.composition.removal import Removal, names_in
from rules.composition.rest import with_the_rest
from rules.composition.specimens import specimens
from rules.vocabulary import (
    Alert,
    Area,
    Catalog,
    Chapter,
    Dashboard,
    Item,
    Mark,
    Metric,
    Narrowing,
    Organisation,
    People,
    Priority,
    Rollout,
    Row,
    Service,
    Severity,
    Signal,
    Source,
    Threshold,
    above,
)

__all__ = ["Change", "Definitions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that a team changed, and why."""

    what: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Definitions:
    """Areas, the runbook's items, procedures and dashboards, with places for what each team fills in."""

    areas: tuple[Area, ...]
    items: tuple[Item, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    narrowings: tuple[Narrowing, ...] = ()
    marks: tuple[Mark, ...] = ()
    rollout: Rollout | None = None
    changes: tuple[Change, ...] = ()
    orphans: tuple[tuple[str, str], ...] = ()
    """Items of the runbook that no definition serves any more, each with the reason."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric, area by area."""
        return tuple(metric for area in self.areas for metric in area.metrics)

    def of(self, people: People, service: Service) -> Catalog:
        """The catalog of that service, watched by these people: every place filled on which its environments agree."""
        organisation = Organisation.of(people, service)
        own = self._exchanged(specimens(self.areas, service))
        catalog = Catalog(
            organisation=organisation,
            areas=with_former_names(own.areas),
            items=own._items_of(people),
            chapters=own.chapters,
            dashboards=_of_service(with_the_rest(own.dashboards, own.areas), service.service),
            narrowings=own.narrowings,
            marks=own.marks,
            rollout=own._rollout_of(service),
        )
        return filled(catalog, words_everywhere(organisation))

    def without(self, *what: str | ModuleType | Area | Signal | Alert | Source, because: str = "") -> "Definitions":
        """All but these areas, alerts, signals or sources, and all but what exists for them alone.

        With an alert go its panel, page, tests and inhibitions, and its signal where nothing else uses it. With a source go
        its metrics and every signal on them, but for what such a signal tells without (see `reductions`). Items of the
        runbook that nothing serves any more are left to people, because of the same reason. Raises ValueError for what
        does not exist, and for what is left and still needs it.
        """
        _reasoned("without()", because)
        if not what:
            raise ValueError(
                "without() names nothing to leave out; name an area, alert, signal or source, or take the line away"
            )
        sources = tuple(found for one in what if isinstance(found := self._named(one), Source))
        able = self._exchanged(reductions(self.areas, sources))
        removal = Removal(able.areas, able.dashboards)
        for one in what:
            removal.take(able._named(one))
        areas, dashboards = removal.rest()
        gone = removal.gone
        names = ", ".join(_name(one) for one in what)
        changed = replace(
            able,
            areas=areas,
            dashboards=dashboards,
            narrowings=tuple(one for one in able.narrowings if one.listed_by.name not in gone),
            marks=tuple(one for one in able.marks if not names_in(one.expr) & gone),
            rollout=None if able.rollout is None else removal.rollout(able.rollout),
            changes=(*self.changes, Change(what=f"without {names}", because=because)),
        )
        lost = sorted(_served(self) - _served(changed))
        return replace(changed, orphans=(*self.orphans, *((item, because) for item in lost)))

    def override(
        self, what: str | Alert | Signal, *, because: str = "", tier: str = "", **changed: Any
    ) -> "Definitions":
        """That alert or signal with other values.

        Of an alert's threshold: `value` (as text where it has a fraction), `lasting`, `keep_firing`, `severity`, `priority`,
        `respond_within`; `tier` says which one where it has several. Of the alert: `summary`, `description`, `runbook`,
        `guards`, `hidden_by`, `told_at_once`, `own_incident`. Of a signal: `expr` and the `example` that proves it,
        `title`. What is not named stays, and where that no longer fits, `paymon lint` says so. Every text that quotes a
        threshold follows. Raises ValueError for what does not exist, or cannot be changed.
        """
        _reasoned("override()", because)
        found = self._named(what)
        name = _name(found)
        if not isinstance(found, Alert | Signal):
            raise ValueError(  # noqa: TRY004 - the name is wrong, not the type
                f"override of {name}, which is no alert and no signal; name one of these"
            )
        if not changed:
            raise ValueError(
                f"override of {name} changes nothing; say what, such as value, lasting or priority, or take the line away"
            )
        new = _overridden_alert(found, because, tier, changed) if isinstance(found, Alert) else _changed(found, changed)
        text = ", ".join(f"{key} {value}" for key, value in changed.items() if isinstance(value, str | int | timedelta))
        note = Change(what=f"{name}: {text or ', '.join(changed)}", because=because)
        changed_ = self._exchanged([(found, new)])
        return replace(changed_, changes=(*self.changes, note))

    def with_area(self, area: Area | ModuleType, *, because: str = "") -> "Definitions":
        """With one more area: a module of definitions. Raises ValueError where its name is taken."""
        added = Area.of(area) if isinstance(area, ModuleType) else area
        if added.name in {one.name for one in self.areas}:
            raise ValueError(f"two areas are named {added.name}, and their files would be one; rename yours")
        note = Change(what=f"with area {added.name}", because=because or "our own")
        return replace(self, areas=(*self.areas, added), changes=(*self.changes, note))

    def with_rows(self, dashboard: str, *rows: Row) -> "Definitions":
        """With more rows of panels at the end of the dashboard of that uid. Raises ValueError for an unknown one."""
        known = [one.uid for one in self.dashboards]
        if dashboard not in known:
            raise ValueError(f"there is no dashboard {dashboard!r}; choose one of {', '.join(known)}")
        return replace(
            self,
            dashboards=tuple(
                replace(one, rows=(*one.rows, *rows)) if one.uid == dashboard else one for one in self.dashboards
            ),
        )

    def with_dashboard(self, dashboard: Dashboard) -> "Definitions":
        """With one more dashboard. Raises ValueError where its uid is taken."""
        if dashboard.uid in {one.uid for one in self.dashboards}:
            raise ValueError(f"two dashboards have the uid {dashboard.uid}; choose another for yours")
        return replace(self, dashboards=(*self.dashboards, dashboard))

    def _rollout_of(self, service: Service) -> Rollout | None:
        """The stages by that service's own traffic, where it says how much there is."""
        if self.rollout is None or service.attempts_per_minute is None:
            return self.rollout
        return replace(self.rollout, baseline_per_minute=Decimal(service.attempts_per_minute))

    def _items_of(self, people: People) -> tuple[Item, ...]:
        """The runbook's items, with why those are left to people that nothing serves which these people kept.

        Where none of their contacts, links and policies is said to serve any, they say elsewhere who does what.
        """
        ways: tuple[Any, ...] = (people, *people.contacts, *people.links, *people.policies)
        by_people = {item for way in ways for item in way.serves}
        served = _served(self) | by_people
        reasons = dict(self.orphans)
        if not by_people:
            reasons = {item.id: f"{people.name} says elsewhere who does it" for item in self.items} | reasons
        return tuple(
            item
            if item.left_to_people or item.id in served or item.id not in reasons
            else replace(item, left_to_people=reasons[item.id])
            for item in self.items
        )

    def _exchanged(self, pairs: Iterable[tuple[Alert | Signal, Alert | Signal]]) -> "Definitions":
        parts = (self.areas, self.chapters, self.dashboards, self.narrowings, self.marks, self.rollout)
        areas, chapters, dashboards, narrowings, marks, rollout = exchanged(parts, pairs)
        return replace(
            self,
            areas=areas,
            chapters=chapters,
            dashboards=dashboards,
            narrowings=narrowings,
            marks=marks,
            rollout=rollout,
        )

    def _named(self, one: str | ModuleType | Area | Signal | Alert | Source) -> Area | Signal | Alert | Source:
        if isinstance(one, Source):
            return one
        name = _name(one)
        known: dict[str, Area | Signal | Alert | Source] = {source.value: source for source in Source}
        for area in self.areas:
            named: tuple[Area | Signal | Alert, ...] = (area, *area.signals, *area.alerts)
            for it in named:
                known[it.name] = it
                if it.formerly:
                    known.setdefault(it.formerly.name, it)
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"do you mean {' or '.join(near)}?" if near else "`paymon list` shows what there is"
            raise ValueError(f"there is no alert, signal, area or source {name!r} to change; {hint}")
        return known[name]


_SHORT = "payments"
"""The service whose dashboards need not say whose they are: their titles do already."""


def _of_service(dashboards: tuple[Dashboard, ...], service: str) -> tuple[Dashboard, ...]:
    """The dashboards under names of their own, so that one Grafana shows several services."""
    if service == _SHORT:
        return dashboards
    return tuple(
        replace(
            one,
            uid=f"paymon-{service}-{one.uid.removeprefix('paymon-')}",
            title=f"{one.title} ({service})",
        )
        for one in dashboards
    )


def _name(one: str | ModuleType | Area | Signal | Alert | Source) -> str:
    match one:
        case str():
            return one
        case ModuleType():
            return one.__name__.rsplit(".", 1)[-1]
        case Source():
            return str(one.value)
        case Area() | Signal() | Alert():
            return one.name
    raise ValueError(
        f"{one!r} is no alert, signal, area or source; write its name as text, or Source. and one of its members"
    )


def _reasoned(call: str, because: str) -> None:
    if not isinstance(because, str):
        raise ValueError(f"{call} has {because!r} as its because; write as text why your team differs")  # noqa: TRY004
    if not because.strip():
        raise ValueError(f"{call} has no because; say why your team differs")


def _served(definitions: Definitions) -> set[str]:
    """The runbook's items that alerts, signals, metrics, panels and procedures serve."""
    areas = definitions.areas
    ways: Iterable[Any] = (
        *(one for area in areas for one in (*area.metrics, *area.signals, *area.alerts, *area.objectives)),
        *(procedure for chapter in definitions.chapters for procedure in chapter.procedures),
        *definitions.dashboards,
        *(panel for dashboard in definitions.dashboards for panel in dashboard.panels),
    )
    return {item for way in ways for item in way.serves}


def _overridden_alert(alert: Alert, because: str, tier: str, changed: dict[str, Any]) -> Alert:
    of_threshold = {field.name for field in fields(Threshold)} - {"because", "tier", "comparison"}
    mine = {key: value for key, value in changed.items() if key in of_threshold}
    rest = {key: value for key, value in changed.items() if key not in of_threshold}
    tiers = [threshold.tier for threshold in alert.thresholds]
    if mine and tier not in tiers:
        had = ", ".join(filter(None, tiers)) or "none"
        raise ValueError(f"alert {alert.name} has no tier {tier!r} to override; it has {had}")
    if "value" in mine:
        mine["value"] = above(mine["value"], Severity.NONE, Priority.NONE, because=because).value
    thresholds = tuple(
        replace(one, because=because, **mine) if mine and one.tier == tier else one for one in alert.thresholds
    )
    other: Alert = _changed(alert, rest, of_threshold)
    return replace(other, thresholds=thresholds)


def _changed(one: Any, changed: dict[str, Any], also: Iterable[str] = ()) -> Any:
    """It with those fields; `also` are what else can be changed of it."""
    fixed = {"name", "watches", "thresholds", "always"}
    known = {field.name for field in fields(one)} - fixed | set(also)
    for key in changed:
        if key not in known:
            raise ValueError(
                f"{one.name} has nothing called {key!r} to override; choose among {', '.join(sorted(known))}"
            )
    return replace(one, **changed) if changed else one
