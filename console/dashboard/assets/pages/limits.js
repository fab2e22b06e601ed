/* Limits of calls, how they stand, and what was spent. */

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { count, duration, money, percent } from "../lib/format.js";
import { card, pageHead } from "../parts/head.js";
import { empty, loader } from "../parts/states.js";
import { table } from "../parts/table.js";

const EVERY = 5000;

export function showLimits(host, { job, live }) {
  const box = h("div", { class: "page" });
  const models = h("div", { class: "page" });
  const list = table([
    { name: "limit", label: "Limit", class: "wide", sort: (row) => row.limit, of: (row) => row.limit },
    { name: "active", label: "Under way", class: "number", of: (row) => count(row.active) },
    { name: "waiting", label: "Waiting", class: "number", of: (row) => count(row.waiting) },
    { name: "granted", label: "Granted", class: "number", of: (row) => count(row.granted) },
    { name: "breaker", label: "Breaker", of: (row) => (row.breaker ? h("span", { class: `tag ${row.breaker === "closed" ? "good" : "bad"}` }, row.breaker === "closed" ? "calls pass" : row.breaker) : "") },
    { name: "tokens", label: "Tokens", class: "number", sort: (row) => row.tokens, of: (row) => of(row.tokens, row.budget_tokens, count) },
    { name: "spent", label: "Spent", class: "number", sort: (row) => row.spent, of: (row) => of(row.spent, row.budget, money) },
  ], { id: (row) => row.limit, wide: true, caption: "Limits", empty: () => empty("No call has a limit, and nothing was spent.", "Rates, concurrency and budgets are set per resource: see docs/limits.md. What models use is counted where they report it.") });
  const load = loader(box, (signal) => get(`/${job}/limits`, {}, signal), (found) => {
    if (box.firstChild !== list.root) fill(box, list.root);
    list.show(found.limits);
  });
  host.append(pageHead("Limits and cost"), h("p", { class: "quiet" }, "Tokens and money are those of all lives of the job; the rest is of this one."), box, models);
  load();
  const timer = setInterval(() => { if (!document.hidden) load({ quiet: true }); }, EVERY);
  let drawn = "";
  const stop = live.listen(({ status }) => {
    const rows = modelRows(status?.series ?? []);
    const text = JSON.stringify(rows);
    if (text === drawn) return;
    drawn = text;
    if (!rows.length) return fill(models);
    const names = [...new Set(rows.flatMap((row) => Object.keys(row.values)))];
    const byModel = table([
      { name: "model", label: "Model", class: "wide", of: (row) => row.id },
      ...names.map((name) => ({ name, label: name, class: "number", of: (row) => row.values[name] ?? "" })),
    ], { wide: true, caption: "Models" });
    byModel.show(rows);
    return fill(models, card("Models", byModel.root));
  });
  return () => {
    clearInterval(timer);
    load.stop();
    stop();
  };
}

function of(used, most, format) {
  if (!most) return used ? format(used) : "\u2013";
  return `${format(used)} of ${format(most)} (${percent(used / most)})`;
}

/** What the series have by model: calls, durations, tokens by kind, cost. */
function modelRows(series) {
  const rows = new Map();
  for (const family of series) {
    for (const [labels, value] of family.samples) {
      if (labels.model === undefined) continue;
      const id = [labels.model, labels.operation].filter(Boolean).join(", ");
      const { values } = rows.get(id) ?? rows.set(id, { id, values: {} }).get(id);
      if (family.name === "tamias_model_call_seconds") {
        values.Calls = count(value.count);
        values["Mean time"] = duration(value.count ? value.sum / value.count : null);
      } else if (family.name === "tamias_model_call_failures_total") values.Failed = count(value);
      else if (family.name === "tamias_model_tokens") values[`Tokens, ${labels.type}`] = count(value.sum);
      else if (family.name === "tamias_model_cost_total") values.Cost = money(value);
    }
  }
  return [...rows.values()];
}
