"""The settings of long-term memory, and of events about memory."""

from __future__ import annotations

from enum import Enum
from typing import Final

from ..naming.public import public
from .option import ConfigOption
from .values import parse_duration, parse_size

__all__ = [
    "GROUPS_OF_MEMORY",
    "LongTermMemoryBackend",
    "LongTermMemoryOptions",
    "MemoryEventOptions",
]


@public
class LongTermMemoryOptions:
    """Memory sets, as far as they do not say something else."""

    EMBEDDING_MODEL = ConfigOption(
        "long-term-memory.embedding-model",
        str,
        "",
        description="The embedding model of the agent that makes vectors of items; empty for none:"
        " searches go by words alone then.",
    )
    MAX_ITEMS = ConfigOption(
        "long-term-memory.max-items",
        int,
        10_000,
        minimum=1,
        description="Items of a key's set, at most.",
    )
    SHARED_MAX_ITEMS = ConfigOption(
        "long-term-memory.shared-max-items",
        int,
        1_000_000,
        minimum=1,
        description="Items of a shared set in each shard of the store, at most.",
    )
    MAX_ITEM_SIZE = ConfigOption(
        "long-term-memory.max-item-size",
        int,
        256 << 10,
        parse=parse_size,
        description="The size of an item with its metadata, at most.",
    )
    KEY_MAX_BYTES = ConfigOption(
        "long-term-memory.key-max-bytes",
        int,
        64 << 20,
        parse=parse_size,
        description="The size of all sets of a key together, at most.",
    )
    TTL = ConfigOption(
        "long-term-memory.ttl",
        float,
        0.0,
        parse=parse_duration,
        description="How long an item lives; 0 for ever.",
    )
    HALF_LIFE = ConfigOption(
        "long-term-memory.half-life",
        float,
        0.0,
        parse=parse_duration,
        description="The time in which the weight of an item halves in searches; 0 for never.",
    )
    BACKEND = ConfigOption(
        "long-term-memory.backend",
        str,
        "",
        description="Accepted for programs of Flink Agents; the memory is in the store.",
    )
    EXTERNAL_VECTOR_STORE_NAME = ConfigOption(
        "long-term-memory.external-vector-store-name",
        str,
        "",
        description="Accepted for programs of Flink Agents; the memory is in the store.",
    )
    ASYNC_COMPACTION = ConfigOption(
        "long-term-memory.async-compaction",
        bool,
        True,
        description="Accepted for programs of Flink Agents; a compaction is a run of its own.",
    )

    class Mem0:
        """The options of Flink Agents 0.3, whose memory is in Mem0."""

        EMBEDDING_MODEL_SETUP = ConfigOption(
            "long-term-memory.mem0.embedding-model-setup",
            str,
            "",
            description="As long-term-memory.embedding-model, where that is empty.",
        )
        CHAT_MODEL_SETUP = ConfigOption(
            "long-term-memory.mem0.chat-model-setup",
            str,
            "",
            description="Accepted for programs of Flink Agents; no model is asked without infer=.",
        )
        VECTOR_STORE = ConfigOption(
            "long-term-memory.mem0.vector-store",
            str,
            "",
            description="Accepted for programs of Flink Agents; the memory is in the store.",
        )


@public
class LongTermMemoryBackend(str, Enum):
    """What Flink Agents 0.2 has for the option ``long-term-memory.backend``; without effect."""

    EXTERNAL_VECTOR_STORE = "external_vector_store"


def _switch(name: str, description: str) -> ConfigOption[bool | None]:
    return ConfigOption(f"memory.generate-event{name}", bool, None, description=description)


class MemoryEventOptions:
    """Which uses of memory by an action send an event behind it, if an action listens to it."""

    MEMORY_GENERATE_EVENT = _switch("", "Where the use has no switch of its own, or that is unset.")
    SHORT_TERM_WRITE = _switch(".short-term-write", "Writes to short-term memory; unset: they do.")
    SENSORY_WRITE = _switch(".sensory-write", "Writes to sensory memory; unset: they do.")
    SHORT_TERM_READ = _switch(".short-term-read", "Accepted, and without effect.")
    SENSORY_READ = _switch(".sensory-read", "Accepted, and without effect.")
    LONG_TERM_UPDATE = _switch(".long-term-update", "Accepted, and without effect.")
    LONG_TERM_GET = _switch(".long-term-get", "Accepted, and without effect.")
    LONG_TERM_SEARCH = _switch(".long-term-search", "Accepted, and without effect.")


GROUPS_OF_MEMORY: Final = (LongTermMemoryOptions, LongTermMemoryOptions.Mem0, MemoryEventOptions)
"""The classes of options in this module."""
