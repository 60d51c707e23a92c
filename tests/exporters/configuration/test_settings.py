"""Is every mistake in the configuration named at once, with its place and its cure, and never a secret with it?"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from exporters.configuration.configfile import ConfigurationError, dotted, read
from exporters.configuration.former import under_new_names
from exporters.configuration.secrets import FromConfigurationFile, Secret, Section
from exporters.configuration.settings import load
from exporters.probes.settings import HealthSettings
from rules.vocabulary import Former

SECTIONS = "stripe, leader, postgres, health, probe, flag, declared"
KEY = "rk_test_" + "x" * 24
TOO_MUCH = "FILE: has far too many settings, or too deep ones; write them without aliases of aliases"
MULTIPLIED = b"".join(b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9)) for name in b"bcdefghijk")


def written(folder: Path, text: str) -> Path:
    path = folder / "exporter.yaml"
    path.write_text(text)
    return path


def refused(path: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path, environment or {})
    return [str(fault).replace(str(path), "FILE") for fault in caught.value.faults]


def test_a_section_that_is_missing_turns_its_source_off(tmp_path: Path) -> None:
    settings = load(written(tmp_path, "health: {url: 'https://api.example.com/health/payments'}"), {})
    assert settings.health is not None
    assert settings.stripe is None
    assert settings.postgres is None


def test_a_secret_is_read_from_the_file_that_its_setting_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"  {KEY}\n")
    settings = load(written(tmp_path, f"stripe: {{api_key_file: {tmp_path / 'key'}}}"), {})
    assert settings.stripe is not None
    assert settings.stripe.api_key.get_secret_value() == KEY
    assert KEY not in repr(settings)


def test_a_variable_overrides_the_file_and_may_hold_a_secret(tmp_path: Path) -> None:
    path = written(tmp_path, "stripe:\n  api_key_file: /nowhere\n  interval: 15\n  state: {backend: sqlite}\n")
    environment = {
        "PAYMON_STRIPE__API_KEY": KEY,
        "PAYMON_STRIPE__INTERVAL": "45",
        "PAYMON_STRIPE__STATE__BACKEND": "memory",
        "PAYMON_SERVICE_HOST": "10.0.0.1",
        "HOME": "/root",
    }
    settings = load(path, environment)
    assert settings.stripe is not None
    assert settings.stripe.api_key.get_secret_value() == KEY
    assert settings.stripe.interval == timedelta(seconds=45)
    assert settings.stripe.state.backend == "memory"


def test_a_section_may_come_from_variables_alone(tmp_path: Path) -> None:
    environment = {"PAYMON_HEALTH__URL": "https://api.example.com/health/payments"}
    assert load(written(tmp_path, ""), environment).health is not None


@pytest.mark.parametrize(
    ("written_as", "seconds"), [("45", 45), ("45s", 45), ("1.5m", 90), ("500ms", 0.5), ("1h", 3600), ("PT45S", 45)]
)
def test_a_duration_is_written_as_people_write_it(tmp_path: Path, written_as: str, seconds: float) -> None:
    health = "health: {url: 'https://a.example', timeout: 100ms, interval: %s, max_age: 1d}"
    for text in (written_as, repr(written_as)):
        settings = load(written(tmp_path, health % text), {})
        assert settings.health is not None
        assert settings.health.interval == timedelta(seconds=seconds)


def test_a_list_in_a_variable_is_json(tmp_path: Path) -> None:
    path = written(tmp_path, "probe: {hosts: [a.example.com]}")
    settings = load(path, {"PAYMON_PROBE__HOSTS": '["b.example.com", "c.example.com"]'})
    assert settings.probe is not None
    assert [host.host for host in settings.probe.hosts] == ["b.example.com", "c.example.com"]
    assert refused(path, {"PAYMON_PROBE__HOSTS": "b.example.com"}) == [
        "PAYMON_PROBE__HOSTS: is not a list; write one, as in [a, b], or each entry on a line after a dash"
    ]


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"""\
stripe:
  api_key: {KEY}
  intervall: 15
  read_share: 3
postgres:
  queries:
    - name: one
      sql: select 1
      metric: wrong
      help: Something to count
probes:
  hosts: []
""",
    )
    faults = refused(path, {"PAYMON_STRYPE__API_KEY": KEY, "PAYMON_HEALTH__TIMEOUT": "soon"})
    assert faults == [
        f"PAYMON_STRYPE__API_KEY: belongs to no section; there is {SECTIONS}, allow_lists",
        "FILE:2: stripe.api_key: is a secret; take it out and name its file in api_key_file, or set "
        "PAYMON_STRIPE__API_KEY",
        "FILE:4: stripe.read_share: has a value that does not fit; input should be less than or equal to 1",
        "FILE:3: stripe.intervall: is not a setting; did you mean interval?",
        "FILE:5: postgres.dsn: is missing; name the file that holds it in dsn_file, or set PAYMON_POSTGRES__DSN",
        "FILE:9: postgres.queries[0].metric: is no metric's name of yours; begin it with payments_custom_, then small "
        "letters, digits and _",
        "PAYMON_HEALTH__TIMEOUT: has a value that does not fit; write a duration such as 15, 15s, 5m or PT15S",
        "FILE: health.url: is missing; set url",
        "FILE:11: probes: is not a setting; did you mean probe?",
    ]
    assert KEY not in "".join(faults)


def test_a_name_that_is_spelled_wrong_is_told_once_and_how_to_spell_it(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
allow_lists:
  currencies: [USD]
postgres:
  inbox: {table: web hooks}
  queries:
    - name: carts
      sql: SELECT 1 AS value
      metric: payments_custom_carts
      help: Carts that wait for a customer
      labels: {Currency: [usd]}
""",
    )
    faults = refused(path, {"PAYMON_POSTGRES__DSN": "host=db"})
    assert faults == [
        "FILE:4: postgres.inbox.table: is no table's name; write one such as payments or billing.payments, in letters, "
        "digits and _",
        "FILE:10: postgres.queries[0].labels.Currency: is no label's name; write small letters, digits and _, a letter "
        "first",
        "FILE:2: allow_lists.currencies[0]: is not spelled as Stripe spells them; write at most 64 small letters, "
        "digits and _",
    ]


def test_what_settings_make_of_each_other_is_named_beside_what_each_is_by_itself(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
postgres:
  dsn_file: /nowhere
  lock_timeout: 5s
  reconciliation:
    window: 7d
  queries:
    - {name: one, sql: select 1, metric: payments_custom_one, help: Something to count}
    - {name: one, sql: select 1, metric: payments_custom_one, help: Something to count, labels: {job: [a]}}
    - {name: unfinished, sql: select 1, metric: payments_custom_total, help: Something to count, max_rows: 0}
health:
  interval: 1s
  max_age: 10s
probe:
  hosts: [a.example, a.example]
  headers: []
""",
    )
    order = "timeout, interval and max_age are not in this order; let each be at least the one before"
    once = "no host or header, one twice, or more than 50; list each once"
    assert refused(path) == [
        "FILE:2: postgres.dsn_file: the secret's file /nowhere cannot be read: No such file or directory; create it, "
        "or let this user read it",
        "FILE:3: postgres.lock_timeout: lock_timeout must be below statement_timeout; "
        "a lock could not be told from a slow query",
        "FILE:5: postgres.reconciliation.window: is longer than what is remembered of Stripe's events; "
        "write 25h or less",
        "FILE:8: postgres.queries[1].labels: label 'job' is not ours to set; "
        "use a snake_case name that no scrape or rule adds",
        "FILE:9: postgres.queries[2].name: a built-in query is already named unfinished; choose another name",
        "FILE:9: postgres.queries[2].metric: gauge payments_custom_total ends like a counter's or a histogram's "
        "sample; choose another ending",
        "FILE:9: postgres.queries[2].max_rows: has a value that does not fit; "
        "input should be greater than or equal to 1",
        "FILE:8: postgres.queries[1].name: two queries have the name one; give each its own",
        "FILE:8: postgres.queries[1].metric: two queries have the metric payments_custom_one; give each its own",
        f"FILE:11: health.interval: {order}",
        "FILE:10: health.url: is missing; set url",
        f"FILE:14: probe.hosts: {once}",
        f"FILE:15: probe.headers: {once}",
    ]


@pytest.mark.parametrize("section", ["postgres", "leader", "stripe.state"])
def test_a_dsn_that_is_none_is_named_and_never_shown(tmp_path: Path, section: str) -> None:
    (tmp_path / "dsn").write_text("not a dsn hunter2")
    text = f"dsn_file: {tmp_path / 'dsn'}"
    for name in reversed(section.split(".")):
        text = f"{name}: {{{text}}}"
    [line] = [one for one in refused(written(tmp_path, text)) if "dsn" in one]
    assert line == (
        f"FILE:1: {section}.dsn_file: it is not a DSN that libpq understands; write postgresql://role@host/database"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory; create it, or let this user read it"),
        (b"", "is empty or far too long; write the secret alone into it"),
        (b"x" * 100_000, "is empty or far too long; write the secret alone into it"),
        (b"\xff\xfe", "is not text; write the secret alone into it"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_by_its_file(tmp_path: Path, content: bytes | None, why: str) -> None:
    secret = tmp_path / "key"
    if content is not None:
        secret.write_bytes(content)
    path = written(tmp_path, f"stripe:\n  api_key_file: {secret}\n")
    assert refused(path) == [f"FILE:2: stripe.api_key_file: the secret's file {secret} {why}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"FILE: configures no source; add at least one of {SECTIONS}"),
        (b"stripe:\n", f"FILE: configures no source; add at least one of {SECTIONS}"),
        (b"health: {url: 'https://a.b'}\nhealth: {}\n", "FILE:2: health: is there twice; keep one of the two"),
        (b"health: &h\n  url: *h\n", "FILE:2: contains itself; write it out"),
        (b"health: {\n", "FILE:2: is not YAML (expected the node content, but found '<stream end>'); mend the syntax"),
        (b"\xff\xfe\x00", "FILE: is not UTF-8 text; write the settings as YAML"),
        (b"health\n", "FILE:1: is not a mapping of settings; write `name: value` lines"),
        (b"health: !!python/object:os.system {}\n", None),
        (b"x" * 2_000_000, "FILE: is larger than 1 MiB; name the configuration file"),
        (b"[" * 5000, None),
        (b"[" * 60 + b"]" * 60, TOO_MUCH),
        (b"a: &a [x,x,x,x,x,x,x,x,x]\n" + MULTIPLIED, TOO_MUCH),
        (b"[" + b"x," * 60_000 + b"]", TOO_MUCH),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_refused_without_a_traceback(
    tmp_path: Path, content: bytes, message: str | None
) -> None:
    path = tmp_path / "exporter.yaml"
    path.write_bytes(content)
    faults = refused(path)
    assert faults
    if message:
        assert faults == [message]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml") == [
        "FILE: cannot be read (No such file or directory); create it, or let this user read it"
    ]
    assert refused(tmp_path) != []


class _Both(Section):
    password: Secret
    other: Secret | None = None


def test_a_secret_is_refused_inline_taken_from_code_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("hunter2\n")
    found = _Both.model_validate({"password_file": str(tmp_path / "p"), "other": "hunter3"})
    assert (found.password.get_secret_value(), found.other and found.other.get_secret_value()) == ("hunter2", "hunter3")
    assert "hunter" not in f"{found!r} {found}"
    for wrong in (FromConfigurationFile("hunter2"), 1234, "", None):
        with pytest.raises(ValueError, match="secret") as caught:
            _Both.model_validate({"password": wrong})
        assert "hunter" not in str(caught.value)


def test_the_line_of_every_setting_is_known(tmp_path: Path) -> None:
    document = read(written(tmp_path, "a:\n  b:\n    - c\n    - d: 1\n"))
    assert document.place(("a", "b", 1, "d")) == f"{document.path}:4: a.b[1].d"
    assert document.place(("a", "missing", "deeper")) == f"{document.path}:1: a.missing.deeper"
    assert document.place(("missing",)) == f"{document.path}: missing"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgres: {statuses: {completed: done}}", "postgres.statuses.completed: is not a list; write one, as in"),
        ("postgres: {payments: shop.payments}", "postgres.payments: is not a mapping of settings; write `name: value`"),
        (
            "postgres: {migrations: {tool: rails, expected: [2026-04-22]}}",
            "postgres.migrations.expected[0]: is a date, as YAML reads it, where a text is wanted; put it in quotes",
        ),
        (
            "postgres: {statuses: {completed: [1]}}",
            "postgres.statuses.completed[0]: is a number, as YAML reads it, where a text is wanted; put it in quotes",
        ),
        (
            "postgres: {statuses: {completed: [yes]}}",
            "postgres.statuses.completed[0]: is true or false, as YAML reads it, where a text is wanted; put it in",
        ),
        ("postgres: {time_zone: Europe/Berlim}", "no time zone is called Europe/Berlim; did you mean Europe/Berlin?"),
        ("postgres: {migrations: {tool: rails}}", "rails writes down only what it has applied; list the migrations"),
        (
            "postgres: {queries: [{name: mine, sql: DELETE FROM a, metric: payments_custom_a, help: What is deleted}]}",
            "postgres.queries[0].sql: it is not a SELECT; write one SELECT, which may begin with WITH",
        ),
        (
            "probe: {hosts: [a.example], webhook_url: 'http://a.example/hook'}",
            "probe.webhook_url: Stripe sends webhooks to https:// alone; write the address that it calls",
        ),
    ],
)
def test_what_yaml_or_a_slip_of_the_pen_makes_of_a_value_is_said_with_its_cure(
    tmp_path: Path, text: str, said: str
) -> None:
    environment = {"PAYMON_POSTGRES__DSN": "host=x"} if text.startswith("postgres") else {}
    path = tmp_path / "exporter.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load(path, environment)
    assert said in str(raised.value.faults[0])


class Shelf(Section):
    """A section in which a setting and a secret have new names."""

    FORMERLY: ClassVar[Mapping[str, Former]] = {
        "height": Former("high", until="0.4.0", because="the unit is said"),
        "key": Former("token", until="0.4.0", because="it is no token"),
    }
    height: int
    key: Secret


class Shop(Section):
    shelves: tuple[Shelf, ...]


def test_a_setting_under_its_former_name_is_taken_and_told_of() -> None:
    given = {"shelves": [{"height": 1, "key_file": "k"}, {"high": 2, "token_file": "t"}]}
    now, told = under_new_names(given, Shop)
    assert now == {"shelves": [{"height": 1, "key_file": "k"}, {"height": 2, "key_file": "t"}]}
    assert [(dotted(one.keys), one.name) for one in told] == [
        ("shelves[1].high", "height"),
        ("shelves[1].token_file", "key_file"),
    ]


def test_a_setting_under_both_of_its_names_is_refused() -> None:
    now, told = under_new_names({"shelves": [{"height": 1, "high": 2, "key_file": "k"}]}, Shop)
    assert told == ()
    with pytest.raises(ValidationError, match=r"shelves\.0\.high"):
        Shop(**now)


def test_a_file_that_says_a_former_name_works_and_the_warning_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = {"interval": Former("every", until="0.4.0", because="so it is called elsewhere")}
    monkeypatch.setattr(HealthSettings, "FORMERLY", former)
    path = written(tmp_path, "health:\n  url: https://a.example/health/payments\n  every: 45\n  timeout: 1\n")
    told: list[str] = []

    settings = load(path, {"PAYMON_HEALTH__TIMEOUT": "2"}, warn=told.append)

    assert settings.health is not None
    assert settings.health.interval == timedelta(seconds=45)
    assert told == [
        f"{path}:3: health.every: is interval now, because so it is called elsewhere; "
        "write that before version 0.4.0, which no longer knows the old name"
    ]


def test_a_variable_that_says_a_former_name_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former = {"interval": Former("every", until="0.4.0", because="so it is called elsewhere")}
    monkeypatch.setattr(HealthSettings, "FORMERLY", former)
    told: list[str] = []
    path = written(tmp_path, "health: {url: 'https://a.example/health/payments', timeout: 1}")
    settings = load(path, {"PAYMON_HEALTH__EVERY": "45"}, warn=told.append)
    assert settings.health is not None
    assert settings.health.interval == timedelta(seconds=45)
    assert [one.partition(":")[0] for one in told] == ["PAYMON_HEALTH__EVERY"]
