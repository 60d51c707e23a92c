"""How does Grafana draw each panel?"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from generators.dashboards.looks import BOUND_STYLES, GRAFANA_UNITS, TONE_COLOURS, Style, style, word_tones
from generators.dashboards.queries import WORD_LABEL, Bound, Queries
from generators.rules import runbook_anchor
from generators.wording import spoken_value
from rules.vocabulary import Alert, Catalog, Comparison, Curve, Panel, Picture, State, Tone, Unit, spoken_duration

__all__ = ["DATASOURCE", "PanelBuilder", "panel_builder"]

DATASOURCE = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")

_HIDDEN_COLUMNS = ("Time", "environment", "instance", "job", "service")
_LETTERS = "ABCDEFGH"
"""The names of a panel's queries: as many as it may have curves."""
_ALERT_NAME = "alertname"
_CHOSEN = "${environment}"
"""Grafana puts the environment that is chosen there."""

_OF_NOTHING = {Unit.COUNT: Decimal(4), Unit.PER_MINUTE: Decimal(4), Unit.SECONDS: Decimal(1)}
"""How far an axis without bounds reaches while there is nothing: Grafana would draw it up to 100."""

_NARROWEST = 70
"""Pixels of a table's column where they are many; Grafana would push the numbers out at 150."""

_WORD_PIXELS, _NUMBER_PIXELS = 16, 24
"""Sizes of a tile's text: the same on every tile, so that what shouts is the colour."""

PanelBuilder = stat.Panel | timeseries.Panel | heatmap.Panel | statetimeline.Panel | table.Panel
_AnyPanel = TypeVar("_AnyPanel", stat.Panel, timeseries.Panel, heatmap.Panel, statetimeline.Panel, table.Panel)


def panel_builder(panel: Panel, catalog: Catalog, queries: Queries) -> PanelBuilder:
    """The SDK's builder of one panel, without its place on the grid."""
    match panel.picture:
        case Picture.STAT:
            return _stat(panel, catalog, queries)
        case Picture.TIMESERIES | Picture.STACKED:
            return _timeseries(panel, catalog, queries)
        case Picture.HEATMAP:
            return _heatmap(panel, catalog, queries)
        case Picture.STATE_TIMELINE:
            return _state_timeline(panel, catalog, queries)
        case Picture.TABLE:
            return _table(panel, catalog, queries)


def _common(built: _AnyPanel, panel: Panel, catalog: Catalog) -> _AnyPanel:
    built.id(panel.id).title(panel.title).description(_description(panel, catalog)).datasource(DATASOURCE)
    built.unit(GRAFANA_UNITS[panel.unit])
    if panel.unit.whole or panel.unit is Unit.MONEY:
        built.decimals(0)
    built.links([_runbook_link(alert, catalog) for alert in panel.alerts])
    return built


def _description(panel: Panel, catalog: Catalog) -> str:
    lines = [panel.description]
    for alert in panel.alerts:
        if alert.always:
            continue
        for threshold in alert.thresholds:
            name = f"{alert.name} ({threshold.tier})" if threshold.tier else alert.name
            bound = f"{threshold.comparison.words} {spoken_value(threshold.value, alert.watches.unit)}"
            lasting = f" for {spoken_duration(threshold.lasting)}" if threshold.lasting else ""
            lines.append(f"- {name}, {threshold.priority.value}: {bound}{lasting}; {threshold.because}")
    first, *others = catalog.organisation.environments
    differing = {override.threshold.partition("/")[0] for other in others for override in other.overrides}
    if differing & {alert.name for alert in panel.alerts}:
        lines.append(
            f"- These bounds are those of {first.name}; lines, words and alerts follow the environment chosen."
        )
    return "\n".join([lines[0], "", *lines[1:]]) if lines[1:] else lines[0]


def _runbook_link(alert: Alert, catalog: Catalog) -> builders.DashboardLink:
    page = f"{catalog.organisation.runbook_page(catalog.area_of(alert).name, _CHOSEN)}#{runbook_anchor(alert)}"
    link = builders.DashboardLink(f"Runbook: {alert.name}").type(models.DashboardLinkType.LINK)
    return link.url(page).target_blank(True)


def _target(expr: str, legend: str, ref: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(DATASOURCE).expr(expr).legend_format(legend).ref_id(ref)
    return query.editor_mode(prometheus_models.QueryEditorMode.CODE)


def _over_time(panel: Panel, queries: Queries) -> list[prometheus.Dataquery]:
    return [
        _target(queries.curve(curve, panel.unit), curve.legend, letter).range()
        for letter, curve in zip(_LETTERS, panel.curves, strict=False)
    ]


def _now(panel: Panel, queries: Queries) -> list[prometheus.Dataquery]:
    return [
        _target(queries.curve(curve, panel.unit), curve.legend, letter).instant()
        for letter, curve in zip(_LETTERS, panel.curves, strict=False)
    ]


def _always(tone: Tone) -> builders.ThresholdsConfig:
    """One tone for every value: what is more is said by words, which have colours of their own."""
    steps = [models.Threshold(value=None, color=TONE_COLOURS[tone])]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _words(states: Iterable[State]) -> list[models.ValueMapping]:
    return [
        models.ValueMap(
            {
                str(state.value): models.ValueMappingResult(
                    text=state.word, color=TONE_COLOURS[state.tone], index=index
                )
                for index, state in enumerate(states)
            }
        )
    ]


def _nothing(panel: Panel) -> models.SpecialValueMap:
    """The word for NaN, which stands where an alert fires and there is nothing to measure."""
    said = models.ValueMappingResult(text=panel.nothing, index=len(panel.states))
    return models.SpecialValueMap(
        models.DashboardSpecialValueMapOptions(match=models.SpecialValueMatch.NA_N, result=said)
    )


def _by_thresholds() -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def _property(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


def _stat(panel: Panel, catalog: Catalog, queries: Queries) -> stat.Panel:
    built = _common(stat.Panel(), panel, catalog)
    built.thresholds(_always(Tone.NEUTRAL)).color_scheme(_by_thresholds()).no_value(panel.nothing)
    built.text(common.VizTextDisplayOptions().title_size(_WORD_PIXELS).value_size(_NUMBER_PIXELS))
    built.color_mode(common_models.BigValueColorMode.BACKGROUND_SOLID).graph_mode(common_models.BigValueGraphMode.NONE)
    built.text_mode(common_models.BigValueTextMode.VALUE_AND_NAME).orientation(common_models.VizOrientation.HORIZONTAL)
    built.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    built.mappings([*(_words(panel.states) if panel.states else ()), _nothing(panel)])
    if panel.unit is Unit.SECONDS:
        built.decimals(1)
    tones = word_tones(panel)
    if not tones:
        return built.targets(list(_now(panel, queries)))
    built.targets([_target(queries.worded(panel), f"{{{{{WORD_LABEL}}}}}", "A").instant()])
    if not panel.states:
        for word, tone in tones.items():
            built.override_by_name(word, [_property("color", {"mode": "fixed", "fixedColor": TONE_COLOURS[tone]})])
    return built


def _timeseries(panel: Panel, catalog: Catalog, queries: Queries) -> timeseries.Panel:
    built = _common(timeseries.Panel(), panel, catalog)
    built.targets(list(_over_time(panel, queries)))
    built.draw_style(common_models.GraphDrawStyle.LINE).line_width(2).span_nulls(False)
    built.show_points(common_models.VisibilityMode.AUTO)
    built.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    built.tooltip(
        common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI).sort(common_models.SortOrder.DESCENDING)
    )
    bounds = queries.bounds(panel) if panel.picture is Picture.TIMESERIES else ()
    lowest, highest = _axis(panel, bounds)
    if lowest is not None:
        built.axis_soft_min(float(lowest))
    if highest is not None:
        built.axis_soft_max(float(highest))
    fixed = sorted({one.value: one for one in reversed(bounds) if one.value is not None}.items())
    if fixed:
        steps = [models.Threshold(value=None, color="transparent")]
        steps += [models.Threshold(value=float(value), color=BOUND_STYLES[one.severity].colour) for value, one in fixed]
        built.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
        dashed = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        built.thresholds_style(dashed)
    # What no override below names is told apart by brightness.
    built.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.SHADES).fixed_color(style(0).colour))
    if panel.picture is Picture.STACKED:
        built.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A")).fill_opacity(80)
    else:
        built.fill_opacity(0)
    _draw_series(built, panel, queries)
    asked = (bound for bound in bounds if bound.value is None)
    for number, bound in enumerate(asked, 1):
        built.with_target(_target(bound.expr, bound.legend, f"L{number}").range())
        built.override_by_query(f"L{number}", _drawn(BOUND_STYLES[bound.severity]))
    return built


def _axis(panel: Panel, bounds: tuple[Bound, ...]) -> tuple[Decimal | None, Decimal | None]:
    """Between which values the axis runs while the series stay there: each bound is on it, and in its middle half."""
    values = [value for one in bounds for value in one.values]
    downward = [one for one in bounds if one.comparison in (Comparison.BELOW, Comparison.AT_MOST)]
    nearest = max((value for one in downward for value in one.values), default=None)
    if nearest is not None and panel.unit.highest is not None:
        return max(Decimal(0), panel.unit.highest - 2 * (panel.unit.highest - nearest)), panel.unit.highest
    from_zero = panel.from_zero and (panel.unit.lowest == 0 or panel.unit is Unit.SECONDS)
    highest = panel.unit.highest or _OF_NOTHING.get(panel.unit)
    if values and max(values) > 0:
        highest = min(2 * max(values), panel.unit.highest or 2 * max(values))
    return Decimal(0) if from_zero else None, highest


def _draw_series(built: timeseries.Panel, panel: Panel, queries: Queries) -> None:
    names = [name for curve in panel.curves for name in queries.series_names(curve)]
    hues = dict(panel.hues)
    for index, name in enumerate(names):
        drawn = style(index, hues.get(name))
        # In a stack, the line of what is nothing would run along the top of what lies below it.
        built.override_by_name(name, _drawn(replace(drawn, width=0) if panel.picture is Picture.STACKED else drawn))


def _drawn(drawn: Style) -> list[models.DynamicConfigValue]:
    line = {"fill": "dash", "dash": list(drawn.dash)} if drawn.dash else {"fill": "solid"}
    return [
        _property("color", {"mode": "fixed", "fixedColor": drawn.colour}),
        _property("custom.lineStyle", line),
        _property("custom.lineWidth", drawn.width),
    ]


def _heatmap(panel: Panel, catalog: Catalog, queries: Queries) -> heatmap.Panel:
    built = _common(heatmap.Panel(), panel, catalog)
    targets = _over_time(panel, queries)
    built.targets([target.format(prometheus_models.PromQueryFormat.HEATMAP) for target in targets])
    built.calculate(False).cell_gap(1).show_legend()
    built.color(
        heatmap.HeatmapColorOptions()
        .mode(heatmap_models.HeatmapColorMode.SCHEME)
        .scheme("Viridis")
        .steps(64)
        .exponent(0.5)
        .fill(style(0).colour)
    )
    built.y_axis(heatmap.YAxisConfig().unit(GRAFANA_UNITS[panel.unit]).axis_placement(common_models.AxisPlacement.LEFT))
    built.tooltip(heatmap.HeatmapTooltip().mode(common_models.TooltipDisplayMode.SINGLE).y_histogram(True))
    built.filter_values(heatmap.FilterValueRange().le(1e-9))
    return built


def _state_timeline(panel: Panel, catalog: Catalog, queries: Queries) -> statetimeline.Panel:
    built = _common(statetimeline.Panel(), panel, catalog)
    built.targets(list(_over_time(panel, queries)))
    built.mappings(_words(panel.states)).color_scheme(_by_thresholds())
    built.thresholds(_always(next(s.tone for s in panel.states)))
    built.merge_values(True).show_value(common_models.VisibilityMode.ALWAYS).row_height(0.8)
    built.line_width(1).fill_opacity(80).no_value("nothing to show")
    built.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    return built


def _table(panel: Panel, catalog: Catalog, queries: Queries) -> table.Panel:
    built = _common(table.Panel(), panel, catalog)
    targets = _now(panel, queries)
    built.targets([target.format(prometheus_models.PromQueryFormat.TABLE) for target in targets])
    built.no_value("none known").min_width(_NARROWEST)
    built.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    built.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(_HIDDEN_COLUMNS, True),
                "indexByName": {column.label: place for place, column in enumerate(panel.columns)},
                "renameByName": _columns(panel.curves),
            },
        )
    )
    for column in panel.columns:
        properties = [_property("custom.width", column.pixels)]
        if column.label == _ALERT_NAME:
            page = catalog.organisation.runbook_page("index", "${environment}")
            link = {"title": "Runbook and panel", "url": f"{page}#${{__value.raw}}", "targetBlank": True}
            properties.append(_property("links", [link]))
        built.override_by_name(column.label, properties)
    value = panel.curves[0].legend
    order = [(column.label, False) for column in panel.columns] + [(value, False)] if panel.columns else [(value, True)]
    built.sort_by([common.TableSortByFieldState().display_name(name).desc(down) for name, down in order])
    built.show_header(not panel.columns)
    return built


def _columns(curves: tuple[Curve, ...]) -> dict[str, str]:
    """The names of the value columns: Grafana calls a single one `Value`, one of several `Value #A`."""
    if len(curves) == 1:
        return {"Value": curves[0].legend}
    return {f"Value #{letter}": curve.legend for letter, curve in zip(_LETTERS, curves, strict=False)}
