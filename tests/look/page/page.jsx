// How does one dashboard look, drawn with Grafana's own components on given answers?
import { createDataFrame, createTheme, dateTime, EventBusSrv, FieldType, getDisplayProcessor } from '@grafana/data';
import { BigValue, GlobalStyles, PanelChrome, PanelContextProvider, Table, ThemeContext, TimeSeries } from '@grafana/ui';
import React from 'react';
import { createRoot } from 'react-dom/client';
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import 'uplot/dist/uPlot.min.css';
import './page.css';

const GRID = { columns: 24, height: 30, gap: 8 };
const BUS = new EventBusSrv();
// What is drawn at the moment, and the moment at which it is looked at.
let board, answers, now, width, theme, timeRange;
Date.now = () => now * 1000;

const GRAPH = {
  axisPlacement: 'auto', drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none',
  showPoints: 'auto', pointSize: 5, spanNulls: false, stacking: { mode: 'none', group: 'A' }, scaleDistribution: { type: 'linear' },
  hideFrom: { legend: false, tooltip: false, viz: false }, axisColorMode: 'text', axisBorderShow: false,
};
const legend = (format, labels) => format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '');
const number = (text) => ({ NaN: NaN, '+Inf': Infinity, '-Inf': -Infinity })[text] ?? Number(text);
const answerTo = (panel, target) => answers[`${panel.id}/${target.refId}`] ?? [];
// Prometheus' refusal is a text where series would be; Grafana shows it in the panel's corner, and draws the rest.
const refusal = (panel) => panel.targets.map((target) => answerTo(panel, target)).find((one) => typeof one === 'string');
const seriesOf = (panel, target) => [answerTo(panel, target)].flat().filter((one) => typeof one !== 'string');

function configured(panel, name, target) {
  const { defaults, overrides } = panel.fieldConfig;
  const config = structuredClone({ ...defaults, custom: { ...GRAPH, ...defaults.custom } });
  for (const { matcher, properties } of overrides ?? []) {
    const hit = (matcher.id === 'byName' && matcher.options === name) ||
      (matcher.id === 'byFrameRefID' && matcher.options === target.refId);
    if (!hit) continue;
    for (const { id, value } of properties) {
      if (id.startsWith('custom.')) config.custom[id.slice(7)] = value;
      else config[id] = value;
    }
  }
  return config;
}

function withDisplay(field) {
  field.display = getDisplayProcessor({ field, theme });
  return field;
}

function frames(panel) {
  const found = [];
  for (const target of panel.targets) {
    for (const { labels, points } of seriesOf(panel, target)) {
      const name = legend(target.legendFormat, labels);
      const values = new Map(points.map(([at, value]) => [at * 1000, number(value)]));
      const times = [];
      for (let at = now - 3600; at <= now; at += 60) times.push(at * 1000);
      const frame = createDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: times, config: {} },
          { name, type: FieldType.number, values: times.map((at) => values.get(at) ?? null), labels, config: {} },
        ],
      });
      frame.fields[0].display = getDisplayProcessor({ field: frame.fields[0], theme });
      frame.fields[1].config = { ...configured(panel, name, target), displayName: name };
      frame.fields[1].state = { displayName: name, seriesIndex: found.length };
      withDisplay(frame.fields[1]);
      found.push(frame);
    }
  }
  return found;
}

function Stat({ panel, width, height }) {
  const shown = [];
  for (const target of panel.targets) {
    for (const { labels, points } of seriesOf(panel, target)) {
      const name = legend(target.legendFormat, labels);
      const field = withDisplay({ name, type: FieldType.number, values: [], labels, config: configured(panel, name, target) });
      shown.push({ name, value: field.display(number(points.at(-1)[1])) });
    }
  }
  if (!shown.length) return <div className="nothing" data-word={panel.fieldConfig.defaults.noValue}>
    <BigValue theme={theme} width={width} height={height} value={{ text: panel.fieldConfig.defaults.noValue, numeric: NaN }}
      colorMode="none" graphMode="none" text={panel.options.text} textMode="value" justifyMode="auto" /></div>;
  return shown.map(({ name, value }) => <div key={name} data-word={name} data-value={value.text}>
    <BigValue theme={theme} width={width} height={height / shown.length} value={{ ...value, title: name }}
      colorMode={panel.options.colorMode} graphMode="none" text={panel.options.text} textMode={panel.options.textMode}
      justifyMode="auto" /></div>);
}

function Graph({ panel, width, height }) {
  const drawn = frames(panel);
  if (!drawn.length) return <Nothing panel={panel} />;
  const rows = panel.options.legend.showLegend ? { ...panel.options.legend, displayMode: 'list', placement: 'bottom' } : panel.options.legend;
  const latest = drawn.map(({ fields: [, field] }) => [field.state.displayName, field.values.at(-1) ?? null]);
  return <div data-latest={JSON.stringify(latest)}><TimeSeries frames={drawn} structureRev={1} width={width} height={height} timeRange={timeRange} timeZone="utc"
    legend={rows} options={panel.options} /></div>;
}

function Nothing({ panel }) {
  return <div className="nothing" data-word={panel.fieldConfig.defaults.noValue ?? 'No data'}>
    {panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
}

// Drawn simply: a bar for each stretch of one state.
function Timeline({ panel, width, height }) {
  const drawn = frames(panel);
  if (!drawn.length) return <Nothing panel={panel} />;
  const row = Math.max(14, Math.min(26, height / drawn.length));
  const names = Math.min(250, width * 0.5);
  return <div className="timeline" style={{ height, overflow: 'hidden' }}>{drawn.map((frame, index) => {
    const [times, field] = frame.fields;
    const cells = times.values.map((at, place) => ({ at, place, value: field.values[place] })).filter(({ value }) => value !== null);
    const last = field.values.at(-1);
    const word = last === null ? '' : field.display(last).text;
    return <div key={index} className="track" style={{ height: row }} data-row={field.state.displayName} data-word={word}>
      <span className="name" style={{ width: names }}>{field.state.displayName}</span>
      <span className="bars">{cells.map(({ place, value }) => <i key={place} style={{
        left: `${(100 * place) / times.values.length}%`, width: `${100 / times.values.length + 0.1}%`,
        background: field.display(value).color }} />)}{word && <b>{word}</b>}</span></div>;
  })}</div>;
}

// Drawn simply: a row for each bucket, the longest durations above; the brighter, the more than in the bucket below.
function Heat({ panel, width, height }) {
  const bucket = ({ fields: [, field] }) => number(field.labels.le);
  const drawn = frames(panel).sort((one, other) => bucket(other) - bucket(one));
  if (!drawn.length) return <Nothing panel={panel} />;
  const upTo = drawn.map(({ fields: [, field] }) => field.values.map((value) => value ?? 0));
  const own = upTo.map((values, index) => values.map((value, place) => Math.max(0, value - (upTo[index + 1]?.[place] ?? 0))));
  const most = Math.max(1e-9, ...own.flat());
  return <div style={{ height, overflow: 'hidden' }}>{drawn.map(({ fields: [, field] }, index) => <div key={index} className="track"
    style={{ height: height / drawn.length }}><span className="name" style={{ width: 60 }}>{field.labels.le}</span>
    <span className="bars">{own[index].map((value, place) => <i key={place} style={{ left: `${(100 * place) / own[index].length}%`,
      width: `${100 / own[index].length + 0.1}%`, background: '#2a788e', opacity: Math.sqrt(value / most) }} />)}</span>
  </div>)}</div>;
}

function Rows({ panel, width, height }) {
  const columns = new Map();
  const hidden = panel.transformations?.find(({ id }) => id === 'organize')?.options.excludeByName ?? {};
  const renamed = panel.transformations?.find(({ id }) => id === 'organize')?.options.renameByName ?? {};
  const order = panel.transformations?.find(({ id }) => id === 'organize')?.options.indexByName ?? {};
  const rows = new Map();
  for (const target of panel.targets) {
    for (const { labels, points } of seriesOf(panel, target)) {
      const kept = Object.fromEntries(Object.entries(labels).filter(([name]) => !hidden[name] && name !== '__name__'));
      const key = JSON.stringify(kept);
      const value = panel.targets.length > 1 ? `Value #${target.refId}` : 'Value';
      rows.set(key, { ...(rows.get(key) ?? kept), [value]: number(points.at(-1)[1]) });
      for (const name of [...Object.keys(kept), value]) columns.set(name, null);
    }
  }
  if (!rows.size) return <Nothing panel={panel} />;
  const names = [...columns.keys()].sort((one, other) => (order[one] ?? 99) - (order[other] ?? 99));
  const all = [...rows.values()];
  const fields = names.map((name) => {
    const shown = renamed[name] ?? name;
    const measured = name.startsWith('Value');
    const config = { ...configured(panel, shown, {}), displayName: shown };
    if (!measured) { delete config.unit; delete config.decimals; }
    return { name: shown, type: measured ? FieldType.number : FieldType.string, values: all.map((row) => row[name] ?? null), config };
  });
  const frame = createDataFrame({ fields });
  frame.fields.forEach((field) => { field.state = { displayName: field.name }; withDisplay(field); });
  const sortBy = (panel.options.sortBy ?? []).map(({ displayName, desc }) => ({ id: displayName, desc, displayName }));
  return <Table data={frame} width={width} height={height} initialSortBy={sortBy} noHeader={panel.options.showHeader === false} />;
}

const PICTURES = { stat: Stat, timeseries: Graph, 'state-timeline': Timeline, heatmap: Heat, table: Rows };

class Guard extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? <div className="broken">{String(this.state.error)}</div> : this.props.children; }
}

// What Grafana puts above a board: its navigation, then variables, annotations and links, in as many lines as they need.
function Above() {
  const { templating, annotations, links } = board;
  const shown = [...templating.list, ...annotations.list].filter(({ hide }) => !hide);
  return <header className="above">
    <nav>Home › Dashboards › Payments › {board.title}<span>{timeRange.raw.from} to {timeRange.raw.to}</span></nav>
    {width >= 768 && <div className="controls">
      {shown.map((one) => <span key={one.name}><b>{one.label ?? one.name}</b>{one.type ? <i>{one.current?.text ?? 'Payments Prometheus'} ▾</i> : <i>●</i>}</span>)}
      {links.map(({ title }) => <span key={title}><a>{title} ↗</a></span>)}</div>}
  </header>;
}

function Board() {
  const narrow = width < 768;
  const unit = width / GRID.columns;
  let below = 0;
  const placed = board.panels.map((panel) => {
    const { x, y, w, h } = panel.gridPos;
    if (!narrow) return { panel, left: x * unit, top: y * (GRID.height + GRID.gap), width: w * unit - GRID.gap, height: h * (GRID.height + GRID.gap) - GRID.gap };
    const height = h * (GRID.height + GRID.gap) - GRID.gap;
    const place = { panel, left: 0, top: below, width: width - GRID.gap, height };
    below += height + GRID.gap;
    return place;
  });
  const whole = Math.max(0, ...placed.map(({ top, height }) => top + height));
  return <ThemeContext.Provider value={theme}><GlobalStyles /><Above /><div id="board" style={{ position: 'relative', width, height: whole,
    background: theme.colors.background.canvas, color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily }}>
    {placed.map(({ panel, ...box }) => panel.type === 'row'
      ? <h3 key={panel.id} className="row" style={{ position: 'absolute', ...box, margin: 0, fontSize: 16, lineHeight: `${box.height}px` }}>
        {panel.collapsed ? '› ' : '⌄ '}{panel.title}{panel.collapsed ? ` (${panel.panels.length} panels)` : ''}</h3>
      : <section key={panel.id} className="panel" data-id={panel.id} data-title={panel.title} data-type={panel.type}
        data-refused={refusal(panel)} style={{ position: 'absolute', ...box }}>
        <PanelChrome title={panel.title} statusMessage={refusal(panel)} width={box.width} height={box.height}>{(innerWidth, innerHeight) => {
          const Picture = PICTURES[panel.type];
          return <PanelContextProvider value={{ eventBus: BUS, eventsScope: 'look', sync: () => 0 }}><Guard>
            <Picture panel={panel} width={innerWidth} height={innerHeight} /></Guard></PanelContextProvider>;
        }}</PanelChrome></section>)}
  </div></ThemeContext.Provider>;
}

const rootElement = document.getElementById('root');
let root;
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

// Draws one look, and ends when the page has been the same for five frames.
window.draw = async (look) => {
  root?.unmount();
  ({ board, answers, now, width } = look);
  theme = createTheme({ colors: { mode: look.theme } });
  timeRange = { from: dateTime((now - 3600) * 1000), to: dateTime(now * 1000), raw: { from: 'now-1h', to: 'now' } };
  await Promise.all(['400 14px Inter', '500 14px Inter'].map((font) => document.fonts.load(font)));
  root = createRoot(rootElement);
  root.render(<Board />);
  for (let same = 0, before = ''; same < 5;) {
    await frame();
    const drawn = rootElement.innerHTML;
    same = drawn && drawn === before ? same + 1 : 0;
    before = drawn;
  }
};
