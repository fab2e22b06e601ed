"""Profiles as a page: a flame graph that needs no network, no server and no other program.

The outermost frames are at the top; the width of a frame is its share of the time. A click on a
frame makes it as wide as the page; one can search, and walk with the keyboard. With an older
profile, colours show what takes a larger share now (red) and what a smaller one (blue).

`flame_graph.js` draws it, here and in the dashboard.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from .formats import frame_text

if TYPE_CHECKING:
    from ...worker.profiling.profile import Frame, Profile

__all__ = ["DRAWING", "as_data", "as_page"]

DRAWING: Final = tuple(Path(__file__).with_name(f"flame_graph.{kind}") for kind in ("js", "css"))
"""The files that draw a flame graph: a module of JavaScript, and its styles."""

_LEAST_SHARE: Final = 0.0005
"""Frames below this share of the time are left out: they would be less than a pixel wide."""


class _Node:
    __slots__ = ("before", "children", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self.before = 0.0
        self.children: dict[Frame, _Node] = {}


def as_data(
    profile: Profile, before: Profile | None = None, unit: Literal["s", "B"] = "s"
) -> dict[str, Any]:
    """The flame graph of a profile, compared with an older one if given, as plain data.

    What the profile measures is seconds, or bytes.
    """
    root = _Node()
    for stack, old, now in profile.minus(before if before is not None else profile):
        node = root
        node.now += now
        node.before += old
        for frame in stack:
            node = node.children.setdefault(frame, _Node())
            node.now += now
            node.before += old
    return {
        "total": profile.total,
        "unit": unit,
        "compares": before is not None,
        "root": _plain("all", "", root),
    }


def as_page(
    profile: Profile,
    title: str,
    before: Profile | None = None,
    unit: Literal["s", "B"] = "s",
) -> str:
    """An HTML page with the flame graph of a profile, compared with an older one if given."""
    # "</" must not end the script, whatever a function or a file is called.
    data = json.dumps(as_data(profile, before, unit), separators=(",", ":")).replace("<", "\\u003c")
    script, styles = (file.read_text("utf-8") for file in DRAWING)
    page = _PAGE.replace("@TITLE@", escape(title)).replace("@STYLES@", styles)
    return page.replace("@SCRIPT@", script).replace("@DATA@", data)


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
.flame-box:focus-visible { outline-color: Highlight; }
@STYLES@</style>
<h1>@TITLE@</h1>
<div id="flame"></div>
<script type="application/json" id="data">@DATA@</script>
<script type="module">
@SCRIPT@
flameGraph(
  document.getElementById("flame"), JSON.parse(document.getElementById("data").textContent));
</script>
</html>
"""
