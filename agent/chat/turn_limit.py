"""`TurnLimitError`: a chat model asks for tools again and again."""

from __future__ import annotations

from ..errors import RunError
from ..naming.public import public

__all__ = ["TurnLimitError"]


@public
class TurnLimitError(RunError):
    """A chat model has not answered within ``chat.max-turns`` turns."""

    is_outcome = True
