"""What do the exporter and Prometheus read in the demo?"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from generators.text import as_yaml
from rules.vocabulary import Environment, Organisation

__all__ = ["SCRAPE_SECONDS", "declared", "exporter_settings", "prometheus_settings"]

SCRAPE_SECONDS = 1

_SAMPLE_SECONDS = 2
"""The least at which what is sampled stays younger than three intervals, scrape and whole seconds included."""

_GRACE = 30
"""Seconds that Stripe and the database may differ, and from one comparison to the next."""


def exporter_settings(speed: int) -> str:
    """The exporter's configuration: production's, longer durations divided by `speed`; no address, no secret."""

    def shorter(seconds: float) -> float:
        return max(seconds / speed, _SAMPLE_SECONDS)

    def sampled(seconds: float) -> dict[str, float]:
        interval = shorter(seconds)
        return {"interval": interval, "timeout": min(interval, 2), "max_age": 4 * interval}

    stripe = {"interval": shorter(15), "first_scrapes": 2 * SCRAPE_SECONDS, "read_share": 1}
    postgres = {
        "interval": shorter(15),
        "max_age": shorter(120),
        "late_commits": shorter(120),
        "role_sees_all_rows": True,
        "reconciliation": {"grace": _GRACE, "interval": _GRACE},
        "built_in": {name: {"interval": shorter(15)} for name in ("duplicates", "replica_lag")},
    }
    return as_yaml(
        {
            "stripe": stripe,
            "postgres": postgres,
            "health": sampled(15),
            "probe": sampled(60),
            "flag": sampled(30),
            "declared": sampled(60),
        }
    )


def prometheus_settings(
    organisation: Organisation, environment: Environment, rules: Path, speed: int, targets: Mapping[str, str]
) -> str:
    """Prometheus' configuration. `targets` are addresses (host:port) by job; the job alertmanager gets the alerts."""
    jobs = organisation.jobs_in(environment)
    ours = (*jobs.exporter, *jobs.application)
    evaluation = max(organisation.evaluation_interval.total_seconds() / speed, SCRAPE_SECONDS)
    return as_yaml(
        {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "scrape_timeout": f"{SCRAPE_SECONDS}s",
                "evaluation_interval": f"{evaluation * 1000:.0f}ms",
            },
            "rule_files": [f"{rules}/*.yml"],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [targets["alertmanager"]]}]}],
            },
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [
                        {
                            "targets": [target],
                            "labels": {"environment": environment.name, "service": organisation.service}
                            if job in ours
                            else {},
                        }
                    ],
                }
                for job, target in targets.items()
            ],
        }
    )


def declared(now: float, percent: float) -> str:
    """What people declare where everything is in order: done an hour ago, good for a year; rolled out to `percent`."""
    moment = datetime.fromtimestamp(now, UTC)
    said = {"by": "Demo", "at": moment - timedelta(hours=1)}
    until = {**said, "until": (moment + timedelta(days=365)).date()}
    attestations = ("legal_approval", "pci_attestation", "terms_of_service", "privacy_policy", "pci_scan")
    secrets = ("stripe_api_key", "stripe_webhook_secret", "service_token", "admin_token", "emergency_token")
    return as_yaml(
        {
            "attestations": dict.fromkeys(attestations, until),
            "rotations": dict.fromkeys(secrets, said),
            "backups": dict.fromkeys(("last_success", "last_restore_test"), said),
            "operations": {
                "rollout": {**until, "percent": percent},
                "backup_processor": {**until, "value": False},
                "maintenance": {**until, "value": False},
            },
            "runbook": {"review": said},
        }
    )
