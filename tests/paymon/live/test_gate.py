"""May the rollout go on? As judged against live servers that have seen it."""

import json
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.gate import decided
from paymon.gate.command import gate
from paymon.gate.going_back import StepBack, step_back
from paymon.gate.judging import Decision, Judgement, Weight, judge
from paymon.gate.report import as_lines
from paymon.gate.sequential import Crossing, Ratio, exact_interval, first_crossing
from rules.catalog import PAYMENTS, catalog
from rules.payments.organisation import PEOPLE, SERVICE
from rules.vocabulary import SequentialTest, Stage
from tests.paymon.acme import acme
from tests.paymon.live import stories
from tests.paymon.live.conftest import Live
from tests.paymon.live.world import Story

CATALOG = catalog()
assert CATALOG.rollout is not None
ROLLOUT = CATALOG.rollout
TESTS = [(stage.percent, test) for stage in ROLLOUT.stages for test in stage.tests]


def judged(live: Live, story: Story, *, before_end: float = 600, baseline: float | None = None) -> Judgement:
    with live.ask() as prometheus:
        stage = ROLLOUT.stage(int(story.percent))
        now = live.end - before_end
        return judge(prometheus, CATALOG, story.environment, stage, now, baseline_per_minute=baseline)


def gone_back(live: Live, story: Story, percent: int, *, before_end: float = 60) -> StepBack:
    with live.ask() as prometheus:
        return step_back(prometheus, CATALOG, story.environment, percent, live.end - before_end)


def told(seen: Judgement | StepBack, weight: Weight) -> str:
    return "\n".join(finding.text for finding in seen.findings if finding.weight is weight)


def test_a_healthy_hour_passes_and_says_what_it_does_not_prove(live: Live) -> None:
    seen = judged(live, stories.PRODUCTION)
    assert (seen.decision, told(seen, Weight.BLIND), told(seen, Weight.WAIT)) == (Decision.PASS, "", "")
    assert seen.tests[0].failures[-1] == 0
    # 110 minutes at 1.25 a minute, of which one in twenty is abandoned
    assert seen.tests[0].events[-1] == pytest.approx(110 * 1.25 * 0.95, abs=3)
    assert "does not prove more" in "\n".join(as_lines(seen))


def test_payments_that_break_fail_the_stage(live: Live) -> None:
    seen = judged(live, stories.BROKEN)
    assert seen.decision is Decision.FAIL
    assert "technical reasons" in told(seen, Weight.FAILED)


def test_the_first_crossing_decides_so_that_a_watched_and_a_single_run_agree(live: Live) -> None:
    single = judged(live, stories.BROKEN, before_end=60)
    watched = next(
        seen
        for back in range(7000, 0, -300)
        if (seen := judged(live, stories.BROKEN, before_end=back)).decision is Decision.FAIL
    )
    assert single.decision is Decision.FAIL
    for one, other in zip(single.tests, watched.tests, strict=True):
        if other.crossed is not None:
            assert one.grid[one.crossed or 0] == other.grid[other.crossed]
            assert (one.events[one.crossed or 0], one.failures[one.crossed or 0]) == (
                other.events[other.crossed],
                other.failures[other.crossed],
            )


def test_five_hundreds_of_our_api_fail_the_stage_though_payments_look_fine(live: Live) -> None:
    seen = judged(live, stories.API_BROKEN)
    assert seen.decision is Decision.FAIL
    assert "5xx" in told(seen, Weight.FAILED)
    assert seen.tests[0].crossing is Crossing.PASS


def test_the_requests_of_all_instances_of_the_application_count(live: Live) -> None:
    seen = judged(live, stories.API_ON_TEN_INSTANCES)
    requests = seen.tests[1]
    # 110 minutes at two requests for each of 12.5 attempts, of which three in a thousand end with a 5xx
    assert requests.events[-1] == pytest.approx(110 * 25, abs=30)
    assert requests.failures[-1] == pytest.approx(110 * 25 * 0.003, abs=1)
    assert (requests.crossing, told(seen, Weight.FAILED)) == (Crossing.PASS, "")


def test_an_instance_that_nobody_scraped_when_the_stage_began_brings_no_past_with_it(live: Live) -> None:
    seen = judged(live, stories.API_UNSCRAPED_AT_FIRST)
    # Since the last scrape a quarter of an hour before, half of 40 requests a minute.
    assert seen.tests[1].events[-1] == pytest.approx(110 * 2.5 + 15 * 20, abs=30)


def test_too_early_is_inconclusive_with_what_is_still_needed(live: Live) -> None:
    seen = judged(live, stories.PRODUCTION, before_end=7200 - 1200)
    assert seen.decision is Decision.INCONCLUSIVE
    assert "20 min of at least 60 min" in told(seen, Weight.WAIT)
    assert "more without a failure pass" in "\n".join(as_lines(seen))


def test_ten_percent_waits_for_its_day(live: Live) -> None:
    seen = judged(live, stories.TEN_BEFORE_A_DAY)
    assert seen.decision is Decision.INCONCLUSIVE
    assert seen.tests[0].crossing is Crossing.PASS


@pytest.mark.parametrize(
    ("story", "weight", "words"),
    [
        (stories.PAST_THE_FLAG, Weight.FOREIGN, "before the stage"),
        (stories.TOO_MANY, Weight.FOREIGN, "payments outside the flag"),
        (stories.TOO_FEW, Weight.FOREIGN, "does not reach the customers"),
        (stories.MOVED, Weight.BLIND, "--since"),
        (stories.STALE, Weight.BLIND, "counted only up to"),
        (stories.UNSCRAPED, Weight.BLIND, "was scraped in only"),
        (stories.API_HALF_SEEN, Weight.BLIND, "was scraped in only 50.0%"),
        (stories.OTHER_PLAN, Weight.BLIND, "the plan says"),
        (stories.UNMEASURED, Weight.BLIND, "payments_db_duplicate_charges is not there"),
        (stories.NO_INBOX, Weight.BLIND, "the data of postgres are old or missing"),
        (stories.NO_RULES, Weight.BLIND, "does not evaluate the rules"),
    ],
    ids=lambda value: value.name if isinstance(value, Story) else "",
)
def test_what_would_prove_nothing_cannot_be_judged(live: Live, story: Story, weight: Weight, words: str) -> None:
    if story is stories.MOVED:
        with live.ask() as prometheus:
            begun = live.end - story.begins_before_end
            seen = judge(prometheus, CATALOG, story.environment, ROLLOUT.stage(1), live.end - 600, begun)
        weight, words = Weight.FOREIGN, "the flag stood at 10.0%"
    else:
        seen = judged(live, story)
    assert words in told(seen, weight)
    assert seen.decision is Decision.CANNOT_JUDGE


def test_no_baseline_cannot_be_judged_and_a_given_one_can(live: Live) -> None:
    seen = judged(live, stories.TOO_MANY, baseline=2000)
    assert told(seen, Weight.FOREIGN) == ""
    assert seen.decision is Decision.PASS


@pytest.mark.parametrize(
    ("attempts_per_minute", "decision"), [(None, Decision.CANNOT_JUDGE), (2000, Decision.PASS)], ids=["unsaid", "said"]
)
def test_a_stage_is_known_by_the_traffic_that_a_team_says_it_has_and_by_nobody_elses(
    live: Live, attempts_per_minute: int | None, decision: Decision
) -> None:
    """The story has as many attempts as 1 % of 2000 a minute brings."""
    ours = PAYMENTS.of(PEOPLE, replace(SERVICE, attempts_per_minute=attempts_per_minute))
    assert ours.rollout is not None
    story = stories.TOO_MANY
    with live.ask() as prometheus:
        seen = judge(prometheus, ours, story.environment, ours.rollout.stage(1), live.end - 600)
    assert ("nobody has said how many attempts" in told(seen, Weight.FOREIGN)) is (attempts_per_minute is None)
    assert seen.decision is decision


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (stories.DOUBLE_CHARGE, "PaymentDuplicateCharges"),
        (stories.KILLED, "PaymentsKillSwitchActive"),
        (stories.P1_WAS, "PaymentsTrafficStopped (P1) fired"),
    ],
    ids=lambda value: value.name if isinstance(value, Story) else "",
)
def test_harm_fails_the_stage_also_when_it_is_over(live: Live, story: Story, words: str) -> None:
    seen = judged(live, story)
    assert words in told(seen, Weight.STOP)
    assert seen.decision is Decision.FAIL


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (stories.P2_IS, "PaymentsDegraded (P2) fires since"),
        (stories.NOT_RECORDED, "PaymentReconciliationGap"),
        (stories.DECLINED, "attempts that issuers decline"),
    ],
    ids=lambda value: value.name if isinstance(value, Story) else "",
)
def test_what_lasts_holds_the_rollout_without_failing_it(live: Live, story: Story, words: str) -> None:
    seen = judged(live, story)
    assert words in told(seen, Weight.WAIT)
    assert seen.decision is Decision.INCONCLUSIVE


def test_a_p2_that_is_over_holds_nothing(live: Live) -> None:
    assert judged(live, stories.P2_WAS).decision is Decision.PASS


# Going back


def test_a_step_back_that_took_effect_passes_whatever_the_figures(live: Live) -> None:
    assert gone_back(live, stories.BACK_TO_10, 10).decision is Decision.PASS
    assert gone_back(live, stories.BACK_AMID_FAILURES, 10).decision is Decision.PASS


def test_a_step_back_that_customers_do_not_feel_fails(live: Live) -> None:
    seen = gone_back(live, stories.BACK_IN_VAIN, 10)
    assert seen.decision is Decision.FAIL
    assert "has not reached the customers" in told(seen, Weight.FAILED)


def test_of_several_steps_back_the_last_is_held_against_what_came_at_the_one_before(live: Live) -> None:
    seen = gone_back(live, stories.LAST_STEP_IN_VAIN, 1)
    assert seen.decision is Decision.FAIL
    assert "has not reached the customers" in told(seen, Weight.FAILED)
    assert seen.before_per_minute == pytest.approx(12.5, rel=0.05)
    seen = gone_back(live, stories.BACK_IN_STEPS, 1)
    assert seen.decision is Decision.PASS
    assert seen.before_per_minute == pytest.approx(12.5, rel=0.05)
    assert gone_back(live, stories.BACK_IN_STEPS, 1, before_end=1800 - 240).decision is Decision.INCONCLUSIVE


def test_a_flag_that_never_stood_still_leaves_it_to_a_person(live: Live) -> None:
    seen = gone_back(live, stories.BACK_FROM_UNREST, 1)
    assert (seen.decision, seen.before_per_minute) == (Decision.INCONCLUSIVE, None)
    assert "never stood still" in told(seen, Weight.WAIT)


@pytest.mark.parametrize(
    ("story", "percent"),
    [(stories.NOT_BACK_AND_UNSEEN, 0), (stories.BACK_IN_VAIN_AND_UNSEEN, 10)],
    ids=lambda value: value.name if isinstance(value, Story) else "",
)
def test_attempts_that_nobody_counts_any_more_have_not_fallen(live: Live, story: Story, percent: int) -> None:
    assert gone_back(live, story, percent).decision is Decision.INCONCLUSIVE


def test_a_flag_that_stands_elsewhere_fails(live: Live) -> None:
    seen = gone_back(live, stories.BACK_TO_10, 1)
    assert (seen.decision, told(seen, Weight.FAILED)) == (
        Decision.FAIL,
        "the flag stands at 10.0%, not at 1 %",
    )


def test_at_nothing_nobody_may_pay_two_minutes_later(live: Live) -> None:
    assert gone_back(live, stories.BACK_TO_0, 0).decision is Decision.PASS
    seen = gone_back(live, stories.NOT_BACK, 0)
    assert seen.decision is Decision.FAIL
    assert "payments go on" in told(seen, Weight.FAILED)
    assert gone_back(live, stories.BACK_TO_0, 0, before_end=900 - 150).decision is Decision.INCONCLUSIVE


def test_a_look_just_after_the_step_waits_at_whatever_moment_it_is_made(live: Live) -> None:
    """The step was twenty seconds ago, between two whole minutes, so that of its moments only the present is known; and
    clocks know finer moments than servers tell."""
    seen = gone_back(live, stories.BACK_AMID_A_MINUTE, 0, before_end=890 - 20 - 0.1234567)
    assert seen.since == live.end - 870
    assert seen.decision is Decision.INCONCLUSIVE
    assert "payments are counted up to" in told(seen, Weight.WAIT)


def test_a_pulled_kill_switch_is_a_flag_at_nothing(live: Live) -> None:
    assert gone_back(live, stories.KILLED_AT_10, 0).decision is Decision.PASS


# The command


def run(live: Live, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(gate, [*arguments, "--prometheus", live.url])
    return result.exit_code, result.stdout


@pytest.mark.slow
def test_the_command_says_it_by_its_exit_status(live: Live, tmp_path: Path) -> None:
    page = tmp_path / "gate.html"
    status, output = run(live, "1", "--html", str(page))
    assert (status, output.split()[0]) == (0, "PASS")
    assert "<svg" in page.read_text()
    assert "http" not in page.read_text().replace("http://www.w3.org", "")
    assert run(live, "1", "--environment", "staging")[0] == 1
    assert run(live, "10")[0] == 3
    status, output = run(live, "1", "--json")
    assert (json.loads(output)["decision"], json.loads(output)["tests"][0]["failures"]) == ("PASS", 0)
    assert run(live, "1", "--watch")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["7"], "choose one of 1, 10, 100"),
        ([], "say which STAGE"),
        (["1", "--back", "0"], "say which STAGE"),
        (["--back", "11"], "choose one of 50, 10, 1, 0"),
        (["1", "--environment", "moon"], "there is no environment 'moon'"),
        (["1", "--since", "yesterday"], "is no moment"),
        (["1", "--baseline", "nan"], "is no number of attempts"),
        (["²"], "choose one of 1, 10, 100"),
        (["1"], "cannot be reached"),
    ],
)
def test_wrong_use_and_a_dead_server_never_read_as_a_decision(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(gate, [*arguments, "--prometheus", "http://127.0.0.1:1"])
    assert result.exit_code == 3
    assert words in result.output


@pytest.mark.slow
def test_a_beginning_that_is_told_by_how_long_ago_it_was_is_as_good_as_any(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, output = run(live, "1", "--since", "100m")
    assert (status, output.split()[0]) == (0, "PASS")
    monkeypatch.setattr("paymon.gate.command.environment_named", lambda *_: stories.BACK_TO_10.environment)
    step = live.end - stories.BACK_TO_10.begins_before_end
    status, output = run(live, "--back", "10", "--since", f"{time.time() - step + 90:.0f}s")
    assert (status, output.split()[0]) == (0, "PASS")


def in_project(folder: Path, *arguments: str) -> tuple[int, str]:
    """The installed command's exit status and what it says, in that folder."""
    result = subprocess.run(
        (Path(sys.executable).parent / "paymon", *arguments, "--prometheus", "http://127.0.0.1:1"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return result.returncode, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "more", "broken", "arguments", "words"),
    [
        ("TWO", "", "", ["gate", "1"], "which service?"),
        ("CATALOG", "", "", ["--service", "nope", "gate", "1"], "there is no service 'nope'"),
        ("CATALOG", "", "", ["--servise", "shop", "gate", "1"], "No such option"),
        ("CATALOG", 'requires = ">=9.9"\n', "", ["gate", "--back", "10"], "needs paymon 9.9 or newer"),
        ("CATALOG", "", "Signal()\n", ["gate", "1"], "signal lacks name"),
        ("CATALOG", "", "1 / 0\n", ["gate", "1"], "division by zero"),
    ],
    ids=["two services", "no such service", "no such option", "a newer paymon", "no signal", "no Python"],
)
def test_definitions_that_cannot_be_read_are_no_decision(
    tmp_path: Path, named: str, more: str, broken: str, arguments: list[str], words: str
) -> None:
    folder = acme(tmp_path, f"monitoring:{named}", more)
    monitoring = folder / "monitoring.py"
    monitoring.write_text(monitoring.read_text() + broken)
    status, said = in_project(folder, *arguments)
    assert (status, "Traceback" in said) == (3, False)
    assert words in said


@pytest.mark.parametrize(
    ("happens", "status", "words"),
    [(RuntimeError, 3, "RuntimeError; this is a mistake in paymon"), (KeyboardInterrupt, 130, "interrupted")],
)
def test_a_mistake_of_our_own_and_an_interruption_are_no_decision(
    monkeypatch: pytest.MonkeyPatch, happens: type[BaseException], status: int, words: str
) -> None:
    def load() -> None:
        raise happens

    monkeypatch.setattr("paymon.gate.command.load", load)
    result = CliRunner().invoke(gate, ["1", "--prometheus", "http://127.0.0.1:1"])
    assert result.exit_code == status
    assert words in result.output


def test_help_is_no_failure() -> None:
    assert CliRunner().invoke(gate, ["--help"]).exit_code == 0


def test_a_reader_that_has_gone_makes_no_decision_of_it(live: Live) -> None:
    command = (Path(sys.executable).parent / "paymon", "gate", "1", "--prometheus", live.url)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(300) == 3


# The arithmetic


def _chance_to_end_in(ratio: Ratio, share: float, wanted: Crossing, most: int = 20_000) -> float:
    """The probability that a test ends so, computed over all paths: by failures so far, one attempt after the other."""
    alive, ended = {0: 1.0}, 0.0
    for n in range(1, most + 1):
        after: dict[int, float] = {}
        for k, chance in alive.items():
            after[k] = after.get(k, 0.0) + chance * (1 - share)
            after[k + 1] = after.get(k + 1, 0.0) + chance * share
        alive = {}
        for k, chance in after.items():
            crossing = ratio.crossing(n, k)
            if crossing is wanted:
                ended += chance
            if crossing is Crossing.UNDECIDED:
                alive[k] = chance
        if sum(alive.values()) < 1e-9:
            break
    return ended


@pytest.mark.parametrize(("percent", "test"), TESTS, ids=lambda value: getattr(value, "title", str(value))[:30])
def test_the_risks_are_at_most_those_that_the_stage_states(percent: int, test: SequentialTest) -> None:
    ratio = Ratio.of(test)
    assert _chance_to_end_in(ratio, float(test.healthy), Crossing.FAIL) <= float(test.wrongly_stopped)
    assert _chance_to_end_in(ratio, float(test.unacceptable), Crossing.PASS) <= float(test.wrongly_passed)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ROLLOUT.stages, ids=lambda stage: f"{stage.percent} %")
@pytest.mark.parametrize("hour", [4, 16], ids=["night", "day"])
def test_a_sample_of_simulated_stages_keeps_the_promise_by_night_and_by_day(stage: Stage, hour: int) -> None:
    """benchmarks/gate.py runs the 20,000 of each."""
    draws = random.Random(20261128 + hour)
    healthy = [decided(draws, stage, hour, bad=False) for _ in range(300)]
    bad = [decided(draws, stage, hour, bad=True) for _ in range(300)]
    # 300 runs: 1.05 % lets expect 3; 10 and more would be one chance in a thousand. Of 5 %, 28 and more likewise.
    assert healthy.count(Crossing.FAIL) < 10
    assert bad.count(Crossing.PASS) < 28


def test_the_exact_interval_is_clopper_and_pearsons() -> None:
    # Values of scipy.stats.binomtest(k, n).proportion_ci(method="exact")
    for n, k, low, high in ((75, 0, 0.0, 0.04799506), (750, 5, 0.00216809, 0.01548871), (10, 10, 0.69150289, 1.0)):
        assert exact_interval(n, k) == pytest.approx((low, high), abs=1e-7)
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_a_path_keeps_its_first_decision() -> None:
    ratio = Ratio.of(TESTS[0][1])
    assert first_crossing(ratio, [(10, 0), (61, 0), (62, 30)]) == (1, Crossing.PASS)
    assert first_crossing(ratio, [(10, 2), (100, 2)]) == (0, Crossing.FAIL)
    assert first_crossing(ratio, [(10, 0), (20, 0)]) == (None, Crossing.UNDECIDED)


def test_a_stage_that_is_still_to_begin_is_wrong_use() -> None:
    for arguments in (["1"], ["--back", "10"]):
        asked = [*arguments, "--since", "2099-01-01", "--prometheus", "http://127.0.0.1:1"]
        found = CliRunner().invoke(gate, asked)
        assert found.exit_code == 3, found.output
        assert "--since 2099-01-01 00:00:00Z is still to come; say when it began" in found.output
