/* Shortcuts: one key, or `g` and then the letter of a page. None is taken while one writes. */

import { h } from "../lib/dom.js";
import { go, link } from "../lib/router.js";
import { showBody } from "./dialog.js";

const WITHIN = 1500; // milliseconds between `g` and the letter

/** Listens to shortcuts; `job` gives the job that is shown. */
export function listenToKeys(pages, job) {
  let since = -WITHIN;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || isWriting(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.timeStamp - since < WITHIN) {
      since = -WITHIN;
      const page = pages.find((one) => one.letter === event.key);
      if (page && job()) {
        event.preventDefault();
        go(link(job(), page.name));
      } else if (event.key === "j") go("#/");
      return;
    }
    if (event.key === "g") since = event.timeStamp;
    else if (event.key === "?") showKeys(pages);
    else if (event.key === "t") document.querySelector("#theme").click();
    else if (event.key === "/") {
      const search = document.querySelector("main input[type=search]");
      if (!search) return;
      event.preventDefault();
      search.focus();
    }
  });
}

function isWriting(target) {
  return target.closest?.("input, textarea, select") !== null;
}

/** Shows all shortcuts. */
export function showKeys(pages) {
  const row = (keys, text) => [h("dt", {}, keys.map((key) => h("kbd", {}, key))), h("dd", {}, text)];
  showBody("Keyboard", h("dl", { class: "keys" },
    row(["?"], "these keys"), row(["/"], "search on this page"), row(["t"], "light, dark, or as the system"),
    row(["Esc"], "close; in a flame graph: zoom out"), row(["g", "j"], "all jobs"),
    pages.map((page) => row(["g", page.letter], page.title)),
    row(["\u2190", "\u2192"], "on a chart: earlier, later"), row(["\u2191", "\u2193", "Enter"], "in a flame graph: walk, zoom")), "small");
}
