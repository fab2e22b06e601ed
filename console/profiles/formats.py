"""Profiles in the formats of other programs.

- *collapsed*: a line for each stack, its frames with semicolons between, and microseconds: what
  `flamegraph.pl` and most viewers read.
- *speedscope*: JSON for speedscope (its file format of 2018, with sampled profiles).
- *chrome*: a `.cpuprofile`, as the developer tools of Chromium and editors open it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ...worker.profiling.profile import Frame, Profile

__all__ = ["as_chrome", "as_collapsed", "as_speedscope", "frame_text"]

_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
_MICROSECONDS: Final = 1_000_000


def frame_text(frame: Frame) -> str:
    """A frame in words: its function, and the file and line where that begins."""
    if not frame.file:
        return frame.name
    return f"{frame.name} ({Path(frame.file).name}:{frame.line})"


def as_collapsed(profile: Profile, unit: str = "s") -> str:
    """The stacks as text, the longest first; numbers are microseconds, or bytes."""
    scale = _MICROSECONDS if unit == "s" else 1
    stacks = sorted(profile.seconds.items(), key=lambda item: -item[1])
    return "".join(
        f"{';'.join(map(_on_one_line, stack)) or '(no frame)'} {round(seconds * scale)}\n"
        for stack, seconds in stacks
    )


def _on_one_line(frame: Frame) -> str:
    """A frame in words, without what separates frames and lines."""
    return " ".join(frame_text(frame).replace(";", ",").split())


def as_speedscope(profile: Profile, name: str, unit: str = "s") -> str:
    """The profile for speedscope; of seconds ("s"), or of bytes ("B")."""
    frames: dict[Frame, int] = {}
    samples = []
    weights = []
    for stack, seconds in sorted(profile.seconds.items()):
        samples.append([frames.setdefault(frame, len(frames)) for frame in stack])
        weights.append(seconds)
    shared = [
        {"name": frame.name, "file": frame.file, "line": frame.line}
        if frame.file
        else {"name": frame.name}
        for frame in frames
    ]
    sampled = {
        "type": "sampled",
        "name": name,
        "unit": "seconds" if unit == "s" else "bytes",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
    return json.dumps(
        {
            "$schema": _SCHEMA,
            "name": name,
            "exporter": "tamias",
            "activeProfileIndex": 0,
            "shared": {"frames": shared},
            "profiles": [sampled],
        }
    )


def as_chrome(profile: Profile) -> str:
    """The profile as a `.cpuprofile`."""
    nodes: list[dict[str, Any]] = [_node(1, "(root)", "", 0)]
    children: dict[tuple[int, Frame], int] = {}
    samples: list[int] = []
    deltas: list[int] = []
    for stack, seconds in sorted(profile.seconds.items()):
        place = 0
        for frame in stack:
            inner = children.get((place, frame))
            if inner is None:
                inner = children[place, frame] = len(nodes)
                nodes.append(_node(inner + 1, frame.name, frame.file, frame.line))
                nodes[place]["children"].append(inner + 1)
            place = inner
        nodes[place]["hitCount"] += 1
        samples.append(place + 1)
        deltas.append(round(seconds * _MICROSECONDS))
    return json.dumps(
        {
            "nodes": nodes,
            "startTime": 0,
            "endTime": sum(deltas),
            "samples": samples,
            "timeDeltas": deltas,
        }
    )


def _node(number: int, name: str, file: str, line: int) -> dict[str, Any]:
    return {
        "id": number,
        "callFrame": {
            "functionName": name,
            "scriptId": "0",
            "url": f"file://{file}" if file else "",
            "lineNumber": max(0, line - 1),
            "columnNumber": 0,
        },
        "hitCount": 0,
        "children": [],
    }
