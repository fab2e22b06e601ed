/* Line charts over time. All charts of a page show the same moment when one of them is pointed at:
 * the values are in the heading of each, so nothing covers the lines and nothing moves. */

import { h, setText, svg } from "../lib/dom.js";
import { clock, span } from "../lib/format.js";

const HEIGHT = 112;
const GAP = 15; // seconds without a point, after which the line is broken

/** What charts of one page share. */
export class ChartGroup {
  constructor() {
    this.charts = [];
    this.chosen = 900;
    this.history = { at: [] };
  }

  /** A chart of `lines`: [{name, of(history, index) or column, format}]. */
  add(title, lines, format) {
    const chart = new Chart(this, title, lines, format);
    this.charts.push(chart);
    return chart.root;
  }

  /** Shows the last `seconds`, or all there is, if that is less. */
  show(history, seconds = this.chosen) {
    this.history = history;
    this.chosen = seconds;
    for (const chart of this.charts) chart.draw();
  }

  get seconds() {
    const { at } = this.history;
    return Math.min(this.chosen, Math.max(60, at.length ? at.at(-1) - at[0] : 0));
  }

  point(index) {
    for (const chart of this.charts) chart.mark(index);
  }
}

class Chart {
  constructor(group, title, lines, format) {
    this.group = group;
    this.lines = lines;
    this.format = format;
    this.marked = null;
    this.width = 0;
    this.values = lines.map(() => h("span", { class: "chart-value" }));
    this.when = h("span", { class: "chart-when" });
    this.paths = lines.map((_, index) => svg("path", { class: `line line-${index}` }));
    this.area = svg("path", { class: "area" });
    this.cross = svg("line", { class: "cross", y1: 0, y2: HEIGHT });
    this.grid = [0.5, 1].map(() => svg("line", { class: "grid", x1: 0 }));
    this.picture = svg("svg", { class: "chart-picture", height: HEIGHT, tabindex: "0", role: "img" });
    this.picture.append(...this.grid, ...(lines.length === 1 ? [this.area] : []), ...this.paths, this.cross);
    this.top = h("span", { class: "chart-top" });
    this.from = h("span");
    const legend = lines.map((line, index) =>
      h("span", { class: "chart-key" }, lines.length > 1 && [h("i", { class: `swatch line-${index}` }), `${line.name} `], this.values[index]));
    this.root = h("section", { class: "chart" },
      h("header", {}, h("h3", {}, title), h("div", { class: "chart-legend" }, legend)),
      h("div", { class: "chart-plot" }, this.top, this.picture),
      h("footer", {}, this.from, this.when));
    this.title = title;
    this.listen();
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width !== this.width) {
        this.width = width;
        this.draw();
      }
    }).observe(this.picture.parentNode);
  }

  listen() {
    const leave = () => this.group.point(null);
    this.picture.addEventListener("pointermove", (event) => {
      const share = (event.clientX - this.picture.getBoundingClientRect().left) / this.width;
      this.group.point(this.nearest(this.start + share * this.group.seconds));
    });
    this.picture.addEventListener("pointerleave", leave);
    this.picture.addEventListener("blur", leave);
    this.picture.addEventListener("keydown", (event) => {
      const last = this.group.history.at.length - 1;
      const from = this.marked ?? last;
      const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: this.nearest(this.start), End: last }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      this.group.point(Math.max(0, Math.min(last, to)));
    });
  }

  nearest(at) {
    const times = this.group.history.at;
    let best = null;
    for (let index = times.length - 1; index >= 0; index -= 1) {
      if (best === null || Math.abs(times[index] - at) <= Math.abs(times[best] - at)) best = index;
      else break;
    }
    return best;
  }

  get end() {
    return this.group.history.at.at(-1) ?? 0;
  }

  get start() {
    return this.end - this.group.seconds;
  }

  column(line) {
    return this.group.history[line.column] ?? [];
  }

  draw() {
    const { at } = this.group.history;
    const { width } = this;
    if (!width) return;
    let first = at.length;
    while (first > 0 && at[first - 1] >= this.start) first -= 1;
    let most = 0;
    for (const line of this.lines) {
      const column = this.column(line);
      for (let index = first; index < at.length; index += 1) most = Math.max(most, column[index] ?? 0);
    }
    const top = ceiling(most, this.format);
    const x = (time) => ((time - this.start) / this.group.seconds) * width;
    const y = (value) => HEIGHT - 1 - (value / top) * (HEIGHT - 14);
    this.picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.lines.forEach((line, number) => {
      const column = this.column(line);
      let path = "";
      let last = null;
      for (let index = first; index < at.length; index += 1) {
        const value = column[index];
        if (value === null || value === undefined) {
          last = null;
          continue;
        }
        const here = `${x(at[index]).toFixed(1)} ${y(value).toFixed(1)}`;
        const broken = last === null || at[index] - last > GAP;
        path += `${broken ? "M" : "L"}${here}`;
        last = at[index];
      }
      this.paths[number].setAttribute("d", path);
      if (this.lines.length === 1) this.area.setAttribute("d", areas(path));
    });
    this.grid.forEach((line, index) => {
      const level = y(top * (index + 1) / 2);
      for (const [name, value] of [["x2", width], ["y1", level], ["y2", level]]) line.setAttribute(name, value);
    });
    setText(this.top, at.length ? this.format(top) : "");
    setText(this.from, at.length ? `${span(this.group.seconds)} ago` : "No values yet");
    this.mark(this.marked);
  }

  mark(index) {
    const { at } = this.group.history;
    this.marked = index !== null && index < at.length ? index : null;
    const shown = this.marked ?? at.length - 1;
    this.lines.forEach((line, number) => {
      const column = this.column(line);
      // What is a difference of two moments is not known of the latest one at first.
      const value = this.marked === null ? column.slice(-3).findLast((each) => each !== null) : column[shown];
      setText(this.values[number], this.format(value ?? null));
    });
    setText(this.when, this.marked === null ? (at.length ? "now" : "") : clock(at[shown]));
    const x = this.marked === null ? -10 : ((at[shown] - this.start) / this.group.seconds) * this.width;
    this.cross.setAttribute("x1", x);
    this.cross.setAttribute("x2", x);
    const text = this.lines.map((line, number) => `${line.name} ${this.values[number].textContent}`).join(", ");
    this.picture.setAttribute("aria-label", `${this.title}: ${text}`);
  }
}

/** The areas below a path of lines. */
function areas(path) {
  return path.split("M").filter(Boolean).map((part) => {
    const points = part.split("L");
    const edge = (point) => `${point.split(" ")[0]} ${HEIGHT}`;
    return `M${edge(points[0])}L${part}L${edge(points.at(-1))}Z`;
  }).join("");
}

/** A round number that is not below `value`; sizes are round in powers of two. */
function ceiling(value, format) {
  if (value <= 0) return format.least ?? 1;
  const base = format.binary ? 2 ** (10 * Math.floor(Math.log2(value) / 10)) : 1;
  const scaled = value / base;
  const power = 10 ** Math.floor(Math.log10(scaled));
  const step = [1, 2, 5, 10].find((one) => one * power >= scaled);
  return step * power * base;
}
