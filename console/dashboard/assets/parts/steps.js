/* What a run has done, as a tree with a time line. Long ones are drawn a part at a time, when opened. */

import { h } from "../lib/dom.js";
import { count, duration } from "../lib/format.js";
import { facts, valueTree } from "./tree.js";

const PART = 200;
const OPEN_UP_TO = 400; // steps; of a larger run, only the first levels are open

/** The tree of a run. */
export function stepTree(run) {
  const line = { from: run.began, seconds: run.seconds || 1e-9, open: sizeOf(run.roots) <= OPEN_UP_TO ? Infinity : 2 };
  return h("div", { class: "run-tree" }, listOf(run.roots, line, 0));
}

function sizeOf(steps) {
  let size = 0;
  const waiting = [...steps];
  while (waiting.length && size <= OPEN_UP_TO) {
    size += 1;
    waiting.push(...waiting.pop().children);
  }
  return size;
}

function listOf(steps, line, depth) {
  const list = h("ul");
  let next = 0;
  const more = h("li", {}, h("button", { type: "button", class: "link", on: { click: draw } }));
  function draw() {
    more.remove();
    list.append(...steps.slice(next, next + PART).map((step) => item(step, line, depth)));
    next += PART;
    if (next < steps.length) {
      more.firstChild.textContent = `${count(steps.length - next)} more`;
      list.append(more);
    }
  }
  draw();
  return list;
}

function item(step, line, depth) {
  const row = rowOf(step, line);
  const known = Object.keys(step.attributes ?? {}).length > 0 || step.error;
  if (!step.children.length && !known) return h("li", {}, h("div", { class: "leaf" }, row));
  const inner = h("div");
  const details = h("details", {}, h("summary", {}, row), inner);
  const draw = () => {
    if (!details.open || inner.firstChild) return;
    if (known) inner.append(about(step));
    if (step.children.length) inner.append(listOf(step.children, line, depth + 1));
  };
  details.addEventListener("toggle", draw);
  if (step.children.length && depth < line.open) {
    details.open = true;
    draw();
  }
  return h("li", {}, details);
}

function rowOf(step, line) {
  const bar = h("i");
  const left = Math.max(0, Math.min(100, (100 * (step.began - line.from)) / line.seconds));
  bar.style.left = `${left}%`;
  bar.style.width = `${Math.min(100 - left, (100 * (step.seconds ?? 0)) / line.seconds)}%`;
  const odd = step.status && step.status !== "success";
  return h("div", { class: `step ${step.status ?? ""}` },
    h("span", { class: "step-name" }, h("span", { class: "kind" }, step.kind), h("span", { class: "clip" }, step.name),
      odd && h("span", { class: `tag ${step.status === "failed" ? "bad" : ""}` }, step.status)),
    h("span", { class: "step-time" }, step.seconds === null ? "" : duration(step.seconds)),
    h("span", { class: "step-span", "aria-hidden": "true" }, bar));
}

function about(step) {
  const box = h("div", { class: "step-more" }, step.error && h("p", { class: "error-text" }, step.error));
  const attributes = Object.entries(step.attributes ?? {});
  if (!attributes.length) return box;
  if (attributes.length <= 3 && attributes.every(([, value]) => typeof value !== "object" || value === null)) {
    box.append(facts(attributes.map(([name, value]) => [name, String(value)])));
    return box;
  }
  box.append(h("details", {}, h("summary", { class: "quiet" }, step.kind === "event" ? "contents" : "details"), valueTree(step.attributes, { open: 2 })));
  return box;
}
