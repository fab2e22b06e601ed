"""What a protocol of a provider is to the fake server: see `Dialect`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from .http import Request, Response
from .script import Ask, Embedded, Fault, Reply


class RefusalError(Exception):
    """What the protocol refuses before any script is asked."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(status=status, message=message, code=code)


class Dialect(ABC):
    """Understands requests of one provider, and puts answers into its words.

    Attributes:
        models: names of the models that there are; empty for any.
        keys: API keys that are accepted; empty for any, also none.
        context: how many characters a conversation may have.
    """

    def __init__(
        self,
        *,
        models: frozenset[str] = frozenset(),
        keys: frozenset[str] = frozenset(),
        context: int = 10_000_000,
    ) -> None:
        self.models = models
        self.keys = keys
        self.context = context

    @abstractmethod
    def speaks(self, request: Request) -> bool:
        """Whether a request is of this protocol, by its path (and headers)."""

    @abstractmethod
    def ask(self, request: Request, number: int) -> Ask | Response:
        """Understand a request; one that needs no model (a list of them) is answered.

        Raises:
            RefusalError: the provider would not accept it.
        """

    @abstractmethod
    def reply(self, ask: Ask, reply: Reply) -> Response:
        """Put a reply into the provider's words, as a stream if that was asked for."""

    @abstractmethod
    def vectors(self, ask: Ask, embedded: Embedded) -> Response:
        """Put vectors into the provider's words."""

    @abstractmethod
    def error(self, fault: Fault) -> Response:
        """Put an error with a status into the provider's words."""

    def error_event(self, fault: Fault) -> bytes:
        """Put an error that comes within a stream into the provider's words."""
        body = self.error(fault).body.decode()
        return f"data: {body}\n\n".encode()


def json_response(body: Any, **how: Any) -> Response:
    """Answer with a JSON value."""
    return Response(body=json.dumps(body).encode(), **how)


def json_body(request: Request) -> dict[str, Any]:
    """Parse a body.

    Raises:
        RefusalError: it is no JSON object.
    """
    try:
        body = json.loads(request.body)
    except ValueError:
        raise RefusalError(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise RefusalError(400, "The body of your request is no JSON object.")
    return body


def tokens(text: str) -> int:
    """Count tokens as the fake does: four characters each."""
    return (len(text) + 3) // 4


def pieces(text: str) -> list[str]:
    """Split a text into the pieces in which a model says it: words."""
    words = text.split(" ")
    return [word if index == 0 else f" {word}" for index, word in enumerate(words)]
