"""Which of the probes are configured?"""

from collections.abc import Callable

from exporters.probes.declared import DeclaredSampler
from exporters.probes.flag import FlagSampler
from exporters.probes.health import HealthSampler
from exporters.probes.probe import ProbeSampler
from exporters.probes.settings import DeclaredSettings, FlagSettings, HealthSettings, ProbeSettings
from exporters.sampling.model import Sampler

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
