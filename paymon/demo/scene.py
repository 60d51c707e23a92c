"""What is to be seen at one moment of the demo?"""

from dataclasses import dataclass
from datetime import datetime

from paymon.now.key_metrics import Reading

__all__ = ["Address", "Firing", "Key", "Notice", "Scene"]


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that is pending or fires, all its series together."""

    name: str
    priority: str
    fires: bool
    """False while it is pending."""
    since: float
    """Seconds since 1970 at which its expression became true."""
    summary: str
    kept_until: float = 0
    """Seconds since 1970 until which it fires although its expression is no longer true; 0 while that is true."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification, and through which channels it would have gone out."""

    at: float
    channels: str
    resolved: bool
    names: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Address:
    """Something to open in a browser."""

    what: str
    url: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key to press, and what it does."""

    key: str
    does: str
    active: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that the view shows."""

    now: float
    speed: int
    happening: str
    since: float = 0
    """Seconds since 1970 at which that began; 0 where it has always been so."""
    readings: tuple[Reading, ...] = ()
    alerts: tuple[Firing, ...] = ()
    notices: tuple[Notice, ...] = ()
    heartbeat: float | None = None
    """Seconds since 1970 at which the dead man's switch last heard of us."""
    addresses: tuple[Address, ...] = ()
    keys: tuple[Key, ...] = ()
    trouble: str = ""
    """What the demo itself cannot do at the moment."""

    @property
    def headline(self) -> str:
        """What the alerts say, and what the demo has done; that the demo cannot keep pace comes before either."""
        return self.trouble or f"{self._alerts_say}; {self.happening}"

    @property
    def _alerts_say(self) -> str:
        firing = [one for one in self.alerts if one.fires]
        if firing:
            first = min(firing, key=lambda one: (one.priority, bool(one.kept_until)))
            if not first.kept_until:
                return f"{first.priority} fires"
            return f"{first.priority} kept until {datetime.fromtimestamp(first.kept_until).astimezone():%H:%M:%S}"
        if self.alerts:
            return f"{min(one.priority for one in self.alerts)} pending"
        return "no alert"
