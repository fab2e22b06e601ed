"""`NamedTool`: a function as a tool, under the name that a document gives it."""

from __future__ import annotations

from pydantic import Field

from ..tools.tool import FunctionTool


class NamedTool(FunctionTool):
    """A tool that is a function, and is called by another name than the function's."""

    given_name: str = Field(min_length=1)

    @property
    def name(self) -> str:
        """The name in the document, by which setups and actions know the tool, too."""
        return self.given_name
