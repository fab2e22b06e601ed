"""As `flink_agents.integrations.mcp.utils` of Flink Agents."""

from __future__ import annotations

from typing import Any

__all__ = ["extract_mcp_content_item"]


def extract_mcp_content_item(content_item: Any) -> Any:
    """A part of a tool's result as plain data; a text as such."""
    kind = getattr(content_item, "type", "")
    if kind == "text":
        return content_item.text
    if kind == "image":
        media_type = getattr(content_item, "mime_type", None) or content_item.mimeType
        return {"type": "image", "data": content_item.data, "mimeType": media_type}
    if kind == "resource":
        resource = content_item.resource
        names = [name for name in ("text", "blob") if hasattr(resource, name)]
        if not names:
            msg = f"A resource in a tool's result has neither a text nor a blob: {resource!r}"
            raise TypeError(msg)
        return {"type": kind, "uri": resource.uri, names[0]: getattr(resource, names[0])}
    return content_item.model_dump() if hasattr(content_item, "model_dump") else str(content_item)
