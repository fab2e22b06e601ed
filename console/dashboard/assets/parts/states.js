/* What a page shows while it waits, when there is nothing, and when something is wrong. */

import { fill, h } from "../lib/dom.js";

/** There is nothing, and why, and what would change that. */
export function empty(what, why = "", ...more) {
  return h("div", { class: "empty" }, h("p", { class: "empty-what" }, what), why && h("p", {}, why), more);
}

/** Something went wrong; `retry` tries it again. */
export function failure(error, retry = null) {
  return h("div", { class: "notice bad", role: "alert" },
    h("div", {}, h("strong", {}, error.message), error.hint && h("p", {}, error.hint)),
    retry && h("button", { type: "button", on: { click: retry } }, "Try again"));
}

export function notice(kind, ...children) {
  return h("div", { class: `notice ${kind}` }, h("div", {}, children));
}

/**
 * Shows in `host` what `ask` finds, with `render`; a later call wins over an earlier one.
 * Returns a function that asks again.
 */
export function loader(host, ask, render) {
  let running = null;
  async function load({ quiet = false } = {}) {
    running?.abort();
    const mine = new AbortController();
    running = mine;
    host.setAttribute("aria-busy", "true");
    if (!quiet && !host.firstChild) fill(host, h("p", { class: "loading" }, "Loading\u2026"));
    try {
      const found = await ask(mine.signal);
      if (running === mine) render(found, host);
    } catch (error) {
      if (running !== mine || error.name === "AbortError") return;
      if (error.status === undefined) throw error;
      fill(host, failure(error, () => load()));
    } finally {
      if (running === mine) host.removeAttribute("aria-busy");
    }
  }
  load.stop = () => {
    const last = running;
    running = null;
    last?.abort();
  };
  return load;
}
