"""Who hears of an alert, how soon must somebody act, and what differs between organisations?"""

from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from rules.vocabulary.metric import Source

__all__ = [
    "BusinessHours",
    "Channel",
    "Contact",
    "Delivery",
    "Environment",
    "Jobs",
    "Link",
    "Organisation",
    "Override",
    "People",
    "Priority",
    "PriorityPolicy",
    "Service",
    "Severity",
]


class Severity(Enum):
    """How bad a breach is, in the runbook's words.

    >>> [severity.value for severity in Severity]
    ['critical', 'warning', 'info', 'none']
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


class Priority(Enum):
    """How soon somebody has to act.

    >>> Priority.P2.pages, Priority.P3.pages
    (True, False)
    """

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    NONE = "none"

    @property
    def pages(self) -> bool:
        """True where somebody is woken."""
        return self in (Priority.P1, Priority.P2)


class Channel(Enum):
    """The way by which a contact is reached.

    >>> Channel("Slack").name
    'SLACK'
    """

    PAGERDUTY = "PagerDuty"
    SLACK = "Slack"
    EMAIL = "e-mail"
    TICKET = "ticket system"
    DEAD_MAN_SWITCH = "dead man's switch"
    PHONE = "phone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody who is told, and where.

    >>> Contact(name="On-call", channel=Channel.PAGERDUTY, address="shop-oncall").external
    False
    """

    name: str
    channel: Channel
    address: str
    external: bool = False
    serves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A place that people open during an incident.

    >>> Link(title="Stripe status", url="https://status.stripe.com", first=True).serves
    ()
    """

    title: str
    url: str
    serves: tuple[str, ...] = ()
    first: bool = False
    """True where it stands at the top of each page of the runbook: one looks there before anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityPolicy:
    """What a priority asks of people.

    >>> PriorityPolicy(
    ...     priority=Priority.P4, meaning="Work for the day", respond_within=hours(4), notifies=(ON_CALL,)
    ... ).escalates_to
    ()
    """

    priority: Priority
    meaning: str
    respond_within: timedelta
    notifies: tuple[Contact, ...]
    escalates_to: tuple[Contact, ...] = ()
    serves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Another bound for one threshold in one environment; `threshold` is `Alert` or `Alert/tier`.

    Where an alert has several branches, `Alert` stands for how long they last, and `Alert/signal` for the bound of those
    that watch that signal.

    >>> Override(threshold="QueueLong", value=Decimal(500), because="staging packs at night").lasting is None
    True
    >>> Override(threshold="QueueLong", value=Decimal(500), because="")
    Traceback (most recent call last):
    ValueError: override of QueueLong has no because; say why this environment differs
    """

    threshold: str
    because: str
    value: Decimal | None = None
    lasting: timedelta | None = None

    def __post_init__(self) -> None:
        if self.value is None and self.lasting is None:
            raise ValueError(f"override of {self.threshold} changes nothing; give a value or how long it lasts")
        if not self.because:
            raise ValueError(f"override of {self.threshold} has no because; say why this environment differs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Under which jobs Prometheus scrapes our metrics; several where one job does not reach all that export them.

    >>> Jobs(exporter=("shop-exporter",), application=("shop", "shop-canary")).of(Source.POSTGRES)
    ('shop-exporter',)
    """

    exporter: tuple[str, ...]
    application: tuple[str, ...]
    others: tuple[tuple[Source, tuple[str, ...]], ...] = ()
    """Sources with jobs of their own."""

    def __post_init__(self) -> None:
        for which in ("exporter", "application"):
            if not getattr(self, which):
                raise ValueError(f"jobs has no {which}; name the job under which Prometheus scrapes it")

    def of(self, source: Source) -> tuple[str, ...]:
        """The jobs that serve metrics of that source; none where a target has no job of ours, or is any target."""
        if source in dict(self.others):
            return dict(self.others)[source]
        if source.exported:
            return self.exporter
        return self.application if source is Source.APPLICATION else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A place where the payments service runs, with what differs there.

    >>> Environment(name="staging", pages=False).overrides
    ()
    """

    name: str
    pages: bool
    """False where nobody is woken: P1 and P2 become P3, critical becomes warning."""
    overrides: tuple[Override, ...] = ()
    without_sources: tuple[Source, ...] = ()
    """The sources that nobody samples there: alerts on them stay quiet, and nobody is told that they are missing."""
    jobs: Jobs | None = None
    """The scrape jobs, where they differ from the service's, as the following addresses."""
    api_url: str | None = None
    flags_url: str | None = None
    alertmanager_url: str | None = None
    dashboard_url: str | None = None
    data_source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHours:
    """When tickets are worked on.

    >>> BusinessHours(timezone="Europe/Berlin", weekdays=("monday",), start="09:00", end="17:00").end
    '17:00'
    """

    timezone: str
    weekdays: tuple[str, ...]
    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The ways by which Alertmanager gets messages out.

    >>> Delivery(
    ...     secrets_folder="/etc/alertmanager/secrets",
    ...     mail_host="smtp.shop.example:587",
    ...     mail_sender="alerts@shop.example",
    ...     mail_user="alerts",
    ...     relay_url="http://127.0.0.1:9095",
    ... ).mail_user
    'alerts'
    """

    secrets_folder: str
    """Where Alertmanager finds one file for each secret."""
    mail_host: str
    """Host and port of the mail server."""
    mail_sender: str
    mail_user: str
    relay_url: str
    """The service that holds the tokens of the ticket system and of the dead man's switch, and passes messages on to
    them; `/<contact's address>` is added to it. Alertmanager 0.25 reads no webhook's URL from a file."""


@dataclass(frozen=True, kw_only=True)
class People:
    """Who watches, how they are reached, and the tools that they look into.

    >>> ORGANISATION.team
    'payments'
    """

    name: str
    team: str
    contacts: tuple[Contact, ...]
    policies: tuple[PriorityPolicy, ...]
    links: tuple[Link, ...]
    business_hours: BusinessHours
    delivery: Delivery
    runbook_url: str
    """Where the generated runbook pages are published; `/<environment>/<page>`, `runbook_suffix` and `#<anchor>` are
    added to it."""
    dashboard_url: str
    """Where Grafana serves dashboards; `/d/<uid>` is added to it."""
    alertmanager_url: str
    """Where Alertmanager answers people; the runbook's silences go there."""
    scrape_interval: timedelta
    evaluation_interval: timedelta
    retention: timedelta
    stakeholder_update_every: timedelta
    data_source: str = "paymon-prometheus"
    """The uid of Grafana's data source for the Prometheus that evaluates the rules. The provisioning file makes one of that
    uid, and every link to a dashboard chooses it."""
    runbook_suffix: str = ""
    """How the published pages' addresses end: nothing where they are rendered, `.md` where files are shown as they are."""
    serves: tuple[str, ...] = field(default=())

    @property
    def people(self) -> "People":
        """The people alone, without a service."""
        return People(**{one.name: getattr(self, one.name) for one in fields(People)})


@dataclass(frozen=True, kw_only=True)
class Service:
    """What is watched: a payments service, where it runs and what it can be paid with.

    >>> ORGANISATION.service
    'payments'
    """

    service: str
    """Its name: the value of the label `service`."""
    environments: tuple[Environment, ...]
    jobs: Jobs
    api_url: str
    flags_url: str
    """Where feature flags are read and set; `/<flag>` is added to it, and `/<flag>/kill` to switch it off."""
    feature_flag: str
    payment_methods: tuple[str, ...]
    currencies: tuple[str, ...]
    rate_limit_per_minute: int
    attempts_per_minute: Decimal | int | None = None
    """Mean attempts a minute once every customer has live payments, by which a rollout's stage is known.

    None where nobody knows, so that no stage can be judged.
    """


@dataclass(frozen=True, kw_only=True)
class Organisation(People, Service):
    """People and the service that they watch: everything that another organisation would change.

    >>> ORGANISATION.environment("staging").pages
    False
    """

    @classmethod
    def of(cls, people: People, service: Service) -> "Organisation":
        """Both together."""
        return cls(**(vars(people) | vars(service)))

    def at(self, environment: Environment) -> "Organisation":
        """The organisation with that environment's own addresses and jobs where it has any."""
        own = {
            name: value
            for name in ("jobs", "api_url", "flags_url", "alertmanager_url", "dashboard_url", "data_source")
            if (value := getattr(environment, name))
        }
        return replace(self, **own)

    def runbook_page(self, name: str, environment: str) -> str:
        """The address of that page of that environment's runbook."""
        return f"{self.runbook_url}/{environment}/{name}{self.runbook_suffix}"

    def jobs_in(self, environment: Environment) -> Jobs:
        """The scrape jobs of that environment."""
        return environment.jobs or self.jobs

    def policy(self, priority: Priority) -> PriorityPolicy:
        """What that priority asks of people. Raises KeyError for one without a policy."""
        for policy in self.policies:
            if policy.priority is priority:
                return policy
        raise KeyError(priority.value)

    def environment(self, name: str) -> Environment:
        """The environment of that name. Raises KeyError for an unknown one."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        raise KeyError(name)
