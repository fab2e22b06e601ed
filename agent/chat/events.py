"""Events by which actions talk to models, tools and vector stores.

An action sends a request; a built-in action of every agent serves it, and sends the response, which
has the request's id. So an agent may wait for it in any action that listens to the response::

    request = ChatRequestEvent(model="assistant", messages=[ChatMessage(content="Hello")])
    ctx.send_event(request)  # and later, in another action: event.request_id == request.id

Names, fields and types are those of Flink Agents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from ..event import Event
from ..naming.public import public
from ..resources.chat_message import ChatMessage  # noqa: TC001 (pydantic needs it)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ChatErrorEvent",
    "ChatRequestEvent",
    "ChatResponseEvent",
    "ContextRetrievalRequestEvent",
    "ContextRetrievalResponseEvent",
    "ToolRequestEvent",
    "ToolResponseEvent",
]


class _Positional(Event):
    """Base of events whose fields may be given without their names, in order."""

    if not TYPE_CHECKING:

        def __init__(self, /, *values: Any, **fields: Any) -> None:
            """Raises TypeError for more values than there are fields, or one given twice."""
            names = list(type(self).model_fields)
            if len(values) > len(names):
                msg = f"{type(self).__name__} has the fields {', '.join(names)}, got {len(values)}."
                raise TypeError(msg)
            for name, value in zip(names, values):  # noqa: B905 (fewer values than names)
                if name in fields:
                    msg = f"{type(self).__name__} was given {name!r} twice."
                    raise TypeError(msg)
                fields[name] = value
            super().__init__(**fields)


@public
class ChatRequestEvent(_Positional):
    """Asks a chat model: ``model`` is the name of its setup."""

    EVENT_TYPE: ClassVar[str] = "_chat_request_event"

    model: str
    messages: list[ChatMessage]
    output_schema: Any = None
    """What the answer is to be: as `OutputSchema` takes it; None for a text."""
    prompt_args: dict[str, Any] | None = None
    """Values for the setup's prompt."""


@public
class ChatResponseEvent(_Positional):
    """A chat model's last answer to a request, when it asks for no more tools."""

    EVENT_TYPE: ClassVar[str] = "_chat_response_event"

    request_id: UUID
    response: ChatMessage
    retry_count: int = 0
    """How often calls of the model were tried again."""
    total_retry_wait_sec: float = 0.0
    """The waits that ``retry-wait-interval`` has asked for."""


@public
class ChatErrorEvent(_Positional):
    """A request to a chat model has failed for good, and has no response.

    Sent if an action of the agent listens to it; without such an action the run fails.
    """

    EVENT_TYPE: ClassVar[str] = "_chat_error_event"

    request_id: UUID
    model: str
    error: str
    """The name of the error's class, as "BudgetExceeded"."""
    message: str


@public
class ToolRequestEvent(_Positional):
    """Asks for calls of tools: those in a chat model's answer, as in ``ChatMessage.tool_calls``."""

    EVENT_TYPE: ClassVar[str] = "_tool_request_event"

    model: str
    tool_calls: list[dict[str, Any]]


@public
class ToolResponseEvent(_Positional):
    """What calls of tools have returned, by the ids of the calls."""

    EVENT_TYPE: ClassVar[str] = "_tool_response_event"

    request_id: UUID
    responses: dict[str, Any]
    external_ids: dict[str, str | None] = Field(default_factory=dict)
    """The ids that the model's provider has given to the calls."""
    success: dict[str, bool] = Field(default_factory=dict)
    """Which calls have succeeded: if it is not said, all that `error` does not have."""
    error: dict[str, str] = Field(default_factory=dict)
    """Of the calls that have failed, why."""
    messages: list[ChatMessage] | None = None
    """What the model is told, where that is more than `responses` says: images, for example."""

    @model_validator(mode="after")
    def _with_success(self) -> Self:
        if not self.success and self.responses:
            self.__dict__["success"] = {call: call not in self.error for call in self.responses}
        return self


@public
class ContextRetrievalRequestEvent(_Positional):
    """Asks a vector store for the documents that are nearest to a text."""

    EVENT_TYPE: ClassVar[str] = "_context_retrieval_request_event"

    query: str
    vector_store: str
    """Its name in the agent."""
    max_results: int = 3


@public
class ContextRetrievalResponseEvent(_Positional):
    """The documents that were found, the nearest first."""

    EVENT_TYPE: ClassVar[str] = "_context_retrieval_response_event"

    request_id: UUID
    query: str
    documents: list[Any]
    """Each is a `Document`, also if it was given as a dict."""

    @field_validator("documents")
    @classmethod
    def _made(cls, documents: list[Any]) -> list[Any]:
        if not any(isinstance(each, dict) for each in documents):
            return documents
        from ..models.vector_store import Document  # noqa: PLC0415 (only who needs it has it)

        return [Document(**each) if isinstance(each, dict) else each for each in documents]
