/* Runs from the event log: a list, and each run as a tree with durations. */

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { clock, count, duration } from "../lib/format.js";
import { link, remember } from "../lib/router.js";
import { back, card, choice, pageHead } from "../parts/head.js";
import { pageSize, pager } from "../parts/pager.js";
import { notice, empty, loader } from "../parts/states.js";
import { stepTree } from "../parts/steps.js";
import { table } from "../parts/table.js";
import { facts } from "../parts/tree.js";

const WHY = { failed: "it failed", slow: "it was slow", sampled: "one of many is kept", named: "its key was named" };
const KINDS = { success: "good", failed: "bad", suspended: "warn" };

export function showRunPages(host, context) {
  return context.rest.length ? showRun(host, context, context.rest[0]) : showAll(host, context);
}

const status = (run) => h("span", { class: `tag ${KINDS[run.status] ?? ""}` }, run.status);

function showAll(host, { job, query }) {
  let failed = query.get("failed") ?? "";
  let token = query.get("key") ?? "";
  const offset = h("input", { type: "search", inputmode: "numeric", placeholder: "Offset", "aria-label": "Offset of the input", value: query.get("offset") ?? "" });
  const key = h("input", { type: "search", placeholder: token ? "(the key that was chosen)" : "Key", "aria-label": "Key", value: query.get("text") ?? "" });
  const box = h("div");
  let longest = 0;
  const list = table([
    { name: "began", label: "Began", sort: (row) => row.began, of: (row) => h("a", { href: link(job, "runs", [row.id]), class: "numbers" }, clock(row.began)) },
    { name: "key", label: "Key", class: "text", sort: (row) => row.key, of: (row) => row.key },
    { name: "offset", label: "Offset", class: "number", of: (row) => row.description || row.offset },
    { name: "status", label: "Status", sort: (row) => row.status, of: status },
    { name: "seconds", label: "Took", class: "number", sort: (row) => row.seconds, of: (row) => duration(row.seconds) },
    { name: "bar", label: "", class: "minor", of: (row) => durationBar(row.seconds, longest) },
    { name: "worker", label: "Worker", class: "number minor", sort: (row) => row.worker, of: (row) => h("a", { href: link(job, "workers", [row.worker]) }, row.worker) },
    { name: "why", label: "Kept because", class: "minor", of: (row) => WHY[row.cause] ?? row.cause },
    { name: "error", label: "Error", class: "wide", of: (row) => row.error ?? "" },
  ], { wide: true, caption: "Runs", empty: () => (failed || token || offset.value || key.value
    ? empty("No run in the log is like this.", "The log keeps failed and slow runs, one in some hundreds of the others, and keys that were named; old ones are dropped.")
    : empty("The event log has no runs yet.", "It keeps failed and slow runs in full, and one in some hundreds of the others: see the options event-log.*.")) });
  const pages = pager(() => load());
  const load = loader(box, (signal) => get(`/${job}/runs`, { failed, token, key: key.value, offset: offset.value, after: pages.after, limit: pageSize() }, signal), (found) => {
    const runs = found.runs ?? found;
    longest = Math.max(0, ...runs.map((run) => run.seconds));
    if (box.firstChild !== list.root) fill(box, list.root, pages.root);
    list.show(runs);
    pages.take(found.next, found.incomplete ? "There may be more: not all of the log was looked at in time." : "");
  });
  const again = () => {
    pages.reset();
    remember(link(job, "runs", [], { failed, key: token, text: key.value, offset: offset.value }));
    load({ quiet: true });
  };
  let timer = 0;
  for (const input of [key, offset]) {
    input.addEventListener("input", () => {
      clearTimeout(timer);
      if (input === key) token = "";
      timer = setTimeout(again, 300);
    });
  }
  host.append(
    pageHead("Runs", choice("Which runs", [["", "All"], ["1", "Failed"]], failed, (value) => { failed = value; again(); }), h("button", { type: "button", on: { click: () => load({ quiet: true }) } }, "Read again")),
    h("div", { class: "bar-form" }, key, offset, token && h("button", { type: "button", on: { click: (event) => { token = ""; event.target.remove(); key.placeholder = "Key"; again(); } } }, "Runs of all keys")),
    box);
  load();
  return () => {
    clearTimeout(timer);
    load.stop();
  };
}

function durationBar(seconds, longest) {
  const bar = h("i");
  bar.style.width = `${longest ? (100 * seconds) / longest : 0}%`;
  return h("div", { class: "step-span", "aria-hidden": "true" }, bar);
}

function showRun(host, { job }, id) {
  const body = h("div", { class: "page" });
  host.append(back(link(job, "runs"), "Runs"), pageHead("Run"), body);
  const load = loader(body, (signal) => get(`/${job}/runs/${encodeURIComponent(id)}`, {}, signal), (run) => {
    const omitted = run.attributes?.omittedRecords;
    fill(body,
      run.error && notice("bad", run.error),
      card("", facts([
        ["Key", run.token ? h("a", { href: link(job, "keys", [run.token]) }, run.key) : run.key],
        ["Of", run.description || `offset ${run.offset}`], ["Status", status(run)], ["Began", clock(run.began)], ["Took", duration(run.seconds)],
        ["Attempt", run.retry ? `${run.attempt}, retry ${run.retry}` : run.attempt],
        ["Worker", h("a", { href: link(job, "workers", [run.worker]) }, run.worker)], ["Generation", run.generation],
        ["Kept because", WHY[run.cause] ?? run.cause],
        ["All its attempts", run.description ? "" : h("a", { href: link(job, "runs", [], { offset: run.offset }) }, "runs of this offset")],
      ])),
      card("What it did", run.roots.length ? stepTree(run) : empty("Nothing of it is on record."),
        omitted && h("p", { class: "quiet" }, `${count(omitted)} further records were left out.`)));
  });
  load();
  return load.stop;
}
