"""`OutputConversation`: has a model answer again while its answer does not match a schema. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..resources.chat_message import ChatMessage
from ..tracing.executions import PARSER
from .output_schema import STRUCTURED_OUTPUT, OutputParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..resources.call_context import CallContext
    from .output_schema import OutputSchema

__all__ = ["OutputConversation"]


class OutputConversation:
    """Begin with `messages`, hand each answer to `take`, until that returns one.

    Args:
        messages: what the model is asked.
        schema: what its answer is to match; None if any will do.
        attempts: how often it is asked at most.
        context: of the action that asks; None outside of any.
    """

    def __init__(
        self,
        messages: Sequence[ChatMessage],
        schema: OutputSchema | None,
        attempts: int,
        context: CallContext | None = None,
    ) -> None:
        self.messages = list(messages)
        self._schema = schema
        self._attempts = attempts
        self._context = context
        self._asked = 0

    def take(self, answer: ChatMessage) -> ChatMessage | None:
        """The answer with its parsed value; None if the model is to be asked again.

        An answer that asks for tools is none yet.

        Raises:
            OutputParseError: the last answer does not match.
        """
        self._asked += 1
        if self._schema is None or answer.tool_calls:
            return answer
        try:
            value = self._parsed(self._schema, answer.content)
        except OutputParseError as error:
            if answer.extra_args.get("finish_reason") == "length":
                hint = "It was cut off at the limit of its tokens: raise max_tokens."
                raise OutputParseError(error.message, hint=hint) from None
            if self._asked >= self._attempts:
                message = f"{error.message} The model was asked {self._asked} times."
                raise OutputParseError(message) from None
            again = f"{error.message} Answer again, with JSON that matches the schema only."
            said = ChatMessage(role=answer.role, content=answer.content)
            self.messages = [*self.messages, said, ChatMessage(content=again)]
            return None
        extra = {**answer.extra_args, STRUCTURED_OUTPUT: value}
        return answer.model_copy(update={"extra_args": extra})

    def _parsed(self, schema: OutputSchema, text: str) -> Any:
        if self._context is None:
            return schema.parse(text)
        with self._context.execution(PARSER, STRUCTURED_OUTPUT):
            return schema.parse(text)
