"""What do all dashboards of payments mark in their panels, and by what can they be narrowed?"""

from rules.payments import latency, outcomes, rollout
from rules.vocabulary import Mark, Narrowing, Tone

__all__ = ["MARKS", "NARROWINGS"]

NARROWINGS = (
    Narrowing(
        label="payment_method",
        title="Payment method",
        description="Narrows the panels that tell payment methods apart.",
        listed_by=outcomes.attempts,
    ),
)

_BUILD = latency.application_build
MARKS = (
    Mark(
        name="Rollout changes",
        expr=f"changes({rollout.rollout}[6m]) > 0",
        title="The rollout changed",
        tone=Tone.WARNING,
    ),
    Mark(
        name="Deployments",
        expr=f"count by (version) ({_BUILD}) unless count by (version) ({_BUILD} offset 6m)",
        title="Release {{version}}",
        tone=Tone.NEUTRAL,
    ),
)
