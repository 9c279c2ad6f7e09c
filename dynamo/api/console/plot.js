// A line chart (uPlot) in a card: legend with the values under the cursor, arrow keys that move it, a table view.
// There is one y axis, and it begins at 0.

import { card, tableView } from "./card.js";
import { colour, draw, el } from "./markup.js";
import { clock, known, seconds } from "./words.js";

const HEIGHT = 190;
const FONT = "12px system-ui, sans-serif";
const plots = [];
// A little below 0, so that a line of zeros is not taken for the axis.
const above0 = (top) => [-0.025 * top, top];

export class Plot {
  // `lines`: {name, colour, dash}; `format` of a value; `least` that the y axis reaches; `log`: x is a time span.
  constructor(title, note, { lines, format, least, empty, log = false, size = "" }) {
    Object.assign(this, { title, lines, format, least, log, data: null, chart: null });
    const { box, body } = card(title, note, size);
    this.box = box;
    this.when = el("p", { class: "when", role: "status" });
    this.place = el("div", { class: "plot", tabindex: "0", role: "img", onkeydown: (event) => this.key(event) });
    this.none = el("p", { class: "empty" }, empty);
    this.legend = el("ul", { class: "legend" }, ...lines.map((line, place) => this.entry(line, place)));
    body.append(this.none, this.place, this.when, this.legend);
    this.view = tableView(title, () => this.rows());
    box.append(this.view.details);
    this.place.hidden = true;
    new ResizeObserver(() => this.resize()).observe(body);
    plots.push(this);
  }

  entry(line, place) {
    const stroke = draw("line", { x1: 0, x2: 22, y1: 5, y2: 5, "stroke-width": 2.5, "stroke-dasharray": (line.dash ?? []).join(" ") || null });
    stroke.style.stroke = `var(--${line.colour})`;
    line.output = el("output", {}, "–");
    line.button = el("button", { type: "button", "aria-pressed": "true", onclick: () => this.toggle(place) }, draw("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" }, stroke), line.name, line.output);
    return el("li", {}, line.button);
  }

  toggle(place) {
    const shown = this.lines[place].button.getAttribute("aria-pressed") !== "true";
    this.lines[place].button.setAttribute("aria-pressed", String(shown));
    this.chart?.setSeries(place + 1, { show: shown });
  }

  // `xs` ascending: seconds since 1970, or of a span; `columns` in the order of the lines, null where there is nothing.
  show(xs, columns) {
    this.data = [xs, ...columns];
    const drawn = xs.length > 1 && columns.some((column) => column.some(known));
    this.none.hidden = drawn;
    this.place.hidden = !drawn;
    if (drawn && !this.chart) this.make();
    else if (drawn) this.chart.setData(this.data);
    this.read(this.chart?.cursor.idx);
    this.view.refresh();
  }

  make() {
    this.chart = new uPlot(this.options(), this.data, this.place);
    this.lines.forEach((line, place) => line.button.getAttribute("aria-pressed") === "true" || this.toggle(place));
  }

  options() {
    const axis = { stroke: () => colour("soft"), font: FONT, grid: { stroke: () => colour("grid"), width: 1 }, ticks: { show: false } };
    const spans = (chart, splits) => splits.map((value) => (known(value) ? seconds(value) : ""));
    const decades = (chart, splits) => splits.map((value) => (Math.abs(Math.log10(value) % 1) < 1e-6 ? value : null));
    const times = (chart, splits, place, space, step) => splits.map((at) => (step < 60 ? clock(at) : clock(at).slice(0, 5)));
    return {
      width: this.place.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, ...(this.log ? {} : { sync: { key: "time" } }) },
      scales: {
        x: this.log ? { time: false, distr: 3 } : { time: true },
        y: { range: (chart, low, high) => above0(Math.max((high ?? 0) * 1.12, this.least)) },
      },
      axes: [
        { ...axis, size: 24, space: this.log ? 56 : 70, ...(this.log ? { values: spans, filter: decades, grid: { ...axis.grid, filter: decades } } : { values: times }) },
        { ...axis, size: 58, space: 34, values: (chart, splits) => splits.map(this.format) },
      ],
      series: [{}, ...this.lines.map((line) => ({
        stroke: () => colour(line.colour), width: 2, dash: line.dash, spanGaps: this.log,
        points: { show: line.points, size: 5, fill: () => colour(line.colour) },
      }))],
      hooks: { setCursor: [(chart) => this.read(chart.cursor.idx)] },
    };
  }

  // The values at the cursor, or the last ones.
  read(index) {
    const [xs, ...columns] = this.data;
    const at = index ?? xs.length - 1;
    const x = index === null || index === undefined ? "" : this.log ? `after ${seconds(xs[at])}` : clock(xs[at]);
    if (this.when.textContent !== x) this.when.textContent = x;
    const last = (column) => (this.log && x === "" ? null : column[at]);
    this.lines.forEach((line, place) => {
      line.output.textContent = this.format(last(columns[place]));
      line.output.className = this.log && x === "" ? "wordless" : "";
    });
    if (!this.log) this.place.setAttribute("aria-label", `${this.title}. ${x || "Now"}: ${this.lines.map((line) => `${line.name} ${line.output.textContent}`).join(", ")}. Arrow keys move through time.`);
    else this.place.setAttribute("aria-label", `${this.title}. Arrow keys move along the curve; the table has all numbers.`);
  }

  key(event) {
    const count = this.data[0].length;
    const from = this.chart.cursor.idx ?? count - 1;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: count - 1 }[event.key];
    if (event.key === "Escape") this.chart.setCursor({ left: -10, top: -10 });
    if (to === undefined) return;
    event.preventDefault();
    const x = this.data[0][Math.min(Math.max(to, 0), count - 1)];
    this.chart.setCursor({ left: this.chart.valToPos(x, "x"), top: 10 });
  }

  rows() {
    const [xs, ...columns] = this.data ?? [[]];
    const order = [...xs.keys()];
    if (!this.log) order.reverse();
    const head = [this.log ? "After" : "Time", ...this.lines.map((line) => line.name)];
    const mark = this.log ? seconds : clock;
    return {
      head,
      rows: order.map((at) => [this.log ? xs[at] : new Date(xs[at] * 1000).toISOString(), ...columns.map((column) => column[at])]),
      shown: order.map((at) => [mark(xs[at]), ...columns.map((column) => this.format(column[at]))]),
    };
  }

  resize() {
    const width = this.place.clientWidth;
    if (this.chart && width && width !== this.chart.width) this.chart.setSize({ width, height: HEIGHT });
  }
}

// Canvases do not follow style sheets by themselves.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((plot) => plot.chart?.redraw(false)));
