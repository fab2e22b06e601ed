/* Buttons that change a job: disabled with the reason where that is not possible. */

import { mayAct } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { confirm, report } from "./dialog.js";

export const READ_ONLY = "This page only shows: start tamias dashboard with --allow-actions to change jobs.";

/** Why nothing can be changed now; empty if it can. */
export function obstacle(status, { atRest = false } = {}) {
  if (!mayAct()) return READ_ONLY;
  if (!atRest && status && !status.running) return "The job is at rest: nothing runs that could do it.";
  return "";
}

/**
 * A button that asks, if `sure` is given ([title, text] or a function of it), and then does `act`,
 * which returns what to report. `button.allow(why)` disables it if `why` is not empty.
 */
export function actionButton(label, act, { sure = null, why = "", kind = "" } = {}) {
  const button = h("button", { type: "button", class: kind }, label);
  button.allow = (reason) => {
    button.disabled = reason !== "";
    button.title = reason;
  };
  button.allow(why);
  button.addEventListener("click", async () => {
    const asked = typeof sure === "function" ? sure() : sure;
    if (asked && !(await confirm(asked[0], asked[1], label))) return;
    button.classList.add("busy");
    button.disabled = true;
    try {
      const done = await act();
      if (done) report(done);
    } catch (error) {
      report([error.message, error.hint].filter(Boolean).join(" "), "bad");
    } finally {
      button.classList.remove("busy");
      button.disabled = button.title !== "";
    }
  });
  return button;
}

/** Says once, in words, why the buttons of a page are disabled. */
export function readOnlyNote() {
  return mayAct() ? null : h("p", { class: "quiet read-only" }, READ_ONLY);
}

