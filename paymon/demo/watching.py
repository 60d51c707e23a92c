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
from paymon.now.key_metrics import KEY_METRICS, KeyMetric, Reading
from rules.payments import monitoring
from rules.vocabulary import Environment

__all__ = ["Seen", "Watch"]

_HISTORY = 120
"""Looks that are remembered, a second apart."""
_HEARTBEAT = monitoring.watchdog.name
_KEY_VALUES = f"""max by (__name__) ({{__name__=~"{"|".join(one.alert.watches.name for one in KEY_METRICS)}"}})"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was to be seen at one moment."""

    readings: tuple[Reading, ...]
    alerts: tuple[Firing, ...]
    notices: tuple[Notice, ...]
    heartbeat: float | None
    trouble: str = ""


@dataclass(slots=True)
class Watch:
    """Somebody who looks at Prometheus and Alertmanager (given by their addresses) and at the inbox."""

    prometheus: str
    alertmanager: str
    inbox: Inbox
    channels: Mapping[str, str]
    environment: Environment
    clock: Callable[[], float] = time.time
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=2, trust_env=False, verify=False))  # noqa: S501 - loopback, no TLS
    _past: dict[str, deque[float]] = field(default_factory=dict)
    _seen: Seen = Seen((), (), (), None)

    def look(self) -> Seen:
        """Everything as it is now; what was seen last, with the trouble, where somebody does not answer."""
        notices, heartbeat = self._notices()
        try:
            self._past = self._past or self._remembered()
            values = self._values()
            readings = tuple(self._reading(metric, values) for metric in KEY_METRICS)
            self._seen = Seen(readings, self._alerts(), notices, heartbeat)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            trouble = f"Prometheus or Alertmanager does not answer ({type(error).__name__})"
            self._seen = Seen(self._seen.readings, self._seen.alerts, notices, heartbeat, trouble)
        return self._seen

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
            query=_KEY_VALUES,
            start=f"{now - _HISTORY}",
            end=f"{now}",
            step="1",
        )["data"]["result"]
        past = {metric.alert.watches.name: deque[float](maxlen=_HISTORY) for metric in KEY_METRICS}
        for series in found:
            past[series["metric"]["__name__"]].extend(float(value) for _, value in series["values"])
        return past

    def _values(self) -> dict[str, float]:
        found = self._get(f"{self.prometheus}/api/v1/query", query=_KEY_VALUES)["data"]["result"]
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
        hidden = self._hidden()
        found: dict[str, Firing] = {}
        for one in raw:
            labels = one["labels"]
            if labels["alertname"] == _HEARTBEAT:
                continue
            firing = Firing(
                name=labels["alertname"],
                priority=labels["priority"],
                fires=one["state"] == "firing",
                since=datetime.fromisoformat(one["activeAt"]).timestamp(),
                summary=one["annotations"]["summary"],
                hidden_by=hidden.get(labels["alertname"], ""),
            )
            known = found.get(firing.name)
            if known is None or (firing.fires, -firing.since) > (known.fires, -known.since):
                found[firing.name] = firing
        return tuple(sorted(found.values(), key=lambda one: (one.priority, not one.fires, one.since)))

    def _hidden(self) -> dict[str, str]:
        """Alerts that Alertmanager keeps quiet about, each with the one that it keeps quiet for."""
        raw = self._get(f"{self.alertmanager}/api/v2/alerts")
        names = {one["fingerprint"]: one["labels"]["alertname"] for one in raw}
        return {
            one["labels"]["alertname"]: names.get(one["status"]["inhibitedBy"][0], "another")
            for one in raw
            if one["status"]["inhibitedBy"]
        }

    def _notices(self) -> tuple[tuple[Notice, ...], float | None]:
        heartbeat = None
        notices = []
        for one in self.inbox.all:
            if _HEARTBEAT in one.firing + one.ended:
                heartbeat = one.at
            else:
                notices.append(self._notice(one))
        return tuple(notices), heartbeat

    def _notice(self, one: Notification) -> Notice:
        names = one.ended if one.resolved else one.firing
        return Notice(one.at, self.channels.get(one.receiver, one.receiver), one.resolved, names, one.summary)
