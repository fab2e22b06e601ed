/* Makes elements. Text is only ever set as text: nothing here takes markup. */

/** An element: `properties` may have `class`, `on` (listeners), `data`, and attributes. */
export function h(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "on") for (const [event, call] of Object.entries(value)) made.addEventListener(event, call);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  append(made, children);
  return made;
}

function append(host, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    host.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces what is in `host`. */
export function fill(host, ...children) {
  host.replaceChildren();
  append(host, children);
  return host;
}

/** Sets the text of an element, only if it is another one: nothing flickers, no selection is lost. */
export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of SVG. */
export function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const ICONS = {
  menu: "M3 6h18M3 12h18M3 18h18",
  close: "M5 5l14 14M19 5L5 19",
  theme: "M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z",
  right: "M9 5l7 7-7 7",
};

/** A small drawing that says nothing by itself. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}
