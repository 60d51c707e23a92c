"""What does somebody read who was woken by an alert?"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from textwrap import indent

from generators.alertmanager.routing import told_calmly
from generators.panel_links import chosen, panel_link, panel_of
from generators.rules import Expressions, RuleGroup, expressions_of, runbook_anchor
from generators.text import file_of, generated_header
from generators.wording import spoken_bound
from rules.checks import Problem
from rules.vocabulary import (
    Alert,
    Area,
    Branch,
    Catalog,
    Channel,
    Chapter,
    Contact,
    Environment,
    Link,
    Priority,
    PriorityPolicy,
    Step,
    Threshold,
    spoken_duration,
)

__all__ = ["first_queries", "link_problems", "runbook_files"]

_CHAIN = "The chain, in order. The on-call engineer is paged at every P1 and P2; the others are told at the same time."
_OVER = (
    "Look into PagerDuty, and close by hand what is still open there. Alertmanager does not report the end of an alert"
    " that is\nhidden or silenced at that moment: a P2 page that a P1 hid later stays open although all is well."
)


@lru_cache(maxsize=64)
def runbook_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """One page for each area that has alerts, and an index, by their paths below `generated/<environment>/`.

    Every command, query and address is that environment's own.
    """
    pages = _Pages(catalog, environment)
    catalog = pages.catalog
    files = {f"runbook/{area.name}.md": pages.area(area) for area in catalog.areas if area.alerts}
    return {"runbook/index.md": pages.index(), **files}


def first_queries(alert: Alert, expressions: Expressions) -> tuple[str, ...]:
    """PromQL that shows what the alert saw: the watched signals, then what its guards look at."""
    branches = alert.branches(alert.thresholds[0])
    watched = [expressions.scoped(branch.watches.name) for branch in branches]
    guards = [expressions.scoped(guard.selector) for branch in branches for guard in branch.guards]
    return tuple(dict.fromkeys((*watched, *guards)))


def link_problems(
    files: Mapping[str, str], groups: Iterable[RuleGroup], catalog: Catalog, environment: Environment
) -> tuple[Problem, ...]:
    """Alerts whose runbook_url leads to no page, or on its page to no heading."""
    headings = {
        catalog.organisation.runbook_page(Path(path).stem, environment.name): {
            re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in _headings(text)
        }
        for path, text in files.items()
    }
    problems = []
    for group in groups:
        for rule in group.rules:
            url = dict(getattr(rule, "annotations", ())).get("runbook_url")
            if url is None:
                continue
            address, _, anchor = url.partition("#")
            if anchor not in headings.get(address, set()):
                problems.append(
                    Problem(
                        where=group.area.module,
                        what=f"the runbook_url {url} leads nowhere",
                        how_to_fix=f"generate a heading {anchor!r} on the page runbook/{group.area.name}.md",
                    )
                )
    return tuple(problems)


def _headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", page, re.MULTILINE)


class _Pages:
    """The pages of one environment."""

    def __init__(self, catalog: Catalog, environment: Environment) -> None:
        self._environment = environment
        self._expressions = expressions_of(catalog, environment)
        self.catalog = self._expressions.catalog

    def area(self, area: Area) -> str:
        links = " · ".join(f"[{link.title}]({link.url})" for link in self._ways_out(area))
        overview = _table(("alert", "priority", "it watches", "and fires at"), map(self._row, area.alerts))
        entries = (part for alert in area.alerts for part in self._entry(alert))
        return _page(file_of(area), f"# {area.title}", links, _first_capital(area.question), overview, *entries)

    def _row(self, alert: Alert) -> tuple[str, ...]:
        thresholds = self._thresholds(alert)
        return (
            f"[{alert.name}](#{runbook_anchor(alert)})",
            ", ".join(dict.fromkeys(one.priority.value for one in thresholds)),
            alert.watches.title,
            "; ".join(self._condition(alert, one) for one in thresholds),
        )

    def _entry(self, alert: Alert) -> tuple[str, ...]:
        picture = self._picture(alert)
        return (
            f"## {alert.name}",
            f"**What it means.** {alert.runbook.meaning}",
            f"**Who is hurt.** {alert.runbook.impact}",
            f"**How soon.** {self._urgency(alert)}",
            "### Look",
            f"The picture: [{picture.title}]({picture.url})." if picture else "",
            "First queries, to paste into Prometheus or Grafana's Explore:",
            _fenced("promql", "\n".join(first_queries(alert, self._expressions))),
            _numbered_steps(alert.runbook.diagnosis),
            "### Mend",
            _numbered_steps(alert.runbook.mitigation),
            "### Call",
            self._calls(alert),
            "### Silence",
            *self._silence(alert),
            "### Why these thresholds",
            "\n".join(self._reasons(alert)),
        )

    def _silence(self, alert: Alert) -> tuple[str, ...]:
        if alert.always:
            return ("Never silence this one: its end is the only sign that nobody watches payments any more.",)
        organisation = self.catalog.organisation
        command = (
            f"amtool silence add alertname={alert.name} environment={self._environment.name}"
            f" service={organisation.service} \\\n"
            f"  --alertmanager.url={organisation.alertmanager_url} \\\n"
            '  --duration=1h --author="$USER" --comment="why, and the incident\'s number"'
        )
        return (
            "Only once somebody works on it, and never for longer than that takes:",
            _fenced("bash", command),
        )

    def index(self) -> str:
        organisation = self.catalog.organisation
        chain = dict.fromkeys(
            contact
            for policy in reversed(organisation.policies)
            for contact in (*policy.notifies, *policy.escalates_to)
            if contact.channel in (Channel.PAGERDUTY, Channel.EMAIL)
        )
        key_metrics = (row for item in self.catalog.items if item.key_metric for row in self._key_metric(item.id))
        return _page(
            "",
            "# Live payments runbook",
            "Start here when you were woken: the alert's message links to its own entry. This page has the tables.",
            "## Alerts by priority",
            *(part for policy in organisation.policies for part in self._of_policy(policy)),
            "## Key metrics",
            _table(("metric", "threshold", "severity", "respond within", "alert"), key_metrics),
            "## Severities",
            _table(
                ("priority", "meaning", "respond within", "told at once", "escalates to"),
                map(_severity, organisation.policies),
            ),
            "## Whom to call",
            _CHAIN,
            _numbered(map(_reached, chain)),
            "Outside the company:",
            _listed(_reached(contact) for contact in organisation.contacts if self._outside(contact)),
            "## When it is over",
            _OVER,
            "## Places to look",
            _listed(f"[{link.title}]({link.url})" for link in organisation.links),
            *(part for chapter in self.catalog.chapters for part in _chapter(chapter)),
        )

    def _of_policy(self, policy: PriorityPolicy) -> tuple[str, ...]:
        return (
            f"### {policy.priority.value}: {policy.meaning}",
            f"Respond within {spoken_duration(policy.respond_within)}.",
            _listed(self._named(area, alert) for area, alert in self._of_priority(policy.priority)),
        )

    def _named(self, area: Area, alert: Alert) -> str:
        link = f"[{alert.name}]({area.name}.md#{runbook_anchor(alert)})"
        picture = self._picture(alert)
        shown = f" ([{picture.title}]({picture.url}))" if picture else ""
        return f'<a id="{alert.name}"></a>{link}: {alert.watches.title}{shown}'

    @staticmethod
    def _outside(contact: Contact) -> bool:
        return contact.external and contact.channel is not Channel.DEAD_MAN_SWITCH

    def _ways_out(self, area: Area) -> tuple[Link, ...]:
        organisation = self.catalog.organisation
        shown = [found[0] for alert in area.alerts if (found := panel_of(self.catalog, alert))]
        dashboards = {dashboard.uid: dashboard.title for dashboard in shown}
        return (
            Link(title="Index", url="index.md"),
            *(
                Link(
                    title=title,
                    url=f"{organisation.dashboard_url}/d/{uid}?{chosen(self.catalog, self._environment)}",
                )
                for uid, title in dashboards.items()
            ),
            *(link for link in organisation.links if link.first),
        )

    def _picture(self, alert: Alert) -> Link | None:
        found = panel_of(self.catalog, alert)
        if found is None:
            return None
        address = self.catalog.organisation.dashboard_url + panel_link(self.catalog, alert, self._environment)
        return Link(title=found[1].title, url=address)

    def _of_priority(self, priority: Priority) -> list[tuple[Area, Alert]]:
        return [
            (area, alert)
            for area in self.catalog.areas
            for alert in area.alerts
            if min(threshold.priority.value for threshold in self._thresholds(alert)) == priority.value
        ]

    def _key_metric(self, item: str) -> Iterable[tuple[str, ...]]:
        for alert in self.catalog.alerts:
            if item in alert.serves:
                area = self.catalog.area_of(alert)
                for threshold in self._thresholds(alert):
                    yield (
                        alert.watches.title,
                        self._condition(alert, threshold),
                        threshold.severity.value,
                        spoken_duration(self._respond_within(threshold)),
                        f"[{alert.threshold_id(threshold)}]({area.name}.md#{runbook_anchor(alert)})",
                    )

    def _thresholds(self, alert: Alert) -> tuple[Threshold, ...]:
        return alert.thresholds_in(self._environment)

    def _condition(self, alert: Alert, threshold: Threshold) -> str:
        return _past(alert.branches(threshold, self._environment)[0], threshold.lasting)

    def _respond_within(self, threshold: Threshold) -> timedelta:
        return threshold.respond_within or self.catalog.organisation.policy(threshold.priority).respond_within

    def _urgency(self, alert: Alert) -> str:
        if alert.always:
            return "Not at all: it always fires, and its absence is the alarm."
        parts = []
        for threshold in self._thresholds(alert):
            tier = f"{threshold.tier}: " if threshold.tier else ""
            within = spoken_duration(self._respond_within(threshold))
            parts.append(f"{tier}{threshold.priority.value}, {threshold.severity.value}, respond within {within}")
        return "; ".join(parts) + "."

    def _calls(self, alert: Alert) -> str:
        worst = min((threshold.priority for threshold in self._thresholds(alert)), key=lambda priority: priority.value)
        if worst is Priority.NONE:
            return "Whoever looks after Prometheus and Alertmanager."
        policy = self.catalog.organisation.policy(worst)
        hear = (*policy.notifies, *(told_calmly(self.catalog.organisation) if alert.told_at_once else ()))
        then = (f"then {_reached(contact)}" for contact in policy.escalates_to)
        return _listed((*map(_reached, hear), *then))

    def _reasons(self, alert: Alert) -> Iterator[str]:
        for index, threshold in enumerate(self._thresholds(alert)):
            first, *others = alert.branches(threshold, self._environment)
            word = f"{threshold.tier}: fires" if threshold.tier else "Fires"
            yield f"- {_way(f'{word} when', first, threshold.lasting)}"
            yield from (f"  - {line}" for line in (*_guards(first), *self._elsewhere(alert, index)))
            for place, branch in enumerate(others, start=1):
                yield f"- {_way('Or when', branch, threshold.lasting)}"
                yield from (f"  - {line}" for line in (*_guards(branch), *self._elsewhere(alert, index, place)))
        if alert.stays_while:
            guard = alert.stays_while.at(self._environment)
            bound = spoken_bound(guard.comparison, guard.value, guard.signal.unit)
            yield f"- Once it fires, it goes on while **{guard.signal.title}** is {bound}. {_sentence(guard.because)}"
        louder = ", ".join(f"`{other}`" for other in alert.hidden_by)
        if louder:
            yield f"- Not while {louder} fires, nor as long as it sees what that one told of."
        for kept in dict.fromkeys(
            threshold.keep_firing for threshold in self._thresholds(alert) if threshold.keep_firing
        ):
            yield f"- It stays for {spoken_duration(kept)} after the last breach."

    def _elsewhere(self, alert: Alert, index: int, place: int = 0) -> Iterable[str]:
        threshold = self._thresholds(alert)[index]
        branch = alert.branches(threshold, self._environment)[place]
        for environment in self.catalog.organisation.environments:
            lasting = alert.thresholds_in(environment)[index].lasting
            other = alert.branches(alert.thresholds_in(environment)[index], environment)[place]
            if other.value != branch.value or (place == 0 and lasting != threshold.lasting):
                yield f"in {environment.name} {_past(other, lasting)}. {_sentence(other.because)}"


def _way(word: str, branch: Branch, lasting: timedelta) -> str:
    return f"{word} **{branch.watches.title}**: {_past(branch, lasting)}. {_sentence(branch.because)}"


def _past(branch: Branch, lasting: timedelta) -> str:
    bound = spoken_bound(branch.comparison, branch.value, branch.watches.unit)
    return f"{bound} for {spoken_duration(lasting)}" if lasting else bound


def _guards(branch: Branch) -> tuple[str, ...]:
    return tuple(
        f"{'unless' if guard.forbids else 'and'} **{guard.signal.title}**: "
        f"{spoken_bound(guard.comparison, guard.value, guard.signal.unit)}. {_sentence(guard.because)}"
        for guard in branch.guards
    )


def _sentence(reason: str) -> str:
    return f"{_first_capital(reason)}."


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _severity(policy: PriorityPolicy) -> tuple[str, ...]:
    return (
        policy.priority.value,
        policy.meaning,
        spoken_duration(policy.respond_within),
        ", ".join(contact.name for contact in policy.notifies),
        ", ".join(contact.name for contact in policy.escalates_to) or "nobody",
    )


def _reached(contact: Contact) -> str:
    return f"{contact.name}: {contact.channel.value}, {contact.address}"


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield f"## {chapter.title}"
    yield _numbered(f"**{one.title}.** {one.text}" for one in chapter.procedures)
    for step in chapter.steps:
        yield step.text
        if step.command:
            yield _fenced(step.language, step.command)


def _numbered_steps(steps: Iterable[Step]) -> str:
    return _numbered(
        f"{step.text}\n{indent(_fenced(step.language, step.command), '   ')}\n" if step.command else step.text
        for step in steps
    )


def _numbered(lines: Iterable[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" if row else "|---" * len(heading) + "|" for row in (heading, (), *rows))


def _page(source: str, *parts: str) -> str:
    """The parts that there are, an empty line before each."""
    header = generated_header(source, "<!--").rstrip() + " -->"
    return "\n\n".join([header, *(part.strip("\n") for part in parts if part)]) + "\n"
