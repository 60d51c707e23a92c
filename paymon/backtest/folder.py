"""How is a folder of the past asked like a server: OpenMetrics text, or a copy of a Prometheus' data?"""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from paymon import programs

__all__ = ["Past", "past_in"]

_WITHIN = 600
_READY_WITHIN = 120
_TEXTS = (".om", ".openmetrics", ".prom", ".txt")


@dataclass(frozen=True, slots=True)
class Past:
    """A server on the loopback interface that knows the past, and from when to when that reaches, in Unix seconds."""

    url: str
    start: float
    end: float


@contextmanager
def past_in(folder: Path) -> Iterator[Past]:
    """A Prometheus that knows what is in the folder, for as long as the block lasts; the folder itself is only read.

    Raises click.UsageError where there is no past in it, or it cannot be read.
    """
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is no folder; name one with OpenMetrics files, or a copy of Prometheus' data")
    with tempfile.TemporaryDirectory(prefix="paymon-backtest-") as scratch:
        data = Path(scratch) / "data"
        data.mkdir()
        blocks = [one.parent for one in sorted(folder.glob("*/meta.json"))]
        texts = sorted(
            (*folder.glob("*.om"), *folder.glob("*.openmetrics"), *folder.glob("*.prom"), *folder.glob("*.txt"))
        )
        try:
            if blocks or (folder / "wal").is_dir():
                _copy(folder, data)
            elif texts:
                _import(texts, data)
            else:
                raise click.UsageError(
                    f"{folder} has neither blocks of Prometheus nor *.om, *.openmetrics, *.prom or *.txt files; "
                    "write the samples as OpenMetrics text with moments, or copy a data folder"
                )
        except OSError as error:
            raise click.UsageError(
                f"{folder} cannot be copied: {error.strerror}; see its rights, and the room in TMPDIR"
            ) from None
        with _serving(data) as url:
            start, end = _span(data, url)
            yield Past(url, start, end)


def _copy(folder: Path, data: Path) -> None:
    for part in folder.iterdir():
        if part.is_dir() and ((part / "meta.json").is_file() or part.name in ("wal", "chunks_head", "wbl")):
            shutil.copytree(part, data / part.name)


def _import(texts: list[Path], data: Path) -> None:
    try:
        promtool = programs.find("promtool")
    except programs.ProgramMissing as missing:
        raise click.UsageError(str(missing)) from None
    for text in texts:
        command = (promtool, "tsdb", "create-blocks-from", "--max-block-duration=1000h", "openmetrics", text, data)
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_WITHIN)
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines()[-1:] or ["no reason"]
            raise click.UsageError(
                f"{text} is no OpenMetrics text with moments: {said[0]}; it has to end in # EOF"
            ) from None
        except subprocess.TimeoutExpired:
            raise click.UsageError(f"{text} was not read within {_WITHIN} s; split it") from None


@contextmanager
def _serving(data: Path) -> Iterator[str]:
    try:
        program = programs.find("prometheus")
    except programs.ProgramMissing as missing:
        raise click.UsageError(str(missing)) from None
    configuration = data.parent / "prometheus.yml"
    configuration.write_text("global: {}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = data.parent / "prometheus.log"
    command = (
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=100y",
        "--query.timeout=10m",
    )
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            _wait(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise click.UsageError(f"Prometheus does not open the copy: {last[0][:300]}; a newer one may have written it")


def _span(data: Path, url: str) -> tuple[float, float]:
    times = []
    for meta in data.glob("*/meta.json"):
        try:
            found = json.loads(meta.read_text())
            times += [found["minTime"] / 1000, found["maxTime"] / 1000]
        except (ValueError, KeyError, TypeError):
            continue
    head = httpx.get(f"{url}/api/v1/status/tsdb", timeout=30, trust_env=False).json()["data"]["headStats"]
    if head.get("numSeries"):
        times += [head["minTime"] / 1000, head["maxTime"] / 1000]
    if not times:
        raise click.UsageError("there is no sample in the folder; see whether it is the right one")
    return min(times), min(max(times), time.time() + 86400 * 365)
