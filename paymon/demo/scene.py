"""What is to be seen at one moment of the demo?"""

from dataclasses import dataclass

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
    hidden_by: str = ""
    """The alert that says the same thing louder, where there is one."""


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
