"""Which alerts keep quiet while another one says the same thing louder?"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from generators.alertmanager.routing import REHEARSAL, Matcher
from generators.rules import Expressions
from rules.vocabulary import Alert, Catalog, Priority, Source, Threshold

__all__ = ["Inhibition", "inhibitions", "louder_than"]

_REAL = Matcher(REHEARSAL, ("",))
"""A rehearsal hides nothing."""

_OF_ALL = ("service", "environment")
"""What alerts must always have in common for one to hide the other."""


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert fires that `louder` matches, those of `quieter` that agree with it on `equal` are not told."""

    louder: tuple[Matcher, ...]
    quieter: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def as_data(self) -> dict[str, object]:
        """The rule in Alertmanager's words."""
        return {
            "source_matchers": [str(matcher) for matcher in self.louder],
            "target_matchers": [str(matcher) for matcher in self.quieter],
            "equal": list(self.equal),
        }


def inhibitions(catalog: Catalog, *others: Catalog) -> tuple[Inhibition, ...]:
    """Every inhibition: alert over alert, tier over tier, an old source over what it feeds.

    Of several services' catalogs, what all of them say is said once, and what only some say for their services alone.
    """
    found = {one.organisation.service: _inhibitions(one) for one in (catalog, *others)}
    shared = frozenset.intersection(*map(frozenset, found.values()))
    own = (
        replace(one, louder=(*one.louder, of_service), quieter=(*one.quieter, of_service))
        for service, every in found.items()
        for of_service in (Matcher("service", (service,)),)
        for one in every
        if one not in shared
    )
    return (*(one for one in found[catalog.organisation.service] if one in shared), *own)


def _inhibitions(catalog: Catalog) -> tuple[Inhibition, ...]:
    expressions = Expressions(catalog, catalog.organisation.environments[0])
    found = (
        *_alert_over_alert(catalog, expressions),
        *_tier_over_tier(catalog, expressions),
        *_source_over_what_it_feeds(catalog, expressions),
    )
    return tuple(replace(one, louder=(*one.louder, _REAL)) for one in found)


def louder_than(alert: Alert) -> tuple[Alert, ...]:
    """The alerts that hide it, those that hide them included, the nearest first."""
    found: dict[str, Alert] = {}
    waiting = list(alert.hidden_by)
    while waiting:
        louder = waiting.pop(0)
        if louder.name not in found:
            found[louder.name] = louder
            waiting.extend(louder.hidden_by)
    return tuple(found.values())


def _alert_over_alert(catalog: Catalog, expressions: Expressions) -> Iterator[Inhibition]:
    """An alert on one network, host or method hides what another says of the same one only."""
    hidden: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for alert in catalog.alerts:
        for louder in louder_than(alert):
            shared = _labels(louder, expressions) & _labels(alert, expressions)
            hidden[louder.name, tuple(sorted(shared))].append(alert.name)
    for (louder_name, equal), names in hidden.items():
        yield Inhibition(
            (Matcher("alertname", (louder_name,)),), (Matcher("alertname", tuple(names)),), (*_OF_ALL, *equal)
        )


def _tier_over_tier(catalog: Catalog, expressions: Expressions) -> Iterator[Inhibition]:
    for alert in catalog.alerts:
        strict_first = sorted(alert.thresholds, key=_strictness, reverse=True)
        for index, threshold in enumerate(strict_first[:-1]):
            named = Matcher("alertname", (alert.name,))
            looser = tuple(other.tier for other in strict_first[index + 1 :])
            yield Inhibition(
                (named, Matcher("tier", (threshold.tier,))),
                (named, Matcher("tier", looser)),
                (*_OF_ALL, *sorted(_labels(alert, expressions))),
            )


def _strictness(threshold: Threshold) -> float:
    return float(threshold.value) * (1 if threshold.comparison.upward else -1)


def _source_over_what_it_feeds(catalog: Catalog, expressions: Expressions) -> Iterator[Inhibition]:
    """Only over what wakes nobody.

    No rule starts to fire on old data. What this silences is an alert that is kept firing past the end of its data.
    The alert on the source is itself kept firing past the source's recovery, and must not delay a page then.
    """
    calm = tuple(priority for priority in Priority if not priority.pages and priority is not Priority.NONE)
    fed_by = {
        alert.name: _indispensable(alert, expressions)
        for alert in catalog.alerts
        if any(threshold.priority in calm for threshold in alert.thresholds)
    }
    for stale in catalog.alerts:
        if stale.watches is not expressions.index.source_age:
            continue
        for source in Source:
            fed = tuple(name for name, sources in fed_by.items() if source in sources)
            if fed and source.sampled:
                yield Inhibition(
                    (Matcher("alertname", (stale.name,)), Matcher("source", (source.value,))),
                    (Matcher("alertname", fed), Matcher("priority", tuple(priority.value for priority in calm))),
                    _OF_ALL,
                )


def _indispensable(alert: Alert, expressions: Expressions) -> frozenset[Source]:
    """The sources without which no branch of the alert can be true."""
    per_branch = []
    for branch in alert.branches(alert.thresholds[0]):
        read = [branch.watches, *(guard.signal for guard in branch.guards if not guard.forbids)]
        per_branch.append(frozenset[Source]().union(*(expressions.sources(signal) for signal in read)))
    return frozenset.intersection(*per_branch)


def _labels(alert: Alert, expressions: Expressions) -> frozenset[str]:
    """The labels that tell the alert's instances apart, whichever of its branches is true."""
    branches = alert.branches(alert.thresholds[0])
    return frozenset.intersection(*(expressions.labels(branch.watches) for branch in branches))
