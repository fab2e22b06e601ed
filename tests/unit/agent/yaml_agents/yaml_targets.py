"""What the documents of these tests name: functions, and classes of resources."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tamias import (
    BaseChatModelConnection,
    BaseChatModelSetup,
    ChatMessage,
    MessageRole,
    OutputEvent,
    tool,
)


class Actions:
    """Has actions."""

    @staticmethod
    def double(event: Any, ctx: Any) -> None:
        """Send the double of the input."""
        ctx.send_event(OutputEvent(output=event.input * 2))


def increment(event: Any, ctx: Any) -> None:
    """Send the input and what the settings add."""
    ctx.send_event(OutputEvent(output=event.input + ctx.action_config.get("by", 1)))


def ask(event: Any, ctx: Any) -> None:
    """Ask the model `model`."""
    from tamias import ResourceType

    model = ctx.get_resource("model", ResourceType.CHAT_MODEL)
    answer = model.chat([ChatMessage(role=MessageRole.USER, extra_args={"input": event.input})])
    ctx.send_event(OutputEvent(output=answer.content))


def one_parameter(event: Any) -> None:
    """Cannot be an action."""


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def anything(*values: object) -> str:
    """Cannot be described to a model."""
    return str(values)


def of_tenant(amount: int, tenant: str = "") -> str:
    """Find what a tenant has.

    Args:
        amount: how much.
        tenant: whose.
    """
    return f"{tenant}: {amount}"


def is_large(arguments: dict[str, Any], ctx: Any) -> bool:
    """Whether a call has to be approved."""
    del ctx
    return bool(arguments["amount"] > 1)


@tool(approval=True, timeout=3)
def marked(amount: int) -> str:
    """Is a tool by itself."""
    return str(amount)


class EchoConnection(BaseChatModelConnection):
    """Answers with what it is asked, and how it was made."""

    base_url: str = "none"
    api_key: str = ""

    def chat(self, messages: Any, tools: Any = None, **kwargs: Any) -> ChatMessage:
        """Answer."""
        names = [tool.name for tool in tools or ()]
        text = "|".join(message.content for message in messages)
        told = f"{text} from {self.base_url} {self.api_key} {kwargs['model']} {names}"
        return ChatMessage(role=MessageRole.ASSISTANT, content=told)


class EchoSetup(BaseChatModelSetup):
    """A setup with a model."""

    model: str = "small"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model."""
        return {"model": self.model}


class Answer(BaseModel):
    """What a model is to answer."""

    score: int
