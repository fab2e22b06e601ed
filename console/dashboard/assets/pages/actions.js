/* The actions: how often, how long, how often they failed, which calls they made. From the series. */

import { fill, h, svg } from "../lib/dom.js";
import { count, duration, percent } from "../lib/format.js";
import { card, pageHead } from "../parts/head.js";
import { empty } from "../parts/states.js";
import { table } from "../parts/table.js";
import { facts } from "../parts/tree.js";

const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const DURATION = "tamias_action_seconds";
const COUNTED = {
  tamias_action_executions_total: "done",
  tamias_action_failures_total: "failures",
  tamias_durable_calls_made_total: "made",
  tamias_durable_calls_replayed_total: "replayed",
  tamias_durable_call_failures_total: "callFailures",
};

export function showActions(host, { live }) {
  const list = table([
    { name: "action", label: "Action", class: "wide", sort: (row) => row.id, of: (row) => row.id },
    { name: "done", label: "Done", class: "number", sort: (row) => row.done, of: (row) => count(row.done) },
    { name: "failures", label: "Failed", class: "number", sort: (row) => row.failures, of: (row) => (row.failures ? `${count(row.failures)} (${percent(row.failures / (row.done + row.failures), 1)})` : "0") },
    { name: "total", label: "In all", class: "number", sort: (row) => row.sum, of: (row) => duration(row.sum) },
    { name: "mean", label: "Mean", class: "number minor", sort: (row) => row.mean, of: (row) => duration(row.mean) },
    { name: "p50", label: "50 %", class: "number", sort: (row) => row.p50, of: (row) => duration(row.p50) },
    { name: "p99", label: "99 %", class: "number", sort: (row) => row.p99, of: (row) => duration(row.p99) },
    { name: "spread", label: "Spread", of: (row) => row.picture },
    { name: "made", label: "Calls made", class: "number", sort: (row) => row.made, of: (row) => `${count(row.made)}${row.callFailures ? `, ${count(row.callFailures)} failed` : ""}` },
    { name: "replayed", label: "Replayed", class: "number", sort: (row) => row.replayed, of: (row) => count(row.replayed) },
  ], { wide: true, dense: true, caption: "Actions", sort: { name: "total", falling: true }, empty: () => empty("No action has been executed in this life.", "Durations, failures and durable calls are counted per action as soon as one is.") });
  host.append(pageHead("Actions"), h("p", { class: "quiet" }, "Since the pool was started. Durations are those of executions, with what they wait for: half of them take less than the time at 50 %."), list.root);
  const own = h("div");
  host.append(own);
  return live.listen(({ status }) => {
    if (!status) return;
    list.show(rowsOf(status.series ?? []));
    const metrics = Object.entries(status.metrics ?? {});
    fill(own, metrics.length > 0 && card("Metrics, by their names in the agent", facts(metrics.map(([name, value]) => [name, plain(value)]))));
  });
}

/** A metric of the agent: a number, or a few of them by name. */
function plain(value) {
  const number = (each) => (typeof each === "number" ? tenths.format(each) : String(each));
  if (value === null || typeof value !== "object") return number(value);
  return Object.entries(value).map(([name, each]) => `${name} ${number(each)}`).join(", ");
}

/** A row for each action, of all series that have such a label. */
export function rowsOf(series) {
  const rows = new Map();
  const row = (name) => {
    if (!rows.has(name)) rows.set(name, { id: name, done: 0, runs: 0, sum: 0, failures: 0, made: 0, replayed: 0, callFailures: 0, buckets: new Map() });
    return rows.get(name);
  };
  for (const family of series) {
    for (const [labels, value] of family.samples) {
      if (labels.action === undefined) continue;
      const at = row(labels.action);
      if (family.name === DURATION) {
        at.runs += value.count;
        at.sum += value.sum;
        for (const [bound, sum] of Object.entries(value.buckets)) at.buckets.set(bound, (at.buckets.get(bound) ?? 0) + sum);
      } else if (family.name in COUNTED) at[COUNTED[family.name]] += value;
    }
  }
  for (const each of rows.values()) {
    const bounds = [...each.buckets].map(([bound, sum]) => [bound === "+Inf" ? Infinity : Number(bound), sum]).sort((one, other) => one[0] - other[0]);
    each.mean = each.runs ? each.sum / each.runs : null;
    const skew = skewOf(bounds, each.sum);
    each.p50 = quantile(bounds, each.runs, 0.5, skew);
    each.p99 = quantile(bounds, each.runs, 0.99, skew);
    each.picture = spread(bounds);
  }
  return [...rows.values()];
}

/** The power to which places between two bounds are raised, so that the sum of all is theirs; 1 if it is not known. */
function skewOf(bounds, all) {
  let [from, before, least, room] = [0, 0, 0, 0];
  for (const [bound, sum] of bounds) {
    if (bound === Infinity) {
      if (sum > before) return 1;
      continue;
    }
    least += from * (sum - before);
    room += (bound - from) * (sum - before);
    [from, before] = [bound, sum];
  }
  if (!room) return 1;
  const mean = Math.min(Math.max((all - least) / room, 1e-6), 1);
  return 1 / mean - 1;
}

/** The bound below which a share of all is; where between two bounds, `skew` says. */
function quantile(bounds, all, share, skew) {
  if (!all || !bounds.length) return null;
  let [from, before] = [0, 0];
  for (const [bound, sum] of bounds) {
    if (sum >= share * all) {
      if (bound === Infinity) return from;
      return sum === before ? bound : from + (bound - from) * ((share * all - before) / (sum - before)) ** skew;
    }
    [from, before] = [bound, sum];
  }
  return from;
}

/** A histogram as small bars. */
function spread(bounds) {
  let before = 0;
  const parts = bounds.map(([, sum]) => {
    const part = sum - before;
    before = sum;
    return part;
  });
  const most = Math.max(1, ...parts);
  const bars = parts.map((part, index) => {
    const height = part ? Math.max(1, (18 * part) / most) : 0;
    return svg("rect", { x: index * 4, y: 20 - height, width: 3, height });
  });
  const text = bounds.map(([bound], index) => (parts[index] ? `${count(parts[index])} within ${bound === Infinity ? "more" : duration(bound)}` : "")).filter(Boolean).join("; ");
  return svg("svg", { class: "spark", viewBox: `0 0 ${4 * parts.length} 20`, preserveAspectRatio: "none", role: "img", "aria-label": text }, ...bars);
}
