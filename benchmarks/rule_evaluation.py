"""What does a real Prometheus pay for the error budget's rules, beside Sloth's for the same objective?

Both are asked as instant queries of one Prometheus that has scraped the same series for three days, once a minute, at
1, 10 and 100 times the series. Samples read and seconds are those that Prometheus itself reports for each rule, summed.
Sloth's rules are written out here in the shape that Sloth 0.12 generates for a 30-day objective on events: a ratio for
each of eight windows, the longest made of the shortest's recordings, then its metadata and its two alerts.
"""

import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx

from generators.rules import AlertingRule, RecordingRule, rule_groups
from paymon.demo.backfill import import_past
from paymon.programs import find
from rules.catalog import catalog
from rules.payments import outcomes
from rules.vocabulary import Environment
from tests.servers import prometheus

SCALES = (1, 10, 100)
DAYS = 3
SCRAPED_EVERY, EVALUATED_EVERY = 60, 30
RUNS = 5
_SLOTH_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_OURS = 'environment="{scale}"'
_CONFIG = "global: {evaluation_interval: 1h}\n"


def main() -> None:
    """Print what each evaluation of either group reads and takes."""
    definitions = catalog()
    environment = definitions.organisation.environments[0]
    now = time.time() // 7200 * 7200
    ours, recorded = _our_rules(environment)
    labels = _labels(environment)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        text = "\n".join((*(line for scale in SCALES for line in _past(scale, labels, recorded, now)), "# EOF\n"))
        (folder / "data").mkdir()
        import_past(find("promtool"), text, folder / "data")
        print(f"{len(text.splitlines()):,} samples were imported in {time.perf_counter() - began:.0f} s")
        with prometheus(find("prometheus"), _CONFIG, folder, "--storage.tsdb.retention.time=60d") as url:
            for scale in SCALES:
                sloth = _sloth_rules(_selector(scale, labels))
                found = {who: _cost(url, rules, now) for who, rules in (("ours", _at(ours, scale)), ("Sloth's", sloth))}
                for who, (samples, seconds) in found.items():
                    print(
                        f"{scale} x the series, {who}: {samples:,} samples read, {seconds * 1000:.2f} ms an evaluation"
                    )
                shares = [found["ours"][place] / found["Sloth's"][place] for place in (0, 1)]
                print(f"{scale} x the series, ours by Sloth's: {shares[0]:.2f} of samples, {shares[1]:.2f} of the time")
            for what, part in _parts(ours).items():
                samples, _ = _cost(url, _at(part, SCALES[-1]), now)
                print(f"{SCALES[-1]} x the series, of ours: {samples:,} samples for {what}")


def _our_rules(environment: Environment) -> tuple[list[tuple[str, str]], list[str]]:
    """Name and expression of every rule of the budget's group; and what it records or reads that others record."""
    [group] = [one for one in rule_groups(catalog(), environment) if one.area.name == "budget"]
    rules = [(_name(rule), rule.expr.replace(f'environment="{environment.name}"', _OURS)) for rule in group.rules]
    return rules, [rule.signal.name for rule in group.rules if isinstance(rule, RecordingRule)]


def _name(rule: RecordingRule | AlertingRule) -> str:
    return rule.signal.name if isinstance(rule, RecordingRule) else rule.alert.name


def _parts(rules: list[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """What our group reads more than a ratio for each window."""
    known = {
        "burn rates, which read failures, attempts, and attempts again so that no failure yet is 0": ":rate",
        "numbers of failures, so that one failure at night is no burn": ":increase",
        "whether the windows before hold data, so that a young Prometheus does not page": "attempts_known:",
    }
    parts = {what: [rule for rule in rules if word in rule[0] and ":" in rule[0]] for what, word in known.items()}
    rest = [rule for rule in rules if not any(rule in part for part in parts.values())]
    return parts | {"the alerts, and the budget that is left, which the exporter counts": rest}


def _labels(environment: Environment) -> str:
    organisation = catalog().organisation
    return f'job="{organisation.jobs_in(environment).exporter[0]}",service="{organisation.service}"'


def _selector(scale: int, labels: str, *more: str) -> str:
    return ",".join((f'environment="x{scale}"', labels, *more))


def _at(rules: list[tuple[str, str]], scale: int) -> list[tuple[str, str]]:
    return [(name, expr.replace(_OURS, f'environment="x{scale}"')) for name, expr in rules]


def _sloth_rules(selected: str) -> list[tuple[str, str]]:
    """Sloth's shape (its README's "Getting started"): SLI recordings, metadata recordings, page and ticket."""
    total, error = f"{outcomes.attempts}{{{selected}", f'{outcomes.attempts}{{{selected},result="technical_failure"'
    rules = [
        (f"slo:sli_error:ratio_rate{window}", f"(sum(rate({error}}}[{window}])))\n/\n(sum(rate({total}}}[{window}])))")
        for window in _SLOTH_WINDOWS
    ]
    sli = {window: f"slo:sli_error:ratio_rate{window}{{{selected}}}" for window in _SLOTH_WINDOWS}
    month = f"sum_over_time({sli['5m']}[30d]) / ignoring (sloth_window) count_over_time({sli['5m']}[30d])"
    budgeted = f"on(environment) group_left slo:error_budget:ratio{{{selected}}}"
    rules += [
        ("slo:sli_error:ratio_rate30d", month),
        ("slo:objective:ratio", "vector(0.998)"),
        ("slo:error_budget:ratio", "vector(1-0.998)"),
        ("slo:time_period:days", "vector(30)"),
        ("slo:current_burn_rate:ratio", f"{sli['5m']} / {budgeted}"),
        ("slo:period_burn_rate:ratio", f"slo:sli_error:ratio_rate30d{{{selected}}} / {budgeted}"),
        ("slo:period_error_budget_remaining:ratio", f"1 - slo:period_burn_rate:ratio{{{selected}}}"),
        ("sloth_slo_info", "vector(1)"),
    ]
    for alert, tiers in (
        ("page", (("5m", "1h", 14.4), ("30m", "6h", 6))),
        ("ticket", (("2h", "1d", 3), ("6h", "3d", 1))),
    ):
        either = "\nor\n".join(
            f"(max({sli[short]} > ({factor} * 0.002)) without (sloth_window)"
            f" and max({sli[long]} > ({factor} * 0.002)) without (sloth_window))"
            for short, long, factor in tiers
        )
        rules.append((alert, either))
    return rules


def _past(scale: int, labels: str, recorded: list[str], now: float) -> Iterator[str]:
    """Three days of attempts, a month of the recording that Sloth averages, an hour of what else is recorded."""
    moments = [now - second for second in range(DAYS * 86400 + 7 * 3600, -1, -SCRAPED_EVERY)]
    for number in range(scale):
        for result in outcomes.attempts.label("result").values:
            series = (
                f'{outcomes.attempts}{{{_selector(scale, labels, f"""pod="p{number}",result="{result}" """.strip())}}}'
            )
            yield from (f"{series} {place * 3} {at:.0f}" for place, at in enumerate(moments))
    shares = [f"slo:sli_error:ratio_rate{window}" for window in (*_SLOTH_WINDOWS[1:], "30d")]
    others = ("slo:error_budget:ratio", "slo:period_burn_rate:ratio", "payments_exporter:source_age:intervals")
    for name, since in (
        ("slo:sli_error:ratio_rate5m", timedelta(days=30)),
        *((name, timedelta(hours=1)) for name in (*shares, *others, *recorded)),
    ):
        series = f"{name}{{{_selector(scale, labels, 'source=' + chr(34) + 'stripe_events' + chr(34))}}}"
        first = now - since.total_seconds()
        yield from (
            f"{series} 0.001 {first + second:.0f}" for second in range(0, int(now - first) + 1, EVALUATED_EVERY)
        )


def _cost(url: str, rules: list[tuple[str, str]], now: float) -> tuple[int, float]:
    """Samples that one evaluation of every rule reads, and the seconds of the quickest of some."""
    samples, seconds = 0, 0.0
    for _, expr in rules:
        asked = [_asked(url, expr, now) for _ in range(RUNS)]
        samples += asked[0][0]
        seconds += min(took for _, took in asked)
    return samples, seconds


def _asked(url: str, expr: str, now: float) -> tuple[int, float]:
    wanted = {"query": expr, "time": f"{now:.0f}", "stats": "all"}
    answer = httpx.get(f"{url}/api/v1/query", params=wanted, timeout=120)
    answer.raise_for_status()
    stats = answer.json()["data"]["stats"]
    return int(stats["samples"]["totalQueryableSamples"]), float(stats["timings"]["execTotalTime"])


if __name__ == "__main__":
    main()
