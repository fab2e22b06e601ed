/* Where the time goes, as a flame graph: what was recorded, or what is taken now. */

import { flameGraph } from "/assets/flame_graph.js";
import { get, mayAct, post } from "../lib/api.js";
import { fill, h, setText } from "../lib/dom.js";
import { clock, count, duration, percent } from "../lib/format.js";
import { link, remember } from "../lib/router.js";
import { choice, pageHead, select } from "../parts/head.js";
import { empty, failure, notice } from "../parts/states.js";

const MODES = [["wall", "Wall"], ["cpu", "CPU"], ["await", "Await"]];
const LAST = [["60", "last minute"], ["300", "last 5 min"], ["600", "last 10 min"], ["1800", "last 30 min"], ["3600", "last hour"]];
const AGAINST = [["", "nothing"], ["60", "a minute earlier"], ["300", "5 min earlier"], ["600", "10 min earlier"], ["1800", "30 min earlier"], ["3600", "an hour earlier"]];
const ABOUT = {
  wall: "Time that passes, waiting included.",
  cpu: "CPU time of the workers' threads; code that waits is not in it.",
  await: "What the asyncio tasks of actions wait for; only in a profile that is taken now.",
};

export function showProfile(host, { job, query, live }) {
  const wanted = { mode: query.get("mode") ?? "wall", last: query.get("last") ?? "600", against: query.get("against") ?? "", worker: query.get("worker") ?? "" };
  let running = null;
  const about = h("p", { class: "quiet" });
  const summary = h("p", { class: "quiet numbers" });
  const box = h("div", { class: "card" });
  const place = h("div");
  const workers = select("Worker", [["", "all"]], "", (value) => { wanted.worker = value; load(); });
  const workerList = workers.querySelector("select");
  const seconds = select("", [["2", "2 s"], ["5", "5 s"], ["10", "10 s"], ["30", "30 s"]], query.get("take") ?? "5", () => {});
  const take = h("button", { type: "button", class: "primary", on: { click: () => takeNow() } }, "Take one now");
  box.append(summary, place);

  async function show(ask, empties) {
    running?.abort();
    const mine = new AbortController();
    running = mine;
    box.setAttribute("aria-busy", "true");
    try {
      const found = await ask(mine.signal);
      if (running !== mine) return;
      const silent = Object.entries(found.silent ?? {});
      setText(summary, found.total > 0 ? describe(found) : "");
      const warnings = silent.map(([slot, why]) => notice("warn", `Worker ${slot}: ${why}`));
      for (const [slot, why] of Object.entries(found.outside ?? {})) warnings.push(notice("", `Worker ${slot} was looked at from outside: ${why}`));
      if (wanted.against && found.mode === wanted.mode && !found.compares && !found.silent) warnings.push(notice("", "Nothing was recorded of the time to compare with."));
      if (!found.total && !found.root[3]) fill(place, warnings, empties());
      else {
        const graph = h("div");
        fill(place, warnings, found.compares && legend(), graph);
        flameGraph(graph, found);
      }
    } catch (error) {
      if (running !== mine || error.name === "AbortError") return;
      if (error.status === undefined) throw error;
      setText(summary, "");
      fill(place, failure(error, () => load()));
    } finally {
      if (running === mine) box.removeAttribute("aria-busy");
    }
  }

  function load() {
    setText(about, ABOUT[wanted.mode]);
    remember(link(job, "profile", [], wanted));
    if (wanted.mode === "await") {
      running?.abort();
      setText(summary, "");
      fill(place, empty("What tasks wait for is not recorded.", "Take one now: the workers are looked at for some seconds."));
      return;
    }
    show((signal) => get(`/${job}/profile`, wanted, signal), () => empty("Nothing was recorded in this time.", "Workers write what they have seen every ten seconds; with profile-rate=0 they record nothing."));
  }

  async function takeNow() {
    const length = Number(seconds.querySelector("select").value);
    take.classList.add("busy");
    take.disabled = true;
    setText(take, `Looking for ${length} s\u2026`);
    await show(() => post(`/${job}/profile`, { seconds: length, mode: wanted.mode, worker: wanted.worker || null }), () => empty("Nothing was executed.", "The workers were idle all the time."));
    take.classList.remove("busy");
    setText(take, "Take one now");
    allow();
  }

  function allow() {
    if (take.classList.contains("busy")) return;
    const why = !mayAct() ? "A read-only page shows what was recorded; --allow-actions lets it ask workers." : live.status && !live.status.running ? "The job is at rest." : "";
    take.disabled = why !== "";
    take.title = why;
  }

  host.append(pageHead("Profile", take, seconds), about,
    h("div", { class: "bar-form" }, choice("What is measured", MODES, wanted.mode, (value) => { wanted.mode = value; load(); }),
      select("Time", LAST, wanted.last, (value) => { wanted.last = value; load(); }),
      select("Against", AGAINST, wanted.against, (value) => { wanted.against = value; load(); }), workers), box);
  let slots = "";
  const stop = live.listen(({ status }) => {
    allow();
    const found = [...new Set([...(status?.workers ?? []).map((worker) => String(worker.slot)), ...(wanted.worker ? [wanted.worker] : [])])];
    if (found.join() === slots && slots) return;
    slots = found.join();
    fill(workerList, h("option", { value: "" }, "all"), found.map((slot) => h("option", { value: slot }, slot)));
    workerList.value = wanted.worker;
  });
  if (query.get("take") && mayAct()) takeNow();
  else load();
  return () => {
    running?.abort();
    running = null;
    stop();
  };
}

function describe(found) {
  const parts = [`${duration(found.total)} of ${found.workers.length === 1 ? `worker ${found.workers[0]}` : `${count(found.workers.length)} workers`}`, `${count(found.samples)} samples`];
  if (found.from && found.to) parts.push(`${clock(found.from)} to ${clock(found.to)}`);
  const idle = found.root[4].find((node) => node[0] === "(idle)");
  if (idle) parts.push(`${percent(idle[2] / (found.root[2] || 1), 1)} idle`);
  return parts.join(", ");
}

function legend() {
  return h("p", { class: "quiet" }, "Red takes a larger share than before, blue a smaller one.");
}
