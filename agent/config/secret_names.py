"""Settings that are secrets, by their names: no record has them, and no text shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["is_secret", "secret_settings", "shown", "without_secrets"]

_SECRET = re.compile(
    r"(?:^|[._-])(?:api_?key|secret(?:_?key)?|password|passwd|credentials?"
    r"|(?:access|auth|bearer|api|refresh|session)_?token|token|default_headers)$",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether the value of a setting or an argument of that name is a secret."""
    return _SECRET.search(name.replace("-", "_")) is not None


def without_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings whose values may be recorded."""
    return {name: value for name, value in settings.items() if not is_secret(name)}


def secret_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings whose values are secrets."""
    return {name: value for name, value in settings.items() if is_secret(name)}


def shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as they may be shown: secrets as three dots."""
    return {name: "..." if is_secret(name) else value for name, value in settings.items()}
