"""Does our machine of `for` and `keep_firing_for` agree with promtool, and with a Prometheus that runs?"""

import math
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paymon.backtest.machine import Episode, Restoring, State, Timing, episodes, states
from paymon.live.access import Access
from paymon.live.prometheus import Prometheus
from paymon.programs import find
from paymon.promtool import Promtool
from tests.servers import prometheus
from tests.versions import PROMETHEUS

ME = frozenset({("alertname", "A")})
TIMINGS = (Timing(0, 0), Timing(120, 0), Timing(60, 180), Timing(180, 60), Timing(0, 120))


def course(
    held: str,
    timing: Timing,
    restarts: tuple[float, ...] = (),
    restoring: Restoring = Restoring(),  # noqa: B008
) -> str:
    """The states as letters; `x` is an evaluation, a minute after the one before, at which the condition held."""
    moments = [60.0 * index for index in range(len(held))]
    true = [moment for moment, letter in zip(moments, held, strict=True) if letter == "x"]
    found = states(moments, {ME: true}, timing, restarts, restoring)[ME]
    return "".join({State.INACTIVE: ".", State.PENDING: "p", State.FIRING: "F"}[one] for one in found)


def test_an_alert_without_for_fires_at_once_and_ends_at_once() -> None:
    assert course(".x.xx.", Timing()) == ".F.FF."


def test_it_is_pending_until_the_condition_has_held_for_long_enough() -> None:
    assert course("xx.xxxx.", Timing(lasting=120)) == "pp.ppFF."


def test_it_is_kept_firing_and_a_new_breach_meanwhile_starts_the_keeping_anew() -> None:
    assert course("x....x...", Timing(keep_firing=120)) == "FFF..FFF."
    assert course("x.x....", Timing(keep_firing=120)) == "FFFFF.."


def test_what_is_only_pending_is_never_kept() -> None:
    assert course("xx..xxx....", Timing(lasting=120, keep_firing=120)) == "pp..ppFFF.."


def test_after_a_restart_a_short_for_begins_anew_and_what_was_kept_is_forgotten() -> None:
    assert course("xxxxxxx", Timing(lasting=120), restarts=(210,)) == "ppFFppF"
    assert course("x......", Timing(keep_firing=300), restarts=(150,)) == "FFF...."


LONG = Timing(lasting=300)
"""Longer than a grace of two minutes; a minute lies between two evaluations."""


def after_restart(held: str, at: int, grace: float = 120, tolerance: float = 3600, timing: Timing = LONG) -> str:
    """The states where the server was started anew shortly before the evaluation of that number."""
    return course(held, timing, (60.0 * at - 30,), Restoring(grace, tolerance))


def test_what_fired_fires_again_after_the_second_evaluation_since_the_start() -> None:
    assert after_restart("xxxxxxxxxxx", at=7) == "pppppFFppFF"


def test_what_had_little_left_waits_for_the_grace_period_after_the_second_evaluation_and_a_moment() -> None:
    # Four of five minutes were over. Two evaluations, two minutes of grace, and the first evaluation after those.
    assert after_restart("xxxxxxxxxxx", at=5) == "ppppp" + "pp" + "pp" + "FF"


def test_what_had_more_left_than_the_grace_period_waits_for_just_that() -> None:
    # Two of five minutes were over, so that three are left.
    assert after_restart("xxxxxxxxxxx", at=3) == "ppp" + "pp" + "ppp" + "FFF"


def test_what_was_last_seen_too_long_ago_begins_anew() -> None:
    assert after_restart("xxxxxxxxxxxxx", at=7, tolerance=119) == "pppppFF" + "ppppp" + "F"
    assert after_restart("xxxxxxxxxxxxx", at=7, tolerance=120) == "pppppFF" + "pp" + "FFFF"


def test_a_short_for_is_restored_by_prometheus_3_16_alone_and_only_where_it_fired() -> None:
    short, newer = Timing(lasting=120), Restoring(120.1, 3600, also_short=True)
    assert course("xxxxxxxx", short, (210,), Restoring(120.1, 3600)) == "ppFF" + "ppFF"
    assert course("xxxxxxxx", short, (210,), newer) == "ppFF" + "ppFF"
    long_enough_to_tell, grace = Timing(lasting=240), 300
    assert course("xxxxxxxxxxxx", long_enough_to_tell, (330,), Restoring(grace)) == "ppppFF" + "ppppFF"
    assert course("xxxxxxxxxxxx", long_enough_to_tell, (330,), Restoring(grace, also_short=True)) == "ppppFF" + "ppFFFF"
    assert course("xxxxxxxxxxxx", long_enough_to_tell, (210,), Restoring(grace, also_short=True)) == "pppp" + "ppppFFFF"


def test_what_is_over_at_the_second_evaluation_after_the_start_is_not_restored() -> None:
    assert after_restart("xxxxxxxx.xxx", at=7) == "pppppFFp.ppp"
    assert after_restart("xxxxxxx.xxxx", at=7) == "pppppFF.pFFF"


def test_an_episode_that_lasts_has_no_end() -> None:
    assert episodes([0, 60, 120], {ME: [60, 120]}, Timing(60)) == (Episode(ME, 60, 120, None),)


patterns = st.text(alphabet="xxx...s", min_size=4, max_size=24)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=st.lists(patterns, min_size=5, max_size=25, unique=True))
def test_promtool_sees_the_same_states_for_any_course(
    held: list[str], promtool: Promtool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`x` is a sample that breaches, `.` one that does not, `s` the end of a series (a staleness marker)."""
    folder = tmp_path_factory.mktemp("machine")
    rules = [
        {
            "alert": f"T{index}",
            "expr": "x == 1",
            **({"for": f"{timing.lasting:.0f}s"} if timing.lasting else {}),
            **({"keep_firing_for": f"{timing.keep_firing:.0f}s"} if timing.keep_firing else {}),
        }
        for index, timing in enumerate(TIMINGS)
    ]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    length = max(map(len, held))
    moments = [60.0 * index for index in range(length)]
    expected: dict[float, list[dict[str, object]]] = {moment: [] for moment in moments}
    for number, pattern in enumerate(held):
        padded = pattern.ljust(length, ".")
        true = [moment for moment, letter in zip(moments, padded, strict=True) if letter == "x"]
        for index, timing in enumerate(TIMINGS):
            for moment, state in zip(moments, states(moments, {ME: true}, timing)[ME], strict=True):
                if state is not State.INACTIVE:
                    labels = f'ALERTS{{alertname="T{index}",alertstate="{state.value}",p="{number}"}}'
                    expected[moment].append({"labels": labels, "value": 1})
    letters = {"x": "1", ".": "0", "s": "stale"}
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {
                        "series": f'x{{p="{number}"}}',
                        "values": " ".join(letters[one] for one in pattern.ljust(length, ".")),
                    }
                    for number, pattern in enumerate(one.ljust(length, ".") for one in held)
                ],
                "promql_expr_test": [
                    {"expr": "ALERTS", "eval_time": f"{moment:.0f}s", "exp_samples": samples}
                    for moment, samples in expected.items()
                ],
            }
        ],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    answer = subprocess.run(
        (promtool.path, "test", "rules", folder / "test.yml"), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


class _Exporter(BaseHTTPRequestHandler):
    """Series that flap, end, begin anew as counters, or say NaN, each in a rhythm of its own."""

    begun = 0.0

    def do_GET(self) -> None:
        second = int(time.monotonic() - type(self).begun)
        lines = [f'x{{p="slow"}} {int(second % 12 < 8)}', f'x{{p="fast"}} {int(second % 3 == 0)}']
        lines.append(f'x{{p="nan"}} {math.nan if second % 7 == 3 else 1}')
        if second % 10 < 6:
            lines.append('x{p="ends"} 1')
        lines.append(f'c_total{{p="restarts"}} {second % 9}')
        lines.append(f"always {int(second >= 3)}")
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def _exporting() -> Iterator[int]:
    _Exporter.begun = time.monotonic()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Exporter)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(100)


SETTLED = 15
"""Seconds after which a scrape is over, on a busy machine, too. Its samples have the moment at which it began: an
evaluation meanwhile, which does not see them, cannot be repeated later. So what is judged is so much older."""

LIVE_RULES = (
    ("AtOnce", f"x offset {SETTLED}s == 1", Timing(0, 0)),
    ("For", f"x offset {SETTLED}s == 1", Timing(3, 0)),
    ("Kept", f"x offset {SETTLED}s == 1", Timing(0, 4)),
    ("Both", f"x offset {SETTLED}s == 1", Timing(2, 3)),
    ("Grows", f"rate(c_total[4s] offset {SETTLED}s) > 0.6", Timing(2, 2)),
)
EVALUATIONS = SETTLED + 30


@pytest.mark.slow
@pytest.mark.parametrize("version", PROMETHEUS)
def test_a_running_prometheus_sees_the_same_states_on_the_same_data(version: str, tmp_path: Path) -> None:
    """Flapping, ends of series, NaN and restarted counters; scraped and evaluated every second for half a minute."""
    rules = [
        {"alert": name, "expr": expr, "for": f"{timing.lasting:.0f}s", "keep_firing_for": f"{timing.keep_firing:.0f}s"}
        for name, expr, timing in LIVE_RULES
    ]
    rules.append({"alert": "Clock", "expr": "vector(1)"})
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "1s", "rules": rules}]}))
    with _exporting() as port:
        config = _configuration(tmp_path, port)
        with (
            prometheus(find("prometheus", version), config, tmp_path / "server") as url,
            Prometheus(Access(url=url)) as asked,
        ):
            deadline = time.monotonic() + 600
            while True:
                clocked = asked.raw('ALERTS{alertname="Clock",alertstate="firing"}', time.time() - 600, time.time())
                evaluations = clocked[0].moments if clocked else ()
                if len(evaluations) >= EVALUATIONS:
                    break
                assert time.monotonic() < deadline, f"{EVALUATIONS} evaluations did not take place within 600 s"
                time.sleep(1)
            evaluations = evaluations[:EVALUATIONS]
            for name, expr, timing in LIVE_RULES:
                held: dict[frozenset[tuple[str, str]], list[float]] = {}
                for moment in evaluations:
                    for sample in asked.query(expr, moment):
                        labels = {k: v for k, v in sample.labels.items() if k != "__name__"}
                        held.setdefault(frozenset({**labels, "alertname": name}.items()), []).append(moment)
                ours = states(evaluations, held, timing)
                theirs = _told(asked, name, evaluations)
                assert {key: row for key, row in ours.items() if set(row) != {State.INACTIVE}} == theirs, name


def _configuration(folder: Path, port: int) -> str:
    return f"""
global: {{evaluation_interval: 1s, scrape_interval: 1s}}
rule_files: ["{folder}/rules.yml"]
scrape_configs: [{{job_name: t, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


RESTORED_RULES = (
    ("Short", f"always offset {SETTLED}s == 1", Timing(2, 0)),
    ("ShortAndWaits", f"always offset {SETTLED}s == 1", Timing(3, 0)),
    ("Fired", f"always offset {SETTLED}s == 1", Timing(4, 0)),
    ("GraceIsLeft", f"always offset {SETTLED}s == 1", Timing(10, 0)),
    ("MoreIsLeft", f"always offset {SETTLED}s == 1", Timing(25, 0)),
    ("Kept", f'x{{p="slow"}} offset {SETTLED}s == 1', Timing(0, 30)),
    ("KeptLong", f'x{{p="slow"}} offset {SETTLED}s == 1', Timing(5, 30)),
    ("Flaps", f"x offset {SETTLED}s == 1", Timing(4, 2)),
)
GRACE, TOLERANCE = 4.0, 15.0
LIVES = ((SETTLED + 8, 0.0), (20, TOLERANCE + 1), (8, 0.0))
"""Evaluations between two starts, and seconds until the next one."""


@pytest.mark.slow
@pytest.mark.parametrize("version", PROMETHEUS)
def test_a_prometheus_that_is_started_anew_sees_the_same_states(version: str, tmp_path: Path) -> None:
    """Started three times: soon after it was ended, and after longer than it restores alerts from."""
    rules = [
        {"alert": name, "expr": expr, "for": f"{timing.lasting:.0f}s", "keep_firing_for": f"{timing.keep_firing:.0f}s"}
        for name, expr, timing in RESTORED_RULES
    ]
    recorded = {"record": "clock", "expr": "vector(1)"}
    groups = {"groups": [{"name": "g", "interval": "1s", "rules": [recorded, *rules]}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(groups))
    flags = (f"--rules.alert.for-grace-period={GRACE:.0f}s", f"--rules.alert.for-outage-tolerance={TOLERANCE:.0f}s")
    starts: list[float] = []
    unseen: set[float] = set()
    with _exporting() as port:
        for wanted, pause in LIVES:
            starts.append(time.time())
            with (
                prometheus(
                    find("prometheus", version), _configuration(tmp_path, port), tmp_path / "server", *flags
                ) as url,
                Prometheus(Access(url=url)) as asked,
            ):
                deadline = time.monotonic() + 600
                while len(since := _evaluations(asked, starts[-1])) < wanted:
                    assert time.monotonic() < deadline, f"{wanted} evaluations did not take place within 600 s"
                    time.sleep(0.5)
                unseen |= set(since[:2])
                if (wanted, pause) == LIVES[-1]:
                    _compare_with(asked, _evaluations(asked, starts[0]), starts, unseen, version == "3.16")
            resumes = time.monotonic() + pause
            while time.monotonic() < resumes:
                time.sleep(0.5)


def _evaluations(asked: Prometheus, since: float) -> tuple[float, ...]:
    now = time.time()
    return tuple(moment for one in asked.raw("clock", since, now) for moment in one.moments)


def _compare_with(
    asked: Prometheus,
    evaluations: tuple[float, ...],
    starts: list[float],
    unseen: set[float],
    also_short: bool,
) -> None:
    """`unseen` are the evaluations after a start of which Prometheus writes nothing, as it has not restored yet."""
    for name, expr, timing in RESTORED_RULES:
        held: dict[frozenset[tuple[str, str]], list[float]] = {}
        for moment in evaluations:
            for sample in asked.query(expr, moment):
                labels = {k: v for k, v in sample.labels.items() if k != "__name__"}
                held.setdefault(frozenset({**labels, "alertname": name}.items()), []).append(moment)
        ours = states(evaluations, held, timing, starts[1:], Restoring(GRACE, TOLERANCE, also_short))
        seen = {
            key: tuple(
                State.INACTIVE if moment in unseen else one for moment, one in zip(evaluations, row, strict=True)
            )
            for key, row in ours.items()
        }
        theirs = _told(asked, name, evaluations)
        assert {key: row for key, row in seen.items() if set(row) != {State.INACTIVE}} == theirs, name


def _told(
    asked: Prometheus, name: str, evaluations: tuple[float, ...]
) -> dict[frozenset[tuple[str, str]], tuple[State, ...]]:
    """The states that Prometheus itself recorded, at the moments of evaluation."""
    rows: dict[frozenset[tuple[str, str]], list[State]] = {}
    span = evaluations[-1] - evaluations[0] + 1
    for one in asked.raw(f'ALERTS{{alertname="{name}"}}', evaluations[-1] - span, evaluations[-1]):
        labels = {k: v for k, v in one.labels.items() if k not in ("__name__", "alertstate")}
        row = rows.setdefault(frozenset(labels.items()), [State.INACTIVE] * len(evaluations))
        seen = {round(moment, 3) for moment in one.moments}
        for index, moment in enumerate(evaluations):
            if round(moment, 3) in seen:
                row[index] = State(one.labels["alertstate"])
    return {key: tuple(row) for key, row in rows.items()}
