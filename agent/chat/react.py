"""`ReActAgent`: reason and act, in turns: a model asks for tools until it can answer.

For each input the agent asks its chat model; the built-in actions of every agent call the tools
that the model asks for, and give it their results. The last answer is the agent's output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from ..agent import Agent
from ..errors import AgentDefinitionError, ResourceNotFoundError
from ..event import Event, InputEvent, OutputEvent
from ..naming.public import public
from ..resources.chat_message import ChatMessage, MessageRole
from ..resources.prompt import Prompt, notice_unfilled
from ..resources.resource import ResourceType
from .events import ChatRequestEvent, ChatResponseEvent

if TYPE_CHECKING:
    from ..context import RunnerContext
    from ..resources.resource import Resource, ResourceDescriptor

__all__ = ["ReActAgent"]

_CHAT_MODEL: Final = "_default_chat_model"
_PROMPT: Final = "_default_user_prompt"
_STRUCTURED_OUTPUT: Final = "structured_output"
_PLAIN: Final = (str, int, float, bool)


@public
class ReActAgent(Agent):
    """Answers each input with a chat model and its tools.

    Args:
        chat_model: the setup of the model, with its tools: its descriptor, the resource itself, or
            the name of one that the agent, or its environment, has.
        prompt: makes messages of an input: a `Prompt`, or the name of one. Its placeholders are the
            fields of the input; a text or a number is ``{input}``. Without a prompt, inputs are
            texts or numbers, or messages.
        output_schema: what the output is to be: a pydantic model, a row type, a JSON schema; None
            for the model's text.

    Raises:
        AgentDefinitionError: an argument is of another type.
    """

    def __init__(
        self,
        *,
        chat_model: ResourceDescriptor | Resource | str,
        prompt: Prompt | str | None = None,
        output_schema: Any = None,
    ) -> None:
        model = chat_model if isinstance(chat_model, str) else _CHAT_MODEL
        if not isinstance(chat_model, str):
            self.add_resource(_CHAT_MODEL, ResourceType.CHAT_MODEL, chat_model)
        name = prompt if isinstance(prompt, str) else _PROMPT
        if isinstance(prompt, Prompt):
            self.add_resource(_PROMPT, ResourceType.PROMPT, prompt)
        elif prompt is not None and not isinstance(prompt, str):
            msg = f"The prompt of a ReActAgent is {prompt!r}."
            raise AgentDefinitionError(msg, hint="Give a Prompt, or the name of one.")
        self.add_action(
            "start_action",
            [InputEvent],
            _start,
            model=model,
            prompt=name,
            must_have_prompt=isinstance(prompt, str),
            output_schema=output_schema,
        )
        self.add_action("stop_action", [ChatResponseEvent], _stop)


def _start(event: Event, ctx: RunnerContext) -> None:
    """Ask the model about an input."""
    given = InputEvent.from_event(event).input
    settings = ctx.action_config
    request = ChatRequestEvent(
        model=settings["model"],
        messages=_messages(given, _prompt(ctx, settings), ctx),
        output_schema=settings["output_schema"],
    )
    ctx.send_event(request)


def _prompt(ctx: RunnerContext, settings: Mapping[str, Any]) -> Prompt | None:
    is_own = settings["prompt"] in ctx.resource_names(ResourceType.PROMPT)
    has_servers = bool(ctx.resource_names(ResourceType.MCP_SERVER))
    if has_servers and not is_own and not settings["must_have_prompt"]:
        return None  # it is not one of a server's: they need not be asked
    try:
        prompt = ctx.get_resource(settings["prompt"], ResourceType.PROMPT)
    except ResourceNotFoundError:
        if settings["must_have_prompt"]:
            raise
        return None
    return prompt if isinstance(prompt, Prompt) else None


def _messages(given: Any, prompt: Prompt | None, ctx: RunnerContext) -> list[ChatMessage]:
    """The messages that an input becomes.

    Raises:
        ValueError: the input has fields, and there is no prompt that says what to make of them.
    """
    if prompt is not None:
        if isinstance(given, BaseModel):
            values = given.model_dump()
        elif isinstance(given, Mapping):
            values = {str(name): value for name, value in given.items()}
        else:
            values = {"input": given}
        texts = {name: str(value) for name, value in values.items() if name != "role"}
        notice_unfilled(ctx, prompt, texts)
        return prompt.format_messages(role=MessageRole.USER, **texts)
    if isinstance(given, ChatMessage):
        return [given]
    if isinstance(given, list) and given and all(isinstance(each, ChatMessage) for each in given):
        return given
    if isinstance(given, _PLAIN):
        return [ChatMessage(role=MessageRole.USER, content=str(given))]
    msg = (
        f"The input is a {type(given).__name__}, and the agent has no prompt that makes a message"
        f" of it for the chat model {ctx.action_config['model']!r}: give ReActAgent a prompt."
    )
    raise ValueError(msg)


def _stop(event: Event, ctx: RunnerContext) -> None:
    """Send the answer as output."""
    response = ChatResponseEvent.from_event(event).response
    output = response.extra_args.get(_STRUCTURED_OUTPUT, response.content)
    ctx.send_event(OutputEvent(output=output))
