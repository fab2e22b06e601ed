/* Pages of a long list, as the server gives them: each has a token for the next one. */

import { h, setText } from "../lib/dom.js";

/** How many rows a page has: fewer where each takes several lines. */
export function pageSize() {
  return matchMedia("(max-width: 760px)").matches ? 20 : 50;
}

/** Returns {root, after, reset(), take(next, shown, total)}; `load` shows the page at `after`. */
export function pager(load) {
  let before = [];
  let next = null;
  const pages = {
    after: "",
    root: null,
    reset() {
      before = [];
      pages.after = "";
    },
    take(following, text = "") {
      next = following ?? null;
      back.disabled = before.length === 0;
      forth.disabled = next === null;
      setText(place, text);
      pages.root.hidden = back.disabled && forth.disabled && !text;
    },
  };
  const back = h("button", { type: "button", on: { click: () => { pages.after = before.pop(); load(); } } }, "Previous");
  const forth = h("button", { type: "button", on: { click: () => { before.push(pages.after); pages.after = next; load(); } } }, "Next");
  const place = h("span", { class: "quiet numbers" });
  pages.root = h("nav", { class: "pager", "aria-label": "Pages of the list" }, back, forth, place);
  return pages;
}
