"""Joins the events of a log to trees: each below the event for which an action has sent it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from .records import Observation, Warnings

__all__ = ["ROOT_TYPE", "as_text", "forest_of"]

ROOT_TYPE: Final = "_input_event"

Forest = dict[str, Any]


class _Edge(NamedTuple):
    """From an event to one that an action has sent for it."""

    parent: str | None
    action: str | None


def forest_of(found: Iterable[Observation], warnings: Warnings) -> Forest:
    """Return `roots`, `nodes` by their ids, and `warnings`.

    An event that is seen more than once, as after a restart, is one node, which may have several
    parents. What cannot be joined stays as a node, with a warning.
    """
    seen: defaultdict[str, list[Observation]] = defaultdict(list)
    for each in found:
        seen[each.event].append(each)
    edges = {event: _edges(each, warnings) for event, each in seen.items()}
    nodes = {event: _node(each, edges[event]) for event, each in seen.items()}
    roots: list[str] = []
    for event, node in nodes.items():
        for edge in edges[event]:
            if node["eventType"] == ROOT_TYPE:
                if edge == (None, None):
                    roots.append(event)
                else:
                    text = f"The input event {event} is said to be sent by an action."
                    warnings.add("INVALID_ROOT_LINEAGE", text, eventId=event)
            elif _is_joinable(event, edge, nodes, warnings):
                _children(nodes[str(edge.parent)], str(edge.action)).append(event)
    _cut_circles(nodes, roots, warnings)
    return {"roots": roots, "nodes": nodes, "warnings": warnings}


def as_text(forest: Forest) -> str:
    """Return the trees as indented lines."""
    lines: list[str] = []
    for number, root in enumerate(forest["roots"], 1):
        lines += ["", f"Trace Tree {number}"] if lines else [f"Trace Tree {number}"]
        lines += _lines(forest["nodes"], root)
    return "\n".join(lines)


def _lines(nodes: dict[str, Any], root: str) -> Iterator[str]:
    # Trees may be deeper than the interpreter's stack.
    todo: list[tuple[int, str, str]] = [(1, "", root)]
    while todo:
        depth, action, event = todo.pop()
        if action:
            yield f"{'  ' * depth}[Action: {action}]"
            continue
        yield f"{'  ' * depth}{nodes[event]['eventType']} ({event})"
        for each in reversed(nodes[event]["actions"]):
            todo += [(depth + 2, "", child) for child in reversed(each["children"])]
            todo.append((depth + 1, each["name"], event))


def _edges(seen: list[Observation], warnings: Warnings) -> list[_Edge]:
    """The different edges to one event, of all observations that agree with the first one."""
    first, content = seen[0], _content(seen[0])
    edges: dict[_Edge, None] = {}
    told: set[_Edge] = set()
    for each in seen:
        edge = _Edge(each.parent, each.action)
        if _content(each) == content:
            edges[edge] = None
        elif edge not in told:
            told.add(edge)
            warnings.add(
                "EVENT_ID_CONFLICT",
                _conflict(first.event, edge, len(seen)),
                eventId=first.event,
                upstreamEventId=edge.parent,
                upstreamActionName=edge.action,
            )
    return list(edges)


def _conflict(event: str, edge: _Edge, count: int) -> str:
    text = f"Event ID {event} has inconsistent Event type or content across {count} records."
    rest = "does not contribute lineage to the canonical Event node."
    if edge.parent is None or edge.action is None:
        return f"{text} The conflicting observation {rest}"
    return (
        f"{text} Conflicting observation records lineage from {edge.parent} to {event} through "
        f"Action {edge.action}; that observation {rest}"
    )


def _content(each: Observation) -> tuple[str, str]:
    """What makes two observations those of one event; `true` and 1 differ, as in JSON."""
    return each.kind, json.dumps(each.attributes, sort_keys=True)


def _node(seen: list[Observation], edges: list[_Edge]) -> dict[str, Any]:
    return {
        "eventId": seen[0].event,
        "eventType": seen[0].kind,
        "timestamp": seen[0].timestamp,
        "observationCount": len(seen),
        "upstreamEdges": [
            {"upstreamEventId": edge.parent, "upstreamActionName": edge.action}
            for edge in edges
            if edge != (None, None)
        ],
        "actions": [],
    }


def _is_joinable(event: str, edge: _Edge, nodes: dict[str, Any], warnings: Warnings) -> bool:
    if edge.parent is None:
        text = f"The event {event} has no event above it, and is no input."
        warnings.add("UNLINKED_EVENT", text, eventId=event)
    elif edge.action is None:
        text = f"The event {event} does not say which action has sent it."
        warnings.add("MISSING_ACTION_NAME", text, eventId=event)
    elif edge.parent not in nodes:
        text = f"The event {event} was sent for {edge.parent}, which is not in the log."
        warnings.add("MISSING_PARENT", text, eventId=event)
    else:
        return True
    return False


def _children(node: dict[str, Any], action: str) -> list[str]:
    for each in node["actions"]:
        if each["name"] == action:
            children: list[str] = each["children"]
            return children
    node["actions"].append({"name": action, "children": []})
    return _children(node, action)


def _cut_circles(nodes: dict[str, Any], roots: list[str], warnings: Warnings) -> None:
    """Remove the edges that lead back, the same ones whatever the order of the log."""
    done: set[str] = set()
    for start in (*sorted(roots), *sorted(set(nodes) - set(roots))):
        if start in done:
            continue
        path = [(start, iter(_sorted_children(nodes[start])))]
        above = {start}
        while path:
            event, rest = path[-1]
            action, child = next(rest, ("", ""))
            if not child:
                path.pop()
                above.discard(event)
                done.add(event)
            elif child in above:
                _cut(nodes, _Edge(event, action), child)
                warnings.add(
                    "CYCLE_DETECTED",
                    f"Lineage edge from {event} to {child} through Action {action} "
                    "creates a cycle.",
                    eventId=child,
                    upstreamEventId=event,
                    upstreamActionName=action,
                )
            elif child not in done:
                above.add(child)
                path.append((child, iter(_sorted_children(nodes[child]))))


def _sorted_children(node: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((each["name"], child) for each in node["actions"] for child in each["children"])


def _cut(nodes: dict[str, Any], edge: _Edge, child: str) -> None:
    parent = nodes[str(edge.parent)]
    for each in parent["actions"]:
        if each["name"] == edge.action:
            each["children"].remove(child)
    parent["actions"] = [each for each in parent["actions"] if each["children"]]
    nodes[child]["upstreamEdges"].remove(
        {"upstreamEventId": edge.parent, "upstreamActionName": edge.action}
    )
