"""The values of the settings of short-term memory that expires; names as in Flink Agents."""

from __future__ import annotations

from enum import Enum

from ..naming.public import public

__all__ = ["ShortTermMemoryTtlUpdate", "ShortTermMemoryTtlVisibility"]


@public
class ShortTermMemoryTtlUpdate(str, Enum):
    """Which uses of a field of short-term memory make it live on."""

    ON_CREATE_AND_WRITE = "ON_CREATE_AND_WRITE"
    ON_READ_AND_WRITE = "ON_READ_AND_WRITE"

    def __str__(self) -> str:
        return self.value


@public
class ShortTermMemoryTtlVisibility(str, Enum):
    """Whether fields of short-term memory are seen that have expired and are not removed yet."""

    NEVER_RETURN_EXPIRED = "NEVER_RETURN_EXPIRED"
    RETURN_EXPIRED_IF_NOT_CLEANED_UP = "RETURN_EXPIRED_IF_NOT_CLEANED_UP"

    def __str__(self) -> str:
        return self.value
