"""Failures of models at work on memory sets: whose they are, and what is said about them."""

from __future__ import annotations

from typing import Final

from ..errors import MemorySetError, ResourceNotFoundError, TamiasError
from ..failures.error_text import message_of
from .summaries import UnusableAnswerError

__all__ = ["is_of_the_model", "reason_of"]

_LONGEST: Final = 200


def is_of_the_model(error: Exception) -> bool:
    """Whether a failure came of a call or of its answer, and is not about the agent or tamias."""
    if isinstance(error, (UnusableAnswerError, MemorySetError, ResourceNotFoundError)):
        return True  # (a set may name a model that the agent has no more)
    return error.is_outcome if isinstance(error, TamiasError) else True


def reason_of(error: Exception, model: str) -> str:
    """What a failure was, for a notice."""
    if isinstance(error, UnusableAnswerError):
        return f"answers of the chat model {model!r} could not be used: {error}"
    return f"the chat model {model!r}: {type(error).__name__}: {message_of(error)[:_LONGEST]}"
