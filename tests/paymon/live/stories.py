"""Which rollouts are judged in the tests?"""

from dataclasses import replace

from rules.payments import database, monitoring, rollout
from tests.paymon.live.world import Story, at_stage

PRODUCTION = at_stage(1, name="production")
"""All is well; `paymon gate 1` finds it without saying which environment."""
STAGING = at_stage(1, name="staging", fails=lambda at: 0.2)
"""One payment in five fails; the other environment that the definitions know."""

BROKEN = at_stage(1, name="broken", fails=lambda at: 0.2 if at > 600 else 0)
ABOUT_TO_TELL = at_stage(1, name="about-to-tell", fails=lambda at: 0.02)
API_BROKEN = at_stage(1, name="api-broken", api_fails=0.05)
API_ON_TEN_INSTANCES = at_stage(10, name="api-on-ten-instances", api_fails=0.003, instances=10)
API_UNSCRAPED_AT_FIRST = at_stage(
    1, name="api-unscraped-at-first", per_minute_before=20, instances=4, unscraped_at_first=2
)
API_HALF_SEEN = at_stage(1, name="api-half-seen", instances=4, never_scraped=2)
TEN_BEFORE_A_DAY = at_stage(10, name="ten-before-a-day")
PAST_THE_FLAG = at_stage(1, name="past-the-flag", per_minute_before=20)
TOO_MANY = at_stage(1, name="too-many", per_minute=20)
TOO_FEW = at_stage(10, name="too-few", per_minute=0.2)
NO_INBOX = at_stage(1, name="no-inbox", old_sources=frozenset({"postgres"}))
STALE = at_stage(
    1,
    name="stale",
    changed={
        monitoring.source_age.name: lambda at: 40.0 if at > 6000 else 0.7,
        monitoring.watermark.name: lambda at: 0,
    },
)
UNSCRAPED = at_stage(1, name="unscraped", scraped=lambda at: not 3000 < at < 4500)
OTHER_PLAN = at_stage(1, name="other-plan", planned=10)
MOVED = at_stage(
    1,
    name="moved",
    changed={rollout.rollout.name: lambda at: 0.0 if at < 0 else 0.01 if at < 3000 or at > 3300 else 0.1},
)
UNMEASURED = at_stage(1, name="unmeasured", without=frozenset({database.duplicates.name}))
NO_RULES = at_stage(1, name="no-rules", without=frozenset({"ALERTS"}))
DOUBLE_CHARGE = at_stage(
    1, name="double-charge", changed={database.new_double_charges.name: lambda at: float(3000 < at < 3100)}
)
KILLED = at_stage(1, name="killed", killed_at=5000)
NOT_RECORDED = at_stage(1, name="not-recorded", changed={database.gap.name: lambda at: 1.0})
P1_WAS = at_stage(1, name="p1-was", fired={"PaymentsTrafficStopped": (3000, 3600)})
P2_IS = at_stage(1, name="p2-is", fired={"PaymentsDegraded": (3000, 1e9)})
P2_WAS = at_stage(1, name="p2-was", fired={"PaymentsDegraded": (3000, 3600)})
DECLINED = at_stage(1, name="declined", declined=0.4)

BACK_TO_10 = at_stage(10, name="back-to-10", percent_before=50, per_minute_before=62.5, begins_before_end=1800)
BACK_IN_VAIN = at_stage(
    10, name="back-in-vain", percent_before=50, per_minute_before=62.5, per_minute=62.5, begins_before_end=1800
)
BACK_TO_0 = at_stage(
    0, name="back-to-0", percent_before=10, per_minute_before=12.5, per_minute=0, begins_before_end=900
)
BACK_AMID_A_MINUTE = replace(BACK_TO_0, name="back-amid-a-minute", begins_before_end=890)
NOT_BACK = at_stage(0, name="not-back", percent_before=10, per_minute_before=12.5, per_minute=5, begins_before_end=900)
KILLED_AT_10 = at_stage(
    10, name="killed-at-10", percent_before=10, per_minute_before=12.5, per_minute=0, begins_before_end=900, killed_at=0
)
BACK_AMID_FAILURES = at_stage(
    10,
    name="back-amid-failures",
    percent_before=50,
    per_minute_before=62.5,
    begins_before_end=1800,
    fails=lambda at: 0.9,
)


def _went_down(at: float) -> float:
    """From 100 % to 50, 10 and 1, each five minutes after the other; the last is the stage of the story."""
    return 1.0 if at < -600 else 0.5 if at < -300 else 0.1 if at < 0 else 0.01


def _up_and_down(at: float) -> float:
    """Never the same for more than a minute."""
    return 0.01 if at >= 0 else 0.1 if at % 120 < 60 else 0.2


NOT_BACK_AND_UNSEEN = replace(NOT_BACK, name="not-back-and-unseen", hangs_at=150)
BACK_IN_VAIN_AND_UNSEEN = replace(BACK_IN_VAIN, name="back-in-vain-and-unseen", hangs_at=180)
BACK_IN_STEPS = at_stage(
    1,
    name="back-in-steps",
    changed={rollout.rollout.name: _went_down},
    pace=lambda at: 125 * _went_down(at),
    begins_before_end=1800,
)
LAST_STEP_IN_VAIN = at_stage(
    1,
    name="last-step-in-vain",
    changed={rollout.rollout.name: _went_down},
    pace=lambda at: 125 * max(_went_down(at), 0.1),
    begins_before_end=1800,
)
BACK_FROM_UNREST = at_stage(
    1,
    name="back-from-unrest",
    changed={rollout.rollout.name: _up_and_down},
    pace=lambda at: 125 * _up_and_down(at),
    begins_before_end=1800,
)

STORIES: tuple[Story, ...] = tuple(one for one in tuple(vars().values()) if isinstance(one, Story))
