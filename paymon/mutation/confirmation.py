"""Do mutants that are said to change nothing change nothing on random series either?

The series are those that the rule's tests feed, some or all with courses drawn by chance: counters grow, jump and start
again, gauges take values between those that the tests know, samples are missing. What differs nowhere is confirmed as
far as that goes; what differs somewhere may still be right, where no series is ever so, and is for people to look at.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from paymon.mutation.relations import Case
from paymon.mutation.running import different
from paymon.mutation.sharing import Scope, seconds_of
from paymon.mutation.survey import Examined
from paymon.promtool import Promtool

__all__ = ["Confirmed", "confirmed"]

_COUNTER = re.compile(r"_(?:total|count|sum|bucket)\Z")
_NUMBER = re.compile(r"(?<![A-Za-z])-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?")
_TIMES = re.compile(r"x[0-9]+")
_MOMENTS = 8
_LONGEST = 200
_TOGETHER = 24


@dataclass(frozen=True)
class Confirmed:
    """Of the mutants that are said to change nothing, those that were seen to, and those that were not."""

    courses: int
    equal: tuple[Examined, ...]
    different: tuple[Examined, ...]
    untried: tuple[Examined, ...]
    """Those that cannot stand beside their rule in one run."""


def confirmed(tool: Promtool, listed: Iterable[Examined], courses: int, seed: int) -> Confirmed:
    """Evaluate each mutant beside its rule on so many random courses. Raises PromtoolError."""
    by_scope: dict[Scope, list[Examined]] = {}
    untried = []
    for one in listed:
        scopes = [scope for scope in one.subject.scopes if scope.affected is not None and scope.asked]
        if scopes and one.mutant.operator != "name":
            by_scope.setdefault(scopes[0], []).append(one)
        else:
            untried.append(one)
    equal: list[Examined] = []
    unequal: list[Examined] = []
    for scope, some in by_scope.items():
        draw = random.Random(f"{seed} {scope.rule.name}")  # noqa: S311 - not for secrets
        cases = list(_random_cases(scope, courses, draw))
        for start in range(0, len(some), _TOGETHER):
            part = some[start : start + _TOGETHER]
            found = different(tool, scope, cases, [one.mutant for one in part])
            for one in part:
                (unequal if one.mutant in found else equal).append(one)
    return Confirmed(courses, tuple(equal), tuple(unequal), tuple(untried))


def _random_cases(scope: Scope, courses: int, draw: random.Random) -> Iterator[Case]:
    fed: dict[str, list[str]] = {}
    for case in scope.cases:
        for _, one in case.fed:
            fed.setdefault(str(one["series"]), []).append(str(one["values"]))
    asked = [case for case in scope.cases if case.expectations and case.fed]
    for number in range(courses if asked else 0):
        case = draw.choice(asked)
        length = min(max(len(_values(str(one["values"]))) for _, one in case.fed), _LONGEST)
        last = max(seconds_of(one.data.get("eval_time")) for one in case.expectations)
        moments = [f"{int(last * part / _MOMENTS)}s" for part in range(1, _MOMENTS + 1)]
        data: Mapping[str, object] = {
            **{word: value for word, value in case.data.items() if not word.endswith("_test")},
            "name": f"course {number + 1}",
            "input_series": list(_series(case, fed, length, draw)),
            "promql_expr_test": [{"expr": "vector(1)", "eval_time": moment} for moment in moments],
        }
        yield Case(number, data)


def _series(case: Case, fed: Mapping[str, Sequence[str]], length: int, draw: random.Random) -> Iterator[object]:
    """Everything that any case feeds, by chance; or one case's series, of which some are by chance."""
    share = draw.choice((0.2, 0.5, 1.0))
    own = {str(one["series"]): str(one["values"]) for _, one in case.fed}
    for series in fed if share == 1.0 else own:
        if draw.random() < share:
            if draw.random() < 0.9:
                yield {"series": series, "values": " ".join(_course(series, fed[series], length, draw))}
        else:
            yield {"series": series, "values": own[series]}


def _values(notation: str) -> list[str]:
    """About as many items as the notation stands for."""
    return [word for word in notation.split() for _ in range(1 + int(word.rpartition("x")[2]) if "x" in word else 1)]


def _course(series: str, known: Sequence[str], length: int, draw: random.Random) -> Iterator[str]:
    name = re.split(r"[{\s]", series, maxsplit=1)[0]
    numbers = [float(found) for text in known for found in _NUMBER.findall(_TIMES.sub("", text))] or [0.0, 1.0]
    lowest, highest, whole = min(numbers), max(numbers), all(one == int(one) for one in numbers)
    counted, pace = 0.0, draw.choice((1, 10, 200))
    for _ in range(length):
        if draw.random() < 0.05:
            yield "_"
        elif name == "ALERTS":
            yield "1"
        elif _COUNTER.search(name):
            counted = 0.0 if draw.random() < 0.02 else counted + draw.choice((0, 0, 1, draw.randint(0, pace)))
            yield f"{counted:g}"
        else:
            value = draw.uniform(min(lowest, 0), highest if highest <= 1 else 2 * highest)
            yield f"{round(value) if whole else value:.6g}"
