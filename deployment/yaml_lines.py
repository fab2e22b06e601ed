"""YAML with places: what a text says, and on which line each part of it stands.

PyYAML forgets lines when it makes plain values, and takes the last of two equal keys without a
word. Someone who has written a file by hand wants to be told of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ..agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MERGE = "tag:yaml.org,2002:merge"


class LineNumbers:
    """On which line of a text a key or an item of a list stands; lines count from 1."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, ...], int] = {(): 1}
        self.repeated: list[tuple[tuple[str, ...], int]] = []
        """Keys that one mapping has twice, and the line of the second."""
        self._seen: set[int] = set()

    def of(self, path: Sequence[object]) -> int:
        """The line of what a path leads to, or of the nearest thing around it that has one."""
        names = tuple(map(str, path))
        while names not in self._lines:
            names = names[:-1]
        return self._lines[names]

    def note(self, node: yaml.Node, path: tuple[str, ...] = ()) -> None:
        """Take in what a node holds. What an anchor repeats is noted where it stands first."""
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                place = (*path, str(number))
                self._lines[place] = item.start_mark.line + 1
                self.note(item, place)
        elif isinstance(node, yaml.MappingNode):
            self._note_mapping(node, path)

    def _note_mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> None:
        here: set[str] = set()
        for key, value in node.value:
            if key.tag == _MERGE or not isinstance(key, yaml.ScalarNode):
                continue
            inner, line = (*path, key.value), key.start_mark.line + 1
            if key.value in here:
                self.repeated.append((inner, line))
            here.add(key.value)
            self._lines[inner] = line
            self.note(value, inner)


def parse(text: str, source: str) -> tuple[Any, LineNumbers]:
    """What a YAML text holds, and where.

    Raises:
        ConfigError: it is not YAML; `source` names it.
    """
    loader = yaml.SafeLoader(text)
    lines = LineNumbers()
    try:
        node = loader.get_single_node()
        if node is None:
            return None, lines
        lines.note(node)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}, line {mark.line + 1}" if mark is not None else source
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{where}: this is not YAML: {what}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        raise ConfigError(f"{source} is not YAML: {error}.") from None
    finally:
        loader.dispose()
