/** A small plot of the last minutes, and what it shows as a number beside it. */
import { el, setText } from '../element.js';

const HEIGHT = 120;
const COLOURS = ['plot-1', 'plot-2', 'plot-3', 'plot-4'];

function momentLabels(moments) {
  const isShort = (moments.at(-1) ?? 0) - (moments[0] ?? 0) < 180;
  const format = { hour: '2-digit', minute: '2-digit', ...(isShort ? { second: '2-digit' } : {}), hourCycle: 'h23' };
  return moments.map((at) => new Date(at * 1000).toLocaleTimeString([], /** @type {any} */ (format)));
}

/** The library is fetched when the first plot is made. @returns {Promise<any>} */
const library = () => import('../uplot/uPlot.esm.js').then((module) => module.default);

export class Plot {
  #title;
  #series;
  #format;
  #increments;
  #plot;
  #isMade = false;
  #data = [[]];
  #now = el('output', { class: 'now' });
  #canvas = el('div', { class: 'canvas', role: 'img' });
  element;

  /** @param {{ title: string, series: { name: string, of: (sample: any) => number | undefined }[], format: (value: number) => string, increments?: number[] }} what `increments`: what its axis may count by */
  constructor({ format, increments, series, title }) {
    this.#increments = increments;
    this.#title = title;
    this.#series = series;
    this.#format = format;
    const legend =
      series.length < 2
        ? []
        : series.map(({ name }, index) =>
            el('span', { class: `legend ${COLOURS[index % COLOURS.length]}`, text: name }),
          );
    this.element = el(
      'figure',
      { class: 'plot' },
      el('figcaption', {}, el('span', { class: 'title', text: title }), ...legend, this.#now),
      this.#canvas,
    );
    new ResizeObserver(([entry]) =>
      this.#plot?.setSize({ width: Math.floor(entry.contentRect.width), height: HEIGHT }),
    ).observe(this.#canvas);
  }

  /** @param {import('../measures.js').Sample[]} samples */
  show(samples) {
    this.#data = [
      samples.map(({ atMs }) => atMs / 1000),
      ...this.#series.map(({ of }) => samples.map((sample) => of(sample) ?? null)),
    ];
    this.#tell();
    if (this.#plot !== undefined) this.#plot.setData(this.#data);
    else if (!this.#isMade) void this.#make();
  }

  /** Colours are the theme's. */
  redraw() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#isMade = false;
    void this.#make();
  }

  #tell() {
    const latest = this.#series.map((_series, index) => this.#data[index + 1].at(-1));
    const told = latest.map((value) => (value === null || value === undefined ? '—' : this.#format(value)));
    setText(this.#now, told.join(' · '));
    const all = this.#data[1].filter((value) => value !== null);
    const most = all.length === 0 ? 'nothing yet' : `at most ${this.#format(Math.max(...all))}`;
    this.#canvas.setAttribute('aria-label', `${this.#title}: now ${told.join(' and ')}, ${most} in the last minutes`);
  }

  async #make() {
    this.#isMade = true;
    const UPlot = await library();
    if (this.#plot !== undefined) return;
    const colour = (name) => {
      const probe = el('span', { class: `probe ${name}` });
      this.#canvas.append(probe);
      const { color } = getComputedStyle(probe);
      probe.remove();
      return color;
    };
    const axis = {
      stroke: colour('plot-text'),
      grid: { stroke: colour('plot-line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    };
    const options = {
      width: Math.max(160, Math.floor(this.#canvas.clientWidth)),
      height: HEIGHT,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { y: { range: (_plot, _least, most) => [0, most === null || most <= 0 ? 1 : most * 1.15] } },
      axes: [
        {
          ...axis,
          space: 70,
          size: 28,
          values: (_plot, moments) => momentLabels(moments),
        },
        {
          ...axis,
          size: 56,
          space: 32,
          ...(this.#increments === undefined ? {} : { incrs: this.#increments }),
          values: (_plot, values) => values.map((value) => this.#format(value)),
        },
      ],
      series: [
        {},
        ...this.#series.map(({ name }, index) => {
          const stroke = colour(COLOURS[index % COLOURS.length]);
          return {
            label: name,
            stroke,
            width: 1.5,
            fill: index === 0 ? colour('plot-fill') : undefined,
            points: { show: false },
            spanGaps: false,
          };
        }),
      ],
      hooks: { setCursor: [(plot) => this.#point(plot)] },
    };
    this.#plot = new UPlot(options, this.#data, this.#canvas);
  }

  #point(plot) {
    const at = plot.cursor.idx;
    if (at === null || at === undefined || plot.cursor.left < 0) {
      this.#tell();
      return;
    }
    const values = this.#series.map((_series, index) => plot.data[index + 1][at]);
    const moment = new Date(plot.data[0][at] * 1000).toLocaleTimeString([], { hourCycle: 'h23' });
    setText(
      this.#now,
      `${values.map((value) => (value === null ? '—' : this.#format(value))).join(' · ')} at ${moment}`,
    );
  }
}
