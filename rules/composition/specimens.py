"""Which of a team's own values stands in an example for one that the team does not have?"""

import re
from dataclasses import replace

from rules.vocabulary import CURRENCIES, OTHER, PAYMENT_METHODS, Area, Example, Service, Signal

__all__ = ["specimens"]

_VALUE = r'="([^"]*)"'


def specimens(areas: tuple[Area, ...], service: Service) -> tuple[tuple[Signal, Signal], ...]:
    """Each signal whose example quotes values that the service's allow-lists lack, with one whose example does not.

    Raises ValueError where examples need more different values than an allow-list has.
    """
    words: dict[str, dict[str, str]] = {}
    for place, own in ((PAYMENT_METHODS, service.payment_methods), (CURRENCIES, service.currencies)):
        labels = {one.name for area in areas for metric in area.metrics for one in metric.labels if place in one.values}
        words |= {label: _stand_ins(areas, label, (*own, OTHER)) for label in sorted(labels)}
    found = []
    for signal in (signal for area in areas for signal in area.signals):
        example, *also = (_all_said(one, words) for one in signal.examples)
        if (example, *also) != signal.examples:
            found.append((signal, replace(signal, example=example, also=tuple(also))))
    return tuple(found)


def _stand_ins(areas: tuple[Area, ...], label: str, own: tuple[str, ...]) -> dict[str, str]:
    """For each value that examples quote and the allow-list lacks, one that it has and no example quotes."""
    examples = [example for area in areas for signal in area.signals for example in signal.examples]
    texts = [text for example in examples for text, _ in (*example.series, *example.gives)]
    used = {value for text in texts for value in re.findall(rf"\b{label}{_VALUE}", text)}
    strangers = sorted(used - set(own))
    free = [value for value in own if value not in used]
    if len(strangers) > len(free):
        raise ValueError(
            f"examples need {len(used)} different values of {label}; let its allow-list name {len(used) - 1}"
        )
    return dict(zip(strangers, free, strict=False))


def _all_said(example: Example, words: dict[str, dict[str, str]]) -> Example:
    for label, names in words.items():
        example = _said(example, label, names) if names else example
    return example


def _said(example: Example, label: str, names: dict[str, str]) -> Example:
    quoted = re.compile(rf"\b{label}{_VALUE}")

    def said(text: str) -> str:
        return quoted.sub(lambda found: f'{label}="{names.get(found[1], found[1])}"', text)

    series = tuple((said(selector), values) for selector, values in example.series)
    return replace(example, series=series, gives=tuple((said(labels), value) for labels, value in example.gives))
