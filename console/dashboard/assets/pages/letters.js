/* Dead letters: inputs set aside, by cause, with what went wrong; tried again singly or together. */

import { get, post } from "../lib/api.js";
import { fill, h, setText } from "../lib/dom.js";
import { brief, bytes, clock, count, counted } from "../lib/format.js";
import { go, link, remember } from "../lib/router.js";
import { actionButton, obstacle, readOnlyNote } from "../parts/actions.js";
import { back, card, pageHead } from "../parts/head.js";
import { pageSize, pager } from "../parts/pager.js";
import { empty, loader } from "../parts/states.js";
import { table } from "../parts/table.js";
import { facts, valueTree } from "../parts/tree.js";


export function showLetterPages(host, context) {
  return context.rest.length ? showLetter(host, context, context.rest[0]) : showAll(host, context);
}

async function retry(job, body) {
  const done = await post(`/${job}/dead-letters/retry`, body);
  return (done.retried ?? null) === null ? "They are tried again." : `${counted(done.retried, "dead letter is", "dead letters are")} tried again.`;
}

function showAll(host, { job, query, live }) {
  let cause = query.get("cause") ?? "";
  let total = 0;
  let shown = [];
  const chosen = new Set();
  const causes = h("div", { class: "chips", role: "group", "aria-label": "Causes" });
  const box = h("div");
  const all = h("input", { type: "checkbox", "aria-label": "Choose all on this page" });

  const retryChosen = actionButton("Retry chosen", () => retry(job, { numbers: [...chosen] }).then(after), {
    sure: () => [`Retry ${counted(chosen.size, "dead letter")}?`, "Each is executed again as a fresh input; it leaves this list when it succeeds."],
  });
  const retryAll = actionButton("Retry all", () => retry(job, cause ? { cause } : { all: true }).then(after), {
    sure: () => (cause
      ? [`Retry all with the cause ${cause}?`, "Each is executed again as a fresh input; it leaves this list when it succeeds."]
      : [`Retry all ${counted(total, "dead letter")}?`, "Each is executed again as a fresh input; it leaves this list when it succeeds."]),
  });

  function after(text) {
    chosen.clear();
    load({ quiet: true });
    return text;
  }

  function allow() {
    const why = obstacle(live.status);
    retryChosen.allow(why || (chosen.size ? "" : "Choose some first."));
    retryAll.allow(why || (shown.length ? "" : "There is none."));
    setText(retryChosen, chosen.size ? `Retry ${count(chosen.size)} chosen` : "Retry chosen");
    setText(retryAll, cause ? "Retry all of this cause" : "Retry all");
    all.checked = shown.length > 0 && shown.every((row) => chosen.has(row.number));
    all.indeterminate = !all.checked && shown.some((row) => chosen.has(row.number));
  }

  const list = table([
    { name: "chosen", label: "", node: (row) => {
      const check = h("input", { type: "checkbox", "aria-label": `Choose the dead letter of offset ${row.offset ?? row.number}`, on: { change: () => {
        if (check.checked) chosen.add(row.number);
        else chosen.delete(row.number);
        allow();
      } } });
      check.update = () => { check.checked = chosen.has(row.number); };
      return check;
    } },
    { name: "offset", label: "Offset", class: "number", of: (row) => h("a", { href: link(job, "letters", [row.number]) }, row.offset ?? row.of) },
    { name: "at", label: "When", class: "minor", of: (row) => h("span", { class: "numbers" }, clock(row.at)) },
    { name: "key", label: "Key", class: "wide", of: (row) => (row.token ? h("a", { href: link(job, "keys", [row.token]) }, row.key) : row.key ?? "") },
    { name: "cause", label: "Cause", of: (row) => h("span", { class: "tag" }, row.cause) },
    { name: "error", label: "Error", class: "wide", of: (row) => h("span", { class: "clip", title: row.error }, firstLine(row.error)) },
    { name: "attempts", label: "Attempts", class: "number minor", of: (row) => count(row.attempts) },
  ], { id: (row) => row.number, wide: true, caption: "Dead letters", empty: () => (cause
    ? empty("No dead letter has this cause.")
    : empty("There are no dead letters.", "With on-error=dead-letter, an input whose run fails for good is set aside here, and the rest goes on.")) });
  const pages = pager(() => load());
  const load = loader(box, (signal) => get(`/${job}/dead-letters`, { after: pages.after, limit: pageSize(), cause }, signal), (found) => {
    shown = found.letters;
    total = found.total;
    if (found.causes) showCauses(found);
    if (box.firstChild !== list.root) fill(box, list.root, pages.root);
    list.show(shown);
    pages.take(found.next, cause ? "" : counted(total, "dead letter"));
    allow();
  });

  function showCauses(found) {
    const names = Object.entries(found.causes);
    const partly = found.causes_of < found.total ? " or more" : "";
    const chip = (value, text) => h("button", { type: "button", "aria-pressed": String(value === cause), on: { click: () => {
      cause = value;
      chosen.clear();
      pages.reset();
      remember(link(job, "letters", [], { cause }));
      load({ quiet: true });
    } } }, text);
    fill(causes, names.length > 0 && [chip("", `All (${brief(found.total)})`), names.map(([name, number]) => chip(name, `${name} (${brief(number)}${partly})`))]);
  }

  all.addEventListener("change", () => {
    for (const row of shown) {
      if (all.checked) chosen.add(row.number);
      else chosen.delete(row.number);
    }
    list.show(shown);
    allow();
  });
  host.append(pageHead("Dead letters", retryChosen, retryAll), readOnlyNote() ?? "",
    causes, h("label", { class: "field" }, all, h("span", {}, "All on this page")), box);
  load();
  const stop = live.listen(allow);
  return () => {
    load.stop();
    stop();
  };
}

function firstLine(text) {
  return (text ?? "").split("\n", 1)[0];
}

function showLetter(host, { job, live }, number) {
  const body = h("div", { class: "page" });
  const again = actionButton("Retry", async () => {
    const text = await retry(job, { numbers: [number] });
    go(link(job, "letters"));
    return text;
  }, { sure: ["Retry this dead letter?", "Its input is executed again as a fresh one; the letter goes away when that succeeds."] });
  host.append(back(link(job, "letters"), "Dead letters"), pageHead("Dead letter", again), readOnlyNote() ?? "", body);
  const load = loader(body, (signal) => get(`/${job}/dead-letters/${encodeURIComponent(number)}`, {}, signal), (letter) => {
    const state = live.status?.state ?? "STATE_DIR";
    fill(body,
      card("", facts([
        ["Error", h("strong", { class: "error-text" }, firstLine(letter.error))],
        ["Cause", h("span", { class: "tag" }, letter.cause)],
        ["Key", letter.token ? h("a", { href: link(job, "keys", [letter.token]) }, letter.key) : letter.key],
        ["Input", `${letter.of === "input" ? `offset ${letter.offset}` : letter.of}, ${bytes(letter.bytes)}`], ["Action", letter.action],
        ["Set aside", clock(letter.at)], ["Attempts", count(letter.attempts)], ["Retried", letter.retries ? count(letter.retries) : ""],
        ["Signal", letter.signal], ["Generation", letter.generation], ["Worker", letter.worker_pid ? `pid ${letter.worker_pid}` : ""],
        ["Runs", letter.offset === null ? "" : h("a", { href: link(job, "runs", [], { offset: letter.offset }) }, "in the event log")],
        ["Step by step", letter.offset === null ? "" : h("code", {}, `tamias debug ${state} ${letter.offset}`)],
      ])),
      letter.traceback && card("Traceback", h("pre", { tabindex: "0" }, letter.traceback)),
      card("Input", valueTree(letter.input, { open: 3 })),
      letter.attempts_errors?.length > 1 && card("Errors of all attempts", h("ol", { class: "plain-list" }, letter.attempts_errors.map((each) => h("li", {}, typeof each === "string" ? each : [h("span", { class: "quiet numbers" }, `${clock(each.at)} ${each.of ?? ""} `), each.error])))),
      letter.stacks && card("Stacks", h("pre", { tabindex: "0" }, letter.stacks)));
  });
  load();
  const stop = live.listen(({ status }) => { if (!again.classList.contains("busy")) again.allow(obstacle(status)); });
  return () => {
    load.stop();
    stop();
  };
}
