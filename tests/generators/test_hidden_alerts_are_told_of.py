"""Where one alert hides another, does everything that is told also end, and is nothing told that is over?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.generators.hiding import GROUP_INTERVAL, PAIRS, Course, Pair, world
from tests.versions import ALERTMANAGER, PROMETHEUS, in_matrix

PHASES = (0.0, 0.3, 0.55, 0.8)
SERVERS = tuple(zip((PROMETHEUS[0], PROMETHEUS[-1]), (ALERTMANAGER[0], ALERTMANAGER[-1]), strict=True))
SAMPLE = (
    "PaymentsDegraded < PaymentsCompleteFailure",
    "PaymentSuccessRateLow < PaymentsDegraded",
    "PaymentAbandonmentHigh < PaymentsCompleteFailure",
    "StripeWebhookEventUnsubscribed < StripeWebhookEndpointDisabled",
)


SLACK = 4 * GROUP_INTERVAL
"""Seconds by which a busy machine may be late."""


async def the_hidden_one_first(course: Course) -> None:
    """It was told; a louder one comes; all is over; it happens again."""
    hidden, louder = course.hidden, course.louder
    course.breaks(hidden)
    await course.until_told(hidden, "firing")
    await course.a_while()
    course.breaks(louder)
    taken_over = await course.until_told(louder, "firing")
    if course.phase > 0.5:
        await course.until_told(hidden, "resolved")
    mended = course.mends(louder, hidden)
    ended = await course.until_told(hidden, "resolved")
    louder_ended = await course.until_told(louder, "resolved")
    await it_happens_alone(course, louder_ended, times=2)

    of_its_own = mended + hidden.window if hidden.rule.alert.stays_while else 0
    assert ended <= max(louder_ended, max(taken_over, of_its_own) + hidden.keeps) + GROUP_INTERVAL + SLACK
    assert course.statuses(hidden) == ["firing", "resolved"] * 2
    assert course.statuses(louder) == ["firing", "resolved"]


async def the_louder_first(course: Course) -> None:
    """The louder one tells of it all; once that is over, nothing is left to tell; then the lesser one happens alone."""
    hidden, louder = course.hidden, course.louder
    course.breaks(louder)
    await course.until_told(louder, "firing")
    course.breaks(hidden)
    await course.a_while()
    course.mends(louder, hidden)
    louder_ended = await course.until_told(louder, "resolved")
    await course.until_drained(hidden)
    assert course.statuses(hidden) == []
    await it_happens_alone(course, louder_ended, times=1)

    assert course.statuses(hidden) == ["firing", "resolved"]
    assert course.statuses(louder) == ["firing", "resolved"]


async def the_lesser_goes_on(course: Course) -> None:
    """The louder one ends; what is left is told for itself, and ends, and happens again."""
    hidden, louder = course.hidden, course.louder
    course.breaks(louder)
    await course.until_told(louder, "firing")
    course.breaks(hidden)
    await course.a_while()
    course.mends(louder)
    louder_ended = await course.until_told(louder, "resolved")
    told = await course.until_told(hidden, "firing")
    await course.a_while()
    course.mends(hidden)
    await course.until_told(hidden, "resolved")
    await it_happens_alone(course, louder_ended, times=2)

    assert told <= louder_ended + hidden.window + hidden.waits + GROUP_INTERVAL + SLACK
    assert course.statuses(hidden) == ["firing", "resolved"] * 2
    assert course.statuses(louder) == ["firing", "resolved"]


async def it_happens_alone(course: Course, louder_ended: float, times: int) -> None:
    """The next incident, without the louder one: it is told within its own detection time, and so is its end."""
    hidden = course.hidden
    begins = course.breaks(hidden)
    told = await course.until_told(hidden, "firing", times)
    course.mends(hidden)
    await course.until_told(hidden, "resolved", times)

    assert told <= max(begins, louder_ended + hidden.window) + hidden.waits + GROUP_INTERVAL + SLACK


COURSES = (the_hidden_one_first, the_louder_first, the_lesser_goes_on)


def played(pairs: Sequence[Pair], phases: Sequence[float], versions: tuple[str, str], folder: Path) -> list[str]:
    """What was not as it should be, of every course of these pairs at these phases of the group interval."""

    async def play() -> list[str]:
        kinds = [(pair, kind, number) for pair in pairs for kind in COURSES for number in range(len(phases))]
        courses = [
            Course(f"course-{index}", pair, phases[number], branch=number)
            for index, (pair, _, number) in enumerate(kinds)
        ]
        async with world(courses, *versions, folder):
            results = await asyncio.gather(
                *(kind(course) for (_, kind, _), course in zip(kinds, courses, strict=True)), return_exceptions=True
            )
        return [
            f"{course.pair}, {kind.__name__}, {course.phase:g} of a group interval: {error!r}; told: {course.story()}"
            for (_, kind, _), course, error in zip(kinds, courses, results, strict=True)
            if error is not None
        ]

    return asyncio.run(play())


def test_the_sample_is_of_pairs_that_there_are() -> None:
    assert set(SAMPLE) <= set(map(str, PAIRS))


PARTS = 4 if in_matrix() else 1
"""All pairs are too many for one Prometheus at this speed."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("prometheus", "alertmanager"), SERVERS)
def test_what_is_told_ends_and_what_is_over_is_not_told(
    prometheus: str, alertmanager: str, part: int, tmp_path: Path
) -> None:
    pairs = [pair for pair in PAIRS if in_matrix() or str(pair) in SAMPLE][part::PARTS]
    phases = PHASES if in_matrix() else PHASES[::2]

    assert played(pairs, phases, (prometheus, alertmanager), tmp_path) == []
