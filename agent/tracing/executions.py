"""Executions inside an action, as traces show them.

The entity types and the categories of problems are those of Flink Agents, and a few more.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["CALL", "EMBEDDING", "LLM", "PARSER", "TOOL", "WAIT", "Execution"]

LLM: Final = "llm"
PARSER: Final = "parser"
TOOL: Final = "tool"
CALL: Final = "call"
EMBEDDING: Final = "embedding"
WAIT: Final = "wait"


class Execution:
    """One execution while it is under way: what is known of its end.

    Attributes:
        error: why it has failed; None if it has not.
        attributes: what is to be said of it besides.
    """

    __slots__ = ("attributes", "error")

    def __init__(self) -> None:
        self.error: BaseException | str | None = None
        self.attributes: dict[str, Any] = {}
