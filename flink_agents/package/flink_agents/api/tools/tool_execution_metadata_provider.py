"""As `flink_agents.api.tools.tool_execution_metadata_provider` of Flink Agents."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

__all__ = ["ToolExecutionMetadataProvider"]


class ToolExecutionMetadataProvider(ABC):
    """A tool that says more of its calls to traces."""

    @abstractmethod
    def get_tool_execution_metadata(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is to be said of a call with these arguments."""
