"""Reads YAML with positions: the values of a text, and the line and column of each key and item.

PyYAML drops positions when it makes plain values, and of two equal keys it silently uses the
last. Both are needed for good error messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MERGE = "tag:yaml.org,2002:merge"


class LineNumbers:
    """The lines and columns of keys and list items in a text, counted from 1."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], tuple[int, int]] = {(): (1, 1)}
        self.repeated: list[tuple[tuple[str, ...], int]] = []
        """Keys that a mapping has twice, and the line of the second."""
        self._seen: set[int] = set()

    def of(self, path: Sequence[object]) -> int:
        """Return the line of the part at a path, or of the nearest part around it that has one."""
        return self.position(path)[0]

    def position(self, path: Sequence[object]) -> tuple[int, int]:
        """Return the line and the column of that part."""
        names = tuple(map(str, path))
        while names not in self._places:
            names = names[:-1]
        return self._places[names]

    def record(self, node: yaml.Node, path: tuple[str, ...] = ()) -> None:
        """Record the lines of a node's parts; those that an anchor repeats, at the first place."""
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                place = (*path, str(number))
                self._places[place] = _position(item.start_mark)
                self.record(item, place)
        elif isinstance(node, yaml.MappingNode):
            self._record_mapping(node, path)

    def _record_mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> None:
        here: set[str] = set()
        for key, value in node.value:
            if key.tag == _MERGE or not isinstance(key, yaml.ScalarNode):
                continue
            inner, line = (*path, key.value), key.start_mark.line + 1
            if key.value in here:
                self.repeated.append((inner, line))
            here.add(key.value)
            self._places[inner] = _position(key.start_mark)
            self.record(value, inner)


def parse(text: str, source: str) -> tuple[Any, LineNumbers]:
    """Return the value of a YAML text, and its line numbers.

    Raises:
        ConfigError: it is not YAML; `source` names it.
    """
    loader = yaml.SafeLoader(text)
    lines = LineNumbers()
    try:
        node = loader.get_single_node()
        if node is None:
            return None, lines
        lines.record(node)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = source if mark is None else f"{source}, line {mark.line + 1}"
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{where}: this is not YAML: {what}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an invalid date
        raise ConfigError(f"{source} is not YAML: {error}.") from None
    finally:
        loader.dispose()


def _position(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
