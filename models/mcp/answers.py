"""What a server asks for in the middle of a call, and what an answer from outside means to it."""

from __future__ import annotations

from typing import Any

from ...agent.resources.mcp_server import MCPServerError

_ACTIONS = frozenset({"accept", "decline", "cancel"})


def ask_of(server: str, tool: str, questions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What is asked: that of one question directly, of several in ``questions`` by their keys."""
    asked = {"server": server, "tool": tool}
    if len(questions) == 1:
        return {**asked, **next(iter(questions.values()))}
    return {**asked, "questions": questions}


def replies_to(
    questions: dict[str, dict[str, Any]], answer: Any, *, server: str
) -> dict[str, dict[str, Any]]:
    """The reply to each question.

    Raises:
        MCPServerError: the answer does not fit.
    """
    if len(questions) == 1:
        key, question = next(iter(questions.items()))
        return {key: _reply(question, answer, server)}
    if isinstance(answer, dict) and set(answer) == set(questions):
        return {key: _reply(each, answer[key], server) for key, each in questions.items()}
    if isinstance(answer, (bool, type(None))) or (
        isinstance(answer, dict) and answer.get("action") in _ACTIONS
    ):
        return {key: _reply(each, answer, server) for key, each in questions.items()}
    raise MCPServerError(
        f"The MCP server {server!r} asks for {sorted(questions)}, and was answered {answer!r}.",
        hint="Answer with an object of these keys.",
        server=server,
    )


def _reply(question: dict[str, Any], answer: Any, server: str) -> dict[str, Any]:
    """The reply to one question, in the protocol's terms."""
    if answer is None or answer is False:
        return {"action": "decline"}
    is_reply = isinstance(answer, dict) and answer.get("action") in _ACTIONS
    if is_reply and set(answer) <= {"action", "content"}:
        return _accepted(question, answer) if answer["action"] == "accept" else answer
    if answer is True:
        return _accepted(question, {"action": "accept", "content": {}})
    if isinstance(answer, dict):
        return _accepted(question, {"action": "accept", "content": answer})
    fields = list(question.get("schema", {}).get("properties", {}))
    if len(fields) == 1:
        return {"action": "accept", "content": {fields[0]: answer}}
    raise MCPServerError(
        f"The MCP server {server!r} asks for {fields or 'consent'}, and was answered {answer!r}.",
        hint="Answer with an object of these fields, or with false to decline.",
        server=server,
    )


def _accepted(question: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The acceptance: of a form with its content, of an address without."""
    if question.get("mode") == "url":
        return {"action": "accept"}
    content = answer.get("content") or {}
    fields = question.get("schema", {}).get("properties", {})
    if not content and len(fields) == 1:
        # "Yes" to a form of one box means that the box is ticked.
        name, field = next(iter(fields.items()))
        if field.get("type") == "boolean":
            content = {name: True}
    return {"action": "accept", "content": content}
