/* Draws a flame graph: the outermost frames at the top, the width of a frame is its share of the
 * time. It is used by the page that `tamias profile --format html` writes, and by the dashboard.
 *
 * A node is [name, place, share now, share before, inner nodes]. All text is set as textContent.
 */

const ROW = 20; // pixels
const LEAST_SHARE = 0.001; // of the width: what is smaller is not drawn

/** Shows `data` inside `host`. Returns what replaces the data, and what one can ask of it. */
export function flameGraph(host, data) {
  const search = element("input", { type: "search", ariaLabel: "Search functions" });
  search.placeholder = "Search functions";
  const whole = element("button", { type: "button", textContent: "Zoom out", disabled: true });
  const matched = element("span", { className: "flame-matched", role: "status" });
  const bar = element("div", { className: "flame-bar" });
  const graph = element("div", { className: "flame-graph", role: "tree" });
  graph.setAttribute("aria-label", "Flame graph. Arrow keys walk, Enter zooms, Escape zooms out.");
  const about = element("p", { className: "flame-about" });
  about.setAttribute("aria-live", "polite");
  bar.append(search, whole, matched);
  host.replaceChildren(bar, about, graph);

  let top = data.root;
  let boxes = []; // of what is drawn: {box, node, parent, level}

  function draw(focused) {
    const needle = search.value.trim().toLowerCase();
    const width = shown(top, data.compares) || 1;
    const drawn = [];
    let depth = 0;
    let hits = 0;
    const place = (node, left, level, parent, inHit) => {
      const share = node === top ? 1 : shown(node, data.compares) / width;
      if (share < LEAST_SHARE) return share;
      depth = Math.max(depth, level + 1);
      const hit = needle !== "" && node[0].toLowerCase().includes(needle);
      if (hit && !inHit) hits += node[2];
      const entry = { node, parent, level, box: boxFor(node, left, share, level, hit, needle) };
      drawn.push(entry);
      let from = left;
      for (const inner of node[4]) {
        from += place(inner, from, level + 1, entry, inHit || hit);
      }
      return share;
    };
    place(top, 0, 0, null, false);
    boxes = drawn;
    graph.replaceChildren(...drawn.map((entry) => entry.box));
    graph.style.height = `${ROW * depth}px`;
    matched.textContent = needle ? `${percent(hits)} of ${data.unit === "B" ? "the memory" : "the time"}` : "";
    whole.disabled = top === data.root;
    const first = boxes.find((entry) => entry.node === focused) ?? boxes[0];
    first.box.tabIndex = 0;
    if (focused) first.box.focus();
    else describe(first.node);
  }

  function boxFor(node, left, share, level, hit, needle) {
    const box = element("div", { className: "flame-box", role: "treeitem", textContent: node[0] });
    box.tabIndex = -1;
    box.style.left = `${100 * left}%`;
    box.style.width = `${100 * Math.min(share, 1 - left)}%`;
    box.style.top = `${ROW * level}px`;
    box.style.background = colour(node, data.compares);
    if (hit) box.classList.add("flame-found");
    else if (needle) box.classList.add("flame-other");
    box.setAttribute("aria-level", level + 1);
    box.setAttribute("aria-label", `${node[0]}, ${percent(node[2])}`);
    return box;
  }

  function describe(node) {
    const parts = [`${node[0]}  ${percent(node[2])}, ${amount(node[2] * data.total, data.unit)}`];
    if (data.compares) {
      const change = 100 * (node[2] - node[3]);
      const sign = change < 0 ? "\u2212" : "+"; // the sign of a difference, as wide as a digit
      parts[0] += `, before ${percent(node[3])} (${sign}${Math.abs(change).toFixed(1)} points)`;
    }
    if (node[1]) parts.push(node[1]);
    about.textContent = parts.join("\n");
  }

  function entryOf(target) {
    return boxes.find((entry) => entry.box === target);
  }

  function zoom(node, focused = node) {
    top = node;
    draw(focused);
  }

  function focus(entry) {
    if (!entry) return;
    for (const other of boxes) other.box.tabIndex = -1;
    entry.box.tabIndex = 0;
    entry.box.focus();
  }

  function neighbour(entry, step) {
    const level = boxes.filter((other) => other.level === entry.level);
    return level[level.indexOf(entry) + step];
  }

  graph.addEventListener("pointerover", (event) => {
    const entry = entryOf(event.target);
    if (entry) describe(entry.node);
  });
  graph.addEventListener("focusin", (event) => {
    const entry = entryOf(event.target);
    if (entry) describe(entry.node);
  });
  graph.addEventListener("click", (event) => {
    const entry = entryOf(event.target);
    if (entry) zoom(entry.node);
  });
  graph.addEventListener("keydown", (event) => {
    const entry = entryOf(event.target);
    if (!entry || event.ctrlKey || event.altKey || event.metaKey) return;
    const moves = {
      ArrowUp: () => focus(entry.parent),
      ArrowDown: () => focus(boxes.find((other) => other.parent === entry)),
      ArrowLeft: () => focus(neighbour(entry, -1)),
      ArrowRight: () => focus(neighbour(entry, 1)),
      Home: () => focus(boxes[0]),
      Enter: () => zoom(entry.node),
      " ": () => zoom(entry.node),
      Escape: () => zoom(data.root, entry.node),
    };
    if (!(event.key in moves)) return;
    if (event.key === "Escape" && top === data.root) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });
  search.addEventListener("input", () => draw());
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      const found = boxes.find((entry) => entry.box.classList.contains("flame-found"));
      focus(found);
    }
  });
  whole.addEventListener("click", () => zoom(data.root));

  draw();
  return {
    /** Shows other data, zoomed out. */
    update(newer) {
      data = newer;
      top = data.root;
      draw();
    },
  };
}

function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function shown(node, compares) {
  return compares ? Math.max(node[2], node[3]) : node[2];
}

function amount(value, unit) {
  if (unit !== "B") return `${value.toFixed(value < 10 ? 2 : 0)} s`;
  return value < 1048576 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / 1048576).toFixed(1)} MiB`;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** Red is a larger share than before, blue a smaller one; else warm colours by name. */
function colour(node, compares) {
  if (compares) {
    const change = Math.max(-1, Math.min(1, (node[2] - node[3]) / 0.1));
    const lightness = Math.round(93 - 33 * Math.abs(change));
    return change > 0 ? `hsl(10 85% ${lightness}%)` : `hsl(215 85% ${lightness}%)`;
  }
  let hash = 0;
  for (const letter of node[0]) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  if (!node[1]) return `hsl(${200 + (hash % 20)} 28% ${76 + (hash % 6)}%)`;
  return `hsl(${22 + (hash % 26)} 78% ${68 + (hash % 10)}%)`;
}
