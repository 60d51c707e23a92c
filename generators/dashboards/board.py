"""What surrounds the panels of a dashboard: their places, variables, annotations and links?"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from generators.dashboards.looks import TONE_COLOURS
from generators.dashboards.panels import DATASOURCE, PanelBuilder, panel_builder
from generators.dashboards.queries import Queries
from rules.vocabulary import COLUMNS, Catalog, Dashboard, Link, Signal, Tone, prometheus_duration

__all__ = ["TAG", "dashboard_model"]

TAG = "paymon"
"""By this tag the dashboards find each other."""

_ROW_IDS = 1000
"""Rows are numbered from here, so that no panel's id ever changes with them."""

_WHOSE_TARGET = "Narrows the panels on raw series. Recorded series have a job and an instance of their own."


def dashboard_model(dashboard: Dashboard, catalog: Catalog, queries: Queries) -> models.Dashboard:
    """The dashboard in Grafana's classic schema, version 42, which Grafana 10 to 13 import."""
    built = builders.Dashboard(dashboard.title).uid(dashboard.uid).description(dashboard.description).tags([TAG])
    built.readonly().refresh("30s").time(f"now-{prometheus_duration(dashboard.past)}", "now").timezone("browser")
    built.tooltip(models.DashboardCursorSync.CROSSHAIR)
    built.links([*_links(catalog)])
    built.variables([*_variables(dashboard, catalog, queries)])
    built.annotations([*_annotations(catalog, queries)])
    top = 0
    for number, row in enumerate(dashboard.rows, 1):
        heading = builders.Row(row.title).id(_ROW_IDS + number).grid_pos(models.GridPos(h=1, w=COLUMNS, x=0, y=top))
        top += 1
        left = 0
        placed: list[PanelBuilder] = []
        below = top
        for panel in row.panels:
            place = models.GridPos(h=panel.height, w=panel.width, x=left, y=below)
            placed.append(panel_builder(panel, catalog, queries).grid_pos(place))
            left += panel.width
            if left == COLUMNS:
                left, below = 0, below + panel.height
        if row.collapsed:
            for one in placed:
                heading.with_panel(one)
            built.with_row(heading)
            continue
        top = below
        built.with_row(heading)
        for one in placed:
            built.with_panel(one)
    return built.build()


def _variables(
    dashboard: Dashboard, catalog: Catalog, queries: Queries
) -> Iterator[builders.DatasourceVariable | builders.QueryVariable]:
    first = catalog.organisation.environments[0].name
    yield builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    always: Signal = next(alert.watches for alert in catalog.alerts if alert.always)
    ours = f'service="{catalog.organisation.service}"'
    environment = _query("environment", f"label_values({always}{{{ours}}}, environment)")
    yield environment.current(models.VariableOption(selected=True, text=first, value=first)).multi(False)
    here = f'__name__=~"({"|".join(queries.first_words)})[_:].*",environment="$environment",{ours}'
    yield _all_or_some("job", f"label_values({{{here}}}, job)").description(_WHOSE_TARGET)
    yield _all_or_some("instance", f'label_values({{{here},job=~"$job"}}, instance)').description(_WHOSE_TARGET)
    for one in queries.narrowings(dashboard):
        series = one.listed_by.series_names[0]
        variable = _all_or_some(one.label, f'label_values({series}{{environment="$environment",{ours}}}, {one.label})')
        yield variable.label(one.title).description(one.description)


def _query(name: str, query: str) -> builders.QueryVariable:
    variable = builders.QueryVariable(name).label(name.capitalize()).datasource(DATASOURCE).query(query)
    variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    return variable.regex("")


def _all_or_some(name: str, query: str) -> builders.QueryVariable:
    every = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return _query(name, query).multi(True).include_all(True).all_value(".+").current(every)


def _annotations(catalog: Catalog, queries: Queries) -> Iterator[builders.AnnotationQuery]:
    firing = 'max by (alertname, priority) (ALERTS{alertstate="firing",priority=~"P[12]"}%s)'
    yield _annotation(
        "P1 and P2 begin",
        f"{firing % ''}\nunless {firing % ' offset 2m'}",
        "{{priority}} {{alertname}}",
        Tone.BAD,
        queries,
        step="60s",
    )
    for mark in catalog.marks:
        if queries.reads_known(mark.expr):
            yield _annotation(mark.name, mark.expr, mark.title, mark.tone, queries, step="300s")


def _annotation(
    name: str, expr: str, title: str, tone: Tone, queries: Queries, *, step: str
) -> builders.AnnotationQuery:
    """An annotation asked every `step`: 300s reaches back 38 days with the 11,000 points that Prometheus gives."""
    annotation = builders.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True)
    return annotation.icon_color(TONE_COLOURS[tone]).expr(queries.scoped(expr)).step(step).title_format(title)


def _links(catalog: Catalog) -> Iterator[builders.DashboardLink]:
    organisation = catalog.organisation
    others = builders.DashboardLink("Payments dashboards").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    yield others.as_dropdown(True).include_vars(True).keep_time(True).icon("external link")
    yield _link(Link(title="Runbook", url=organisation.runbook_page("index", "${environment}")))
    for link in organisation.links:
        if not link.url.startswith(organisation.dashboard_url):
            yield _link(link)


def _link(link: Link) -> builders.DashboardLink:
    built = builders.DashboardLink(link.title).type(models.DashboardLinkType.LINK).url(link.url)
    return built.icon("external link").target_blank(True)
