"""Profiles as a page: a flame graph that needs no network, no server and no other program.

The outermost frames are at the top; the width of a frame is its share of the time. A click on a
frame makes it as wide as the page; one can search, and walk with the keyboard. With an older
profile, colours show what takes a larger share now (red) and what a smaller one (blue).
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any, Final

from .formats import frame_text

if TYPE_CHECKING:
    from ...worker.profiling.profile import Frame, Profile

__all__ = ["as_page"]

_LEAST_SHARE: Final = 0.0005
"""Frames below this share of the time are left out: they would be less than a pixel wide."""


class _Node:
    __slots__ = ("before", "children", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self.before = 0.0
        self.children: dict[Frame, _Node] = {}


def as_page(profile: Profile, title: str, before: Profile | None = None) -> str:
    """An HTML page with the flame graph of a profile, compared with an older one if given."""
    root = _Node()
    for stack, old, now in profile.minus(before if before is not None else profile):
        node = root
        node.now += now
        node.before += old
        for frame in stack:
            node = node.children.setdefault(frame, _Node())
            node.now += now
            node.before += old
    data = {
        "seconds": profile.total,
        "compares": before is not None,
        "root": _plain("all", "", root),
    }
    # "</" must not end the script, whatever a function or a file is called.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return _PAGE.replace("@TITLE@", escape(title)).replace("@DATA@", text)


def _plain(name: str, place: str, node: _Node) -> list[Any]:
    """A node as JSON: name, place, share now, share before, inner nodes."""
    inner = [
        _plain(frame_text(frame), f"{frame.file}:{frame.line}" if frame.file else "", child)
        for frame, child in sorted(node.children.items(), key=lambda item: -item[1].now)
        if max(child.now, child.before) >= _LEAST_SHARE
    ]
    return [name, place, round(node.now, 6), round(node.before, 6), inner]


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
:root { color-scheme: light dark; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1rem; }
h1 { font-size: 1.1rem; margin: 0 0 .5rem; }
#bar { display: flex; gap: .5rem; flex-wrap: wrap; align-items: center; margin-bottom: .5rem; }
#graph { position: relative; }
#graph button { position: absolute; height: 19px; border: 1px solid Canvas; border-radius: 2px;
  padding: 0 3px; font: 12px/17px ui-monospace, monospace; text-align: left; color: #111;
  overflow: hidden; white-space: nowrap; text-overflow: ellipsis; cursor: pointer; }
#graph button:focus-visible { outline: 2px solid Highlight; z-index: 1; }
#graph button.found { box-shadow: inset 0 0 0 2px #a0f; }
#about { min-height: 3em; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
</style>
<h1>@TITLE@</h1>
<div id="bar"><label>Search <input id="search" type="search"></label>
<button id="up" type="button">All</button><span id="matched" role="status"></span></div>
<div id="graph" role="group" aria-label="Flame graph"></div>
<p id="about" role="status">Click on a frame to see it as wide as the page.</p>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const graph = document.getElementById("graph"), about = document.getElementById("about");
const search = document.getElementById("search"), matched = document.getElementById("matched");
let top_ = data.root;
const share = (value) => (100 * value).toFixed(1) + " %";
function colour(node) {
  if (data.compares) {
    const change = Math.max(-1, Math.min(1, (node[2] - node[3]) / 0.1));
    const weight = Math.round(95 - 45 * Math.abs(change));
    return change > 0 ? `hsl(10 85% ${weight}%)` : `hsl(215 85% ${weight}%)`;
  }
  let hash = 0;
  for (const letter of node[0]) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  if (!node[1]) return `hsl(${190 + hash % 30} 40% 75%)`;
  return `hsl(${20 + hash % 35} 85% ${62 + hash % 12}%)`;
}
function describe(node) {
  let text = `${node[0]}: ${share(node[2])}, ${(node[2] * data.seconds).toFixed(2)} s`;
  if (data.compares) text += `, before ${share(node[3])}`;
  about.textContent = text + (node[1] ? `\\n${node[1]}` : "");
}
function draw() {
  const needle = search.value.toLowerCase();
  let depth = 0, hits = 0;
  graph.replaceChildren();
  const whole = Math.max(top_[2], top_[3]) || 1;
  const place = (node, left, level, inside) => {
    const width = Math.max(node[2], data.compares ? node[3] : 0) / whole;
    if (width < 0.001) return width;
    depth = Math.max(depth, level + 1);
    const box = document.createElement("button");
    box.type = "button";
    box.textContent = node[0];
    box.style.left = 100 * left + "%";
    box.style.width = 100 * Math.min(width, 1 - left) + "%";
    box.style.top = 20 * level + "px";
    box.style.background = colour(node);
    box.setAttribute("aria-label", `${node[0]}, ${share(node[2])}`);
    const hit = needle && node[0].toLowerCase().includes(needle);
    if (hit) { box.className = "found"; if (!inside) hits += node[2]; }
    box.onmouseenter = box.onfocus = () => describe(node);
    box.onclick = () => { top_ = node; draw(); graph.firstChild.focus(); };
    graph.append(box);
    let from = left;
    for (const inner of node[4]) from += place(inner, from, level + 1, inside || hit);
    return width;
  };
  place(top_, 0, 0, false);
  graph.style.height = 20 * depth + "px";
  matched.textContent = needle ? `${share(hits)} of the time` : "";
}
search.oninput = draw;
document.getElementById("up").onclick = () => { top_ = data.root; draw(); };
document.onkeydown = (event) => {
  if (event.key === "Escape") { top_ = data.root; draw(); }
};
draw();
</script>
</html>
"""
