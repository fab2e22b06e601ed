/* Questions of suspended runs: approvals and the like, each with a form for its answer. */

import { get, mayAct, post } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { ago, clock, counted } from "../lib/format.js";
import { link } from "../lib/router.js";
import { READ_ONLY, readOnlyNote } from "../parts/actions.js";
import { report } from "../parts/dialog.js";
import { card, pageHead } from "../parts/head.js";
import { pager } from "../parts/pager.js";
import { empty, loader } from "../parts/states.js";
import { facts, valueTree } from "../parts/tree.js";

export function showQuestions(host, { job, live }) {
  const box = h("div", { class: "page" });
  const pages = pager(() => load());
  let known = null;
  const load = loader(box, (signal) => get(`/${job}/questions`, { after: pages.after, limit: 25 }, signal), (found) => {
    fill(box, found.questions.length
      ? found.questions.map((each) => question(job, each, () => load({ quiet: true })))
      : empty("Nobody is asked anything.", "A run that asks with ctx.wait_for(..., ask=...), or wants approval of a tool, waits here for an answer."),
    pages.root);
    pages.take(found.next, found.questions.length ? counted(found.total, "question") : "");
  });
  const newer = h("button", { type: "button", hidden: true, on: { click: () => { newer.hidden = true; load({ quiet: true }); } } }, "Show new questions");
  host.append(pageHead("Questions", newer), readOnlyNote() ?? "", box);
  load();
  const stop = live.listen(({ status }) => {
    // What is being written in is not taken away: a button says that there is more.
    if (known !== null && status && status.questions > known) newer.hidden = false;
    if (status) known = status.questions;
  });
  return () => {
    load.stop();
    stop();
  };
}

function question(job, asked, done) {
  const [text, rest] = textOf(asked.ask);
  const value = h("textarea", { "aria-label": "Answer", placeholder: "Text, or JSON such as 5 or {\"a\": 1}", rows: "2" });
  const message = h("p", { class: "error-text", role: "alert" });
  const send = async (answer) => {
    for (const button of buttons) button.disabled = true;
    message.textContent = "";
    try {
      await post(`/${job}/questions/${encodeURIComponent(asked.token)}/answer`, { value: answer });
      report(`Answered: ${asked.name}.`);
      done();
    } catch (error) {
      message.textContent = [error.message, error.hint].filter(Boolean).join(" ");
      for (const button of buttons) button.disabled = false;
    }
  };
  const quick = (label, answer) => h("button", { type: "button", on: { click: () => send(answer) } }, label);
  const buttons = [quick("Yes (true)", true), quick("No (false)", false), h("button", { type: "submit", class: "primary" }, "Answer")];
  for (const button of buttons) {
    button.disabled = !mayAct();
    button.title = mayAct() ? "" : READ_ONLY;
  }
  value.disabled = !mayAct();
  const form = h("form", { class: "answer", on: { submit: (event) => {
    event.preventDefault();
    if (!value.value.trim()) message.textContent = "Write an answer first.";
    else send(parsed(value.value));
  } } }, value, h("div", { class: "controls" }, h("span", { class: "controls" }, buttons.slice(0, 2)), buttons[2]), message);
  return card("", h("div", { class: "question" },
    h("div", { class: "spread" }, h("h2", {}, asked.name), h("span", { class: `quiet numbers` }, `asked ${ago(asked.asked_at)}`)),
    text !== null && h("p", { class: "question-text" }, text),
    rest !== null && valueTree(rest, { open: 2, label: "What is asked" }),
    facts([
      ["Key", asked.key_token ? h("a", { href: link(job, "keys", [asked.key_token]) }, asked.key) : asked.key],
      ["Run of", asked.offset ? `offset ${asked.offset}` : asked.of],
      ["Until", asked.deadline ? `${clock(asked.deadline)}, ${ago(asked.deadline)}` : "no limit"],
    ]), form));
}

/** What is asked, as a text to be read, and what there is besides; null for what there is not. */
function textOf(ask) {
  if (typeof ask === "string") return [ask, null];
  for (const name of ["text", "question", "message", "prompt"]) {
    if (ask && typeof ask[name] === "string") {
      const rest = Object.fromEntries(Object.entries(ask).filter(([other]) => other !== name));
      return [ask[name], Object.keys(rest).length ? rest : null];
    }
  }
  return [null, ask];
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
