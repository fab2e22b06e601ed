"""What is known of OpenAI's models by their names."""

from __future__ import annotations

import re

__all__ = ["knows_schemas", "reasons"]

_REASONING = re.compile(r"(?:[\w.-]+/)?(?:o[1-9]\d*|gpt-5|gpt-6|codex)(?![a-z0-9])(?!.*-chat)")
_WITHOUT_SCHEMAS = re.compile(
    r"gpt-3\.5|gpt-4(?:-\d{4}.*|-32k.*|-turbo.*|-vision.*)?$|gpt-4o-2024-05-13$|o1-(?:mini|preview)"
)


def reasons(model: str) -> bool:
    """Whether a model reasons, and so takes no temperature, and other names of limits."""
    return _REASONING.match(model) is not None


def knows_schemas(model: str) -> bool:
    """Whether a model keeps to a JSON schema; older ones do not."""
    return _WITHOUT_SCHEMAS.match(model) is None
