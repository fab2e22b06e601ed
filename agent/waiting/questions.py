"""Questions that runs ask, and answers to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from ..naming.public import public

__all__ = ["Answer", "Question", "is_token"]

_TOKEN: Final = re.compile(r"q[0-9a-f]{47}")


@public
@dataclass(frozen=True)
class Question:
    """What a run has asked, and waits for the answer to; a sink gets it as an output.

    Attributes:
        token: names the question in an answer; it cannot be guessed.
        name: the name that the action gave it.
        ask: what the action asks; any value that can be pickled, or None.
        key: the key of the run.
        asked_at: when it was asked, in seconds since the epoch.
        deadline: when the run goes on without an answer, in seconds since the epoch; None for
            never.
    """

    token: str
    name: str
    ask: Any
    key: Any
    asked_at: float
    deadline: float | None


@public
@dataclass(frozen=True)
class Answer:
    """An input that answers a question; its key must be that of the run that has asked.

    A JSON object with a field ``answer_to`` that is a token is the same.

    Attributes:
        answer_to: the question's token.
        value: the answer, which `RunnerContext.wait_for` returns.
        by: who has answered.
    """

    answer_to: str
    value: Any = None
    by: str | None = None


def is_token(text: object) -> bool:
    """Whether a value has the form of a question's token."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None
