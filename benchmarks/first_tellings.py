"""Is any fault told later, at the priority that it is due, than by the rules of another revision?

    python -m benchmarks.first_tellings [BASE]

promtool plays the same raw series through the rule files that each revision has committed for production. `BASE` is the
revision before the edges were mended, unless told. What it found is kept in `MEASURED`; tests/rules/test_never_later.py
holds the rules against that.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from generators.rules import Expressions
from generators.text import as_yaml
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments import account, database, disputes, health, latency, monitoring, outcomes, rollout, silence
from rules.promtool.series import Series
from rules.vocabulary import Priority, Source, minutes, prometheus_duration

PROJECT = Path(__file__).parents[1]
RULES = PROJECT / "generated" / "production" / "rules"
BASE = "8451dfa"
EVERY = timedelta(seconds=30)
PAST = minutes(70)
_STEPS = PAST // EVERY
_WAITED, _WAITS = 30, 1
"""Seconds for which Alertmanager waits for more to tell, but for a P1: then and now."""
_USUAL, _LONGEST = minutes(40), minutes(80)
_FIRING = 'ALERTS{environment="production",alertstate="firing"}'
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SAMPLE = re.compile(r"\{(?P<labels>[^{}]*)\}\s+(?P<value>[^\s,]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_EXPRESSIONS = Expressions(catalog(), catalog().organisation.environment("production"))
_URGENCY = (Priority.P1, Priority.P2, Priority.P3, Priority.P4)


Groups = list[dict[str, Any]]
"""Groups of rules, as Prometheus reads them."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong after `PAST`, as raw series with a value every `EVERY`."""

    name: str
    due: Priority
    series: Mapping[str, str] = field(hash=False)
    lasts: timedelta = _USUAL
    stale: tuple[Source, ...] = ()
    """What is no longer read from the fault on."""


def _course(before: float, since: float, lasts: timedelta = _LONGEST) -> str:
    """A counter that grows by so many every half-minute."""
    first = before * _STEPS
    return f"0+{before:g}x{_STEPS} {first + since:g}+{since:g}x{lasts // EVERY}"


def _level(before: float, since: float, lasts: timedelta = _LONGEST) -> str:
    return f"{before:g}x{_STEPS} {since:g}x{lasts // EVERY}"


def _attempts(method: str = "card", /, **results: tuple[float, float]) -> dict[str, str]:
    """Customers' attempts, by result: so many every half-minute before and since. Each is a payment of its own."""
    counters = {}
    for result, (before, since) in results.items():
        course = _course(before, since)
        counters[outcomes.attempts.where(result=result, payment_method=method, initiator="api")] = course
        if method == "card":
            counters[outcomes.distinct_attempts.where(result=result, initiator="api")] = course
    return counters


def _share(pace: float, share: float, **others: tuple[float, float]) -> dict[str, str]:
    """Of so many every half-minute, that share fails for technical reasons."""
    return _attempts("card", success=(pace, pace * (1 - share)), technical_failure=(0, pace * share), **others)


_STRIPE = (Source.STRIPE_EVENTS,)
_READY = {rollout.killed.name: _level(0, 0), rollout.rollout.name: _level(1, 1)}

FAULTS = (
    Fault(name="all of 125 a minute fail", due=Priority.P1, series=_share(62.5, 1)),
    Fault(name="all of 12 a minute fail", due=Priority.P1, series=_share(6, 1)),
    Fault(name="all of 4 a minute fail", due=Priority.P1, series=_share(2, 1)),
    Fault(name="all of 2 a minute fail", due=Priority.P1, series=_share(1, 1)),
    *(
        Fault(
            name=f"all of {pace} a minute are declined",
            due=Priority.P1,
            series=_attempts(success=(pace * 0.45, 0), issuer_declined=(pace * 0.05, pace / 2)),
        )
        for pace in (120, 12, 6)
    ),
    *(
        Fault(name=f"{share * 100:g} % of 125 a minute fail", due=Priority.P2, series=_share(62.5, share))
        for share in (0.5, 0.2, 0.12, 0.07)
    ),
    Fault(
        name="3 % of 125 a minute fail",
        due=Priority.P2,
        lasts=minutes(70),
        series=_share(62.5, 0.03),
    ),
    *(
        Fault(name=f"{share * 100:g} % of 12 a minute fail", due=Priority.P2, series=_share(6, share))
        for share in (0.5, 0.12)
    ),
    Fault(
        name="12 % of 125 a minute fail, and a quarter more is abandoned",
        due=Priority.P2,
        series=_share(62.5, 0.12, abandoned=(20, 20)),
    ),
    Fault(
        name="one of two methods fails, for 4 % of 125 a minute",
        due=Priority.P3,
        series=_attempts(success=(60, 60)) | _attempts("link", success=(2.5, 0), technical_failure=(0, 2.5)),
    ),
    Fault(
        name="a bank declines half of 125 a minute",
        due=Priority.P3,
        series=_attempts(success=(57.5, 31.25), issuer_declined=(5, 31.25)),
    ),
    Fault(
        name="a fraud rule blocks a third of 125 a minute",
        due=Priority.P3,
        series=_attempts(success=(62, 41.5), blocked=(0.5, 21)),
    ),
    Fault(
        name="card testing: three times 125 a minute more, all declined",
        due=Priority.P3,
        series=_attempts(success=(57.5, 57.5), issuer_declined=(5, 192.5)),
    ),
    Fault(
        name="traffic of 125 a minute stops",
        due=Priority.P1,
        series=_attempts(success=(62.5, 0)) | _READY,
    ),
    Fault(
        name="Stripe is down: nothing is read of it, and nothing completed",
        due=Priority.P1,
        series=_attempts(success=(62, 0))
        | {
            silence.last_completed.name: f"0+30x{_STEPS} {30 * _STEPS}x160",
            health.check_ok.where(check="stripe_api"): _level(1, 0),
            health.up.name: _level(1, 0),
        }
        | _READY,
        stale=_STRIPE,
    ),
    Fault(
        name="the exporter's key is revoked, and payments go on",
        due=Priority.P3,
        series=_attempts(success=(62, 0))
        | {
            silence.last_completed.name: f"0+30x{_STEPS + 160}",
            health.check_ok.where(check="stripe_api"): _level(1, 1),
            health.up.name: _level(1, 1),
        }
        | _READY,
        stale=_STRIPE,
    ),
    Fault(
        name="the health endpoint says no",
        due=Priority.P2,
        series=_attempts(success=(62, 62)) | {health.up.name: _level(1, 0)},
    ),
    Fault(
        name="the kill switch is pulled, and payments go on",
        due=Priority.P1,
        series=_attempts(success=(62, 62)) | {rollout.killed.name: _level(0, 1), rollout.rollout.name: _level(1, 1)},
    ),
    Fault(
        name="the account is disabled",
        due=Priority.P1,
        series={account.capability.where(capability="charges_enabled"): _level(1, 0)},
    ),
    Fault(
        name="an order is charged twice",
        due=Priority.P2,
        series={database.duplicates.name: _level(0, 1)},
    ),
    Fault(
        name="disputes above 1 %, four, four and three of 1,000 in three networks",
        due=Priority.P3,
        lasts=minutes(80),
        series={
            disputes.window_disputes.where(window="30d", network=name): _level(0, opened)
            for name, opened in (("visa", 4), ("mastercard", 4), ("amex", 3))
        }
        | {
            disputes.charges.where(window="30d", network=name): _level(charged, charged)
            for name, charged in (("visa", 400), ("mastercard", 400), ("amex", 200))
        },
    ),
    Fault(
        name="a tenth of 124 requests a minute is answered with 500",
        due=Priority.P2,
        series={
            latency.api_request_duration.counted(status_class=status): course
            for status, course in (("2xx", _course(62, 56)), ("5xx", _course(0, 6)))
        },
    ),
)


MEASURED: Mapping[str, tuple[int | None, int | None]] = {
    "all of 125 a minute fail": (90, 90),
    "all of 12 a minute fail": (120, 120),
    "all of 4 a minute fail": (840, 210),
    "all of 2 a minute fail": (840, 210),
    "all of 120 a minute are declined": (90, 90),
    "all of 12 a minute are declined": (90, 90),
    "all of 6 a minute are declined": (840, 840),
    "50 % of 125 a minute fail": (60, 90),
    "20 % of 125 a minute fail": (150, 180),
    "12 % of 125 a minute fail": (210, 240),
    "7 % of 125 a minute fail": (360, 390),
    "3 % of 125 a minute fail": (810, 840),
    "50 % of 12 a minute fail": (180, 180),
    "12 % of 12 a minute fail": (390, 390),
    "12 % of 125 a minute fail, and a quarter more is abandoned": (240, 240),
    "one of two methods fails, for 4 % of 125 a minute": (360, 360),
    "a bank declines half of 125 a minute": (1050, 1050),
    "a fraud rule blocks a third of 125 a minute": (840, 840),
    "card testing: three times 125 a minute more, all declined": (690, 240),
    "traffic of 125 a minute stops": (270, 270),
    "Stripe is down: nothing is read of it, and nothing completed": (None, 150),
    "the exporter's key is revoked, and payments go on": (420, 450),
    "the health endpoint says no": (150, 180),
    "the kill switch is pulled, and payments go on": (240, 240),
    "the account is disabled": (150, 150),
    "an order is charged twice": (30, 30),
    "disputes above 1 %, four, four and three of 1,000 in three networks": (None, 3630),
    "a tenth of 124 requests a minute is answered with 500": (None, 300),
}
"""By the fault's name: seconds to the first firing at its priority or a more urgent one, by `BASE` and now."""


def first_tellings(promtool: Promtool, rules: Groups, fault: Fault, folder: Path) -> dict[str, int]:
    """Seconds from the fault to the first firing of any alert that did not fire before, by priority."""
    end = PAST + fault.lasts
    fed = _fed(fault, end)
    concerned = _reading({Series.parse(name).name for name in fed}, rules)
    (folder / "rules.yml").write_text(json.dumps({"groups": concerned}))
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": prometheus_duration(EVERY),
        "tests": [
            {
                "interval": prometheus_duration(EVERY),
                "input_series": [{"series": name, "values": values} for name, values in fed.items()],
                "promql_expr_test": [
                    {
                        "expr": "min by (alertname, priority) "
                        f"(min_over_time(timestamp({_FIRING})[{prometheus_duration(end)}:30s]))",
                        "eval_time": prometheus_duration(end),
                        "exp_samples": [],
                    }
                ],
            }
        ],
    }
    test = folder / "test.yml"
    test.write_text(as_yaml(document))
    (result,) = promtool.run_tests([test])
    found: dict[str, int] = {}
    for sample in _SAMPLE.finditer(" ".join(failure.got or "" for failure in result.failures)):
        priority = dict(_LABEL.findall(sample["labels"]))["priority"]
        after = round(float(sample["value"]) - PAST.total_seconds())
        if after >= 0:
            found[priority] = min(after, found.get(priority, after))
    return found


def _fed(fault: Fault, end: timedelta) -> dict[str, str]:
    """The fault's series as production scrapes them, and when each source was last read."""
    fed = {_of_production(name): values for name, values in fault.series.items()}
    every = f"{EVERY.total_seconds():g}"
    for source in Source:
        read = (PAST if source in fault.stale else end) // EVERY
        of_source = f'{{source="{source.value}"}}'
        fed[_of_production(f"{monitoring.watermark}{of_source}")] = (
            f"0+{every}x{read} {float(every) * read:g}x{end // EVERY}"
        )
        fed[_of_production(f"{monitoring.interval}{of_source}")] = f"{every}x{end // EVERY}"
    return fed


def _of_production(selector: str) -> str:
    series = Series.parse(selector)
    return str(series.having(**dict(_EXPRESSIONS.scraped_labels(series.name))))


def in_time(fault: Fault, told: Mapping[str, int]) -> int | None:
    """Seconds to the first telling at the priority that the fault is due, or at a more urgent one."""
    urgent = _URGENCY[: _URGENCY.index(fault.due) + 1]
    return min((told[one.value] for one in urgent if one.value in told), default=None)


def groups_of(texts: Iterable[str]) -> Groups:
    """The groups of these rule files."""
    return [group for text in texts for group in yaml.load(text, yaml.CSafeLoader)["groups"]]


def _reading(names: set[str], rules: Groups) -> Groups:
    """Of the rules, those that read one of these names, directly or through what others record."""
    known = set(names)
    waiting = [rule for group in rules for rule in group["rules"]]
    found: list[str] = []
    while ready := [rule for rule in waiting if known.intersection(_NAME.findall(rule["expr"]))]:
        waiting = [rule for rule in waiting if rule not in ready]
        found += [json.dumps(rule, sort_keys=True) for rule in ready]
        known |= {rule["record"] for rule in ready if "record" in rule}
    kept = set(found)
    return [
        group | {"rules": those}
        for group in rules
        if (those := [rule for rule in group["rules"] if json.dumps(rule, sort_keys=True) in kept])
    ]


def _committed(base: str) -> Groups:
    """The rules that the revision had committed for production."""
    where = RULES.relative_to(PROJECT).as_posix()
    return groups_of(
        _git("show", f"{base}:{name}") for name in _git("ls-tree", "--name-only", base, f"{where}/").split()
    )


def _git(*arguments: str) -> str:
    return subprocess.run(("git", "-C", PROJECT, *arguments), check=True, capture_output=True, text=True).stdout


def kept_table() -> Iterator[str]:
    """Markdown: when each fault is told, before and now, as it was measured; and why, where it is later."""
    yield "| fault | due | before | now |"
    yield "|---|---|---|---|"
    for fault in FAULTS:
        cells = [
            spoken(None if fires is None else fires + (0 if fault.due is Priority.P1 else waits))
            for fires, waits in zip(MEASURED[fault.name], (_WAITED, _WAITS), strict=True)
        ]
        yield f"| {fault.name} | {fault.due.value} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    base = sys.argv[1] if len(sys.argv) > 1 else BASE
    promtool = Promtool.find(version_prefix="3.5")
    print(f"| fault | due | {base}, s | now, s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs, ours = _committed(base), present()
        for fault in FAULTS:
            cells = [in_time(fault, first_tellings(promtool, rules, fault, folder)) for rules in (theirs, ours)]
            print(f"| {fault.name} | {fault.due.value} | {' | '.join(map(spoken, cells))} |", flush=True)


def present() -> Groups:
    """The rules as they are now."""
    return groups_of(path.read_text() for path in sorted(RULES.glob("*.yml")))


def spoken(seconds: int | None) -> str:
    """Seconds as a cell of a table."""
    return "-" if seconds is None else str(seconds)


if __name__ == "__main__":
    main()
