"""Who is told of which alert, how soon, how often again, and of its end? Stated by hand from the runbook."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ALSO_STATED", "STATED", "Stated", "Told"]

Labels = Mapping[str, str]

PAGER, CHANNEL = "PagerDuty payments-oncall, {}", "Slack #payments-oncall"
LEAD, VP, CTO = "mail payments-lead@gametriq.com", "mail vp-eng@gametriq.com", "mail cto@gametriq.com"
TICKETS, SWITCH = "webhook payments", "webhook payments-monitoring/{}"


@dataclass(frozen=True, kw_only=True)
class Told:
    """Some people, and when they are told."""

    who: tuple[str, ...]
    after: str
    """From the first alert of a group to its message."""
    look: str
    """From a message to the next about the same group, where something is new; also to the end."""
    again: str
    """From a message to its repetition, where nothing is new."""
    together: tuple[str, ...]
    """The labels that alerts of one message share; beside `rehearsal`, which keeps rehearsals apart."""
    end: bool = True


@dataclass(frozen=True)
class Stated:
    """An alert with these labels, and everybody who is told of it."""

    name: str
    labels: Labels
    told: tuple[Told, ...]


P1 = Told(
    who=(PAGER.format("critical"), CHANNEL),
    after="0s",
    look="1m",
    again="15m",
    together=("environment", "rehearsal", "service"),
)
STAKEHOLDERS = Told(
    who=(LEAD, VP, CTO), after="0s", look="1m", again="29m50s", together=("environment", "rehearsal", "service")
)
"""Every 30 minutes: ten seconds less, since Alertmanager looks once a minute and would be a minute late."""

ONE_BY_ONE = ("alertname", "environment", "rehearsal", "service")
OWN_INCIDENT = Told(who=(PAGER.format("critical"), CHANNEL), after="0s", look="1m", again="15m", together=ONE_BY_ONE)
"""A P1 for which whoever works on another one has to be called again."""
P2 = Told(who=(PAGER.format("error"), CHANNEL, LEAD), after="1s", look="5m", again="1h", together=ONE_BY_ONE)
P3 = Told(who=(PAGER.format("warning"), CHANNEL), after="1s", look="5m", again="12h", together=ONE_BY_ONE)
TICKET = Told(who=(TICKETS,), after="1s", look="5m", again="1d", together=ONE_BY_ONE)
CALMLY = Told(who=(CHANNEL,), after="1s", look="5m", again="12h", together=ONE_BY_ONE)
AT_ONCE = Told(who=(CHANNEL,), after="0s", look="5m", again="12h", together=ONE_BY_ONE)


def _heartbeat(environment: str) -> Told:
    """Every minute, or the dead man's switch calls; that it ended is for the switch to say."""
    return Told(
        who=(SWITCH.format(environment),),
        after="0s",
        look="1m",
        again="50s",
        together=("alertname", "environment"),
        end=False,
    )


def _of(name: str, told: tuple[Told, ...], **labels: str) -> Stated:
    return Stated(name, {"team": "payments", "service": "payments", **labels}, told)


STATED = (
    _of("NothingWorks", (P1, STAKEHOLDERS), priority="P1", environment="production"),
    _of("WorksBadly", (P2,), priority="P2", environment="production"),
    _of("MinorFault", (P3,), priority="P3", environment="production"),
    _of("WorkToDo", (TICKET,), priority="P4", environment="production"),
    _of("NothingWorksInStaging", (CALMLY,), priority="P1", environment="staging"),
    _of("WorksBadlyInStaging", (CALMLY,), priority="P2", environment="staging"),
    _of("MinorFaultInStaging", (CALMLY,), priority="P3", environment="staging"),
    _of("WorkToDoInStaging", (TICKET,), priority="P4", environment="staging"),
    _of("PaymentsKillSwitchActive", (AT_ONCE, TICKET), priority="P4", environment="production"),
    _of("PaymentsWatchdog", (_heartbeat("production"),), priority="none", environment="production"),
    _of("PaymentsWatchdog", (_heartbeat("staging"),), priority="none", environment="staging"),
    _of("OfNoPriority", (P3,), environment="production"),
    Stated("OfNobody", {"environment": "production", "service": "elsewhere"}, (P3,)),
    # What looks like ours in one label alone is no heartbeat, and is not told at once.
    _of("PaymentsWatchdog", (P3,), environment="elsewhere"),
    _of("PaymentsKillSwitchActive", (P2,), priority="P2", environment="production"),
    Stated(
        "WorksBadly", {"priority": "P2", "environment": "production", "service": "elsewhere", "team": "other"}, (P3,)
    ),
)
"""The runbook's severity levels and escalation chain. Nobody is woken by staging, and all know when payments are off.
What has no priority is told as a P3, and so is, of an Alertmanager of our own, what is of another team or of none."""

ALSO_STATED = (
    _of("PaymentsWatchdog", (_heartbeat("production"),), priority="P4", environment="production"),
    _of("PaymentsKillSwitchIneffective", (OWN_INCIDENT, STAKEHOLDERS), priority="P1", environment="production"),
    _of("StripeAccountDisabled", (OWN_INCIDENT, STAKEHOLDERS), priority="P1", environment="production"),
    _of("StripeAccountDisabled", (CALMLY,), priority="P1", environment="staging"),
    _of("StripeAccountDisabled", (P2,), priority="P2", environment="production"),
)
"""What would share a message with one of those, so that it is not posted beside it."""
