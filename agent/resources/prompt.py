"""`Prompt`: a text, or messages, with placeholders, as a resource.

Only names that are given are filled in; everything else in braces stays as it is, because prompts
often show JSON to a model.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ..naming.public import public
from .chat_message import ChatMessage, MessageRole
from .resource import ResourceType, SerializableResource

if TYPE_CHECKING:
    from .call_context import CallContext

__all__ = ["LocalPrompt", "Prompt", "SafeFormatter", "format_string", "notice_unfilled"]

_PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}|\{([^{}]+)\}")


@public
class SafeFormatter:
    """Fills in placeholders that it has values for, and leaves everything else as it is."""

    def format(self, template: str, /, **values: object) -> str:
        """``template`` with each ``{name}`` replaced whose name is in ``values``.

        Other names, and what is in double braces, stay as they are.
        """
        return _filled(template, values)


def format_string(template: str, /, **values: object) -> str:
    """As `SafeFormatter.format`."""
    return _filled(template, values)


@public
class Prompt(SerializableResource, ABC):
    """Base of all prompts."""

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.PROMPT`."""
        return ResourceType.PROMPT

    @staticmethod
    def from_text(text: str) -> LocalPrompt:
        """A prompt with the template ``text``."""
        return LocalPrompt(template=text)

    @staticmethod
    def from_messages(messages: Sequence[ChatMessage]) -> LocalPrompt:
        """A prompt of several messages, each with placeholders in its content."""
        return LocalPrompt(template=list(messages))

    @abstractmethod
    def format_string(self, **values: object) -> str:
        """The prompt as one text, with the placeholders named in ``values`` filled in."""

    @abstractmethod
    def format_messages(
        self, role: MessageRole = MessageRole.SYSTEM, **values: object
    ) -> list[ChatMessage]:
        """The prompt as messages. A text becomes one, said by ``role``."""

    async def aformat_messages(
        self, role: MessageRole = MessageRole.SYSTEM, **values: object
    ) -> list[ChatMessage]:
        """The awaitable form of `format_messages`."""
        return self.format_messages(role, **values)


@public
class LocalPrompt(Prompt):
    """A prompt that is plain data."""

    template: str | list[ChatMessage]

    def unfilled(self, values: Collection[str]) -> list[str]:
        """The placeholders, as far as they look like names, that are not among these."""
        parts = self.template if isinstance(self.template, list) else [self.template]
        texts = [part if isinstance(part, str) else part.content for part in parts]
        found = [name for text in texts for name in _PLACEHOLDER.findall(text)]
        return [name for name in dict.fromkeys(found) if name.isidentifier() and name not in values]

    def format_string(self, **values: object) -> str:
        """The text; messages as ``role: content``, a line or more for each."""
        if isinstance(self.template, str):
            return _filled(self.template, values)
        return "\n".join(
            f"{message.role.value}: {_filled(message.content, values)}{message.extra_args or ''}"
            for message in self.template
        )

    def format_messages(
        self, role: MessageRole = MessageRole.SYSTEM, **values: object
    ) -> list[ChatMessage]:
        """New messages, which may be changed."""
        if isinstance(self.template, str):
            return [ChatMessage(role=role, content=_filled(self.template, values))]
        return [
            ChatMessage(
                role=message.role, content=message.content, blocks=message.blocks
            ).with_text(lambda text: _filled(text, values))
            for message in self.template
        ]


def notice_unfilled(context: CallContext, prompt: Prompt, values: Collection[str]) -> None:
    """Report placeholders that nothing fills in: a slip, if they are no part of the text."""
    if isinstance(prompt, LocalPrompt):
        for name in prompt.unfilled(values):
            context.notice(f"nothing fills in {{{name}}} of a prompt, so it stays in the text")


def _filled(template: str, values: dict[str, object]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        return str(values[name]) if name in values else found.group(0)

    return _PLACEHOLDER.sub(value, template)
