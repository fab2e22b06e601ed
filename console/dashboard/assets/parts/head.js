/* The head of a page: its title, and what one can choose. */

import { h } from "../lib/dom.js";

export function pageHead(title, ...controls) {
  return h("header", { class: "page-head" }, h("h1", {}, title), controls.length > 0 && h("div", { class: "controls" }, controls));
}

/** A way back to the list, above the title. */
export function back(address, text) {
  return h("p", { class: "back" }, h("a", { href: address }, `\u2190 ${text}`));
}

export function card(title, ...content) {
  return h("section", { class: "card" }, title && h("h2", {}, title), content);
}

/** A choice of a few: `options` are [value, text]. */
export function choice(label, options, value, change) {
  const group = h("div", { class: "choice", role: "group", "aria-label": label });
  const draw = (chosen) => {
    for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.value === String(chosen)));
  };
  for (const [each, text] of options) {
    group.append(h("button", { type: "button", data: { value: each }, on: { click: () => { draw(each); change(each); } } }, text));
  }
  draw(value);
  return group;
}

/** A choice of many. */
export function select(label, options, value, change) {
  const made = h("select", { on: { change: () => change(made.value) } }, options.map(([each, text]) => h("option", { value: each }, text)));
  made.value = value;
  return h("label", { class: "field" }, h("span", {}, label), made);
}
