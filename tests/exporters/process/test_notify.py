"""Does systemd hear what it is owed?"""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from exporters.process.notify import Notifier
from tests.exporters.virtual_time import in_virtual_time


def listening(address: str) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(address)
    bound.settimeout(5)
    return bound


@pytest.mark.parametrize("abstract", [False, True])
def test_every_state_is_told(tmp_path: Path, abstract: bool) -> None:
    name = f"paymon-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listening("\0" + name if abstract else name) as systemd:
        notifier = Notifier({"NOTIFY_SOCKET": "@" + name if abstract else name})
        notifier.ready()
        notifier.reloading()
        notifier.stopping()
        assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(100) == b"STOPPING=1"


def test_the_watchdog_hears_twice_per_period(tmp_path: Path) -> None:
    async def story(notifier: Notifier) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(29):
                await notifier.keep_alive()

    with listening(str(tmp_path / "notify")) as systemd:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"}
        in_virtual_time(story(Notifier(environment)))
        systemd.setblocking(False)
        heard: list[bytes] = []
        while len(heard) < 100:
            try:
                heard.append(systemd.recv(100))
            except BlockingIOError:
                break
        assert heard == [b"WATCHDOG=1"] * 6


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"WATCHDOG_USEC": "soon"}])
def test_without_systemd_nothing_happens(environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    notifier.ready()
    in_virtual_time(notifier.keep_alive())


def test_a_watchdog_of_another_process_is_not_ours(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as systemd:
        in_virtual_time(
            Notifier(
                {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
            ).keep_alive()
        )
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
