"""What do Prometheus and Alertmanager say at this moment?"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from paymon.demo.inbox import Inbox, Notification
from paymon.demo.scene import Firing, Notice
from paymon.now.key_metrics import KeyMetric, Reading, key_metrics
from rules.vocabulary import Catalog, Environment

__all__ = ["Seen", "Watch"]

_HISTORY = 120
"""Looks that are remembered, a second apart."""
_RULES_LATE = (
    "time() - min(prometheus_rule_group_last_evaluation_timestamp_seconds)"
    " - max(prometheus_rule_group_interval_seconds)"
)
_LATE = 5.0
"""Seconds by which a look or the rules may be late; with more, the shortest windows are not what they should be."""
_FELT = 30.0
"""Seconds for which a stretch of slowness may still be seen in what fires."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was to be seen at one moment."""

    readings: tuple[Reading, ...]
    alerts: tuple[Firing, ...]
    notices: tuple[Notice, ...]
    heartbeat: float | None
    trouble: str = ""
    starved: bool = False
    """Whether the demo cannot keep pace, so that what fires may be its own doing."""


@dataclass(slots=True)
class Watch:
    """Somebody who looks at Prometheus and Alertmanager (given by their addresses) and at the inbox."""

    prometheus: str
    alertmanager: str
    inbox: Inbox
    channels: Mapping[str, str]
    catalog: Catalog
    environment: Environment
    clock: Callable[[], float] = time.time
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=2, trust_env=False, verify=False))  # noqa: S501 - loopback, no TLS
    _past: dict[str, deque[float]] = field(default_factory=dict)
    _keeps: dict[str, float] = field(default_factory=dict)
    """For how many seconds each alert is kept once its expression is no longer true."""
    _looked: float | None = None
    _starved: tuple[float, float] = (-_FELT, 0.0)
    """When it was last too slow, and by how many seconds."""
    _seen: Seen = Seen((), (), (), None)
    _metrics: tuple[KeyMetric, ...] = field(init=False)
    _heartbeats: frozenset[str] = field(init=False)
    """The alerts that always fire."""

    def __post_init__(self) -> None:
        self._metrics = key_metrics(self.catalog)
        self._heartbeats = frozenset(alert.name for alert in self.catalog.alerts if alert.always)

    def look(self) -> Seen:
        """Everything as it is now; what was seen last, with the trouble, where somebody does not answer."""
        notices, heartbeat = self._notices()
        now = self.clock()
        late = now - self._looked - 1 if self._looked else 0.0
        self._looked = now
        try:
            self._past = self._past or self._remembered()
            values = self._values()
            readings = tuple(self._reading(metric, values) for metric in self._metrics)
            alerts = self._alerts()
            starved = self._is_starved(max(late, self._rules_are_late()))
            self._seen = Seen(readings, alerts, notices, heartbeat, self._about_slowness(starved), starved)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            trouble = f"Prometheus or Alertmanager does not answer ({type(error).__name__})"
            self._seen = Seen(self._seen.readings, self._seen.alerts, notices, heartbeat, trouble)
        return self._seen

    def _is_starved(self, late: float) -> bool:
        now = self.clock()
        if late > _LATE:
            self._starved = (now, late)
        return now - self._starved[0] < _FELT

    def _about_slowness(self, starved: bool) -> str:
        if not starved:
            return ""
        return f"STARVED: {self._starved[1]:.0f} s late. What fires may be this machine's slowness; try a lower --speed"

    def _rules_are_late(self) -> float:
        """By how many seconds, as far as Prometheus knows."""
        found = self._get(f"{self.prometheus}/api/v1/query", query=_RULES_LATE)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _get(self, url: str, **parameters: str) -> Any:
        answer = self._client.get(url, params=parameters)
        answer.raise_for_status()
        return answer.json()

    def _remembered(self) -> dict[str, deque[float]]:
        """What earlier looks would have seen."""
        now = self.clock()
        found = self._get(
            f"{self.prometheus}/api/v1/query_range",
            query=self._key_values,
            start=f"{now - _HISTORY}",
            end=f"{now}",
            step="1",
        )["data"]["result"]
        past = {metric.alert.watches.name: deque[float](maxlen=_HISTORY) for metric in self._metrics}
        for series in found:
            past[series["metric"]["__name__"]].extend(float(value) for _, value in series["values"])
        return past

    @property
    def _key_values(self) -> str:
        names = "|".join(metric.alert.watches.name for metric in self._metrics)
        return f'max by (__name__) ({{__name__=~"{names}"}})'

    def _values(self) -> dict[str, float]:
        found = self._get(f"{self.prometheus}/api/v1/query", query=self._key_values)["data"]["result"]
        return {series["metric"]["__name__"]: float(series["value"][1]) for series in found}

    def _reading(self, metric: KeyMetric, values: Mapping[str, float]) -> Reading:
        name = metric.alert.watches.name
        past = self._past[name]
        value = values.get(name)
        if value is not None:
            past.append(value)
        comparison, bound = metric.bound(self.environment)
        return Reading(metric, comparison, bound, value, tuple(past))

    def _alerts(self) -> tuple[Firing, ...]:
        raw = self._get(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]
        found: dict[str, Firing] = {}
        for one in raw:
            labels = one["labels"]
            if labels["alertname"] in self._heartbeats:
                continue
            firing = Firing(
                name=labels["alertname"],
                priority=labels["priority"],
                fires=one["state"] == "firing",
                since=datetime.fromisoformat(one["activeAt"]).timestamp(),
                summary=one["annotations"]["summary"],
                kept_until=self._kept_until(one),
            )
            known = found.get(firing.name)
            if known is None or _weight(firing) > _weight(known):
                found[firing.name] = firing
        return tuple(sorted(found.values(), key=lambda one: (one.priority, not one.fires, one.since)))

    def _kept_until(self, alert: Mapping[str, Any]) -> float:
        """When it will have ended; 0 while its expression is true."""
        since = alert.get("keepFiringSince")
        if not since:
            return 0
        if not self._keeps:
            groups = self._get(f"{self.prometheus}/api/v1/rules", type="alert")["data"]["groups"]
            self._keeps = {rule["name"]: rule.get("keepFiringFor", 0) for group in groups for rule in group["rules"]}
        return datetime.fromisoformat(since).timestamp() + float(self._keeps.get(alert["labels"]["alertname"], 0))

    def _notices(self) -> tuple[tuple[Notice, ...], float | None]:
        heartbeat = None
        notices = []
        for one in self.inbox.all:
            if self._heartbeats.intersection((*one.firing, *one.ended)):
                heartbeat = one.at
            else:
                notices.append(self._notice(one))
        return tuple(notices), heartbeat

    def _notice(self, one: Notification) -> Notice:
        names = one.ended if one.resolved else one.firing
        return Notice(one.at, self.channels.get(one.receiver, one.receiver), one.resolved, names, one.summary)


def _weight(one: Firing) -> tuple[bool, bool, float]:
    """Of several series of an alert the one that stands for all: firing, for a reason that lasts, for the longest."""
    return one.fires, not one.kept_until, -one.since
