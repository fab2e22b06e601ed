"""Approvals: what is asked before a tool is called, and what an answer means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from .tool import Tool

__all__ = [
    "MOST_QUESTIONS",
    "Decision",
    "ask_of",
    "decision_of",
    "question_name",
    "shown_answer",
]

_LONGEST_SHOWN: Final = 80
MOST_QUESTIONS: Final = 10
"""A call about which was asked so often without a clear answer is not made."""

_YES: Final = frozenset({"true", "yes", "y", "ok", "approve", "approved", "allow", "allowed"})
_NO: Final = frozenset(
    {"false", "no", "n", "deny", "denied", "reject", "rejected", "refuse", "refused"}
)


class Decision(NamedTuple):
    """What an answer says."""

    approved: bool
    reason: str = ""
    arguments: dict[str, Any] | None = None
    """Those to call the tool with in place of the model's."""


def question_name(tool: str) -> str:
    """Return the name of the question whether a tool is to be called."""
    return f"approve {tool}"


def ask_of(
    tool: Tool, call_id: str, arguments: dict[str, Any], digest: str, reason: str
) -> dict[str, Any]:
    """Return what is asked; `reason` is why it is asked again."""
    asked = {
        "tool": tool.name,
        "arguments": arguments,
        "description": tool.description,
        "call_id": call_id,
        "digest": digest,
    }
    return {**asked, "reason": reason} if reason else asked


def decision_of(answer: Any) -> Decision | None:
    """Return what an answer says; None if that is neither yes nor no.

    True and False, "yes" and "no" and the like; or a mapping with ``approved``, and perhaps
    ``reason`` and ``arguments``.
    """
    if isinstance(answer, dict):
        approved = answer.get("approved")
        decision = None if isinstance(approved, dict) else decision_of(approved)
        arguments = answer.get("arguments")
        if decision is None or not (arguments is None or isinstance(arguments, dict)):
            return None
        reason = answer.get("reason")
        return Decision(decision.approved, "" if reason is None else str(reason), arguments)
    if isinstance(answer, bool):
        return Decision(answer)
    if isinstance(answer, str):
        word = answer.strip().lower()
        if word in _YES:
            return Decision(approved=True)
        if word in _NO:
            return Decision(approved=False)
    return None


def shown_answer(answer: Any) -> str:
    """An answer as text, whatever it is: values of Python programs need have no JSON form."""
    try:
        return json.dumps(answer, default=str)[:_LONGEST_SHOWN]
    except Exception:  # noqa: BLE001 (a value's own code may raise anything)
        return f"of type {type(answer).__name__}"
