"""What does somebody read who was woken by an alert?"""

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

import jinja2

from generators.rules import Expressions, RuleGroup, runbook_anchor
from generators.text import generated_header
from generators.wording import spoken_value
from rules.checks import Problem
from rules.procedures import MARK_FOR_REVIEW, PULL_KILL_SWITCH, ROLL_BACK
from rules.vocabulary import (
    Alert,
    Area,
    Catalog,
    Channel,
    Contact,
    Priority,
    Threshold,
    plain,
    prometheus_duration,
    spoken_duration,
)

__all__ = ["first_queries", "link_problems", "runbook_files"]

KEY_METRICS = tuple(f"KM-0{number}" for number in range(1, 7))
"""The runbook's table of key metrics, by its lines."""


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, from our own definitions
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def runbook_files(catalog: Catalog) -> Mapping[str, str]:
    """One page for each area that has alerts, and an index, by their paths below `generated/`."""
    pages = _Pages(catalog)
    files = {f"runbook/{area.name}.md": pages.area(area) for area in catalog.areas if area.alerts}
    return {"runbook/index.md": pages.index(), **files}


def first_queries(alert: Alert, expressions: Expressions) -> tuple[str, ...]:
    """PromQL that shows what the alert saw: the watched signals, then what its guards look at."""
    branches = alert.branches(alert.thresholds[0])
    watched = [expressions.scoped(branch.watches.name) for branch in branches]
    guards = [expressions.scoped(guard.selector) for branch in branches for guard in branch.guards]
    return tuple(dict.fromkeys((*watched, *guards)))


def link_problems(files: Mapping[str, str], groups: Iterable[RuleGroup], catalog: Catalog) -> tuple[Problem, ...]:
    """Alerts whose runbook_url leads to no page, or on its page to no heading."""
    headings = {
        path: {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in _headings(text)}
        for path, text in files.items()
    }
    problems = []
    for group in groups:
        for rule in group.rules:
            url = dict(getattr(rule, "annotations", ())).get("runbook_url")
            if url is None:
                continue
            page, _, anchor = url.removeprefix(f"{catalog.organisation.runbook_url}/").partition("#")
            if anchor not in headings.get(f"runbook/{page}.md", set()):
                problems.append(
                    Problem(
                        where=group.area.module,
                        what=f"the runbook_url {url} leads nowhere",
                        how_to_fix=f"generate a heading {anchor!r} on the page runbook/{page}.md",
                    )
                )
    return tuple(problems)


def _headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", page, re.MULTILINE)


class _Pages:
    """The pages of one catalog, described for its first environment."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._environment = catalog.organisation.environments[0]
        self._expressions = Expressions(catalog, self._environment)

    def area(self, area: Area) -> str:
        text = (
            _templates()
            .get_template("runbook_area.md.j2")
            .render(
                area=area,
                question=self._question(area),
                environment=self._environment.name,
                anchor=runbook_anchor,
                priorities=lambda alert: ", ".join(dict.fromkeys(t.priority.value for t in alert.thresholds)),
                conditions=lambda alert: "; ".join(self._condition(alert, t) for t in alert.thresholds),
                urgency=self._urgency,
                queries=lambda alert: first_queries(alert, self._expressions),
                calls=self._calls,
                reasons=self._reasons,
            )
        )
        return self._page(area.module.replace(".", "/") + ".py", text)

    def index(self) -> str:
        organisation = self._catalog.organisation
        chain = dict.fromkeys(
            contact
            for policy in reversed(organisation.policies)
            for contact in (*policy.notifies, *policy.escalates_to)
            if contact.channel in (Channel.PAGERDUTY, Channel.EMAIL)
        )
        text = (
            _templates()
            .get_template("runbook_index.md.j2")
            .render(
                organisation=organisation,
                by_priority=[
                    (policy.priority.value, policy, self._of_priority(policy.priority))
                    for policy in organisation.policies
                ],
                key_metrics=[row for item in KEY_METRICS for row in self._key_metric(item)],
                chain=list(chain),
                external=[contact for contact in organisation.contacts if self._outside(contact)],
                procedures=self._catalog.procedures,
                set_stage=ROLL_BACK.command,
                kill_switch=PULL_KILL_SWITCH.command,
                review=MARK_FOR_REVIEW,
                anchor=runbook_anchor,
                spoken=spoken_duration,
                names=lambda contacts: ", ".join(contact.name for contact in contacts),
            )
        )
        return self._page("rules/", text)

    @staticmethod
    def _page(source: str, text: str) -> str:
        spaced = re.sub(r"(?<=\S)\n(#{1,3} |[A-Z][^\n]*:\n\n)", r"\n\n\1", text)
        tidy = re.sub(r"\n{3,}", "\n\n", spaced).rstrip() + "\n"
        return generated_header(source, "<!--").rstrip() + " -->\n\n" + tidy

    @staticmethod
    def _outside(contact: Contact) -> bool:
        return contact.external and contact.channel is not Channel.DEAD_MAN_SWITCH

    @staticmethod
    def _question(area: Area) -> str:
        question = (sys.modules[area.module].__doc__ or "").partition(":")[2].strip()
        return question[:1].upper() + question[1:]

    def _of_priority(self, priority: Priority) -> list[tuple[Area, Alert]]:
        return [
            (area, alert)
            for area in self._catalog.areas
            for alert in area.alerts
            if min(threshold.priority.value for threshold in alert.thresholds) == priority.value
        ]

    def _key_metric(self, item: str) -> Iterable[tuple[str, ...]]:
        for alert in self._catalog.alerts:
            if item in alert.serves:
                area = self._catalog.area_of(alert)
                for threshold in alert.thresholds:
                    yield (
                        alert.watches.title,
                        self._condition(alert, threshold),
                        threshold.severity.value,
                        spoken_duration(self._respond_within(threshold)),
                        f"[{alert.threshold_id(threshold)}]({area.name}.md#{runbook_anchor(alert)})",
                    )

    @staticmethod
    def _condition(alert: Alert, threshold: Threshold) -> str:
        bound = spoken_value(threshold.value, alert.watches.unit)
        lasting = f" for {spoken_duration(threshold.lasting)}" if threshold.lasting else ""
        return f"{threshold.comparison.words} {bound}{lasting}"

    def _respond_within(self, threshold: Threshold) -> timedelta:
        return threshold.respond_within or self._catalog.organisation.policy(threshold.priority).respond_within

    def _urgency(self, alert: Alert) -> str:
        if alert.always:
            return "Not at all: it always fires, and its absence is the alarm."
        parts = []
        for threshold in alert.thresholds:
            tier = f"{threshold.tier}: " if threshold.tier else ""
            within = spoken_duration(self._respond_within(threshold))
            parts.append(f"{tier}{threshold.priority.value}, {threshold.severity.value}, respond within {within}")
        return "; ".join(parts) + "."

    def _calls(self, alert: Alert) -> str:
        worst = min((threshold.priority for threshold in alert.thresholds), key=lambda priority: priority.value)
        if worst is Priority.NONE:
            return "Whoever looks after Prometheus and Alertmanager."
        policy = self._catalog.organisation.policy(worst)
        told = [f"- {contact.name}: {contact.channel.value}, {contact.address}" for contact in policy.notifies]
        then = [f"- then {contact.name}: {contact.channel.value}, {contact.address}" for contact in policy.escalates_to]
        return "\n".join((*told, *then))

    def _reasons(self, alert: Alert) -> list[str]:
        lines = []
        for index, threshold in enumerate(alert.thresholds):
            tier = f"{threshold.tier}, " if threshold.tier else ""
            lines.append(f"{tier}{self._condition(alert, threshold)}: {threshold.because}.")
            for environment in self._catalog.organisation.environments[1:]:
                other = alert.thresholds_in(environment)[index]
                if (other.value, other.lasting) != (threshold.value, threshold.lasting):
                    lines.append(f"in {environment.name} {self._condition(alert, other)}: {other.because}.")
            if threshold.keep_firing:
                lines.append(f"It stays for {prometheus_duration(threshold.keep_firing)} after the last breach.")
        for branch in alert.or_else:
            bound = spoken_value(branch.value, branch.watches.unit)
            lines.append(f"or when `{branch.watches}` is {branch.comparison.words} {bound}: {branch.because}.")
        for branch in alert.branches(alert.thresholds[0]):
            for guard in branch.guards:
                word = "Quiet while" if guard.forbids else "Only if"
                text = f"{word} `{guard.signal}` {guard.comparison.value} {plain(guard.value)}: {guard.because}."
                lines.append(text)
        return list(dict.fromkeys(lines))
