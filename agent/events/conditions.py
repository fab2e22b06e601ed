"""Conditions on events, in CEL: ``type == "order" && amount > 3``.

A condition is parsed by `cel-python` when the agent is compiled, and becomes a function of Python
closures, which takes about a microsecond for an event. What the closures do not cover (conversions,
times) is evaluated by `cel-python` itself, which takes some hundred.

A condition sees ``type``, ``id``, ``EventType``, ``attributes``, and each attribute by its name. Of
macros there is ``has`` alone, as in Flink Agents; it holds for a missing part of a path, too.
"""

from __future__ import annotations

from typing import Any

from ..errors import MissingExtraError
from .condition_values import EvaluationError, Variables

__all__ = ["Condition"]


class Condition:
    """A condition, ready to be evaluated."""

    __slots__ = ("_evaluate", "source")

    def __init__(self, source: str) -> None:
        """Compile it.

        Raises:
            AgentDefinitionError: it is no condition in CEL, or one that cannot be true or false.
            MissingExtraError: `cel-python` is not installed.
        """
        self.source = source
        try:
            from .cel import compiled  # noqa: PLC0415 (an extra, and a large one)
        except ImportError as error:
            raise MissingExtraError(
                f"The condition {source!r} needs the package cel-python, which cannot be imported:"
                f" {error}.",
                hint="Install it with: pip install 'tamias[cel]'. An event type that is no"
                " identifier is quoted: \"'my type'\".",
            ) from None
        self._evaluate = compiled(source)

    def holds_for(self, event: Any) -> bool:
        """Whether it is true of an event.

        Raises:
            EvaluationError: it is neither true nor false.
        """
        try:
            result = self._evaluate(Variables(event))
        except RecursionError:
            raise EvaluationError("a value is nested too deeply") from None
        if type(result) is not bool:
            raise EvaluationError(f"its value is no bool, but {str(result)[:80]!r}")
        return result
