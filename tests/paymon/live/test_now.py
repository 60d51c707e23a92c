"""How do payments stand at this moment? As seen on live servers."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from paymon.live.access import Access
from paymon.live.prometheus import Prometheus
from paymon.now import seeing
from paymon.now.check import _lines, check
from paymon.now.key_metrics import key_metrics
from paymon.now.seeing import Alarm, Change, KeyReading, Mark, Status, look_around, look_closely
from paymon.now.status import rendered, status
from paymon.programs import find
from rules.catalog import PAYMENTS, catalog
from rules.payments import latency, monitoring
from rules.payments.organisation import PEOPLE, SERVICE
from rules.vocabulary import Environment, Source, minutes
from tests.paymon.live import stories
from tests.paymon.live.conftest import Live
from tests.paymon.live.world import Story, at_stage, server, serving, soon
from tests.servers import free_port, running

CATALOG = catalog()
NO_SERVER = ["--prometheus", "http://127.0.0.1:1"]


def closely(live: Live, story: Story) -> dict[str, KeyReading]:
    with live.ask() as prometheus:
        seen = look_closely(prometheus, CATALOG, story.environment, minutes(15), live.end - 600)
    return {one.reading.metric.title: one for one in seen.metrics}


def test_a_breach_is_the_alerts_own_condition_guards_included(live: Live) -> None:
    fine = closely(live, stories.PRODUCTION)["Payment success rate"]
    assert (fine.mark, fine.reading.value) == (Mark.FINE, 1.0)
    # One in five fails, at one and a quarter a minute: under five failures in five minutes prove nothing.
    assert closely(live, stories.STAGING)["Payment success rate"].mark is Mark.ALONE
    # 62 a minute of which nine in ten fail.
    assert closely(live, stories.BACK_AMID_FAILURES)["Payment success rate"].mark is Mark.BREACH


def test_what_nobody_measures_or_samples_is_unknown_and_never_fine(live: Live) -> None:
    seen = closely(live, stories.PRODUCTION)
    assert (seen["Refund rate"].mark, seen["Refund rate"].why) == (Mark.UNKNOWN, "stripe_window_charges is not there")
    assert "webhook_inbox is old or missing" in seen["Webhooks over 3 s"].why


@pytest.mark.slow
def test_what_the_rules_do_not_read_is_unknown_though_others_measure_it(tmp_path: Path) -> None:
    """Of each environment, slow requests of the application: under which job and service, and what is recorded."""
    end = soon() - 600
    moments = [end + at for at in range(-1200, 1, 30)]
    series: list[tuple[str, list[tuple[float, float]]]] = []

    def measured(environment: str, job: str, service: str, requests: int) -> None:
        labels = f'environment="{environment}",service="{service}",job="{job}",status_class="2xx"'
        counts = [(at, float(number * requests)) for number, at in enumerate(moments)]
        never = [(at, 0.0) for at in moments]
        buckets = f"{latency.api_request_duration.name}_bucket"
        series.extend(
            (
                (f'{buckets}{{{labels},le="0.5"}}', never),
                (f'{buckets}{{{labels},le="+Inf"}}', counts),
                (f"{latency.api_request_duration.count}{{{labels}}}", counts),
            )
        )

    ours = CATALOG.organisation.jobs.application[0]
    measured("unused", ours, "payments", 0)
    measured("renamed", "other", "payments", 20)
    measured("neighbour", ours, "shop", 20)
    measured("unrecorded", ours, "payments", 20)
    rules = 'environment="unrecorded",service="shop",job="paymon",instance="rules"'
    series.append((f"{latency.api_slow.name}{{{rules}}}", [(at, 0.0) for at in moments]))
    found = {}
    with serving("3.5", series, tmp_path) as url, Prometheus(Access(url=url)) as prometheus:
        for name in ("unused", "renamed", "neighbour", "unrecorded"):
            seen = look_closely(prometheus, CATALOG, Environment(name=name, pages=True), minutes(15), end)
            (one,) = (one for one in seen.metrics if one.reading.metric.title == "API requests over 0.5 s")
            found[name] = (one.mark, one.why, one.reading.value)
    missing = f"{latency.api_request_duration.name}_bucket is not there"
    assert found == {
        "unused": (Mark.NOTHING, "", None),
        "renamed": (Mark.UNKNOWN, missing, None),
        "neighbour": (Mark.UNKNOWN, missing, None),
        "unrecorded": (Mark.BREACH, "", 1.0),
    }


def test_a_team_s_own_bound_is_shown_and_judges(tmp_path: Path) -> None:
    """Four in a hundred fail: 96 % is fine where 95 % is promised, and is not where 97 % is."""
    story, end = at_stage(100, fails=lambda at: 0.04), soon() - 600
    ours = PAYMENTS.override("PaymentSuccessRateLow", value="0.97", because="our contract promises 97 %")
    found = {}
    with server("3.5", [story], end, tmp_path) as url, Prometheus(Access(url=url)) as prometheus:
        for name, definitions in (("shipped", PAYMENTS), ("ours", ours)):
            seen = look_closely(prometheus, definitions.of(PEOPLE, SERVICE), story.environment, minutes(15), end)
            (one,) = (one for one in seen.metrics if one.reading.metric.title == "Payment success rate")
            found[name] = (one.mark, one.reading.bound_shown)
            assert one.reading.value == pytest.approx(0.96, abs=0.01)
    assert found == {"shipped": (Mark.FINE, "< 95 %"), "ours": (Mark.BREACH, "< 97 %")}


@pytest.mark.slow
def test_a_key_metric_whose_alert_a_team_leaves_out_has_no_line_and_the_others_stay(tmp_path: Path) -> None:
    story, end = at_stage(100), soon() - 600
    left_out: dict[str, set[str]] = {
        "PaymentSuccessRateLow": {"Payment success rate"},
        "PaymentsCompleteFailure": {"Attempts that succeed"},
        "PaymentFailuresPerHourHigh": {"Failed payments an hour"},
        "PaymentApiLatencyHigh": {"API requests over 0.5 s"},
        "StripeWebhookDelay": {"Webhooks over 3 s"},
        "PaymentDisputeRateHigh": {"Dispute rate"},
        "PaymentRefundRateHigh": {"Refund rate"},
        "PaymentProcessingLagHigh": {"Since the last payment"},
    }
    every = {title for titles in left_out.values() for title in titles}
    changes: list[tuple[str | Source, set[str]]] = [*left_out.items(), (Source.WEBHOOK_INBOX, {"Webhooks over 3 s"})]
    with server("3.5", [story], end, tmp_path) as url, Prometheus(Access(url=url)) as prometheus:
        for what, titles in changes:
            ours = PAYMENTS.without(what, because="another team has it").of(PEOPLE, SERVICE)
            check_ = look_closely(prometheus, ours, story.environment, minutes(15), end)
            screen = look_around(prometheus, ours, story.environment, end)
            for seen in (check_, screen):
                assert {one.reading.metric.title for one in seen.metrics} == every - titles, what


def test_what_a_team_leaves_out_is_never_read_from_another_service(tmp_path: Path) -> None:
    """The other one has a flag that is pulled and customers who are affected; here nobody has a flag or a database."""
    end = soon() - 600
    labels = 'environment="production",service="other",job="other-exporter"'
    series = [
        (f"{name}{{{labels}}}", [(end - 60.0 * back, value) for back in range(60, -1, -1)])
        for name, value in (
            ("payments_feature_flag_killed", 1.0),
            ("payments_feature_flag_rollout_ratio", 0.5),
            ("payments_db_affected_users", 7.0),
        )
    ]
    ours = PAYMENTS.without(Source.FLAG, Source.POSTGRES, because="we have neither").of(PEOPLE, SERVICE)
    production = ours.organisation.environments[0]
    with serving("3.5", series, tmp_path) as url, Prometheus(Access(url=url)) as prometheus:
        assert look_closely(prometheus, ours, production, minutes(15), end).affected_users is None
        screen = look_around(prometheus, ours, production, end)
    assert (screen.rollout, screen.killed) == (None, None)


def test_what_an_environment_does_not_sample_is_neither_old_nor_missing_there(live: Live) -> None:
    """Nobody samples the database and the inbox of webhooks there: no line of either could ever be judged."""
    there = replace(stories.PRODUCTION.environment, without_sources=(Source.POSTGRES, Source.WEBHOOK_INBOX))
    with live.ask() as prometheus:
        seen = look_around(prometheus, CATALOG, there, live.end - 600)
    assert {"postgres", "webhook_inbox"}.isdisjoint(one.name for one in seen.sources)
    titles = {one.reading.metric.title for one in seen.metrics}
    assert {"Webhooks over 3 s", "Since the last payment"}.isdisjoint(titles)
    assert "Payment success rate" in titles


@pytest.mark.slow
def test_nobody_who_counts_attempts_is_told_from_nobody_who_pays(tmp_path: Path) -> None:
    """In the story 125 a minute pay for two hours; the sources of one server are old, and the other has no series."""
    end = soon() - 600
    old = at_stage(100, changed={monitoring.source_age.name: lambda at: 50.0})
    with server("3.5", [old], end, tmp_path / "old") as url, Prometheus(Access(url=url)) as prometheus:
        seen = look_closely(prometheus, CATALOG, old.environment, minutes(15), end)
    assert seen.attempts == pytest.approx(15 * 125, rel=0.1)
    assert seen.why == "stripe_events is old or missing"
    assert "at least 18" in "\n".join(_lines(seen))
    with serving("3.5", [], tmp_path / "empty") as url:
        found = CliRunner().invoke(check, ["--prometheus", url])
        data = json.loads(CliRunner().invoke(check, ["--prometheus", url, "--json"]).stdout)
        screen = CliRunner().invoke(status, ["--prometheus", url])
    assert "UNKNOWN how many attempts in 15 min: stripe_events is old or missing" in found.output
    assert "0 attempts" not in found.output
    assert (data["attempts"], data["unknown"]) == (None, True)
    assert "Changed in the past hour; unmeasured: rollout, plan, kill switch, " in screen.output
    assert screen.output.endswith("  nothing that is measured\n")


def test_what_is_piped_is_told_whole(tmp_path: Path) -> None:
    with serving("3.5", [], tmp_path) as url:
        screen = CliRunner().invoke(status, ["--prometheus", url]).output
    assert "…" not in screen
    why = "stripe_events is old or missing"
    (line,) = (line for line in screen.splitlines() if "Payment success rate" in line)
    assert line.endswith(why)


@pytest.mark.slow
@pytest.mark.parametrize("as_data", [False, True], ids=["text", "json"])
def test_a_watch_that_is_piped_outlives_missed_answers_until_it_is_interrupted(as_data: bool, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "prometheus.log"
    missed, answered = ("cannot_judge", '"metrics"') if as_data else ("cannot see anything: ", "Payment success rate")
    command = [sys.executable, "-m", "paymon", "status", "--watch", *(["--json"] if as_data else [])]
    told = tmp_path / "told"
    with (
        told.open("wb") as output,
        subprocess.Popen([*command, "--prometheus", f"http://127.0.0.1:{port}"], stdout=output) as watch,
    ):
        try:
            _until(lambda: missed in told.read_text(), watch)
            (tmp_path / "prometheus.yml").write_text("global: {}\n")
            server_: tuple[str | Path, ...] = (
                find("prometheus", "3.5"),
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            )
            with running(server_, log):
                _until(lambda: answered in told.read_text(), watch)
            before = told.read_text().count(missed)
            _until(lambda: told.read_text().count(missed) > before, watch)
            watch.send_signal(signal.SIGINT)
            assert watch.wait(100) == 0
        finally:
            watch.kill()


def _until(seen: Callable[[], bool], watch: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 200
    while not seen():
        assert watch.poll() is None, watch.returncode
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_window_is_split_by_result_and_method(live: Live) -> None:
    with live.ask() as prometheus:
        seen = look_closely(prometheus, CATALOG, stories.BACK_AMID_FAILURES.environment, minutes(15), live.end - 300)
    shares = {one.name: one.share for one in seen.results}
    assert shares["technical_failure"] == pytest.approx(0.9, abs=0.02)
    (card,) = seen.methods
    assert card.name == "card"
    assert card.share == pytest.approx(0.9, abs=0.02)


def test_the_command_ends_with_what_it_found(live: Live) -> None:
    found = CliRunner().invoke(check, ["--prometheus", live.url, "--json"])
    assert (found.exit_code, json.loads(found.stdout)["breached"]) == (3, False), found.output
    found = CliRunner().invoke(check, ["--prometheus", live.url])
    assert "attempts in 15 min" in found.output


@pytest.mark.parametrize("command", [check, status])
def test_a_dead_server_cannot_be_judged(command: object) -> None:
    found = CliRunner().invoke(command, NO_SERVER)  # type: ignore[arg-type]
    assert (found.exit_code, "cannot judge" in found.output) == (3, True)


def around(live: Live, story: Story) -> Status:
    with live.ask() as prometheus:
        return look_around(prometheus, CATALOG, story.environment, live.end - 600)


def test_the_screen_shows_alerts_sources_rollout_and_changes(live: Live) -> None:
    seen = around(live, stories.P2_IS)
    assert [(one.name, one.priority, one.fires) for one in seen.alarms] == [("PaymentsDegraded", "P2", True)]
    assert (seen.rollout, seen.planned, seen.killed, seen.heartbeat) == (0.01, 0.01, False, True)
    assert {one.name for one in seen.sources if one.fresh} >= {"stripe_events", "postgres"}
    assert [one.what for one in around(live, stories.KILLED).changes] == ["kill switch 0 -> 1"]


def test_rules_that_are_not_evaluated_say_so_in_the_place_of_silence(live: Live) -> None:
    seen = around(live, stories.NO_RULES)
    assert not seen.heartbeat
    assert "THE RULES ARE NOT EVALUATED" in rendered(seen, 80, 24).plain


def test_a_full_screen_fits_into_eighty_columns_and_twenty_four_rows_and_says_what_it_left_out() -> None:
    from decimal import Decimal

    from paymon.now.key_metrics import Reading

    metric = key_metrics(CATALOG)[0]
    comparison, bound = metric.bound(CATALOG.organisation.environments[0])
    reading = Reading(metric, comparison, Decimal(bound), 0.123)
    seen = Status(
        environment="production",
        at=1e9,
        metrics=tuple(
            KeyReading(reading, Mark.UNKNOWN, "something with a very long name is not there") for _ in range(8)
        ),
        alarms=tuple(Alarm(f"PaymentAlertWithAVeryLongName{n}", "P2", True, 1e9 - 500) for n in range(12)),
        heartbeat=True,
        sources=tuple(
            seeing.Source(name, 1.0) for name in ("stripe_events", "stripe_account", "stripe_webhooks", "postgres")
        ),
        read_budget=0.4,
        has_flag=True,
        rollout=0.1,
        planned=0.1,
        killed=True,
        changes=tuple(Change(1e9 - n, f"rollout {n} %") for n in range(9)),
        unseen=(),
        doubts=(),
    )
    lines = rendered(seen, 80, 24).plain.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert sum("more" in line for line in lines) == 2
    assert "kill switch PULLED" in "\n".join(lines)
