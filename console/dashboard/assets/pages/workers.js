/* The workers: a table of all, and a page for each. */

import { get, post } from "../lib/api.js";
import { fill, h, setText } from "../lib/dom.js";
import { ago, bytes, clock, count, duration, keyText, span } from "../lib/format.js";
import { seenAt } from "../lib/live.js";
import { go, link } from "../lib/router.js";
import { actionButton, obstacle, readOnlyNote } from "../parts/actions.js";
import { showText } from "../parts/dialog.js";
import { back, card, pageHead } from "../parts/head.js";
import { empty, notice } from "../parts/states.js";
import { table } from "../parts/table.js";
import { facts } from "../parts/tree.js";

const KINDS = { ready: "good", starting: "", asked: "", stopping: "warn", down: "bad" };

export function showWorkerPages(host, context) {
  return context.rest.length ? showWorker(host, context, Number(context.rest[0])) : showAll(host, context);
}

function state(worker) {
  return h("span", { class: `tag ${worker.held ? "warn" : KINDS[worker.state] ?? ""}` }, worker.held ? "held up" : worker.state);
}

/** What a worker executes now, the oldest first. */
function executing(worker, job, now) {
  const [first, ...others] = [...worker.executing].sort((one, other) => one.since - other.since);
  if (!first) return worker.active ? `${count(worker.active)} runs` : "\u2013";
  const more = Math.max(others.length, (worker.active || 0) - 1);
  const key = keyText(first.key) ?? "";
  return h("div", { class: "two-lines" },
    h("a", { class: "clip", href: link(job, "keys", [], { prefix: key }), title: key }, key),
    h("span", { class: "clip numbers" }, `${first.action || "run"} `, h("span", { class: "quiet" }, `${span(now - first.since)}${more > 0 ? `, +${count(more)}` : ""}`)));
}

function death(worker, now) {
  return worker.last_death ? `${worker.last_death}, ${ago(worker.last_death_at, now)}` : "";
}

function buttons(job, slot, live) {
  const stacks = h("button", { type: "button", class: "small", on: { click: () => showStacks(job, slot) } }, "Stacks");
  const profile = h("button", { type: "button", class: "small", on: { click: () => go(link(job, "profile", [], { worker: slot, take: 5 })) } }, "Profile");
  const swap = actionButton("Swap", async () => {
    const done = await post(`/${job}/workers/${slot}/swap`);
    return done.pending ? done.message : `Worker ${slot} was replaced by a fresh one.`;
  }, {
    kind: "small",
    sure: [`Swap worker ${slot}?`, "A fresh worker takes its shards over one by one; then this one ends. Inputs that it executes are finished first."],
  });
  const root = h("span", {}, stacks, " ", profile, " ", swap);
  root.update = () => {
    const status = live.status;
    stacks.disabled = profile.disabled = !status?.running;
    stacks.title = status?.running ? "What its threads execute now" : "The job is at rest.";
    profile.title = status?.running ? "Look at it for 5 s" : "The job is at rest.";
    if (!swap.classList.contains("busy")) swap.allow(obstacle(status));
  };
  root.update();
  return root;
}

function showStacks(job, slot) {
  return showText(`Stacks of worker ${slot}`, async () => (await get(`/${job}/stacks/${slot}`)).text || "It has no stacks to show.");
}

function showAll(host, { job, live }) {
  let now = 0;
  const list = table([
    { name: "worker", label: "Worker", sort: (row) => row.slot, of: (row) => h("a", { href: link(job, "workers", [row.slot]) }, row.slot) },
    { name: "state", label: "State", sort: (row) => row.state, of: state },
    { name: "executes", label: "Executes now", class: "text", of: (row) => executing(row, job, now) },
    { name: "in_flight", label: "In flight", class: "number", sort: (row) => row.in_flight, of: (row) => count(row.in_flight) },
    { name: "queued", label: "Queued", class: "number", sort: (row) => row.queued, of: (row) => count(row.queued) },
    { name: "cpu", label: "CPU", class: "number", sort: (row) => live.cpu(row.slot), of: (row) => percentOf(live.cpu(row.slot)) },
    { name: "rss", label: "Memory", class: "number", sort: (row) => row.usage.rss, of: (row) => bytes(row.usage.rss) },
    { name: "lag", label: "Lag", class: "number", sort: (row) => row.lag, of: (row) => duration(row.lag) },
    { name: "death", label: "Restarts", sort: (row) => row.restarts, of: (row) => (row.last_death ? h("div", { class: "two-lines short", title: row.last_death }, h("span", { class: "clip" }, `${count(row.restarts)}, ${ago(row.last_death_at, now)}`), h("span", { class: "clip quiet" }, row.last_death)) : count(row.restarts)) },
    { name: "actions", label: "", class: "buttons", node: (row) => buttons(job, row.slot, live) },
  ], { id: (row) => row.slot, wide: true, dense: true, tall: true, caption: "Workers", empty: () => empty("No workers.", "The job is at rest. Its keys, runs, dead letters and profiles can be looked at all the same.") });
  const size = h("input", { type: "number", min: "1", max: "10000", class: "size", "aria-label": "Number of workers" });
  const scale = actionButton("Scale", async () => {
    const done = await post(`/${job}/scale`, { workers: Number(size.value) });
    return done.pending ? done.message : `The pool has ${size.value} workers.`;
  }, { sure: () => [`Scale to ${size.value} workers?`, "Shards move between workers one by one; no input is lost, and none is done twice."] });
  const heading = h("span", { class: "quiet numbers" });
  host.append(pageHead("Workers", heading, size, scale), readOnlyNote() ?? "", list.root);
  return live.listen(({ status }) => {
    if (!status) return;
    now = seenAt(status);
    if (document.activeElement !== size && !size.value) size.value = status.workers.length || "";
    size.disabled = obstacle(status) !== "";
    if (!scale.classList.contains("busy")) scale.allow(obstacle(status));
    list.show(status.workers);
    setText(heading, `${status.workers.filter((worker) => worker.state === "ready").length} of ${status.workers.length} ready`);
  });
}

function percentOf(cores) {
  return cores === null ? "\u2013" : `${Math.round(100 * cores)} %`;
}

function showWorker(host, { job, live }, slot) {
  const body = h("div", { class: "cards-grid" });
  const warn = h("div");
  const tools = buttons(job, slot, live);
  host.append(back(link(job, "workers"), "All workers"), pageHead(`Worker ${slot}`, tools), readOnlyNote() ?? "", warn, body);
  let drawn = "";
  return live.listen(({ status }) => {
    if (!status) return;
    tools.update();
    const worker = status.workers.find((one) => one.slot === slot);
    const text = JSON.stringify([worker, status.at]);
    if (text === drawn) return;
    drawn = text;
    if (!worker) {
      fill(body, empty(`There is no worker ${slot} now.`, status.running ? "The pool has been scaled." : "The job is at rest."));
      return;
    }
    fill(warn, worker.held && notice("warn", `It is held up: ${worker.held}`));
    const use = worker.usage;
    fill(body,
      card("Process", facts([
        ["State", state(worker)], ["Pid", worker.pid], ["Began", worker.began ? `${clock(worker.began)}, ${ago(worker.began, status.at)}` : ""],
        ["Generation", worker.generation], ["Shards", count(worker.shards)], ["In flight", count(worker.in_flight)], ["Queued", count(worker.queued)],
        ["Restarts", count(worker.restarts)], ["Last death", death(worker, status.at)],
      ])),
      card("Uses", facts([
        ["CPU now", percentOf(live.cpu(slot))], ["CPU, user", duration(use.cpu_user)], ["CPU, kernel", duration(use.cpu_system)],
        ["In the agent's code", duration(worker.user_seconds)], ["Event loop late", duration(worker.lag)],
        ["Memory (RSS)", bytes(use.rss)], ["Its own", bytes(use.own)],
        ["Page faults", use.minor_faults === undefined ? "" : `${count(use.minor_faults)} minor, ${count(use.major_faults)} major`],
        ["Switches", use.voluntary_switches === undefined ? "" : `${count(use.voluntary_switches)} voluntary, ${count(use.involuntary_switches)} forced`],
        ["Read, written", use.read_bytes === undefined ? "" : `${bytes(use.read_bytes)}, ${bytes(use.written_bytes)}`],
        ["Threads, descriptors", use.threads === undefined ? "" : `${count(use.threads)}, ${count(use.descriptors)}`],
      ])),
      card("Executes now", worker.executing.length
        ? h("ul", { class: "plain-list" }, worker.executing.map((run) => h("li", { class: "spread" },
          h("span", { class: "clip" }, h("a", { href: link(job, "keys", [], { prefix: keyText(run.key) }) }, keyText(run.key)), ` ${run.action || "run"}`),
          h("span", { class: "quiet numbers" }, `offset ${run.offset}, for ${span(seenAt(status) - run.since)}`))))
        : empty(worker.active ? `${count(worker.active)} runs.` : "Nothing."),
      h("p", {}, h("a", { href: link(job, "profile", [], { worker: slot }) }, "Profile"), ", ", h("a", { href: link(job, "logs", [], { worker: slot }) }, "log"))));
  });
}

