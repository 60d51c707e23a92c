"""What does a team's change of the definitions change, and what does it leave as it was?"""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from generators.files import environment_files, generated_files
from generators.problems import problems
from paymon.promtool import Promtool
from rules.catalog import PAYMENTS, catalog
from rules.composition import Definitions, filled, in_environment, places_left
from rules.composition.rest import with_the_rest
from rules.payments import outcomes, rollout
from rules.payments.organisation import PEOPLE, SERVICE
from rules.vocabulary import Alert, Environment, Jobs, Label, Override, Source, minutes, only_if


def alert(definitions: Definitions, name: str) -> Alert:
    return next(one for area in definitions.areas for one in area.alerts if one.name == name)


def names(definitions: Definitions) -> set[str]:
    return {
        name
        for area in definitions.areas
        for name in (
            *(one.name for one in area.alerts),
            *(one.name for one in area.signals),
            *(one.name for one in area.metrics),
        )
    }


OURS = replace(SERVICE, environments=SERVICE.environments[:1])
"""The service in production, which overrides nothing: of an alert that is left out nothing can be overridden."""

NEEDED = ("PaymentExporterStale", "PaymentsUnseen")
"""Every alert on sampled data is quiet once they are old; so somebody has to be told that they are, of Stripe's
events by the second, of every other source by the first."""

SHOP = replace(
    SERVICE,
    service="shop",
    environments=(
        Environment(
            name="eu-production",
            pages=True,
            api_url="https://eu.shop.example",
            jobs=Jobs(exporter=("a", "b"), application=("c",)),
        ),
        Environment(name="us-production", pages=True),
    ),
    api_url="https://shop.example",
    payment_methods=("ideal",),
    currencies=("eur",),
)


# ---- places


def test_a_catalog_has_no_place_left_but_those_on_which_its_environments_differ() -> None:
    assert places_left(PAYMENTS.areas) >= {"service", "api_url", "currencies", "environment"}
    assert places_left(catalog()) == {"environment"}
    shop = PAYMENTS.of(PEOPLE, SHOP)
    assert places_left(shop) >= {"environment", "api_url", "exporter_jobs"}
    assert [places_left(in_environment(shop, one)) for one in SHOP.environments] == [frozenset(), frozenset()]


@pytest.mark.slow
def test_two_catalogs_live_in_one_process_and_neither_knows_the_other() -> None:
    ours, theirs = PAYMENTS.of(PEOPLE, SERVICE), PAYMENTS.of(PEOPLE, SHOP)
    before = generated_files(ours)

    files = generated_files(theirs)

    assert {path.split("/")[1] for path in files if path.endswith("/rules/outcomes.yml")} == {
        "eu-production",
        "us-production",
    }
    assert [path for path, text in files.items() if 'service="payments"' in text or "⟦" in text] == []
    assert generated_files(ours) == before


@pytest.mark.slow
def test_an_example_quotes_values_that_the_service_has() -> None:
    assert problems(PAYMENTS.of(PEOPLE, SHOP)) == ()
    (methods,) = {
        label.values
        for metric in PAYMENTS.of(PEOPLE, SHOP).metrics
        for label in metric.labels
        if label.name == "payment_method"
    }
    assert methods == ("ideal", "other")


def test_filling_leaves_what_has_no_place_the_same_object() -> None:
    plain = Label("result", ("paid", "failed"))
    assert filled((plain, "text"), {"service": "shop"})[0] is plain
    assert filled('up{job="⟦exporter_jobs⟧"}', {"exporter_jobs": ("a.b", "c")}) == 'up{job=~"a\\\\.b|c"}'
    assert list(filled(("⟦currencies⟧", "other"), {"currencies": ("eur", "chf")})) == ["eur", "chf", "other"]
    assert filled("of ⟦service⟧ and ⟦team⟧", {"service": "shop"}) == "of shop and ⟦team⟧"


# ---- without


def test_an_alert_goes_with_its_panel_its_signal_and_what_it_hid() -> None:
    left = PAYMENTS.without("PaymentMigrationsPending", because="we migrate by hand")

    assert names(PAYMENTS) - names(left) == {"PaymentMigrationsPending", "payments_db:migrations_pending:max"}
    drawn = {curve.expr for board in left.dashboards for panel in board.panels for curve in panel.curves}
    assert not any("payments_db:migrations_pending:max" in expr for expr in drawn)
    assert problems(left.of(PEOPLE, OURS)) == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    sorted(one.name for area in PAYMENTS.areas for one in area.alerts if not one.always and one.name not in NEEDED),
)
def test_any_alert_can_be_left_out_and_what_is_left_holds(name: str) -> None:
    left = PAYMENTS.without(name, because="another team has it")

    assert name not in names(left)
    assert all(one.name != name for area in left.areas for alert in area.alerts for one in alert.hidden_by)
    assert problems(left.of(PEOPLE, OURS)) == ()


@pytest.mark.parametrize("name", NEEDED)
def test_the_alert_without_which_others_would_be_silent_for_ever_is_asked_for(name: str) -> None:
    left = PAYMENTS.without(name, because="x")

    assert "add an alert on the age of each source" in {one.how_to_fix[:38] for one in problems(left.of(PEOPLE, OURS))}


def test_an_override_of_what_was_left_out_is_told() -> None:
    left = PAYMENTS.without("PaymentMigrationsPending", because="we migrate by hand")

    assert [one.what for one in problems(left.of(PEOPLE, SERVICE))] == [
        "overrides PaymentMigrationsPending, which is no threshold"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "sources",
    [
        (Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION),
        (Source.FLAG,),
        (Source.WEBHOOK_INBOX,),
        (Source.PROBE,),
        (Source.HEALTH,),
        (Source.DECLARED,),
        (Source.STRIPE_DISPUTES,),
    ],
    ids=lambda sources: " ".join(one.value for one in sources),
)
def test_a_source_goes_with_all_that_reads_it_and_what_is_left_holds(sources: tuple[Source, ...]) -> None:
    left = PAYMENTS.without(*sources, because="we have none")

    assert [metric.name for metric in left.metrics if metric.source in sources] == []
    assert problems(left.of(PEOPLE, OURS)) == ()


def test_a_guard_that_only_keeps_quiet_goes_with_its_source_and_the_alert_stays() -> None:
    left = PAYMENTS.without(Source.FLAG, because="we have no flag service")

    guarded = {guard.signal.name for guard in alert(left, "PaymentsCompleteFailure").guards}
    assert "payments:kill_switch:engaged" in {g.signal.name for g in alert(PAYMENTS, "PaymentsCompleteFailure").guards}
    assert "payments:kill_switch:engaged" not in guarded


def _ways(one: Alert) -> int:
    return len(one.branches(one.thresholds[0]))


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("source", "unmeasured", "fewer"),
    [
        (
            Source.FLAG,
            {
                "PaymentRolloutDrift",
                "PaymentsKillSwitchActive",
                "PaymentsKillSwitchForgotten",
                "PaymentsKillSwitchIneffective",
            },
            # The way near opening and closing counts those whom a roll-back left.
            {"PaymentsNoneCompleted": 1},
        ),
        (
            Source.DECLARED,
            {
                "PaymentAttestationExpired",
                "PaymentBackupOld",
                "PaymentDeclarationMissing",
                "PaymentMaintenanceForgotten",
                "PaymentRestoreTestDue",
                "PaymentRolloutDrift",
                "RunbookReviewOverdue",
                "StripeKeyRotationDue",
            },
            {},
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Source) else "",
)
def test_who_has_no_flag_or_declares_nothing_still_hears_of_outages(
    source: Source, unmeasured: set[str], fewer: dict[str, int], tmp_path: Path, promtool: Promtool
) -> None:
    left = PAYMENTS.without(source, because="we have none")
    before = {one.name: one for area in PAYMENTS.areas for one in area.alerts}
    after = {one.name: one for area in left.areas for one in area.alerts}

    assert before.keys() - after.keys() == unmeasured
    lost = {name: _ways(before[name]) - _ways(one) for name, one in after.items()}
    assert {name: count for name, count in lost.items() if count} == fewer
    stays = {name for name, one in after.items() if one.stays_while}
    assert stays == {name for name in after if before[name].stays_while}

    files = environment_files(left.of(PEOPLE, OURS), OURS.environments[0])
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    tests = tmp_path / "generated/production/tests"
    asked = [path for area in ("silence", "completion", "health") for path in tests.glob(f"signals-{area}-*.yml")]
    assert len(asked) >= 3
    assert {result.failures for result in promtool.run_tests(asked)} == {()}


def test_what_keeps_an_alert_firing_goes_with_its_source_and_the_alert_stays() -> None:
    kept = only_if(rollout.kill_switch, "<", 1, "while payments are on")
    areas = tuple(
        replace(
            area,
            alerts=tuple(
                replace(one, stays_while=kept) if one.name == "PaymentsTrafficStopped" else one for one in area.alerts
            ),
        )
        for area in PAYMENTS.areas
    )
    left = replace(PAYMENTS, areas=areas).without(Source.FLAG, because="we have no flag service")

    assert alert(left, "PaymentsTrafficStopped").stays_while is None
    assert problems(left.of(PEOPLE, OURS)) == ()


def test_what_still_needs_it_is_named() -> None:
    with pytest.raises(ValueError, match="still needed: ") as told:
        PAYMENTS.without("payments:customer_attempts:increase2m", because="x")
    assert "alert PaymentsCompleteFailure is guarded by payments:customer_attempts:increase2m" in str(told.value)
    assert str(told.value).endswith("; leave these out too, or keep what they need")


def test_an_item_that_nothing_serves_any_more_is_left_to_people_for_the_same_reason() -> None:
    left = PAYMENTS.without("disputes", because="our acquirer handles disputes")

    reasons = {item.id: item.left_to_people for item in left.of(PEOPLE, OURS).items}
    assert reasons["KM-05"] == "our acquirer handles disputes"


# ---- override


@pytest.mark.slow
def test_a_threshold_that_is_overridden_changes_every_text_that_quotes_it_and_nothing_else() -> None:
    changed = PAYMENTS.override("PaymentFailuresPerHourHigh", value=70, because="we are larger").of(PEOPLE, SERVICE)

    before, after = generated_files(catalog()), generated_files(changed)
    differing = {path for path in before if before[path] != after[path]}
    assert before.keys() == after.keys()
    assert "generated/production/rules/budget.yml" in differing
    assert "generated/production/tests/PaymentFailuresPerHourHigh.yml" in differing
    assert "docs/thresholds.md" in differing
    assert all(
        "budget" in p
        or "PaymentFailuresPerHourHigh" in p
        or "deploy/" in p
        or "grafana" in p
        or "docs/" in p
        or "index.md" in p
        or "manifest" in p
        or "definitions-info" in p
        for p in differing
    ), differing
    assert "> 70" in after["generated/production/rules/budget.yml"]
    assert "We are larger" in after["generated/production/runbook/budget.md"]


def test_times_and_priorities_are_overridden_alike_and_the_original_stays() -> None:
    changed = PAYMENTS.override("PaymentsDegraded", lasting=minutes(7), value="0.2", because="we deploy often")

    (new,), (old,) = alert(changed, "PaymentsDegraded").thresholds, alert(PAYMENTS, "PaymentsDegraded").thresholds
    assert (new.lasting, new.value, new.because) == (minutes(7), Decimal("0.2"), "we deploy often")
    assert old.lasting != new.lasting
    assert [change.what for change in changed.changes] == ["PaymentsDegraded: lasting 0:07:00, value 0.2"]


@pytest.mark.slow
def test_a_guard_at_an_alert_s_bound_follows_the_alert_s_override() -> None:
    """A lag that is no alert to a team must not keep their other alerts quiet, be it overridden for all or for one."""
    for_all = PAYMENTS.override("PaymentReplicaLagHigh", value=90, because="our replica is far away").of(PEOPLE, OURS)
    there = replace(
        OURS.environments[0],
        overrides=(Override(threshold="PaymentReplicaLagHigh", value=Decimal(90), because="it is far away"),),
    )
    for_one = PAYMENTS.of(PEOPLE, replace(OURS, environments=(there,)))
    lag = 'payments_db:replica_lag:seconds{environment="production",service="payments"}'

    for changed in (for_all, for_one):
        files = generated_files(changed)
        for path in ("database.yml", "arrival.yml"):
            assert f"{lag} > 90" in files[f"generated/production/rules/{path}"]


def test_who_is_hidden_by_an_alert_that_is_overridden_is_hidden_by_the_new_one() -> None:
    changed = PAYMENTS.override("PaymentsCompleteFailure", value="0.01", because="stricter")

    new = alert(changed, "PaymentsCompleteFailure")
    assert new in alert(changed, "PaymentsDegraded").hidden_by


def test_a_service_of_a_single_currency_has_examples_too() -> None:
    euro = PAYMENTS.of(PEOPLE, replace(SERVICE, currencies=("eur",)))
    assert euro.organisation.currencies == ("eur",)


def test_signals_without_a_place_have_panels_of_different_ids_however_many_there_are() -> None:
    signals = tuple(replace(outcomes.attempts_2m, name=f"shop:waiting{number}:sum") for number in range(60))
    (more, *_) = with_the_rest(PAYMENTS.dashboards, (replace(PAYMENTS.areas[0], signals=signals, alerts=()),))
    ids = [panel.id for panel in more.panels]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 60
