"""The settings of long-term memory."""

from __future__ import annotations

from enum import Enum

from ..naming.public import public
from .option import ConfigOption
from .values import parse_duration, parse_size

__all__ = ["LongTermMemoryBackend", "LongTermMemoryOptions"]


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
