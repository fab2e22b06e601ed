/* How the job stands: numbers, live charts, what waits, what fails. */

import { fill, h, setText } from "../lib/dom.js";
import { ago, brief, bytes, count, counted, duration, keyText, money, percent, rate, span } from "../lib/format.js";
import { link } from "../lib/router.js";
import { ChartGroup } from "../parts/chart.js";
import { card, choice, pageHead } from "../parts/head.js";
import { empty, notice } from "../parts/states.js";
import { facts } from "../parts/tree.js";

const RANGES = [[300, "5 min"], [900, "15 min"], [3600, "1 h"]];

export function showOverview(host, { job, live }) {
  const to = (page, rest, query) => link(job, page, rest, query);
  const charts = new ChartGroup();
  const stateLine = h("p", { class: "quiet" }, "\u00a0");
  const notices = h("div");
  const progress = h("progress", { max: "1", class: "unknown", "aria-label": "Input read" });
  const tiles = TILES.map((tile) => new Tile(tile, to));
  const cores = (value) => (value === null ? brief(null) : `${value.toFixed(2)} cores`);
  cores.least = 0.1;
  const size = (value) => bytes(value);
  size.binary = true;
  size.least = 1048576;
  const late = (value) => duration(value);
  late.least = 0.01;
  const waitsBox = h("div");
  const failuresBox = h("div");
  const keysBox = h("div");
  const limitsBox = h("div");
  const storeBox = h("div");
  host.append(
    pageHead("Overview", choice("Time shown", RANGES, charts.chosen, (seconds) => charts.show(live.history, Number(seconds)))),
    h("div", { class: "state" }, stateLine, progress), notices,
    h("div", { class: "tiles" }, tiles.map((tile) => tile.root)),
    h("div", { class: "charts" },
      charts.add("Inputs done per second", [{ name: "rate", column: "rate" }], rate),
      charts.add("Inputs under way", [{ name: "in flight", column: "in_flight" }, { name: "queued", column: "waiting" }], brief),
      charts.add("CPU of workers", [{ name: "CPU", column: "cpu" }], cores),
      charts.add("Memory of workers (RSS)", [{ name: "memory", column: "rss" }], size),
      charts.add("Event loop late, at most", [{ name: "lag", column: "lag" }], late),
      charts.add("Suspended runs", [{ name: "suspended", column: "suspended" }], brief)),
    h("div", { class: "cards-grid" }, card("What waits", waitsBox), card("Failures", failuresBox), card("Keys with the most inputs", keysBox), card("Limits and cost", limitsBox), card("Store", storeBox)));

  const drawn = new Map();
  const redraw = (box, data, draw) => {
    const text = JSON.stringify(data);
    if (drawn.get(box) === text) return;
    drawn.set(box, text);
    fill(box, draw(data));
  };

  return live.listen(({ status, history }) => {
    if (!status) return;
    setText(stateLine, describe(status));
    const share = done(status);
    progress.classList.toggle("unknown", share === null);
    progress.value = share ?? 0;
    for (const tile of tiles) tile.show(status, live);
    charts.show(history);
    redraw(notices, [status.store_error, status.degraded, status.reload, status.notices, status.workers.map((worker) => [worker.slot, worker.held])], () => warnings(status, to));
    redraw(waitsBox, [status.waiting_runs, status.waiting_inputs, status.timers, status.questions, Math.floor(status.next_due ?? 0), Math.floor(status.at / 10)], () => waits(status, to));
    redraw(failuresBox, [status.failures, status.failed], () => failures(status, to));
    redraw(keysBox, status.hot_keys, () => hotKeys(status.hot_keys, to));
    redraw(limitsBox, status.limits, () => limits(status.limits, to));
    redraw(storeBox, storeNumbers(status), (found) => facts(found));
  });
}

/** How much of the input is done: the source is read ahead, and runs that wait are not done. */
function done(status) {
  if (status.fraction === null || status.fraction === undefined) return null;
  const waiting = (status.waiting_runs ?? 0) + (status.waiting_inputs ?? 0);
  const pending = status.workers.reduce((sum, worker) => sum + worker.in_flight + worker.waiting, waiting);
  return status.events + pending ? (status.fraction * status.events) / (status.events + pending) : status.fraction;
}

function describe(status) {
  const agent = status.agent ?? "";
  if (!status.running) return `${agent}, at rest${status.phase ? `; it has ${status.phase === "finished" ? "finished" : `ended: ${status.phase}`}` : ""}. All numbers are those of its end.`;
  const parts = [agent, status.phase, `pid ${status.launcher}`];
  const share = done(status);
  if (share !== null) parts.push(`${percent(share, 1)} of the input done`);
  return parts.filter(Boolean).join(", ");
}

const CPU = (status, live) => {
  const known = status.workers.map((worker) => live.cpu(worker.slot)).filter((value) => value !== null);
  return known.length ? known.reduce((one, other) => one + other, 0) : live.history.cpu?.at(-1) ?? null;
};

const TILES = [
  { name: "Inputs done", of: (status) => count(status.events), below: (status) => counted(status.outputs, "output") },
  { name: "Rate", of: (status) => rate(status.rate), below: (status) => (status.retries ? counted(status.retries, "retry", "retries") : "no retries") },
  { name: "Oldest input", of: (status) => span(status.oldest_age), below: () => "not done yet" },
  { name: "Workers", page: "workers", of: (status) => `${status.workers.filter((worker) => worker.state === "ready").length} of ${status.workers.length}`, below: (status) => (status.deaths ? `ready, ${counted(status.deaths, "death")}` : "ready, no deaths"), bad: (status) => status.degraded },
  { name: "CPU", page: "profile", of: (status, live) => { const used = CPU(status, live); return used === null ? "\u2013" : used.toFixed(2); }, below: () => "cores" },
  { name: "Memory", page: "workers", of: (status) => bytes(status.workers.reduce((sum, worker) => sum + (worker.usage.rss ?? 0), 0) || null), below: (status) => { const own = status.workers.reduce((sum, worker) => sum + (worker.usage.own ?? 0), 0); return own ? `${bytes(own)} of their own` : "of all workers"; } },
  { name: "Dead letters", page: "letters", of: (status) => count(status.dead_letters), below: () => "in this life", bad: (status) => status.dead_letters > 0 },
  { name: "Questions", page: "questions", of: (status) => count(status.questions), below: () => "wait for an answer" },
];

class Tile {
  constructor(tile, to) {
    this.tile = tile;
    this.value = h("span", { class: "tile-value" }, "\u2013");
    this.below = h("span", { class: "tile-below" }, "\u00a0");
    const inner = [h("span", { class: "tile-name" }, tile.name), this.value, this.below];
    this.root = tile.page ? h("a", { class: "tile", href: to(tile.page) }, inner) : h("div", { class: "tile" }, inner);
  }

  show(status, live) {
    setText(this.value, this.tile.of(status, live));
    setText(this.below, this.tile.below(status, live));
    this.root.classList.toggle("bad", Boolean(this.tile.bad?.(status)));
  }
}

function warnings(status, to) {
  const found = [];
  if (status.store_error) found.push(notice("bad", h("strong", {}, "A part of the store cannot be read: "), status.store_error));
  if (status.degraded) found.push(notice("warn", h("strong", {}, "The pool is degraded: "), status.degraded));
  if (status.reload && !["done", "promoted", "finished"].includes(status.reload.stage)) {
    found.push(notice("", h("a", { href: to("generations") }, `Reload to generation ${status.reload.generation}`), `: ${status.reload.stage}`, status.reload.reason && ` (${status.reload.reason})`));
  }
  for (const worker of status.workers) {
    if (worker.held) found.push(notice("warn", h("a", { href: to("workers", [worker.slot]) }, `Worker ${worker.slot}`), ` is held up: ${worker.held}`));
  }
  for (const [text, times] of Object.entries(status.notices ?? {})) found.push(notice("", text, times > 1 && ` (${count(times)} times)`));
  return found;
}

function waits(status, to) {
  if (!status.waiting_runs && !status.waiting_inputs && !status.timers && !status.questions) return empty("Nothing waits in the store.", "Runs that ask a question or wait for an event are suspended there, and cost nothing meanwhile.");
  return facts([
    ["Suspended runs", count(status.waiting_runs)],
    ["Inputs behind them", count(status.waiting_inputs)],
    ["Timers", count(status.timers)],
    ["Questions", h("a", { href: to("questions") }, count(status.questions))],
    ["Next due", status.next_due ? ago(status.next_due, status.at) : "nothing is by the clock"],
  ]);
}

function failures(status, to) {
  const kinds = Object.entries(status.failures ?? {});
  if (!kinds.length) return empty("Nothing has failed for good in this life.");
  return [h("ul", { class: "plain-list" }, kinds.slice(0, 6).map(([kind, [times, offset, error]]) => h("li", {},
    h("div", { class: "spread" }, h("strong", {}, kind.replace(/ \(.*\)$/s, "")), h("span", { class: "numbers" }, count(times))),
    h("div", { class: "quiet clip", title: kind }, kind.replace(/^.*? \((?:.*\/)?(.*)\)$/s, "$1")),
    h("div", { class: "quiet clip", title: error }, `first at offset ${offset}: ${error}`)))),
  h("p", {}, h("a", { href: to("letters") }, "Dead letters"))];
}

function hotKeys(keys, to) {
  if (!keys?.length) return empty("No key stands out yet.");
  const most = keys[0][1] || 1;
  return h("ol", { class: "bars" }, keys.slice(0, 8).map(([quoted, times]) => {
    const key = keyText(quoted);
    const bar = h("span", { class: "bar" });
    bar.style.width = `${(100 * times) / most}%`;
    return h("li", {}, bar, h("a", { class: "clip", href: to("keys", [], { prefix: key }) }, key), h("span", { class: "numbers" }, brief(times)));
  }));
}

function limits(all, to) {
  const names = Object.entries(all ?? {});
  if (!names.length) return empty("No call has a limit.", "Limits of rate, concurrency and cost are set per resource.");
  const spent = names.reduce((sum, [, limit]) => sum + (limit.spent ?? 0), 0);
  return [facts(names.slice(0, 6).map(([name, limit]) => [name, `${count(limit.active)} under way, ${counted(limit.waiting, "call waits", "calls wait")}`])),
    h("p", {}, spent > 0 && `${money(spent)} spent in all lives. `, h("a", { href: to("limits") }, "All limits"))];
}

/** What the series say of the store: how commits went, how full it is. */
function storeNumbers(status) {
  const value = (name) => status.series?.find((family) => family.name === name)?.samples[0]?.[1];
  const commits = value("tamias_commit_seconds");
  const written = value("tamias_commit_bytes_total");
  return [
    ["Shards", count(status.shards)], ["Durability", status.durability],
    ["Commits", commits ? count(commits.count) : ""], ["Mean time of one", commits?.count ? duration(commits.sum / commits.count) : ""],
    ["Written", written === undefined ? "" : bytes(written)], ["Size", bytes(value("tamias_store_used_bytes")).replace("\u2013", "")],
    ["Fullest map", value("tamias_store_map_used_ratio") === undefined ? "" : percent(value("tamias_store_map_used_ratio"), 1)],
  ];
}
