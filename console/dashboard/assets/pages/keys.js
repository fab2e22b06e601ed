/* Keys: found by how they begin; of one, its memory, memory sets, and what waits for it. */

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { ago, brief, bytes, clock, count, counted, keyText } from "../lib/format.js";
import { link, remember } from "../lib/router.js";
import { back, card, pageHead } from "../parts/head.js";
import { pageSize, pager } from "../parts/pager.js";
import { empty, loader } from "../parts/states.js";
import { table } from "../parts/table.js";
import { facts, valueTree } from "../parts/tree.js";

export function showKeyPages(host, context) {
  const [token, , set] = context.rest;
  if (set !== undefined) return showSet(host, context, token, set);
  return token ? showKey(host, context, token) : showAll(host, context);
}

function showAll(host, { job, query, live }) {
  let prefix = query.get("prefix") ?? "";
  const search = h("input", { type: "search", placeholder: "Begins with\u2026", "aria-label": "Keys that begin with", value: prefix });
  const box = h("div");
  const hot = h("div");
  const list = table([
    { name: "key", label: "Key", class: "wide", of: (row) => h("a", { href: link(job, "keys", [row.token]) }, row.text) },
    { name: "fields", label: "Fields", class: "number", of: (row) => `${count(row.fields)}${row.complete === false ? " or more" : ""}` },
    { name: "bytes", label: "Size", class: "number", of: (row) => bytes(row.bytes) },
    { name: "sets", label: "Memory sets", class: "number", of: (row) => (row.sets ? count(row.sets) : "") },
  ], { id: (row) => row.token, caption: "Keys", empty: () => (prefix
    ? empty("No key with memory begins like this.", "Keys are shown that have short-term memory or memory sets; upper and lower case differ.")
    : empty("No key has memory yet.", "A key appears here when a run of it has written to memory.")) });
  const pages = pager(() => load());
  const load = loader(box, (signal) => get(`/${job}/keys`, { prefix, after: pages.after, limit: pageSize() }, signal), (found) => {
    if (box.firstChild !== list.root) fill(box, list.root, pages.root);
    list.show(found.keys);
    pages.take(found.next, found.next && !found.keys.length ? "None in this part: go on with Next." : "");
  });
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      prefix = search.value;
      pages.reset();
      remember(link(job, "keys", [], { prefix }));
      load({ quiet: true });
    }, 200);
  });
  host.append(pageHead("Keys"), h("div", { class: "bar-form" }, search), hot, box);
  load();
  let drawn = "";
  const stop = live.listen(({ status }) => {
    const keys = status?.hot_keys ?? [];
    const text = JSON.stringify(keys);
    if (text === drawn) return;
    drawn = text;
    fill(hot, keys.length > 0 && h("div", { class: "chips few", role: "group", "aria-label": "Keys with the most inputs" }, h("span", { class: "quiet" }, "Most inputs:"), keys.slice(0, 8).map(([quoted, times]) => [keyText(quoted), times]).map(([key, times]) =>
      h("button", { type: "button", on: { click: () => { search.value = key; search.dispatchEvent(new Event("input")); } } }, `${key} (${brief(times)})`))));
  });
  return () => {
    clearTimeout(timer);
    load.stop();
    stop();
  };
}

function showKey(host, { job }, token) {
  const title = h("h1", {}, "\u2026");
  const body = h("div", { class: "page" });
  host.append(back(link(job, "keys"), "Keys"), h("header", { class: "page-head" }, title, h("div", { class: "controls" },
    h("a", { href: link(job, "runs", [], { key: token }) }, "Its runs"),
    h("button", { type: "button", on: { click: () => load() } }, "Read again"))), body);
  const pages = pager(() => load());
  const load = loader(body, (signal) => get(`/${job}/keys/${encodeURIComponent(token)}`, { after: pages.after }, signal), (found) => {
    title.textContent = found.text ?? "No key";
    const isEmpty = !Object.keys(found.memory ?? {}).length;
    const parts = [
      card("Memory", isEmpty ? empty("It has no short-term memory.", "It may have expired, or the key has only memory sets or runs that wait.") : valueTree(found.memory, { open: 2, label: "Memory" }), pages.root),
      card("Memory sets", found.sets?.length ? setTable(job, token, found.sets).root : empty("It has no memory sets.")),
      waiting(job, found),
      found.journal?.length > 0 && card("Recorded calls of runs that are not finished", h("pre", { tabindex: "0" }, found.journal.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"))),
    ];
    fill(body, parts);
    pages.take(found.more, found.more ? "There are more fields." : "");
  });
  load();
  return load.stop;
}

function setTable(job, token, sets) {
  const list = table([
    { name: "name", label: "Name", class: "wide", of: (row) => h("a", { href: link(job, "keys", [token, "sets", row.name]) }, row.name) },
    { name: "items", label: "Items", class: "number", of: (row) => count(row.size ?? row.items) },
    { name: "bytes", label: "Size", class: "number", of: (row) => bytes(row.bytes) },
    { name: "capacity", label: "At most", class: "number", of: (row) => (row.capacity ? count(row.capacity) : "") },
    { name: "type", label: "Items are", of: (row) => row.item_type ?? "" },
  ], { id: (row) => row.name, caption: "Memory sets" });
  list.show(sets);
  return list;
}

function waiting(job, found) {
  const { runs = [], timers = [], waiting: questions = [], behind = 0 } = found;
  if (!runs.length && !timers.length && !questions.length && !behind) return card("What waits", empty("Nothing of it waits."));
  const line = (what, when) => h("li", { class: "spread" }, h("span", {}, what), h("span", { class: "quiet numbers" }, when));
  return card("What waits",
    h("ul", { class: "plain-list" },
      runs.map((run) => line(`A suspended run${run.offset ? ` of offset ${run.offset}` : ""}`, run.due ? `due ${ago(run.due)}` : "")),
      timers.map((timer) => line(`Timer ${timer.name ?? timer.event ?? ""}`, timer.due || timer.at ? `due ${ago(timer.due ?? timer.at)}` : "")),
      questions.map((each) => line(h("a", { href: link(job, "questions") }, `Question: ${each.name}`), `asked ${ago(each.asked_at)}`))),
    behind > 0 && h("p", { class: "quiet" }, `${counted(behind, "input waits", "inputs wait")} behind.`));
}

function showSet(host, { job }, token, name) {
  let query = "";
  const search = h("input", { type: "search", placeholder: "Search by words\u2026", "aria-label": "Search items by words" });
  const box = h("div");
  const pages = pager(() => load());
  const load = loader(box, (signal) => get(`/${job}/keys/${encodeURIComponent(token)}/sets/${encodeURIComponent(name)}`, { after: pages.after, query, limit: 50 }, signal), (found) => {
    fill(box, found.items.length ? h("div", { class: "page" }, found.items.map((item) => card("", valueTree(item.value, { open: 2 }), facts([
      ["Id", item.id], ["Metadata", item.metadata && Object.keys(item.metadata).length ? valueTree(item.metadata) : ""], ["Created", clock(item.created)],
      ["Expires", item.expires ? ago(item.expires) : ""], ["Kept", item.keep ? "yes" : ""], ["Fits", item.score === null || item.score === undefined ? "" : item.score.toFixed(3)], ["Added by", item.added_by]])))) : empty(query ? "No item has these words." : "The set is empty."), pages.root);
    pages.take(found.next, found.set ? counted(found.set.size, "item") : "");
  });
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      query = search.value;
      pages.reset();
      load({ quiet: true });
    }, 250);
  });
  host.append(back(link(job, "keys", [token]), "The key"), pageHead(`Memory set ${name}`), h("div", { class: "bar-form" }, search), box);
  load();
  return () => {
    clearTimeout(timer);
    load.stop();
  };
}
