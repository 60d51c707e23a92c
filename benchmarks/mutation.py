"""How many mutants a second does `paymon mutate` examine? Every mutant of some rules, nothing of them known before."""

import os
import resource
import subprocess

from paymon.mutation.project import generated_files
from paymon.mutation.relations import RuleSource, read_suite
from paymon.mutation.survey import examined, subjects
from paymon.mutation.verdicts import Verdicts
from paymon.promtool import Promtool

RULES = ("PaymentsStuck", "StripeWebhookDelay", "payments:technical_failure:ratio_rate5m", "stripe_webhooks:dead:max")
_STARTS = 10


def _used() -> float:
    """Seconds of CPU of this process and of those that it has waited for."""
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in every)


def main() -> None:
    """Print mutants, seconds of CPU of each in starts of promtool, and how many two cores examine in a second."""
    tool = Promtool.find()
    before = _used()
    for _ in range(_STARTS):
        subprocess.run([tool.path, "--version"], capture_output=True, check=True)
    start = (_used() - before) / _STARTS
    _, paths = generated_files("production")
    sources: dict[object, RuleSource] = {}
    suites = [read_suite(path, sources) for path in paths]  # type: ignore[arg-type]
    rules = [rule for source in sources.values() for rule in source.rules]
    total = total_seconds = 0.0
    for name in RULES:
        chosen = {one: list(one.mutants) for one in subjects([one for one in rules if one.name == name], suites)}
        count = sum(map(len, chosen.values()))
        before = _used()
        examined(chosen, tool, Verdicts(None), processes=1)
        seconds = _used() - before
        total, total_seconds = total + count, total_seconds + seconds
        starts = f"{seconds / count / start:5.2f} starts of promtool each"
        print(f"{name:45} {count:4} mutants  {seconds:6.2f} s of CPU  {starts}")
    pace = f"{2 * total / total_seconds:5.1f} a second on two cores"
    print(f"{'all':45} {total:4.0f} mutants  {total_seconds:6.2f} s of CPU  {pace}")
    print(f"one start of promtool: {start:.3f} s of CPU; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
