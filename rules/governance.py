"""Governance: are keys fresh, backups tested, papers signed and this runbook read?"""

from rules.procedures import ROTATE_WEBHOOK_SECRET
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
