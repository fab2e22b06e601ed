"""`CallRecorder`: where calls of models are recorded for tests, and where their answers come from.

Implemented by what has files: see the options ``model-calls`` and ``cassette``.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import RunError
from ..naming.public import public

__all__ = ["CallRecorder", "MissingRecordingError"]


class CallRecorder(Protocol):
    """Records calls of models, or answers them from what is on record."""

    @property
    def replays(self) -> bool:
        """Whether calls are answered from what is on record, and none is made."""

    def find(self, asked: dict[str, Any]) -> Any:
        """The recorded answer, as JSON, to what is asked.

        Raises:
            MissingRecordingError: there is none.
        """

    def add(self, asked: dict[str, Any], answer: Any) -> None:
        """Record an answer, as JSON."""


@public
class MissingRecordingError(RunError):
    """A call of a model is to be answered from a cassette, which has no such call."""
