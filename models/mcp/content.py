"""What tools, prompts and resources of MCP servers give: texts, and blocks for messages."""

from __future__ import annotations

import base64
import json
from typing import Any

from ...agent.resources.chat_message import ChatMessage, MessageRole
from ...agent.resources.content import DocumentBlock, ImageBlock, TextBlock


def result_of(result: dict[str, Any]) -> Any:
    """A tool's result: a text, or a list of blocks if there is more than texts.

    Structured content stands for itself if there is no other; a text that says the same is there
    otherwise, as the protocol wants it.
    """
    blocks = [block_of(each) for each in result.get("content", ())]
    if not blocks and result.get("structuredContent") is not None:
        return result["structuredContent"]
    texts = [block.text for block in blocks if isinstance(block, TextBlock)]
    return "\n".join(texts) if len(texts) == len(blocks) else blocks


def error_of(result: dict[str, Any]) -> str:
    """What a tool says of its failure."""
    blocks = [block_of(each) for each in result.get("content", ())]
    texts = [block.text for block in blocks if isinstance(block, TextBlock)]
    return "\n".join(texts) or "it does not say why"


def block_of(content: dict[str, Any]) -> TextBlock | ImageBlock | DocumentBlock:
    """One part of a result or a prompt, as a block of a message."""
    kind = content.get("type")
    if kind == "text":
        return TextBlock(text=content["text"])
    if kind == "image":
        return ImageBlock(data=content["data"], media_type=content.get("mimeType", ""))
    if kind == "audio":
        return DocumentBlock(data=content["data"], media_type=content.get("mimeType", ""))
    if kind == "resource":
        return _resource(content["resource"])
    if kind == "resource_link":
        named = content.get("title") or content.get("name") or ""
        about = f": {content['description']}" if content.get("description") else ""
        return TextBlock(text=f"[{named}]({content['uri']}){about}")
    return TextBlock(text=json.dumps(content))


def _resource(resource: dict[str, Any]) -> TextBlock | ImageBlock | DocumentBlock:
    kind, name = resource.get("mimeType", ""), resource["uri"]
    if "blob" not in resource:
        return DocumentBlock(text=resource.get("text", ""), name=name, media_type=kind)
    if kind.startswith("image/"):
        return ImageBlock(data=resource["blob"], media_type=kind)
    return DocumentBlock(data=resource["blob"], media_type=kind, name=name)


def contents_of(result: dict[str, Any]) -> str | bytes:
    """What a resource contains: bytes, if it is one blob; else its texts."""
    parts = result.get("contents", ())
    if len(parts) == 1 and "blob" in parts[0]:
        return base64.b64decode(parts[0]["blob"])
    return "\n".join(part.get("text", "") for part in parts)


def messages_of(result: dict[str, Any]) -> list[ChatMessage]:
    """The messages of a prompt."""
    messages = []
    for each in result.get("messages", ()):
        block = block_of(each["content"])
        content: Any = block.text if isinstance(block, TextBlock) else [block]
        messages.append(ChatMessage(role=MessageRole(each["role"]), content=content))
    return messages
