"""Which sources' answers still mean the same when the configuration was read again?"""

from pathlib import Path

import pytest

from exporters.configuration.settings import load
from exporters.process.assembly import Assembly, assemble
from exporters.sampling.labels import LabelOverflow
from rules.vocabulary import Source

SECRETS = {
    "PAYMON_STRIPE__API_KEY": "rk_live_one",
    "PAYMON_POSTGRES__DSN": "postgresql://reader@db.example/payments",
    "PAYMON_FLAG__TOKEN": "token",
}
LINES = (
    "stripe:",
    "  state: {backend: memory}",
    "postgres:",
    "  reconciliation: {grace: 15m, interval: 5m}",
    "  built_in: {tables: {interval: 1m}}",
    "  queries:",
    "    - {name: wait, metric: payments_custom_wait, help: Orders that wait, sql: SELECT 1 AS value, timeout: 2s}",
    "health: {url: 'https://shop.example/health', interval: 15s}",
    "probe: {hosts: [shop.example], webhook_url: 'https://shop.example/webhooks', interval: 1m}",
    "flag: {url: 'https://flags.example/live', interval: 30s}",
    "declared: {file: declared.yaml, interval: 1m}",
    "allow_lists: {currencies: [usd]}",
)
DATABASE = {Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION}
STRIPE = {Source.STRIPE_EVENTS, Source.STRIPE_ACCOUNT, Source.STRIPE_WEBHOOKS, Source.STRIPE_DISPUTES}
EVERY = DATABASE | STRIPE | {Source.HEALTH, Source.PROBE, Source.FLAG, Source.DECLARED}


def assembled(folder: Path, text: str, **environment: str) -> Assembly:
    path = folder / "exporter.yaml"
    path.write_text(text)
    there = {name: value for name, value in SECRETS.items() if "flag:" in text or "FLAG" not in name}
    return assemble(load(path, there | environment), LabelOverflow())


def test_every_source_that_is_sampled_is_known_by_what_it_asks(tmp_path: Path) -> None:
    found = assembled(tmp_path, "\n".join(LINES))
    assert {sampler.source for sampler in found.samplers} == EVERY
    assert found.same_as(found) == EVERY


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        ("stripe:", "stripe:\n  interval: 20s\n  timeout: 20s\n  read_share: 0.3\n  first_scrapes: 30s"),
        ("postgres:", "postgres:\n  interval: 20s\n  statement_timeout: 10s\n  max_age: 10m"),
        ("interval: 5m", "interval: 6m"),
        ("{interval: 1m}}", "{timeout: 10s}}"),
        ("timeout: 2s", "interval: 5m"),
        ("interval: 15s", "interval: 20s, timeout: 10s, max_age: 5m"),
        ("webhooks', interval: 1m", "webhooks', timeout: 5s"),
        ("interval: 30s", "interval: 40s"),
        ("declared.yaml, interval: 1m", "declared.yaml, interval: 2m"),
    ],
)
def test_another_pace_changes_nothing_that_is_known(tmp_path: Path, was: str, is_now: str) -> None:
    text = "\n".join(LINES)
    assert text.count(was) == 1
    other = assembled(tmp_path, text.replace(was, is_now))
    assert other.same_as(assembled(tmp_path, text)) == EVERY


@pytest.mark.parametrize(
    ("was", "is_now", "changed"),
    [
        ("stripe:", "stripe:\n  account: acct_1", STRIPE | {Source.RECONCILIATION}),
        ("grace: 15m", "grace: 10m", DATABASE),
        ("SELECT 1", "SELECT 2", DATABASE),
        ("{interval: 1m}}", "{enabled: false}}", DATABASE),
        ("shop.example/health", "new.example/health", {Source.HEALTH}),
        ("hosts: [shop.example]", "hosts: [new.example]", {Source.PROBE}),
        ("shop.example/webhooks", "shop.example/hooks", {Source.PROBE, Source.STRIPE_WEBHOOKS}),
        ("flags.example/live", "flags.example/test", {Source.FLAG}),
        ("declared.yaml", "elsewhere.yaml", {Source.DECLARED}),
        (
            "currencies: [usd]",
            "currencies: [eur]",
            {Source.STRIPE_EVENTS, Source.STRIPE_ACCOUNT, Source.POSTGRES, Source.RECONCILIATION},
        ),
        ("\nflag: {url: 'https://flags.example/live', interval: 30s}", "", {Source.FLAG}),
    ],
)
def test_what_is_asked_of_somebody_else_or_counted_otherwise_is_known_no_more(
    tmp_path: Path, was: str, is_now: str, changed: set[Source]
) -> None:
    text = "\n".join(LINES)
    assert text.count(was) == 1
    before, after = assembled(tmp_path, text), assembled(tmp_path, text.replace(was, is_now))
    assert after.same_as(before) == EVERY - changed


def test_another_database_and_another_key_are_known_no_more(tmp_path: Path) -> None:
    text = "\n".join(LINES)
    before = assembled(tmp_path, text)
    elsewhere = assembled(tmp_path, text, PAYMON_POSTGRES__DSN="postgresql://reader@db.example/test")
    assert elsewhere.same_as(before) == EVERY - DATABASE
    other_key = assembled(tmp_path, text, PAYMON_STRIPE__API_KEY="rk_live_two")
    assert other_key.same_as(before) == EVERY - STRIPE - {Source.RECONCILIATION}
