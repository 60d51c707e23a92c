"""What does somebody read who was woken by an alert?"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path

import jinja2

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
    Contact,
    Environment,
    Link,
    Priority,
    Threshold,
    spoken_duration,
)

__all__ = ["first_queries", "link_problems", "runbook_files"]


@dataclass(frozen=True, slots=True)
class _Reason:
    """One way for an alert to fire, or one thing to know about it, with what has to hold besides."""

    text: str
    besides: tuple[str, ...] = ()


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, from our own definitions
        trim_blocks=True,
        keep_trailing_newline=True,
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
        text = (
            _templates()
            .get_template("runbook_area.md.j2")
            .render(
                area=area,
                question=self._question(area),
                ways_out=self._ways_out(area),
                picture=self._picture,
                alertmanager=self.catalog.organisation.alertmanager_url,
                environment=self._environment.name,
                service=self.catalog.organisation.service,
                anchor=runbook_anchor,
                priorities=lambda alert: ", ".join(dict.fromkeys(t.priority.value for t in self._thresholds(alert))),
                conditions=lambda alert: "; ".join(self._condition(alert, t) for t in self._thresholds(alert)),
                urgency=self._urgency,
                queries=lambda alert: first_queries(alert, self._expressions),
                calls=self._calls,
                reasons=self._reasons,
            )
        )
        return self._page(file_of(area), text)

    def index(self) -> str:
        organisation = self.catalog.organisation
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
                key_metrics=[
                    row for item in self.catalog.items if item.key_metric for row in self._key_metric(item.id)
                ],
                chain=list(chain),
                external=[contact for contact in organisation.contacts if self._outside(contact)],
                chapters=self.catalog.chapters,
                anchor=runbook_anchor,
                picture=self._picture,
                spoken=spoken_duration,
                names=lambda contacts: ", ".join(contact.name for contact in contacts),
            )
        )
        return self._page("", text)

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
        return area.question[:1].upper() + area.question[1:]

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
        is_p1 = any(threshold.priority is Priority.P1 for threshold in self._thresholds(alert))
        apart = " It is an incident of its own, also while another P1 is open." if alert.own_incident and is_p1 else ""
        return "; ".join(parts) + "." + apart

    def _calls(self, alert: Alert) -> str:
        worst = min((threshold.priority for threshold in self._thresholds(alert)), key=lambda priority: priority.value)
        if worst is Priority.NONE:
            return "Whoever looks after Prometheus and Alertmanager."
        policy = self.catalog.organisation.policy(worst)
        hear = (*policy.notifies, *(told_calmly(self.catalog.organisation) if alert.told_at_once else ()))
        told = [f"- {contact.name}: {contact.channel.value}, {contact.address}" for contact in hear]
        then = [f"- then {contact.name}: {contact.channel.value}, {contact.address}" for contact in policy.escalates_to]
        return "\n".join((*told, *then))

    def _reasons(self, alert: Alert) -> Iterable[_Reason]:
        for index, threshold in enumerate(self._thresholds(alert)):
            first, *others = alert.branches(threshold, self._environment)
            word = f"{threshold.tier}: fires" if threshold.tier else "Fires"
            yield _Reason(
                _way(f"{word} when", first, threshold.lasting), (*_guards(first), *self._elsewhere(alert, index))
            )
            for place, branch in enumerate(others, start=1):
                elsewhere = self._elsewhere(alert, index, place)
                yield _Reason(_way("Or when", branch, threshold.lasting), (*_guards(branch), *elsewhere))
        if alert.stays_while:
            guard = alert.stays_while.at(self._environment)
            bound = spoken_bound(guard.comparison, guard.value, guard.signal.unit)
            yield _Reason(
                f"Once it fires, it goes on while **{guard.signal.title}** is {bound}. {_sentence(guard.because)}"
            )
        louder = ", ".join(f"`{other}`" for other in alert.hidden_by)
        if louder:
            yield _Reason(f"Not while {louder} fires, nor as long as it sees what that one told of.")
        for kept in dict.fromkeys(
            threshold.keep_firing for threshold in self._thresholds(alert) if threshold.keep_firing
        ):
            yield _Reason(f"It stays for {spoken_duration(kept)} after the last breach.")

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
    return f"{reason[:1].upper()}{reason[1:]}."
