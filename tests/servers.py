"""How does a test run a real server, and be sure that it stops?"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

__all__ = ["alertmanager", "free_port", "prometheus", "running", "wait_until_ready"]


def free_port() -> int:
    """A port of the loopback interface on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended, by force if need be, when the block is left."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(100)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(100)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, within: float = 200) -> None:
    """Return once `url` answers 200; fail with the log where the process ends or the time is up."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{url} was not ready within {within} s:\n{log.read_text(errors='replace')[-4000:]}")


@contextlib.contextmanager
def prometheus(program: Path, config: str, folder: Path, *options: str) -> Iterator[str]:
    """A Prometheus with that configuration, its data below `folder`; gives its base URL."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config)
    port = free_port()
    log = folder / "prometheus.log"
    command: tuple[str | Path, ...] = (
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *options,
    )
    url = f"http://127.0.0.1:{port}"
    with running(command, log) as process:
        wait_until_ready(f"{url}/-/ready", process, log)
        yield url


@contextlib.contextmanager
def alertmanager(program: Path, config: Path, *options: str) -> Iterator[str]:
    """An Alertmanager with that configuration file, its data and log beside it; gives its base URL."""
    port, log = free_port(), config.with_name("alertmanager.log")
    command: tuple[str | Path, ...] = (
        program,
        f"--config.file={config}",
        f"--storage.path={config.with_name('alertmanager-data')}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        *options,
    )
    with running(command, log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{url}/-/ready", process, log)
        yield url
