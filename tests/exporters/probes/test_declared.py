"""People declare what no machine can measure, and each entry counts or is named."""

import asyncio
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporters.probes.declared import DeclaredSampler, Problem, declarations, read
from exporters.probes.settings import DeclaredSettings
from exporters.sampling.model import ErrorClass, Reading, SampleError, Snapshot
from rules.payments import governance, rollout
from rules.vocabulary import Source
from tests.exporters.probes.look_ups import look_ups_that_hang

EXAMPLE = Path(__file__).parents[3] / "examples" / "declared.yaml"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = at("2025-08-10T12:00:00")


def sampled(file: Path, now: float = NOW) -> Snapshot:
    async def once() -> Snapshot:
        sampler = DeclaredSampler(DeclaredSettings(file=file))
        try:
            return await sampler.sample(now)
        finally:
            await sampler.close()

    return asyncio.run(once())


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "declared.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def values(readings: tuple[object, ...]) -> dict[str, float]:
    """Readings as one reads them on the page."""
    return {
        one.metric.name + "".join(f"[{value}]" for _, value in one.labels): one.value
        for one in readings
        if isinstance(one, Reading)
    }


def judged(text: str, now: float = NOW) -> tuple[dict[str, float], tuple[Problem, ...]]:
    found = declarations(yaml.safe_load(text), now)
    return values(found.readings), found.problems


def test_the_example_declares_everything_there_is_to_declare() -> None:
    found = values(sampled(EXAMPLE).readings)
    assert found == {
        "payments_attestation_expiry_timestamp_seconds[legal_approval]": at("2026-08-01"),
        "payments_attestation_expiry_timestamp_seconds[pci_attestation]": at("2026-07-14"),
        "payments_attestation_expiry_timestamp_seconds[terms_of_service]": at("2026-08-01"),
        "payments_attestation_expiry_timestamp_seconds[privacy_policy]": at("2026-08-01"),
        "payments_attestation_expiry_timestamp_seconds[pci_scan]": at("2025-10-20"),
        "payments_secret_rotated_timestamp_seconds[stripe_api_key]": at("2025-08-04"),
        "payments_secret_rotated_timestamp_seconds[stripe_webhook_secret]": at("2025-08-04"),
        "payments_secret_rotated_timestamp_seconds[service_token]": at("2025-08-04"),
        "payments_secret_rotated_timestamp_seconds[admin_token]": at("2025-08-04"),
        "payments_secret_rotated_timestamp_seconds[emergency_token]": at("2025-08-04"),
        "payments_backup_last_success_timestamp_seconds": at("2025-08-10T02:14:00"),
        "payments_backup_last_restore_test_timestamp_seconds": at("2025-07-08"),
        "payments_rollout_expected_ratio": 0.1,
        "payments_backup_processor_available": 0,
        "payments_maintenance_mode": 0,
        "payments_shop_closed": 0,
        "payments_runbook_last_reviewed_timestamp_seconds": at("2025-08-10"),
    }


def test_every_metric_of_the_source_and_every_value_of_its_labels_is_in_the_example() -> None:
    wanted = {
        metric.name + (f"[{value}]" if value else "")
        for area in (governance, rollout)
        for metric in vars(area).values()
        if getattr(metric, "source", None) is Source.DECLARED
        for value in (metric.labels[0].values if metric.labels else ("",))
    }
    assert set(values(sampled(EXAMPLE).readings)) == wanted


def test_the_names_of_people_stay_in_the_file() -> None:
    assert "DevOps" not in repr(sampled(EXAMPLE))


def test_a_sample_is_of_the_moment_at_which_it_was_taken() -> None:
    snapshot = sampled(EXAMPLE)
    assert (snapshot.source, snapshot.taken_at, snapshot.complete_until) == (Source.DECLARED, NOW, NOW)


def test_a_changed_file_counts_from_the_next_sample_on(tmp_path: Path) -> None:
    async def before_and_after() -> list[dict[str, float]]:
        sampler = DeclaredSampler(DeclaredSettings(file=tmp_path / "declared.yaml"))
        found = []
        for percent in (1, 10):
            written(
                tmp_path, f"operations: {{rollout: {{by: A, at: 2025-08-10, until: 2025-08-11, percent: {percent}}}}}"
            )
            found.append(values((await sampler.sample(NOW)).readings))
        await sampler.close()
        return found

    assert asyncio.run(before_and_after()) == [
        {"payments_rollout_expected_ratio": 0.01},
        {"payments_rollout_expected_ratio": 0.1},
    ]


ROLLOUT = "operations: {rollout: {by: A, at: '2025-08-01', until: '2025-08-10', percent: 10}}"


def test_the_last_day_of_a_declaration_is_part_of_it() -> None:
    assert judged(ROLLOUT, at("2025-08-10T23:59:59")) == ({"payments_rollout_expected_ratio": 0.1}, ())


@pytest.mark.parametrize(
    ("day", "from_", "until"),
    [
        ("2025-12-25", "2025-12-24T12:00:00", "2025-12-26T12:00:00"),
        ("2025-12-25T00:00:00-05:00", "2025-12-25T05:00:00", "2025-12-26T05:00:00"),
        ("2025-12-24T18:00Z", "2025-12-24T18:00:00", "2025-12-25T18:00:00"),
    ],
    ids=["anywhere on earth", "in New York", "from the evening before"],
)
def test_a_closed_day_is_the_one_that_begins_at_its_moment_and_a_date_is_that_day_wherever_on_earth(
    day: str, from_: str, until: str
) -> None:
    text = f"operations: {{closed: {{by: A, at: '2025-08-01', until: '2026-07-31', days: ['2025-10-03', '{day}']}}}}"

    closed = [
        judged(text, moment)[0]["payments_shop_closed"]
        for moment in (at(from_) - 1, at(from_), at(until) - 1, at(until))
    ]

    assert closed == [0, 1, 1, 0]


@pytest.mark.parametrize("day", ["2025-12-25T00:00", "Christmas", 5, ["2025-12-25"]])
def test_a_closed_day_that_is_none_is_named(day: object) -> None:
    said = {"by": "A", "at": "2025-08-01", "until": "2026-07-31", "days": [day]}
    found = declarations({"operations": {"closed": said}}, NOW)

    assert found.readings == ()
    assert [problem.where for problem in found.problems] == ["operations.closed.days.0"]


def test_an_expired_declaration_no_longer_holds() -> None:
    assert judged(ROLLOUT, at("2025-08-11")) == (
        {},
        (Problem("operations.rollout", "it has expired; declare it anew, or take it out"),),
    )


def test_an_expired_attestation_is_still_told_because_its_expiry_is_the_fact() -> None:
    text = "attestations: {pci_scan: {by: A, at: '2025-01-01', until: '2025-03-31'}}"
    assert judged(text) == ({"payments_attestation_expiry_timestamp_seconds[pci_scan]": at("2025-04-01")}, ())


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2025-08-10T02:00:00Z", at("2025-08-10T02:00:00")),
        ("2025-08-10 04:00:00+02:00", at("2025-08-10T02:00:00")),
        ("2025-08-10", at("2025-08-10")),
        ("2025-08-11", at("2025-08-11")),
    ],
)
def test_a_moment_is_a_day_in_utc_or_a_time_with_its_offset(tmp_path: Path, moment: str, seconds: float) -> None:
    file = written(tmp_path, f"backups: {{last_success: {{by: job, at: {moment}}}}}")
    assert values(sampled(file).readings) == {"payments_backup_last_success_timestamp_seconds": seconds}


NO_MOMENT = "not a date such as 2025-08-10 or a time such as 2025-08-10T12:00:00Z"


@pytest.mark.parametrize(
    ("entry", "where", "what"),
    [
        ("{by: A}", "backups.last_success.at", "Field required"),
        ("{at: '2025-08-10'}", "backups.last_success.by", "Field required"),
        ("{by: '  ', at: '2025-08-10'}", "backups.last_success.by", "String should have at least 1 character"),
        ("{by: 7, at: '2025-08-10'}", "backups.last_success.by", "Input should be a valid string"),
        ("{by: A, at: '2025-13-45'}", "backups.last_success.at", NO_MOMENT),
        ("{by: A, at: yesterday}", "backups.last_success.at", NO_MOMENT),
        ("{by: A, at: 1754827200}", "backups.last_success.at", NO_MOMENT),
        ("{by: A, at: null}", "backups.last_success.at", NO_MOMENT),
        (
            "{by: A, at: '2025-08-10T12:00:00'}",
            "backups.last_success.at",
            "a time of day without its offset from UTC; add Z, or one such as +02:00",
        ),
        ("{by: A, at: '0001-01-01'}", "backups.last_success.at", "Input should be greater than or equal to 0"),
        (
            "{by: A, at: '2025-08-12'}",
            "backups.last_success",
            "it lies in the future; write when it happened, or was said",
        ),
        ("{by: A, at: '2025-08-10', note: x}", "backups.last_success.note", "Extra inputs are not permitted"),
        (
            "yesterday",
            "backups.last_success",
            "Input should be a valid dictionary or instance of _Happened",
        ),
    ],
)
def test_a_wrong_event_is_left_out_and_named_and_the_others_count(entry: str, where: str, what: str) -> None:
    found, problems = judged(f"backups: {{last_success: {entry}}}\nrunbook: {{review: {{by: A, at: '2025-08-10'}}}}")
    assert problems == (Problem(where, what),)
    assert found == {"payments_runbook_last_reviewed_timestamp_seconds": at("2025-08-10")}


@pytest.mark.parametrize(
    ("entry", "where", "what"),
    [
        (
            "rollout: {by: A, at: '2025-08-10', percent: 10}",
            "operations.rollout.until",
            "Field required",
        ),
        (
            "rollout: {by: A, at: '2025-08-10', until: '2025-08-09', percent: 10}",
            "operations.rollout",
            "it ends before it begins; let until be later than at",
        ),
        (
            "rollout: {by: A, at: '2025-08-10', until: '2025-08-12', percent: 101}",
            "operations.rollout.percent",
            "Input should be less than or equal to 100",
        ),
        (
            "rollout: {by: A, at: '2025-08-10', until: '2025-08-12', percent: .nan}",
            "operations.rollout.percent",
            "Input should be a finite number",
        ),
        (
            "rollout: {by: A, at: '2025-08-10', until: '2025-08-12', percent: true}",
            "operations.rollout.percent",
            "Input should be a valid number",
        ),
        (
            "rollout: {by: A, at: '2025-08-10', until: '2025-08-12', percent: '10'}",
            "operations.rollout.percent",
            "Input should be a valid number",
        ),
        (
            "maintenance: {by: A, at: '2025-08-10', until: '2025-08-12', value: 1}",
            "operations.maintenance.value",
            "Input should be a valid boolean",
        ),
        (
            "maintenance: {by: A, at: '2025-08-12', until: '2025-08-14', value: true}",
            "operations.maintenance",
            "it lies in the future; write when it happened, or was said",
        ),
        (
            "party: {by: A}",
            "operations.party",
            "there is no such entry; there are rollout, backup_processor, closed, maintenance",
        ),
    ],
)
def test_a_wrong_declaration_is_left_out_and_named_and_the_others_count(entry: str, where: str, what: str) -> None:
    others = "backup_processor: {by: A, at: '2025-08-10', until: '2025-08-12', value: true}"
    found, problems = judged(f"operations:\n  {entry}\n  {others}")
    assert problems == (Problem(where, what),)
    assert found == {"payments_backup_processor_available": 1}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (
            "parties: {}",
            "parties",
            "there is no such section; there are attestations, rotations, backups, operations, runbook",
        ),
        ("7: {}", "7", "there is no such section; there are attestations, rotations, backups, operations, runbook"),
        ("backups: []", "backups", "no mapping; name entries such as last_success, last_restore_test"),
        (
            "rotations: {whsec_1234: {by: A, at: '2025-08-10'}}",
            "rotations.whsec_1234",
            "there is no such entry; there are stripe_api_key, stripe_webhook_secret, service_token, admin_token, "
            "emergency_token",
        ),
    ],
)
def test_an_unknown_name_is_named(text: str, where: str, what: str) -> None:
    assert judged(text) == ({}, (Problem(where, what),))


@pytest.mark.parametrize("text", ["{}", "backups:", "backups: {}"])
def test_nothing_declared_is_nothing_served(tmp_path: Path, text: str) -> None:
    assert sampled(written(tmp_path, text)).readings == ()


def test_each_problem_is_said_once_and_without_what_stood_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def twice(file: Path) -> None:
        sampler = DeclaredSampler(DeclaredSettings(file=file))
        for _ in range(2):
            await sampler.sample(NOW)
        await sampler.close()

    broken = "backups: {last_success: {by: jane@example.com, at: hunter2}}\nrunbook: {review: {by: A, at: 2025-08-10}}"
    asyncio.run(twice(written(tmp_path, broken)))
    assert [message for message in caplog.messages if "declared" in message] == [
        f"declared.file, backups.last_success.at: {NO_MOMENT}; the entry does not count"
    ]


def failure(file: Path) -> tuple[ErrorClass, str]:
    with pytest.raises(SampleError) as caught:
        sampled(file)
    return caught.value.kind, str(caught.value)


def test_a_file_of_which_nothing_counts_is_an_error(tmp_path: Path) -> None:
    assert failure(written(tmp_path, "backups: {last_success: {by: A}}")) == (
        ErrorClass.BAD_DATA,
        "declared.file, backups.last_success.at: Field required; mend every entry; none counts",
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is no mapping; write sections such as attestations, rotations, backups, operations, runbook"),
        ("- a", "it is no mapping; write sections such as attestations, rotations, backups, operations, runbook"),
        ("a: [", "line 1: expected the node content, but found '<stream end>'; write valid YAML"),
        ("a: 1\nb: 2\na: 3", "line 3: a key stands twice; write valid YAML"),
        ("a: {b: 1, b: 2}", "line 1: a key stands twice; write valid YAML"),
        ("a: !!python/object:os.system x", "line 1: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object:os.system'; write valid YAML"),
        ("a: *b", "line 1: found undefined alias 'b'; write valid YAML"),
        (b"a: \x00", "it is no YAML; write valid YAML"),
        (b"\xff\xfe\xff", "it is no YAML; write valid YAML"),
        ("!!map [a]", "it is no YAML; write valid YAML"),
        ("[" * 1_000, "it is no YAML; write valid YAML"),
        ("a: " + "9" * 5_000, "it is no YAML; write valid YAML"),
        ("#" * 300_000, "it is longer than 262144 bytes; leave only declarations in it"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_yaml_mapping_is_an_error(tmp_path: Path, text: str | bytes, what: str) -> None:
    assert failure(written(tmp_path, text)) == (ErrorClass.BAD_DATA, f"declared.file: {what}")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert failure(tmp_path / "none.yaml") == (
        ErrorClass.UNREACHABLE,
        "declared.file: No such file or directory; put it there",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    file = written(tmp_path, "{}")
    file.chmod(0)
    assert failure(file)[0] is ErrorClass.NOT_PERMITTED


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert failure(tmp_path / "pipe") == (
        ErrorClass.BAD_DATA,
        "declared.file: it is no regular file; name a YAML file",
    )


def test_the_file_is_read_while_look_ups_fill_the_event_loops_threads() -> None:
    async def story() -> Snapshot:
        async with look_ups_that_hang():
            sampler = DeclaredSampler(DeclaredSettings(file=EXAMPLE, timeout=timedelta(seconds=2)))
            try:
                return await sampler.sample(NOW)
            finally:
                await sampler.close()

    assert asyncio.run(story()).readings


def test_aliases_that_multiply_cost_nothing(tmp_path: Path) -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    kind, message = failure(written(tmp_path, bomb))
    assert kind is ErrorClass.BAD_DATA
    assert len(message) < 200


NAMES = ["attestations", "backups", "operations", "rollout", "last_success", "pci_scan", "by", "at", "until"]


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(NAMES) | st.integers(),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["2025-08-10", "9999-12-31"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        ),
    )
)
def test_whatever_a_mapping_holds_is_judged_without_an_exception(content: dict[object, object]) -> None:
    declarations(content, NOW)


@given(st.text(alphabet="ab:{}[]&*!<>-?'\"\n #|%@,1.", max_size=60))
def test_whatever_a_file_holds_is_a_mapping_or_a_sample_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = written(tmp_path_factory.getbasetemp(), text)
    with suppress(SampleError):
        declarations(read(file), NOW)
