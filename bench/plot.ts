/** Lines over two logarithmic axes as an SVG of our own: no dependency, legible on light and dark pages. */

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  readonly xAxis: string;
  readonly yAxis: string;
  readonly lines: readonly Line[];
}

const WIDTH = 640;
const LINE_HEIGHT = 18;
const LEFT = 64;
const RIGHT = 24;
const TOP = 44;
const PLOT_HEIGHT = 260;
const BOTTOM = TOP + PLOT_HEIGHT;
const AXIS_HEIGHT = 52;
/** Colours apart also for those who see few of them; marks differ too. */
const COLOURS = ['#2f7ed8', '#e0672b', '#2a9d6f', '#b0509e', '#8a7a2a'];

// An image has no say in its page's colours: it brings its own ground, which follows the reader's.
const STYLE = `
.ground{fill:#ffffff}text{fill:#24292f;font:12px system-ui,sans-serif}.title{font-weight:600;font-size:14px}
.grid{stroke:#d8dee4}.axis{stroke:#57606a}
@media(prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#e6edf3}.grid{stroke:#30363d}.axis{stroke:#8b949e}}`;

interface Axis {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

/** Powers of ten that hold all values, at least one decade. */
export function decades(values: readonly number[]): readonly number[] {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  if (positive.length === 0) throw new RangeError('A logarithmic axis takes at least one value above zero.');
  const first = Math.floor(Math.log10(Math.min(...positive)) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive)) - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function axisOf(values: readonly number[], from: number, to: number): Axis {
  const powers = decades(values);
  const [first, last] = [powers[0] as number, powers.at(-1) as number];
  const at = (value: number) => from + ((Math.log10(value) - first) / (last - first)) * (to - from);
  return { ticks: powers.map((power) => 10 ** power), at };
}

/** 1,500,000 as `1.5 M`. */
export function short(value: number): string {
  const [factor, suffix] = value >= 1e6 ? [1e6, ' M'] : value >= 1e3 ? [1e3, ' k'] : [1, ''];
  return `${Number((value / factor).toPrecision(3))}${suffix}`;
}

const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const round = (value: number) => value.toFixed(1);

function text(x: number, y: number, words: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}"${attributes}>${escaped(words)}</text>`;
}

function mark(index: number, x: number, y: number, colour: string): string {
  if (index % 2 === 0) return `<circle cx="${round(x)}" cy="${round(y)}" r="4" fill="${colour}"/>`;
  return `<rect x="${round(x - 3.5)}" y="${round(y - 3.5)}" width="7" height="7" fill="${colour}"/>`;
}

function grid(x: Axis, y: Axis, { xAxis, yAxis }: Plot): readonly string[] {
  const right = WIDTH - RIGHT;
  return [
    ...x.ticks.flatMap((tick) => [
      `<line class="grid" x1="${round(x.at(tick))}" x2="${round(x.at(tick))}" y1="${TOP}" y2="${BOTTOM}"/>`,
      text(x.at(tick), BOTTOM + 18, short(tick), ' text-anchor="middle"'),
    ]),
    ...y.ticks.flatMap((tick) => [
      `<line class="grid" x1="${LEFT}" x2="${right}" y1="${round(y.at(tick))}" y2="${round(y.at(tick))}"/>`,
      text(LEFT - 8, y.at(tick) + 4, short(tick), ' text-anchor="end"'),
    ]),
    `<path class="axis" fill="none" d="M${LEFT} ${TOP}V${BOTTOM}H${right}"/>`,
    text((LEFT + right) / 2, BOTTOM + 38, xAxis, ' text-anchor="middle"'),
    text(14, (TOP + BOTTOM) / 2, yAxis, ` text-anchor="middle" transform="rotate(-90 14 ${(TOP + BOTTOM) / 2})"`),
  ];
}

export function plotSvg(plot: Plot): string {
  const points = plot.lines.flatMap((line) => line.points);
  const x = axisOf(
    points.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axisOf(
    points.map(([, value]) => value),
    BOTTOM,
    TOP,
  );
  const lines = plot.lines.flatMap(({ name, points: own }, index) => {
    const colour = COLOURS[index % COLOURS.length] as string;
    const legendY = BOTTOM + AXIS_HEIGHT + LINE_HEIGHT * (index + 0.5);
    // What costs less than can be measured has no place on a logarithmic axis.
    const places = own.filter(([, value]) => value > 0).map(([px, py]) => [x.at(px), y.at(py)] as const);
    const path = places.map(([px, py]) => `${round(px)},${round(py)}`).join(' ');
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${path}"/>`,
      ...places.map(([px, py]) => mark(index, px, py, colour)),
      mark(index, LEFT + 8, legendY - 4, colour),
      text(LEFT + 22, legendY, name),
    ];
  });
  const height = BOTTOM + AXIS_HEIGHT + LINE_HEIGHT * plot.lines.length + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(plot.title)}</title><style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>`,
    text(LEFT, 26, plot.title, ' class="title"'),
    ...grid(x, y, plot),
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}
