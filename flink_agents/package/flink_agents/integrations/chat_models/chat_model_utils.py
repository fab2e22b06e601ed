"""As `flink_agents.integrations.chat_models.chat_model_utils` of Flink Agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tamias import AgentDefinitionError, ToolMetadata

__all__ = ["to_openai_tool"]

_LONGEST: Final = 1024


class DescriptionTooLongError(AgentDefinitionError, ValueError):
    """A tool's description is longer than services take."""


def to_openai_tool(*, metadata: ToolMetadata, skip_length_check: bool = False) -> dict[str, Any]:
    """A tool as chat completions take it. Raises a ValueError if its description is too long."""
    check_length(metadata, skip_length_check=skip_length_check)
    return {
        "type": "function",
        "function": {
            "name": metadata.name,
            "description": metadata.description,
            "parameters": metadata.get_parameters_dict(),
        },
    }


def check_length(metadata: ToolMetadata, *, skip_length_check: bool) -> None:
    """Raise a ValueError if the description of a tool is too long."""
    if not skip_length_check and len(metadata.description) > _LONGEST:
        msg = (
            f"The description of the tool {metadata.name!r} has {len(metadata.description)}"
            f" characters; services take {_LONGEST}."
        )
        raise DescriptionTooLongError(msg, hint="Say the rest in the prompt.")


def without_none(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the arguments without those of these names that are None."""
    return {name: value for name, value in data.items() if value is not None or name not in names}
