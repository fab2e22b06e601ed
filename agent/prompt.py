"""`Prompt`: a text with placeholders, as a resource."""

from __future__ import annotations

import re

from .resource import ResourceType, SerializableResource

__all__ = ["Prompt"]

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class Prompt(SerializableResource):
    """A text with ``{placeholders}``.

    Only names that are given are filled in; everything else in braces stays as it is, because
    prompts often show JSON to a model.
    """

    template: str

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.PROMPT`."""
        return ResourceType.PROMPT

    @staticmethod
    def from_text(text: str) -> Prompt:
        """A prompt with the template ``text``."""
        return Prompt(template=text)

    def format_string(self, **values: object) -> str:
        """The text with the placeholders named in ``values`` filled in."""
        return _PLACEHOLDER.sub(
            lambda found: str(values.get(found.group(1), found.group(0))), self.template
        )
