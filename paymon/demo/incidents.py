"""Which incidents can be watched in the demo, and by which key do they begin?"""

from dataclasses import dataclass
from datetime import timedelta

from rules.vocabulary import Alert, Catalog
from simulator.conditions import USUAL, Conditions
from simulator.incidents import Incident, incident

__all__ = ["SHOWN", "Shown", "named", "parted"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An incident that shows itself within a minute or two at ten times the pace; `words` are few."""

    key: str
    incident: Incident
    words: str

    @property
    def alert(self) -> Alert:
        """The alert that the incident is about."""
        return self.incident.fires[0].alert

    def conditions(self, after: timedelta) -> Conditions:
        """How things are, so long after the beginning; the end is left to whoever mends it."""
        phases = [phase for phase in self.incident.phases if phase[0] <= after]
        if len(phases) == len(self.incident.phases) and phases[-1][1] == USUAL:
            phases.pop()
        return phases[-1][1]


SHOWN = tuple(
    Shown(key, incident(name), words)
    for key, name, words in (
        ("1", "complete-failure", "all fail"),
        ("2", "20-percent-fail", "20 % fail"),
        ("3", "traffic-stops", "nobody pays"),
        ("4", "one-method-fails", "Apple Pay"),
        ("5", "issuer-declines", "declines"),
        ("6", "webhooks-slow", "webhooks"),
        ("7", "database-down", "no database"),
        ("8", "duplicate-charges", "charged twice"),
        ("9", "kill-switch-ineffective", "switch ignored"),
        ("k", "kill-switch", "kill switch"),
        ("f", "fraud-rule-wrong", "fraud rule"),
        ("s", "webhook-signatures", "signatures"),
        ("h", "payments-hang", "hanging"),
        ("l", "database-locked", "locked"),
        ("d", "flag-drift", "flag"),
        ("x", "exporter-killed", "exporter"),
    )
)


def parted(catalog: Catalog) -> tuple[tuple[Shown, ...], tuple[Shown, ...]]:
    """The incidents that a project's alerts tell, and those whose alert it has left out."""
    names = {alert.name for alert in catalog.alerts}
    return tuple(one for one in SHOWN if one.alert.name in names), tuple(
        one for one in SHOWN if one.alert.name not in names
    )


def named(name: str) -> Shown | None:
    """The incident of that name, None where the demo does not show it."""
    return next((one for one in SHOWN if one.incident.name == name), None)
