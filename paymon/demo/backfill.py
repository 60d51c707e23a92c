"""How does a Prometheus that has just started come to know the past hours?"""

import math
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from paymon.demo.processes import NotStartedError
from rules import outcomes
from rules.vocabulary import Organisation

__all__ = ["HOURS", "import_past", "openmetrics"]

HOURS = 180
"""Hours of the simulated shop that have been: more than the week that an alert looks back to."""

_SPARSE, _DENSE = 600, 60
"""Seconds of the shop from one sample to the next: until two hours ago, and since."""
_RECENTLY = 2 * 3600
_WITHIN = 60
_SHARES = {
    ("success", "card"): 0.6,
    ("success", "apple_pay"): 0.2,
    ("success", "google_pay"): 0.128,
    ("issuer_declined", "card"): 0.06,
    ("blocked", "card"): 0.01,
    ("technical_failure", "card"): 0.001,
}
"""Of all attempts, by result and payment method: about what the shop does where all is well."""

_DAY = 86_400


def import_past(promtool: Path, text: str, data: Path) -> None:
    """Make blocks of the text in the folder of a Prometheus that has not started. Raises NotStartedError."""
    room = f"See whether {data.parent} has room, or set TMPDIR to another folder."
    source = data.with_suffix(".openmetrics")
    try:
        source.write_text(text)
        command = (promtool, "tsdb", "create-blocks-from", "--max-block-duration=1000h", "openmetrics", source, data)
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_WITHIN)
    except OSError as error:
        raise NotStartedError("The past", str(error.strerror), room) from error
    except subprocess.TimeoutExpired as error:
        raise NotStartedError("The past", f"promtool took over {_WITHIN} s", "See how busy this machine is.") from error
    except subprocess.CalledProcessError as error:
        raise NotStartedError("The past", f"promtool: {error.stderr.strip()}", room) from error
    finally:
        source.unlink(missing_ok=True)


def openmetrics(
    organisation: Organisation, environment: str, target: str, now: float, speed: int, per_minute: float
) -> str:
    """The counter of attempts, as the exporter at `target` would have shown it until `now`.

    `per_minute` is the shop's mean at its own pace, which `speed` turns into ours. Traffic has a day. The same text
    whenever it is asked for with the same arguments.
    """
    moments = tuple(_moments(now, speed))
    attempts = _attempts(moments, speed, per_minute)
    family = outcomes.attempts.name.removesuffix("_total")
    target_labels = (
        f'environment="{environment}",instance="{target}",job="{organisation.exporter_job}",'
        f'service="{organisation.service}"'
    )
    lines = [f"# TYPE {family} counter"]
    for (result, method), share in _SHARES.items():
        series = f'{outcomes.attempts}{{{target_labels},initiator="api",payment_method="{method}",result="{result}"}}'
        lines += [f"{series} {int(count * share)} {at:.3f}" for at, count in zip(moments, attempts, strict=True)]
    return "\n".join([*lines, "# EOF", ""])


def _moments(now: float, speed: int) -> Iterator[float]:
    """Oldest first, in our seconds."""
    ages = (*range(HOURS * 3600, _RECENTLY, -_SPARSE), *range(_RECENTLY, 0, -_DENSE))
    return (now - age / speed for age in ages)


def _attempts(moments: tuple[float, ...], speed: int, per_minute: float) -> tuple[float, ...]:
    counts = [0.0]
    for before, after in pairwise(moments):
        shop_seconds = (after - before) * speed
        wave = 1 + 0.3 * math.sin(2 * math.pi * (after - moments[-1]) * speed / _DAY)
        counts.append(counts[-1] + shop_seconds / 60 * per_minute * wave)
    return tuple(counts)
