"""`SecretText`: the type of fields that hold a key, which no `repr` and no dump shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pydantic import SecretStr

__all__ = ["SecretText", "revealed"]

if TYPE_CHECKING:
    SecretText: TypeAlias = SecretStr | str
else:
    # A plain text is accepted, and becomes one that hides itself.
    SecretText = SecretStr


def revealed(secret: SecretText | None) -> str:
    """The text itself, without the line's end that one from a file has; empty for None."""
    if secret is None:
        return ""
    return (secret if isinstance(secret, str) else secret.get_secret_value()).strip()
