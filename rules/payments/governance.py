"""Governance: are keys fresh, backups tested, papers signed and this runbook read?"""

import math

from rules.payments import monitoring
from rules.payments.runbook.procedures import EXPORTER_LOG, ROTATE_WEBHOOK_SECRET
from rules.vocabulary import (
    Alert,
    Example,
    Gauge,
    Label,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    above,
    at_most,
    hours,
    minutes,
)

ATTESTATION = Label(
    "item",
    (
        "legal_approval",
        "pci_attestation",
        "terms_of_service",
        "privacy_policy",
        "pci_scan",
    ),
)
SECRET = Label("secret", ("stripe_api_key", "stripe_webhook_secret", "service_token", "admin_token", "emergency_token"))

attestation_expiry = Gauge(
    "payments_attestation_expiry_timestamp_seconds",
    "Until when somebody has vouched for this item of the checklist",
    Unit.TIMESTAMP,
    Source.DECLARED,
    labels=(ATTESTATION,),
    serves=("CHK-01", "CHK-02", "CHK-03", "CHK-04", "CHK-14"),
)

secret_rotated = Gauge(
    "payments_secret_rotated_timestamp_seconds",
    "When the secret of this name was last replaced",
    Unit.TIMESTAMP,
    Source.DECLARED,
    labels=(SECRET,),
    serves=("CHK-11", "ISS-05"),
)

backup = Gauge(
    "payments_backup_last_success_timestamp_seconds",
    "When the payments database was last backed up",
    Unit.TIMESTAMP,
    Source.DECLARED,
    serves=("CHK-10",),
)

restore_test = Gauge(
    "payments_backup_last_restore_test_timestamp_seconds",
    "When a backup of the payments database was last restored to see that it works",
    Unit.TIMESTAMP,
    Source.DECLARED,
    serves=("CHK-10",),
)

runbook_reviewed = Gauge(
    "payments_runbook_last_reviewed_timestamp_seconds",
    "When the runbook was last reviewed",
    Unit.TIMESTAMP,
    Source.DECLARED,
    serves=("GOV-01",),
)


def _age(metric: Gauge) -> str:
    return f"min without (instance, pod) (time() - {metric})"


def _age_example(metric: Gauge) -> Example:
    return Example(
        series=((f'{metric}{{pod="a"}}', "60x10"), (f'{metric}{{pod="b"}}', "60x3 300x7")),
        at=minutes(10),
        gives=(("", "300"),),
    )


_DECLARED = (attestation_expiry, secret_rotated, backup, restore_test, runbook_reviewed)

_DECLARED_AT_ALL = monitoring.watermark.where(source=Source.DECLARED.value)
"""There wherever an exporter has a declared file to read."""


def _entries(metric: Gauge) -> int:
    return math.prod(len(label.values) for label in metric.labels)


def _found(selector: str, labels: tuple[Label, ...]) -> str:
    """PromQL for the number of different values of these labels, whatever the number of exporters."""
    return f"count(group by ({', '.join(label.name for label in labels)}) ({selector}))"


declarations_missing = Signal(
    "payments_governance:declarations_missing:count",
    "Attestations, rotations, backups and reviews that the declared file ought to tell, and does not",
    Unit.COUNT,
    f"{sum(map(_entries, _DECLARED))} * {_found(_DECLARED_AT_ALL, (monitoring.SOURCE,))}\n- on () "
    + "\n- on () ".join(f"({_found(metric.name, metric.labels)} or vector(0))" for metric in _DECLARED),
    Example(
        series=(
            (_DECLARED_AT_ALL, "0+60x10"),
            *((attestation_expiry.where(item=item), "900x10") for item in ATTESTATION.values[1:]),
            *((secret_rotated.where(secret=secret), "60x10") for secret in SECRET.values[2:]),
            (f'{secret_rotated.where(secret=SECRET.values[-1])[:-1]},pod="b"}}', "60x10"),
            (restore_test.name, "60x10"),
            (runbook_reviewed.name, "60x10"),
        ),
        at=minutes(10),
        gives=(("", "4"),),
    ),
    also=(
        Example(
            series=(
                (_DECLARED_AT_ALL, "0+60x10"),
                *((f'{backup}{{pod="{pod}"}}', "60x10") for pod in "ab"),
                *(
                    (f'{metric}{{{label}="elsewhere"}}', "60x10")
                    for metric in _DECLARED
                    if metric is not backup
                    for label in ("environment", "service", "job")
                ),
            ),
            at=minutes(10),
            gives=(("", "12"),),
        ),
        Example(
            series=(
                (_DECLARED_AT_ALL, "0+60x10"),
                *((f'{backup}{{{label}="elsewhere"}}', "60x10") for label in ("environment", "service", "job")),
            ),
            at=minutes(10),
            gives=(("", "13"),),
        ),
    ),
    serves=("CHK-01", "CHK-02", "CHK-03", "CHK-04", "CHK-10", "CHK-11", "CHK-14"),
)

secret_age = Signal(
    "payments_governance:secret_age:seconds",
    "Time since a secret was replaced, by its name",
    Unit.SECONDS,
    _age(secret_rotated),
    Example(
        series=(
            (secret_rotated.where(secret="stripe_api_key"), "60x10"),
            (secret_rotated.where(secret="admin_token"), "300x10"),
        ),
        at=minutes(10),
        gives=(('secret="stripe_api_key"', "540"), ('secret="admin_token"', "300")),
    ),
    serves=("CHK-11",),
)

attestation_left = Signal(
    "payments_governance:attestation_left:seconds",
    "Time until an attestation expires, by item",
    Unit.SECONDS,
    f"max without (instance, pod) ({attestation_expiry} - time())",
    Example(
        series=(
            (attestation_expiry.where(item="pci_scan"), "60x10"),
            (attestation_expiry.where(item="privacy_policy"), "900x10"),
        ),
        at=minutes(10),
        gives=(('item="pci_scan"', "-540"), ('item="privacy_policy"', "300")),
    ),
    serves=("CHK-01", "CHK-02", "CHK-03", "CHK-04", "CHK-14"),
)

backup_age = Signal(
    "payments_governance:backup_age:seconds",
    "Time since the payments database was backed up",
    Unit.SECONDS,
    _age(backup),
    _age_example(backup),
    serves=("CHK-10",),
)

restore_test_age = Signal(
    "payments_governance:restore_test_age:seconds",
    "Time since a backup was last restored as a test",
    Unit.SECONDS,
    _age(restore_test),
    _age_example(restore_test),
    serves=("CHK-10",),
)

review_age = Signal(
    "payments_governance:runbook_review_age:seconds",
    "Time since the runbook was reviewed",
    Unit.SECONDS,
    _age(runbook_reviewed),
    _age_example(runbook_reviewed),
    serves=("GOV-01",),
)

declaration_missing = Alert(
    "PaymentDeclarationMissing",
    watches=declarations_missing,
    thresholds=(
        above(
            0,
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            because="checklist: each item has somebody who vouches for it; what nobody declares never comes due",
        ),
    ),
    summary="The declared file lacks entries of the checklist.",
    description="{value} attestations, rotations, backups or reviews are not declared, or not as they have to be.",
    runbook=Runbook(
        meaning="An entry was never written, was taken out, or is written in a way that the exporter cannot count.",
        impact="The alert on what is missing cannot fire: an old key or an old backup goes unnoticed.",
        diagnosis=(
            EXPORTER_LOG,
            Step("Compare the exporter's declared file with examples/declared.yaml, entry by entry."),
        ),
        mitigation=(
            Step("Declare what is missing, by whom and when; the log names the entries that do not count, and why."),
            Step("What you do not have at all, take out of the lists in rules/payments/governance.py, and generate."),
        ),
    ),
    serves=("CHK-01", "CHK-02", "CHK-03", "CHK-04", "CHK-10", "CHK-11", "CHK-14"),
)

key_rotation_due = Alert(
    "StripeKeyRotationDue",
    watches=secret_age,
    thresholds=(
        above(
            25 * 86400,
            Severity.INFO,
            Priority.P4,
            lasting=hours(1),
            tier="soon",
            because="five days before it is overdue there is time to plan the rotation",
        ),
        above(
            30 * 86400,
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            tier="overdue",
            because="checklist: API keys rotated within the last 30 days",
        ),
    ),
    summary="A secret was last replaced more than {threshold} ago.",
    description="The secret {secret} was replaced {value} ago.",
    runbook=Runbook(
        meaning="A key has been in use for longer than the checklist allows.",
        impact="None by itself; a key that leaked works until it is replaced.",
        diagnosis=(Step("See in the secret store when it was last replaced; the declared file may be behind."),),
        mitigation=(
            Step("Make a new key at Stripe, deploy it, and let the old one expire after the last pod has the new one."),
            ROTATE_WEBHOOK_SECRET,
            Step("Write the date into the exporter's declared file."),
        ),
    ),
    serves=("CHK-11", "ISS-05"),
)

attestation_expired = Alert(
    "PaymentAttestationExpired",
    watches=attestation_left,
    thresholds=(
        at_most(
            0,
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            because="checklist: somebody vouches for it, for a time; after that nobody does",
        ),
    ),
    summary="An attestation of the checklist has expired.",
    description="Nobody vouches any longer for {item}; the time left is {value}.",
    runbook=Runbook(
        meaning="Legal approval, a PCI attestation or scan, or a policy's review is older than it may be.",
        impact="None today; a finding in the next audit, and no further rollout.",
        diagnosis=(Step("See in the exporter's declared file who vouched for it, and when."),),
        mitigation=(Step("Ask that person to look again, and write the new date into the declared file."),),
    ),
    serves=("CHK-01", "CHK-02", "CHK-03", "CHK-04", "CHK-14"),
)

backup_old = Alert(
    "PaymentBackupOld",
    watches=backup_age,
    thresholds=(
        above(
            26 * 3600,
            Severity.WARNING,
            Priority.P3,
            lasting=minutes(10),
            because="backups are made daily; two hours more allow for a slow one",
        ),
    ),
    summary="The latest backup of the payments database is more than {threshold} old.",
    description="The payments database was backed up {value} ago.",
    runbook=Runbook(
        meaning="The nightly backup did not succeed, or nobody wrote down that it did.",
        impact="What is lost with the disk is lost since then.",
        diagnosis=(Step("Read the backup job's log."),),
        mitigation=(Step("Run the backup by hand, and see that it ends well."),),
    ),
    serves=("CHK-10",),
)

restore_test_due = Alert(
    "PaymentRestoreTestDue",
    watches=restore_test_age,
    thresholds=(
        above(
            90 * 86400,
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            because="checklist: backups tested; a backup that nobody restored for a quarter is a hope",
        ),
    ),
    summary="No backup has been restored as a test for more than {threshold}.",
    description="A backup was last restored as a test {value} ago.",
    runbook=Runbook(
        meaning="Nobody has seen lately that the backups can be read.",
        impact="None, until one is needed.",
        diagnosis=(Step("See in the exporter's declared file when it was last done."),),
        mitigation=(
            Step("Restore the latest backup into an empty database, count the payments, write down the date."),
        ),
    ),
    serves=("CHK-10",),
)

runbook_review_overdue = Alert(
    "RunbookReviewOverdue",
    watches=review_age,
    thresholds=(
        above(
            31 * 86400,
            Severity.WARNING,
            Priority.P4,
            lasting=hours(1),
            because="the runbook is to be reviewed monthly",
        ),
    ),
    summary="The runbook was last reviewed more than {threshold} ago.",
    description="The runbook was reviewed {value} ago.",
    runbook=Runbook(
        meaning="A month has passed without anybody reading the runbook against reality.",
        impact="Commands, names and numbers in it may no longer be true.",
        diagnosis=(Step("Read what has changed since: incidents, deployments, people."),),
        mitigation=(Step("Review it, mend the definitions, generate, and write the date into the declared file."),),
    ),
    serves=("GOV-01",),
)
