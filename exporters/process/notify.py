"""How does systemd learn that the exporter is ready, reloads, stops, or hangs? (sd_notify(3))"""

import asyncio
import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """The datagram socket that systemd gave us; silent where there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_seconds = int(microseconds) / 1e6 if microseconds.isdecimal() and ours else 0.0

    def ready(self) -> None:
        """The page is served."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; ready() ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The last requests are being answered."""
        self._send("STOPPING=1")

    async def keep_alive(self) -> None:
        """Say that the event loop turns, twice per watchdog period, until cancelled."""
        while self._watchdog_seconds:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_seconds / 2)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to_systemd:
                to_systemd.setblocking(False)
                to_systemd.sendto(message.encode(), self._address)
        except OSError:  # nobody listens: systemd will do what it does with a silent service
            return
