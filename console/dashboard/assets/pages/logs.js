/* What workers print: the last lines, followed. */

import { get } from "../lib/api.js";
import { fill, h, setText } from "../lib/dom.js";
import { counted, keyText } from "../lib/format.js";
import { link, remember } from "../lib/router.js";
import { pageHead, select } from "../parts/head.js";
import { empty, failure } from "../parts/states.js";

const MOST = 2000; // lines that are kept on the page
const EVERY = 1000;
const PREFIX = /^\[worker \d+(, input \d+(, key .*?)?)?\] /; // said in columns of their own
const ALARMING = /\b(error|exception|traceback|fatal)\b/i;

export function showLogs(host, { job, query, live }) {
  let worker = query.get("worker") ?? "";
  let next = null;
  let timer = 0;
  let stopped = false;
  let turn = 0;
  let lines = [];
  const filter = h("input", { type: "search", placeholder: "Filter\u2026", "aria-label": "Show only lines with", value: query.get("filter") ?? "" });
  const follow = h("input", { type: "checkbox", checked: true });
  const view = h("div", { class: "log", tabindex: "0", role: "log", "aria-label": "Log", "aria-live": "off" });
  const nothing = h("div");
  const number = h("span", { class: "quiet numbers" });
  const workers = select("Worker", [["", "all"]], "", (value) => { worker = value; restart(); });
  const workerList = workers.querySelector("select");

  const matches = (line) => !filter.value || line.text.toLowerCase().includes(filter.value.toLowerCase()) || line.key?.toLowerCase().includes(filter.value.toLowerCase());
  const row = (line) => h("div", { class: "log-line" },
    h("span", { class: "log-from" }, line.worker === null ? "pool" : `worker ${line.worker}`),
    h("span", { class: "log-from", title: line.key ?? "" }, keyText(line.key) ?? (line.offset === null ? "" : `input ${line.offset}`)),
    h("span", { class: `log-text ${ALARMING.test(line.text) ? "bad" : ""}` }, line.text.replace(PREFIX, "")));

  function draw(added) {
    const shown = added.filter(matches);
    view.append(...shown.map(row));
    while (view.childElementCount > MOST) view.firstChild.remove();
    if (follow.checked && shown.length) view.scrollTop = view.scrollHeight;
    view.hidden = lines.length === 0;
    fill(nothing, lines.length === 0 && empty("Nothing was printed.", "What agents print, and what workers report, appears here."));
    setText(number, filter.value ? `${view.childElementCount} of ${counted(lines.length, "line")}` : counted(lines.length, "line"));
  }

  function redraw() {
    view.replaceChildren();
    draw(lines);
    remember(link(job, "logs", [], { worker, filter: filter.value }));
  }

  async function load() {
    clearTimeout(timer);
    const mine = turn;
    try {
      const found = document.hidden && next !== null ? null : await get(`/${job}/logs`, { worker, lines: next === null ? 500 : 5000, after: next ?? "" });
      if (stopped || mine !== turn) return;
      if (found) {
        next = found.next;
        if (found.lines.length || !lines.length) {
          lines = [...lines, ...found.lines].slice(-MOST);
          draw(found.lines);
        }
      }
    } catch (error) {
      if (stopped || mine !== turn) return;
      if (error.status === undefined) throw error;
      fill(nothing, failure(error, load));
    }
    timer = setTimeout(load, EVERY);
  }

  function restart() {
    turn += 1;
    next = null;
    lines = [];
    redraw();
    load();
  }

  filter.addEventListener("input", redraw);
  follow.addEventListener("change", () => { if (follow.checked) view.scrollTop = view.scrollHeight; });
  view.addEventListener("scroll", () => {
    // Scrolling up stops following; scrolling down to the end begins it again.
    follow.checked = view.scrollHeight - view.scrollTop - view.clientHeight < 8;
  });
  host.append(pageHead("Logs", number), h("div", { class: "bar-form" }, filter, workers, h("label", { class: "field" }, follow, h("span", {}, "Follow"))), view, nothing);
  let slots = "";
  const stop = live.listen(({ status }) => {
    const found = [...new Set([...(status?.workers ?? []).map((each) => String(each.slot)), ...(worker ? [worker] : [])])];
    if (found.join() === slots && slots) return;
    slots = found.join();
    fill(workerList, h("option", { value: "" }, "all"), found.map((slot) => h("option", { value: slot }, slot)));
    workerList.value = worker;
  });
  load();
  return () => {
    stopped = true;
    clearTimeout(timer);
    stop();
  };
}
