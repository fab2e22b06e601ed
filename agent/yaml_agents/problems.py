"""Mistakes in a document, each with its position, collected to be reported together."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from ..errors import AgentDefinitionError
from ..naming.classes import is_subclass
from .specs import DescriptorSpec, Document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ..config.yaml_lines import LineNumbers

_TAGS = frozenset(("reference", "action", "[key]"))
"""What pydantic puts into the place of a mistake besides keys and numbers."""


class Problems:
    """The mistakes of one document.

    Args:
        source: the name of the document, for messages.
        lines: the positions of its parts.
    """

    def __init__(self, source: str, lines: LineNumbers) -> None:
        self.source = source
        self._lines = lines
        self.found: list[tuple[tuple[int, int], str]] = []

    def add(self, path: Iterable[object], what: str) -> None:
        """Add a mistake in the part at a path."""
        names = tuple(path)
        where = _dotted(names)
        text = what.strip().rstrip(".")
        self.found.append((self._lines.position(names), f"{where}: {text}" if where else text))

    def add_error(self, path: Iterable[object], error: Exception) -> None:
        """Add what an error of tamias says."""
        message = getattr(error, "message", "") or str(error)
        hint = getattr(error, "hint", "")
        self.add(path, f"{message} {hint}" if hint else message)

    def add_invalid(self, error: ValidationError) -> None:
        """Add the mistakes that pydantic has found."""
        for problem in error.errors(include_url=False, include_input=False):
            path = tuple(part for part in problem["loc"] if part not in _TAGS)
            kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
            if kind == "extra_forbidden":
                known = list(_model_at(path[:-1]).model_fields)
                message = f"there is no such key{did_you_mean(path[-1], known)}; there are: "
                message += ", ".join(known)
            elif kind == "missing":
                path, message = path[:-1], f"it needs {path[-1]}"
            elif kind == "string_pattern_mismatch" and path[-1:] == ("function",):
                message = "a function is written module:name or module:Class.name"
            elif kind == "model_type":
                message = "it should be a mapping of keys and values"
            else:
                message = message.replace("Input should", "it should", 1)
                message = f"{message[:1].lower()}{message[1:]}"
            self.add(path, message)

    def error(self) -> AgentDefinitionError | None:
        """Return an error with all of them; None if there are none."""
        return problems_error([self])


def problems_error(documents: Iterable[Problems]) -> AgentDefinitionError | None:
    """Return one error for the mistakes of several documents; None if there are none."""
    lines = [
        f"{problems.source}:{line}:{column}: {what}"
        for problems in documents
        for (line, column), what in dict.fromkeys(sorted(problems.found))
    ]
    if not lines:
        return None
    if len(lines) == 1:
        return AgentDefinitionError(f"{lines[0]}.")
    return AgentDefinitionError(f"There are {len(lines)} mistakes:\n  " + "\n  ".join(lines))


def did_you_mean(name: object, known: Collection[str]) -> str:
    """Return a guess in brackets, with a space before it; empty if nothing is close."""
    close = get_close_matches(str(name), known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _dotted(path: tuple[object, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _model_at(path: tuple[object, ...]) -> type[BaseModel]:
    """Return the model of the mapping at a path."""
    model: type[BaseModel] = Document
    for part in path:
        field = model.model_fields.get(str(part)) if not isinstance(part, int) else None
        if field is not None:
            model = _inner_model(field.annotation) or DescriptorSpec
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model within an annotation such as `list[Model] | None`."""
    if is_subclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _inner_model(inner)
        if found is not None:
            return found
    return None
