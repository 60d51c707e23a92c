"""Which alerts of ours does a running Alertmanager keep quiet while others fire? What we generate has no inhibition."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paymon.drift.routes import Matcher, Route, matchers_of, takes

__all__ = ["Hiding", "hidings"]

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hiding:
    """An inhibition, and those of our alerts that it hides: `surely`, or where something adds labels to them."""

    target: tuple[Matcher, ...]
    source: tuple[Matcher, ...]
    equal: tuple[str, ...]
    hidden: tuple[Labels, ...]
    surely: bool
    added: tuple[str, ...]
    """The labels on which it turns, and which no rule of ours gives."""
    as_ruled: bool
    """Whether it hides them as long as nothing adds these labels."""

    def said(self, whom: str) -> str:
        """In words; `whom` are those that are hidden."""
        target, source = (", ".join(map(str, matchers)) for matchers in (self.target, self.source))
        same = f" and the same {', '.join(self.equal)}" if self.equal else ""
        turns = f"; no rule of ours gives {', '.join(self.added)}, and something may" if self.added else ""
        return (
            f"an inhibition hides {whom} ({target or 'everything'}) while"
            f" {f'an alert with {source}' if source else 'any alert'}{same} fires{turns}"
        )


def hidings(rules: Sequence[Mapping[str, Any]], alerts: Sequence[Labels], ours: Sequence[Labels]) -> Iterator[Hiding]:
    """The inhibitions that hide some of the alerts, by the labels that their rules give them.

    What hides an alert may be anybody's, `ours` among them, which are all alerts of ours, of whatever environment.
    """
    for rule in rules:
        target, source = _side(rule, "target"), _side(rule, "source")
        equal = tuple(sorted(rule.get("equal") or ()))
        found: dict[tuple[bool, bool], list[Labels]] = {}
        for labels in alerts:
            meant = takes(target, labels)
            if meant is False or not _can_be_hidden(labels, target, source, equal, ours):
                continue
            bare = all(one.holds_as_it_is(labels) for one in matchers_of(target))
            surely = meant is True and set(equal) <= labels.keys()
            found.setdefault((surely, bare and set(equal) <= labels.keys()), []).append(labels)
        for (surely, as_ruled), hidden in found.items():
            named = (*(one.label for one in matchers_of(target)), *equal)
            added = () if surely else tuple(dict.fromkeys(one for one in named if any(one not in it for it in hidden)))
            yield Hiding(matchers_of(target), matchers_of(source), equal, tuple(hidden), surely, added, as_ruled)


def _side(rule: Mapping[str, Any], side: str) -> Route:
    """The alerts of one side, as a route would take them."""
    return {
        "matchers": rule.get(f"{side}_matchers"),
        "match": rule.get(f"{side}_match"),
        "match_re": rule.get(f"{side}_match_re"),
    }


def _can_be_hidden(labels: Labels, target: Route, source: Route, equal: Sequence[str], ours: Sequence[Labels]) -> bool:
    """Whether there can be an alert that hides this one.

    An alert that is meant by both sides is hidden by none that is, too. Of a stranger no more is known than what the
    rule asks of it.
    """
    if "alertname" in equal:
        same = (one for one in ours if all(one.get(label) == labels.get(label) for label in equal))
        return any(_hides(one, labels, target, source) for one in same)
    said = {one.label: one.value for one in matchers_of(source) if one.how == "="}
    stranger = {**said, **{label: labels[label] for label in equal if label in labels}}
    return _hides(stranger, labels, target, source)


def _hides(louder: Labels, quieter: Labels, target: Route, source: Route) -> bool:
    if takes(source, louder) is False:
        return False
    return not (takes(source, quieter) is True and takes(target, louder) is True)
