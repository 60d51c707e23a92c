"""Which of the probes are configured?"""

from collections.abc import Callable

from exporters.declared import DeclaredSampler
from exporters.flag import FlagSampler
from exporters.health import HealthSampler
from exporters.model import Sampler
from exporters.probe import ProbeSampler
from exporters.probes_settings import DeclaredSettings, FlagSettings, HealthSettings, ProbeSettings

__all__ = ["samplers"]


def samplers(
    *,
    health: HealthSettings | None,
    probe: ProbeSettings | None,
    flag: FlagSettings | None,
    declared: DeclaredSettings | None,
    monotonic: Callable[[], float],
) -> tuple[Sampler, ...]:
    """One sampler for each section that is there; `monotonic` gives seconds that never go back. No I/O yet."""
    found: list[Sampler] = []
    if health is not None:
        found.append(HealthSampler(health, monotonic))
    if probe is not None:
        found.append(ProbeSampler(probe))
    if flag is not None:
        found.append(FlagSampler(flag))
    if declared is not None:
        found.append(DeclaredSampler(declared))
    return tuple(found)
