/* Values of a job as a tree that opens and closes. Only what is open is drawn, a part at a time. */

import { h } from "../lib/dom.js";
import { count, counted } from "../lib/format.js";

const PART = 100; // so many inner values are drawn at a time
const LONG = 200; // characters of a text that are shown at first

/** A value as JSON gives it, with the server's marks for what JSON has no form for. */
export function valueTree(value, { open = 1, label = "Value" } = {}) {
  const list = h("ul", { class: "tree", "aria-label": label });
  addInner(list, value, open);
  return list;
}

/** What stands for a value that JSON has no form for, as the server writes it; null for others. */
function marks(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  if ("$unreadable" in value) return h("span", { class: "odd" }, `cannot be shown: ${value.$unreadable}`);
  if ("$text" in value) return h("span", {}, longText(value.$text), " ", cut(value.$cut));
  if ("$cut" in value && Object.keys(value).length === 1) return cut(value.$cut);
  if ("$type" in value && "text" in value) {
    const isNumber = value.$type === "int" || value.$type === "float";
    return h("span", { class: isNumber ? "number" : "" }, !isNumber && [h("span", { class: "type" }, value.$type), " "], longText(value.text));
  }
  return null;
}

function cut(more) {
  return h("span", { class: "quiet" }, typeof more === "number" ? `\u2026 and ${count(more)} more` : "\u2026 and more");
}

function isBranch(value) {
  return value !== null && typeof value === "object" && !marks(value) && Object.keys(value).length > 0;
}

function addInner(list, value, open) {
  if (!isBranch(value)) {
    list.append(h("li", {}, leaf(value)));
    return;
  }
  const entries = Object.entries(value);
  const isArray = Array.isArray(value);
  let next = 0;
  const more = h("li", {}, h("button", { type: "button", class: "link", on: { click: draw } }));
  function draw() {
    more.remove();
    for (const [name, inner] of entries.slice(next, next + PART)) list.append(branch(name, inner, open, isArray));
    next += PART;
    if (next < entries.length) {
      more.firstChild.textContent = `${count(entries.length - next)} more`;
      list.append(more);
    }
  }
  draw();
}

function branch(name, value, open, isItem) {
  if (name === "$cut" && !isItem) return h("li", {}, cut(value));
  const label = h("span", { class: isItem ? "index" : "name" }, name);
  if (!isBranch(value)) return h("li", {}, label, " ", leaf(value));
  const size = Object.keys(value).length;
  const type = typeof value.$type === "string" ? value.$type : "";
  if (type && "fields" in value) value = value.fields;
  const what = h("span", { class: "quiet" }, type ? type : Array.isArray(value) ? counted(size, "item") : counted(size, "field"));
  const inner = h("ul");
  const details = h("details", {}, h("summary", {}, label, " ", what), inner);
  const draw = () => {
    if (details.open && !inner.firstChild) addInner(inner, value, open - 1);
  };
  details.addEventListener("toggle", draw);
  if (open > 0) {
    details.open = true;
    draw();
  }
  return h("li", {}, details);
}

function leaf(value) {
  const marked = marks(value);
  if (marked) return marked;
  if (value === null) return h("span", { class: "quiet" }, "null");
  if (typeof value === "string") return longText(value);
  if (typeof value === "object") return h("span", { class: "quiet" }, Array.isArray(value) ? "empty list" : "empty");
  return h("span", { class: "number" }, String(value));
}

function longText(text) {
  if (text === "") return h("span", { class: "quiet" }, "empty text");
  if (text.length <= LONG) return h("span", { class: "text" }, text);
  const shown = h("span", { class: "text" }, `${text.slice(0, LONG)}\u2026`);
  const more = h("button", { type: "button", class: "link", on: { click: () => { shown.textContent = text; more.remove(); } } }, `all ${count(text.length)} characters`);
  return h("span", {}, shown, " ", more);
}

/** Names and values side by side; what has none is left out. */
export function facts(pairs) {
  const kept = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, kept.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
