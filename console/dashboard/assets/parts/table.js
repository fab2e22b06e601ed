/* Tables whose rows stay when their values change: nothing jumps, focus and selection stay. */

import { fill, h, setText } from "../lib/dom.js";

/**
 * A table. A column is {name, label, of(row) -> text or node, sort(row)?, class?, title?}; with
 * `wide`, rows become cards on a narrow screen. Returns {root, show(rows), sortBy}.
 */
export function table(columns, { id = (row) => row.id, wide = false, dense = false, tall = false, caption = "", sort = null, empty = null } = {}) {
  const head = h("tr");
  const body = h("tbody");
  const box = h("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: [wide && "cards", dense && "dense", tall && "tall"].filter(Boolean).join(" ") }, caption && h("caption", { class: "unseen" }, caption), h("thead", {}, head), body));
  const nothing = h("div");
  const root = h("div", {}, box, nothing);
  const shown = new Map();
  let rows = [];
  let order = sort;

  for (const column of columns) {
    const cell = h("th", { scope: "col", class: column.class ?? "" });
    if (column.sort) {
      cell.append(h("button", { type: "button", class: "sort", on: { click: () => turn(column.name) } }, column.label));
    } else fill(cell, column.label || h("span", { class: "unseen" }, column.name));
    column.cell = cell;
    head.append(cell);
  }

  function turn(name) {
    const falling = order?.name === name ? !order.falling : true;
    order = { name, falling };
    arrange();
  }

  function arrange() {
    const column = columns.find((one) => one.name === order?.name);
    for (const one of columns) {
      if (one.sort) one.cell.setAttribute("aria-sort", one === column ? (order.falling ? "descending" : "ascending") : "none");
    }
    const sorted = [...rows];
    if (column) {
      const sign = order.falling ? -1 : 1;
      sorted.sort((one, other) => sign * compare(column.sort(one), column.sort(other)));
    }
    sorted.forEach((row, index) => {
      const entry = shown.get(id(row));
      if (body.children[index] !== entry.line) body.insertBefore(entry.line, body.children[index] ?? null);
    });
  }

  function show(newer) {
    rows = newer;
    const present = new Set(rows.map(id));
    for (const [key, entry] of shown) {
      if (!present.has(key)) {
        entry.line.remove();
        shown.delete(key);
      }
    }
    for (const row of rows) {
      let entry = shown.get(id(row));
      if (!entry) {
        const cells = columns.map((column) =>
          h("td", { class: column.class ?? "", data: { label: column.label || "" } }));
        entry = { line: h("tr", {}, cells), cells, nodes: new Map() };
        shown.set(id(row), entry);
      }
      columns.forEach((column, index) => set(entry, column, index, row));
    }
    arrange();
    box.hidden = rows.length === 0 && empty !== null;
    fill(nothing, rows.length === 0 && empty ? empty() : null);
  }

  function set(entry, column, index, row) {
    const cell = entry.cells[index];
    if (column.node) {
      // A node that is made once, and changes itself.
      if (!entry.nodes.has(index)) {
        const made = column.node(row);
        entry.nodes.set(index, made);
        fill(cell, made.root ?? made);
      }
      entry.nodes.get(index).update?.(row);
      return;
    }
    const value = column.of(row);
    if (value instanceof Node) fill(cell, value);
    else setText(cell, value ?? "");
  }

  return { root, show };
}

function compare(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return -1;
  if (other === null || other === undefined) return 1;
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}
