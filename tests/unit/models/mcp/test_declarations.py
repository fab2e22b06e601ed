"""What is wrong with a server's arguments is found when it is declared."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tamias import AgentDefinitionError, Configuration, MCPServer, MCPServerError, MissingExtraError
from tamias.models.mcp.answers import ask_of, replies_to


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "has neither"),
        ({"endpoint": "http://x/mcp", "command": "x"}, "has both"),
        ({"endpoint": "x:1"}, "endpoint of an MCP server is 'x:1'"),
        ({"endpont": "http://x/mcp"}, "endpont"),
        ({"command": "x", "headers": {"a": "b"}}, "headers and auth"),
        ({"endpoint": "http://x/mcp", "args": ["b"]}, "args, env and cwd"),
        ({"command": "x", "timeout": 0}, "above 0"),
        ({"command": "x", "protocol": "2024-01-01"}, "2025-11-25"),
        ({"endpoint": "http://x/mcp", "auth": {"type": "bearer"}}, "'bearer'"),
        ({"endpoint": "http://x/mcp", "auth": {"type": "magic"}}, "'magic'"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentDefinitionError, match=message):
        MCPServer(**arguments)


def test_secrets_are_not_shown() -> None:
    server = MCPServer(command="x", env={"KEY": "secret"}, args=None, cwd=None)
    assert "secret" not in repr(server)


def test_a_missing_sdk_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tamias\[mcp\]'"):
        MCPServer(command="x").provided("clock", Configuration())


FORM: dict[str, Any] = {
    "mode": "form",
    "message": "?",
    "schema": {"properties": {"a": {}, "b": {}}},
}
BOX: dict[str, Any] = {
    "mode": "form",
    "message": "?",
    "schema": {"properties": {"yes": {"type": "boolean"}}},
}
ADDRESS: dict[str, Any] = {"mode": "url", "message": "?", "url": "https://x"}
DECLINED = {"action": "decline"}


@pytest.mark.parametrize(
    ("question", "answer", "reply"),
    [
        (FORM, {"a": 1}, {"action": "accept", "content": {"a": 1}}),
        (FORM, {"action": "decline"}, DECLINED),
        (
            FORM,
            {"action": "accept", "content": {"b": 2}},
            {"action": "accept", "content": {"b": 2}},
        ),
        (FORM, False, DECLINED),
        (FORM, None, DECLINED),
        (BOX, True, {"action": "accept", "content": {"yes": True}}),
        (BOX, "maybe", {"action": "accept", "content": {"yes": "maybe"}}),
        (ADDRESS, True, {"action": "accept"}),
    ],
)
def test_answers(question: dict[str, Any], answer: Any, reply: dict[str, Any]) -> None:
    assert replies_to({"0": question}, answer, server="s") == {"0": reply}


def test_answers_to_several_questions() -> None:
    questions = {"x": FORM, "y": ADDRESS}
    assert ask_of("s", "t", questions) == {"server": "s", "tool": "t", "questions": questions}
    replies = replies_to(questions, {"x": {"a": 1}, "y": True}, server="s")
    assert replies == {"x": {"action": "accept", "content": {"a": 1}}, "y": {"action": "accept"}}
    assert replies_to(questions, False, server="s") == {"x": DECLINED, "y": DECLINED}
    with pytest.raises(MCPServerError, match=r"asks for \['x', 'y'\]"):
        replies_to(questions, {"x": 1}, server="s")
    with pytest.raises(MCPServerError, match=r"\['a', 'b'\]"):
        replies_to({"0": FORM}, "yes", server="s")
