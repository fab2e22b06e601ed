"""What a request of a worker may end in, as it is sent to it."""

from __future__ import annotations

from typing import Any


class Fault(Exception):  # noqa: N818 (it is an answer)
    """A request has failed.

    ``kind`` decides which error the worker raises: "error" (the server refuses), "start" (it does
    not start), "unavailable" (the request was not made, or may be made again), "interrupted" (it
    may have been made), "changed" (the tool is another one).
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        hint: str = "",
        code: int | None = None,
        data: Any = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.code = code
        self.data = data

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "kind": self.kind,
            "message": self.message,
            "hint": self.hint,
            "code": self.code,
        }
