"""When would alerts have fired? As replayed on what live servers remember."""

import json
import math
import re
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from click import UsageError
from click.testing import CliRunner

from generators.rules import rule_groups
from paymon.backtest.as_data import as_data
from paymon.backtest.command import backtest, replayed_span
from paymon.backtest.incidents import Incident, score
from paymon.backtest.notifications import Firing, notifications, pages
from paymon.backtest.replay import History, Replay
from paymon.backtest.revisions import ruleset_in
from paymon.backtest.ruleset import AlertRule, Ruleset
from paymon.demo.backfill import recordings
from paymon.live.access import Access
from paymon.live.prometheus import Prometheus, PrometheusError
from paymon.programs import find
from rules.catalog import PAYMENTS, catalog
from rules.payments import budget, outcomes
from rules.payments.organisation import PEOPLE, SERVICE
from tests.paymon.live.test_prometheus import Answer, answering
from tests.paymon.live.world import SERVERS, serving
from tests.rules.outages import BEGINS, EVERY, INCIDENTS
from tests.servers import prometheus

CATALOG = catalog()
PRODUCTION = CATALOG.organisation.environments[0]
RULES = Ruleset.from_data(json.loads(json.dumps(as_data(CATALOG, PRODUCTION))))
CHOSEN = (INCIDENTS[0], INCIDENTS[4], INCIDENTS[8], INCIDENTS[10])
GAP = 1800.0
"""Seconds between two outages, in which nobody scraped."""


@dataclass(frozen=True)
class Past:
    """Several outages one after the other; `begins` are the moments from which things go wrong."""

    start: int
    begins: tuple[float, ...]
    end: int

    @property
    def series(self) -> Iterator[tuple[str, list[tuple[float, float]]]]:
        found: dict[str, list[tuple[float, float]]] = {}
        for incident, begins in zip(CHOSEN, self.begins, strict=True):
            first = int(begins) - BEGINS
            for name, values in incident.series(first).items():
                found.setdefault(name, []).extend((first + at * EVERY, value) for at, value in enumerate(values))
        yield from found.items()


def past() -> Past:
    spans = [incident.ends + GAP for incident in CHOSEN]
    start = int(time.time()) // 60 * 60 - int(sum(spans)) - 3600
    firsts = [start + sum(spans[:index]) for index in range(len(spans))]
    return Past(start, tuple(first + BEGINS for first in firsts), start + int(sum(spans)))


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Past]]:
    seen = past()
    with serving(request.param, seen.series, tmp_path_factory.mktemp("backtest")) as url:
        yield url, seen


def replay_of(url: str, seen: Past, rules: Ruleset = RULES) -> Replay:
    return Replay(lambda: Prometheus(Access(url=url)), rules, History(seen.start, seen.end, 30))


READ = ("PaymentsDegraded", "PaymentSuccessRateLow")


def first_firings(replay: Replay, seen: Past, names: Collection[str] = ()) -> list[dict[str, float]]:
    """For each outage, how many seconds after its beginning each alert fired first."""
    names = names or {
        alert.name for incident in CHOSEN for alert in (*dict(incident.fires_within), *incident.stays_quiet)
    }
    found: list[dict[str, float]] = [{} for _ in CHOSEN]
    for one in replay.run([rule for rule in RULES.alerts if rule.name in names]):
        for episode in one.firings:
            for index, begins in enumerate(seen.begins):
                assert episode.fired is not None
                # The first minutes after a gap are left aside: VictoriaMetrics extrapolates there in a way of its own.
                if begins - BEGINS + 900 <= episode.fired <= begins - BEGINS + CHOSEN[index].ends + 60:
                    found[index].setdefault(one.rule.name, episode.fired - begins)
    return found


def test_every_server_finds_each_outage_as_soon_as_promtool_does_and_invents_none(server: tuple[str, Past]) -> None:
    """The outages and their deadlines are those of the rules' own tests, there run through promtool."""
    url, seen = server
    for incident, fired in zip(CHOSEN, first_firings(replay_of(url, seen), seen), strict=True):
        for alert, within in incident.fires_within:
            assert 0 <= fired[alert.name] <= within + 60, (incident.name, alert.name)
        assert not {alert.name for alert in incident.stays_quiet} & fired.keys(), incident.name


@pytest.mark.slow
def test_what_is_recorded_and_what_is_expanded_agree(tmp_path: Path) -> None:
    seen = past()
    promtool = find("promtool", "3.5")
    rules = tmp_path / "rules.yml"
    document = yaml.safe_load(recordings(CATALOG, PRODUCTION, 1, 15))
    wanted = {one.series for rule in RULES.alerts if rule.name in READ for one in rule.branches[0]}
    records = [rule for rule in document["groups"][0]["rules"] if rule["record"] in wanted]
    rules.write_text(yaml.safe_dump({"groups": [{"name": "past", "interval": "30s", "rules": records}]}))
    with serving("3.5", seen.series, tmp_path / "world") as url:
        expanded = first_firings(replay_of(url, seen), seen, READ)
        data = tmp_path / "world" / "server" / "data"
        span = (f"--start={seen.start}", f"--end={seen.end}", "--eval-interval=30s", f"--output-dir={data}")
        command = (promtool, "tsdb", "create-blocks-from", "rules", f"--url={url}", *span, rules)
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    with prometheus(find("prometheus", "3.5"), "global: {}\n", tmp_path / "world" / "server") as url:
        replay = replay_of(url, seen)
        assert outcomes.failure_ratio_5m.name in replay.recorded()
        recorded = first_firings(replay, seen, READ)
    for one, other in zip(expanded, recorded, strict=True):
        assert one.keys() == other.keys()
        assert all(abs(one[name] - other[name]) <= 30 for name in one)


def test_every_rule_of_every_environment_can_be_asked_for_recorded_or_expanded() -> None:
    for environment in CATALOG.organisation.environments:
        rules = Ruleset.from_data(as_data(CATALOG, environment))
        for rule in rules.alerts:
            for branch in rule.branches:
                for recorded in ((), rules.records):
                    text = rules.branch_text(branch, recorded)
                    assert bool(set(rules.records) & set(re.findall(r"[a-z_]+:[a-z0-9_:]+", text))) == bool(recorded)
                    assert all(rules.reach(one, recorded) >= timedelta(0) for one in branch)


def test_a_record_by_another_expression_is_expanded() -> None:
    name = outcomes.failure_ratio_5m.name
    ours = next(
        rule.expr
        for group in rule_groups(CATALOG, PRODUCTION)
        for rule in group.rules
        if getattr(getattr(rule, "signal", None), "name", "") == name
    )
    assert RULES.is_same_record(name, ours)
    assert RULES.is_same_record(name, ours.replace("\n", " "))
    written_anew = ours.replace(
        'environment="production",service="payments"', 'service="payments",environment="production"'
    )
    assert written_anew != ours
    assert RULES.is_same_record(name, written_anew)
    assert not RULES.is_same_record(name, ours.replace("[5m]", "[6m]"))
    assert not RULES.is_same_record(name, "(((")


def test_a_label_of_a_guard_is_looked_for_in_the_raw_series() -> None:
    fast = next(rule for rule in RULES.alerts if rule.name == budget.burn_fast.name)
    age = next(one for branch in fast.branches for one in branch if dict(one.where).get("source") == "stripe_events")
    text = RULES.series_text(age, ())
    assert text.count('source="stripe_events"') == 2
    assert "payments_exporter:" not in text
    assert RULES.series_text(age, (age.series,)).startswith("payments_exporter:source_age:intervals{environment=")


def test_a_rule_that_the_server_cannot_evaluate_is_told_and_the_others_go_on(server: tuple[str, Past]) -> None:
    url, seen = server
    good = next(rule for rule in RULES.alerts if rule.name == outcomes.complete_failure.name)
    broken = replace(good, tier="broken", branches=((replace(good.branches[0][0], comparison=">>"),),))
    replay = replay_of(url, seen)
    found = replay.run([replace(broken, louder=(), stays=()), good])
    assert [bool(one.firings) for one in found] == [False, True]
    assert len([doubt for doubt in replay.doubts if "/broken cannot be evaluated" in doubt]) == 1


def test_what_another_service_measures_and_records_is_not_read_for_ours(tmp_path: Path) -> None:
    shop = Ruleset.from_data(as_data(PAYMENTS.of(PEOPLE, replace(SERVICE, service="shop")), PRODUCTION))
    end = time.time() // 60 * 60
    start = end - 4 * 3600
    of_payments = 'environment="production",service="payments"'
    moments = [(start + at, 1.0) for at in range(0, 4 * 3600, 30)]
    series = [
        (f'{outcomes.failure_ratio_5m.name}{{{of_payments},job="paymon",instance="rules"}}', moments),
        (f'{outcomes.attempts}{{{of_payments},job="payments-exporter"}}', moments),
    ]
    with serving("victoria-metrics", series, tmp_path) as url:  # which does not say which rules there are
        access = Access(url=url)

        def recorded(rules: Ruleset) -> frozenset[str]:
            return Replay(lambda: Prometheus(access), rules, History(start, end - 60, 30)).recorded()

        assert recorded(RULES) == {outcomes.failure_ratio_5m.name}
        assert recorded(shop) == set()
        span = (start, end)
        assert replayed_span(access, RULES, None, None, None, span).end == end
        with pytest.raises(PrometheusError, match="has no metric of this service in production"):
            replayed_span(access, shop, None, None, None, span)


FAILURE, SUCCESS = "payments:technical_failure:ratio_rate5m", "payments:technical_success:ratio_rate5m"
"""A record, and one that reads it."""


@pytest.mark.parametrize("told", [True, False])
def test_a_record_that_reads_one_by_another_expression_is_expanded(told: bool) -> None:
    """Its own expression is the same, and what it has recorded is not what it would be now."""
    assert FAILURE in RULES.records[SUCCESS]
    before = replace(RULES, records={**RULES.records, FAILURE: RULES.records[FAILURE].replace("[5m]", "[6m]")})
    rules = [
        {"type": "recording", "name": rule.signal.name, "query": rule.expr.replace("[5m]", "[6m]")}
        for group in rule_groups(CATALOG, PRODUCTION)
        for rule in group.rules
        if hasattr(rule, "signal") and rule.signal.name in (FAILURE, SUCCESS)
    ]

    def answer(_count: int, path: str, form: dict[str, list[str]]) -> Answer:
        if path.endswith("/rules"):
            return Answer(200, {"status": "success", "data": {"groups": [{"rules": rules}] if told else []}})
        moments = range(int(float(form["start"][0])), int(float(form["end"][0])) + 1, int(float(form["step"][0])))
        values = [[moment, "1"] for moment in moments]
        result = [{"metric": {"__name__": name}, "values": values} for name in RULES.records]
        return Answer(200, {"status": "success", "data": {"resultType": "matrix", "result": result}})

    with answering(answer) as server:
        compared = frozenset[str]() if told else RULES.unlike(before)
        history = History(0, 4 * 3600, 30)
        recorded = Replay(lambda: Prometheus(Access(url=server.url)), RULES, history, unlike=compared).recorded()
    assert RULES.records.keys() - recorded == {FAILURE, SUCCESS}


def test_what_a_changed_signal_records_is_not_read_for_both_revisions(
    folder: tuple[Path, Past], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the data has what was recorded by one of the two, and nobody tells by which."""
    name = outcomes.complete_failure.watches.name
    text = (folder[0] / "past.om").read_text()
    record = f'{name}{{environment="production",service="payments"}}'
    recorded = "\n".join(f"{record} 0 {moment}" for moment in range(folder[1].start, folder[1].end, 60))
    (tmp_path / "past.om").write_text(text.replace("# EOF", f"{recorded}\n# EOF"))
    fine = {**RULES.records, name: f"1 + 0 * ({RULES.records[name]})"}
    monkeypatch.setattr("paymon.backtest.command.ruleset_at", lambda *_: replace(RULES, records=fine))
    arguments = ["--from", str(tmp_path), "--alert", "PaymentsCompleteFailure", "--against", "HEAD"]
    found = CliRunner().invoke(backtest, arguments)
    assert found.exit_code == 0, found.output
    told = found.output.partition("Against HEAD\n")[2]
    assert re.search(r"PaymentsCompleteFailure: [1-9]\d* times instead of 0", told), found.output


def test_an_environment_that_a_revision_lacks_is_not_compared_with_another_of_it() -> None:
    with pytest.raises(UsageError, match="there is no environment 'canary' of payments to compare with"):
        ruleset_in(Path(__file__).parents[2], "payments", "canary", "HEAD")


def test_an_answer_in_part_makes_a_sweep_doubtful() -> None:
    data = {"status": "success", "data": {"resultType": "matrix", "result": []}, "isPartial": True}
    rule = next(rule for rule in RULES.alerts if rule.name == "PaymentsDegraded")
    with answering(lambda *_: Answer(200, data)) as server:
        replay = Replay(lambda: Prometheus(Access(url=server.url)), RULES, History(0, 600, 30))
        replay.held_at(rule, "0.2")
        replay.held_at(rule, "0.3")
    assert replay.doubts == ["the answer is partial: some storage did not reply"]


# Notifications


def firing(name: str, fired: float, ended: float = math.inf, **labels: str) -> Firing:
    rule = next(one for one in RULES.alerts if one.name == name and one.tier == labels.get("tier", one.tier))
    return Firing({**rule.labels, "alertname": name, **labels}, fired, ended)


def told(*firings: Firing, end: float = 7200) -> Sequence[tuple[float, str, tuple[str, ...], tuple[str, ...]]]:
    return [(one.at, one.receiver.name, one.news, one.resolved) for one in notifications(CATALOG, firings, end)]


def test_a_p1_is_told_at_once_and_again_every_quarter_of_an_hour_until_it_is_over() -> None:
    sent = notifications(CATALOG, [firing("PaymentsCompleteFailure", 1000, 3000)], 7200)
    woken = [one for one in sent if one.receiver.name == "payments-p1"]
    assert woken[0].at == 1000
    assert [one.at for one in woken if not one.resolved] == [1000, 1900, 2800]
    assert [one.resolved for one in woken][-1] == ("PaymentsCompleteFailure",)
    assert [one.at for one in pages(sent) if one.receiver.name == "payments-p1"] == [1000]


def test_alerts_of_one_group_share_a_message_and_a_second_one_waits_for_the_next() -> None:
    cards = firing("PaymentMethodDegraded", 1000, payment_method="card")
    links = firing("PaymentMethodDegraded", 1010, payment_method="link")
    late = firing("PaymentMethodDegraded", 1100, payment_method="paypal")
    assert [at for at, _, _, _ in told(cards, links, late, end=2000)] == [1001, 1301]
    both = firing("PaymentMethodDegraded", 1001, payment_method="link")
    assert [at for at, _, _, _ in told(cards, both, end=2000)] == [1001]


def test_a_ticket_and_its_end_go_to_the_relay_at_any_hour() -> None:
    saturday = 1_795_852_800.0  # 2026-11-28 08:00 UTC, three in the night in New York
    assert time.gmtime(saturday)[:5] == (2026, 11, 28, 8, 0)
    sent = notifications(CATALOG, [firing("RunbookReviewOverdue", saturday, saturday + 3600)], saturday + 3 * 86400)
    assert [(one.at - saturday, one.news, one.resolved) for one in sent] == [
        (1, ("RunbookReviewOverdue",), ()),
        (3601, (), ("RunbookReviewOverdue",)),
    ]


def test_precision_recall_and_time_to_detect() -> None:
    sent = notifications(
        CATALOG, [firing("PaymentsDegraded", 1000, 1500), firing("PaymentSuccessRateLow", 90_000, 91_000)], 100_000
    )
    found = score([Incident("a", 900, 1400), Incident("b", 50_000, 51_000)], pages(sent))
    assert [None if page is None else page.at - one.start for one, page in found.incidents] == [101, None]
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert (score([], []).precision, score([], []).recall) == (None, None)


# The command


def test_an_incident_that_was_not_replayed_is_neither_missed_nor_found() -> None:
    incidents = tuple(Incident(f"at {start}", start, start + 100) for start in (0, 950, 2000, 8500, 9950))
    sent = notifications(CATALOG, [firing("PaymentsCompleteFailure", 2010)], 10000)
    found = score(incidents, pages(sent), 1000, 10000)
    assert [one.name for one, first in found.incidents if first] == ["at 2000"]
    assert [one.name for one, first in found.incidents if first is None] == ["at 8500"]
    assert [one.name for one in found.unknown] == ["at 0", "at 950", "at 9950"]
    assert found.recall == 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Past]:
    seen = past()
    path = tmp_path_factory.mktemp("folder")
    lines = [f"{series} {value} {moment:.0f}" for series, samples in seen.series for moment, value in samples]
    (path / "past.om").write_text("\n".join([*lines, "# EOF", ""]))
    return path, seen


def test_a_folder_of_openmetrics_is_replayed_scored_swept_and_drawn(folder: tuple[Path, Past], tmp_path: Path) -> None:
    path, seen = folder
    incidents, page = tmp_path / "incidents.yml", tmp_path / "page.html"
    begun = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) for moment in seen.begins]
    incidents.write_text(json.dumps([{"name": "gateway", "start": begun[0], "end": seen.begins[0] + 150}]))
    before = sorted(one.name for one in path.iterdir())
    arguments = ["--from", str(path), "--alert", "PaymentsDegraded", "--alert", "PaymentsCompleteFailure"]
    found = CliRunner().invoke(
        backtest,
        [*arguments, "--incidents", str(incidents), "--sweep", "PaymentsDegraded", "--json", "--html", str(page)],
    )
    assert found.exit_code == 0, found.output
    data = json.loads(found.stdout)
    assert data["incidents"]["recall"] == 1.0
    assert 0 < data["incidents"]["detection_seconds"][0]["seconds"] <= 180
    swept = {one["bound"]: one["firings"] for one in data["sweep"]}
    assert list(swept) == sorted(swept)
    # In the sweep nothing louder quiets the alert.
    assert swept[0.1] >= sum(len(one["firings"]) for one in data["alerts"] if one["alert"] == "PaymentsDegraded")
    assert swept[0.1] > 0
    assert all(one >= other for one, other in zip(list(swept.values()), list(swept.values())[1:], strict=False))
    assert page.read_text().count("<svg") == 2
    assert sorted(one.name for one in path.iterdir()) == before


def test_an_incident_beyond_what_is_remembered_ends_with_3(folder: tuple[Path, Past], tmp_path: Path) -> None:
    path, seen = folder
    incidents = tmp_path / "incidents.json"
    month = 30 * 86400
    incidents.write_text(json.dumps([{"name": "old", "start": seen.start - month, "end": seen.start - month + 600}]))
    arguments = ["--from", str(path), "--alert", "PaymentsCompleteFailure", "--incidents", str(incidents)]
    found = CliRunner().invoke(backtest, arguments)
    assert (found.exit_code, "missed" in found.output) == (3, False), found.output
    assert re.search(r"unknown old, .*: not replayed as a whole", found.output)
    assert "recall unknown" in found.output


@pytest.mark.slow
def test_against_a_revision_says_what_fires_otherwise(folder: tuple[Path, Past]) -> None:
    path, _ = folder
    found = CliRunner().invoke(backtest, ["--from", str(path), "--alert", "PaymentsDegraded", "--against", "HEAD"])
    assert found.exit_code == 0, found.output
    assert "Against HEAD" in found.output


def _as_it_was(monkeypatch: pytest.MonkeyPatch, *alerts: AlertRule) -> None:
    """The revision that a replay is compared with had these rules."""
    monkeypatch.setattr("paymon.backtest.command.ruleset_at", lambda *_: replace(RULES, alerts=alerts))


def test_against_a_revision_without_the_alert_nothing_but_that_alert_is_compared(
    folder: tuple[Path, Past], monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_it_was(monkeypatch, *(rule for rule in RULES.alerts if rule.name == "PaymentsCompleteFailure"))
    arguments = ["--from", str(folder[0]), "--alert", "PaymentsDegraded", "--against", "HEAD"]
    found = CliRunner().invoke(backtest, arguments)
    assert found.exit_code == 0, found.output
    lines = [line.strip() for line in found.output.partition("Against HEAD\n")[2].splitlines()]
    assert lines[0].startswith("PaymentsDegraded: new, fires ")
    assert re.fullmatch(r"Pages: \d+ instead of 0", lines[1])
    assert len(lines) == 2


def test_against_a_revision_whose_rules_cannot_be_evaluated_nothing_is_the_same(
    folder: tuple[Path, Past], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = next(rule for rule in RULES.alerts if rule.name == "PaymentsDegraded")
    broken = replace(good, branches=((replace(good.branches[0][0], comparison=">>"),),), louder=(), stays=())
    _as_it_was(monkeypatch, broken)
    arguments = ["--from", str(folder[0]), "--alert", "PaymentsDegraded", "--against", "HEAD"]
    found = CliRunner().invoke(backtest, arguments)
    assert found.exit_code == 3, found.output
    assert "Prometheus warns: PaymentsDegraded cannot be evaluated" in found.output.partition("Against HEAD\n")[2]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "say whom to ask"),
        (["--from", "/nowhere"], 2, "is no folder"),
        (["--prometheus", "http://127.0.0.1:1"], 3, "cannot be reached"),
        (["--prometheus", "http://127.0.0.1:1", "--alert", "Nonsense"], 2, "there is no alert 'Nonsense'"),
        (["--prometheus", "http://127.0.0.1:1", "--against", "no-such-revision"], 2, "there is no revision"),
        (["--prometheus", "http://127.0.0.1:1", "--incidents", "/nowhere"], 2, "cannot be read"),
        (["--prometheus", "http://127.0.0.1:1", "--since", "1h", "--until", "2h"], 2, "exchange the two"),
    ],
)
def test_what_cannot_be_replayed_says_why(arguments: list[str], status: int, words: str) -> None:
    found = CliRunner().invoke(backtest, arguments)
    assert (found.exit_code, words in found.output) == (status, True), found.output


def test_a_folder_without_a_past_says_so(tmp_path: Path) -> None:
    found = CliRunner().invoke(backtest, ["--from", str(tmp_path)])
    assert (found.exit_code, "has neither blocks" in found.output) == (2, True), found.output
    (tmp_path / "broken.om").write_text("this is no metric")
    found = CliRunner().invoke(backtest, ["--from", str(tmp_path)])
    assert (found.exit_code, "is no OpenMetrics text" in found.output) == (2, True), found.output


def test_a_folder_with_metrics_of_others_alone_is_told_as_the_folder_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "others.om").write_text("".join(f"orders {n} {1_700_000_000 + 60 * n}\n" for n in range(9)) + "# EOF\n")
    found = CliRunner().invoke(backtest, ["--from", str(tmp_path)])
    assert (found.exit_code, "127.0.0.1" in found.output) == (3, False), found.output
    assert f"{tmp_path} has no metric of this service in production in that time. Give a folder that" in found.output


@pytest.mark.slow
def test_a_copy_of_prometheus_data_is_replayed_and_not_touched(folder: tuple[Path, Past], tmp_path: Path) -> None:
    text, data = folder[0] / "past.om", tmp_path / "data"
    command = (find("promtool", "3.5"), "tsdb", "create-blocks-from", "openmetrics", text, data)
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    before = sorted((one, one.stat().st_mtime) for one in data.rglob("*"))
    found = CliRunner().invoke(backtest, ["--from", str(data), "--alert", "PaymentsCompleteFailure", "--json"])
    assert found.exit_code == 0, found.output
    assert any(one["firings"] for one in json.loads(found.stdout)["alerts"])
    assert sorted((one, one.stat().st_mtime) for one in data.rglob("*")) == before


def test_a_time_that_a_server_does_not_remember_is_cut_with_a_word(server: tuple[str, Past]) -> None:
    url, seen = server
    found = CliRunner().invoke(
        backtest, ["--prometheus", url, "--since", "10d", "--alert", "PaymentsDegraded", "--until", str(seen.end)]
    )
    assert found.exit_code == 0, found.output
    assert "there is nothing before" in found.output
    found = CliRunner().invoke(backtest, ["--prometheus", url, "--since", "2020-01-01", "--until", "2020-01-02"])
    assert found.exit_code == 3, found.output
    assert "has no metric of this service in production in that time" in found.output


def test_a_replay_that_is_interrupted_asks_for_no_more(server: tuple[str, Past]) -> None:
    url, seen = server
    asked: list[Prometheus] = []

    def client() -> Prometheus:
        asked.append(Prometheus(Access(url=url)))
        return asked[-1]

    def interrupt(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    replay = Replay(client, RULES, History(seen.start, seen.end, 30))
    with pytest.raises(KeyboardInterrupt):
        replay.run(progress=interrupt)
    assert len(asked) < len(RULES.alerts) / 2
    with pytest.raises(PrometheusError, match="is not asked for the rest"):
        asked[-1].range("vector(1)", seen.start, seen.end, 30)
