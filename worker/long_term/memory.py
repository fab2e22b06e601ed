"""The long-term memory that an action holds: it gives memory sets and their names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.memory_options import LongTermMemoryOptions
from ...agent.errors import MemorySetError
from ...agent.long_term.memory_set import CompactionConfig, LongTermMemory
from ...agent.resources.chat_message import ChatMessage
from ...agent.waiting.moments import seconds_of
from ...store.sets.changes import SetName
from ...store.sets.records import LONGEST_NAME, SetSettings, shared_owner
from ..memory.set_layers import refuse_inside_durable_call
from .memory_set import WorkerMemorySet

if TYPE_CHECKING:
    from ...agent.context import RunnerContext
    from ...agent.long_term.memory_set import Eviction, MemorySet
    from ...agent.waiting.moments import Duration
    from ..runs.run import Run

ITEM_TYPES: Final[dict[type, str]] = {str: "text", ChatMessage: "message", object: "json"}


class WorkerLongTermMemory(LongTermMemory):
    """The memory sets of a run's key, and those that all keys share."""

    def __init__(self, context: RunnerContext, run: Run) -> None:
        self._context = context
        self._run = run

    def get_memory_set(
        self,
        name: str,
        *,
        item_type: type | None = None,
        capacity: int | None = None,
        compaction_config: CompactionConfig | None = None,
        shared: bool = False,
        embedding: str | None = None,
        max_tokens: int | None = None,
        max_bytes: int | None = None,
        eviction: Eviction | None = None,
        duplicates_above: float | None = None,
        ttl: Duration | None = None,
        half_life: Duration | None = None,
    ) -> MemorySet:
        """See `LongTermMemory.get_memory_set`."""
        refuse_inside_durable_call()
        set_name = SetName(self._owner(shared=shared), checked_name(name))
        lane = self._run.lane
        known = lane.read_set_settings(set_name)
        given: dict[str, Any] = {"shared": shared}
        if item_type is not None:
            given["item_type"] = _item_type(name, item_type)
        if compaction_config is not None:
            given["compaction"] = compaction_config.model_dump(mode="json")
        for option, value in (("ttl", ttl), ("half_life", half_life)):
            if value is not None:
                given[option] = seconds_of(value, f"{option} of the memory set {name!r}")
        plain = {
            "capacity": capacity,
            "embedding": embedding,
            "max_tokens": max_tokens,
            "max_bytes": max_bytes,
            "eviction": eviction,
            "duplicates_above": duplicates_above,
        }
        given |= {option: value for option, value in plain.items() if value is not None}
        settings = replace(known or self._defaults(), **given)
        if known is not None and known.item_type != settings.item_type:
            raise MemorySetError(
                f"The memory set {name!r} has items of the type {known.item_type!r}, and was asked "
                f"for with {settings.item_type!r}.",
                hint="Use another name for the other set.",
            )
        return WorkerMemorySet(self._context, self._run, set_name, settings, known)

    def _defaults(self) -> SetSettings:
        config = self._context.config
        return SetSettings(
            embedding=config.get(LongTermMemoryOptions.EMBEDDING_MODEL),
            ttl=config.get(LongTermMemoryOptions.TTL),
            half_life=config.get(LongTermMemoryOptions.HALF_LIFE),
        )

    def delete_memory_set(self, name: str, *, shared: bool = False) -> bool:
        """See `LongTermMemory.delete_memory_set`."""
        refuse_inside_durable_call()
        set_name = SetName(self._owner(shared=shared), checked_name(name))
        if self._run.lane.read_set_settings(set_name) is None:
            return False
        self._run.lane.set_layers().change(set_name).clear(drop=True)
        return True

    def memory_set_names(self, *, shared: bool = False) -> list[str]:
        """See `LongTermMemory.memory_set_names`."""
        refuse_inside_durable_call()
        return self._run.lane.read_set_names(self._owner(shared=shared))

    def _owner(self, *, shared: bool) -> bytes:
        lane = self._run.lane
        return shared_owner(lane.key_bytes) if shared else lane.prefix


def checked_name(name: Any) -> str:
    """Return the name of a set. Raises MemorySetError for what can be none."""
    if not isinstance(name, str) or not name:
        raise MemorySetError(f"{name!r} is no name of a memory set: give a text.")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise MemorySetError(f"{name!r} is no name of a memory set: it is no UTF-8.") from None
    if length > LONGEST_NAME:
        raise MemorySetError(
            f"{name[:50]!r}... is too long for the name of a memory set: {length} bytes of "
            f"{LONGEST_NAME}."
        )
    return str(name)


def _item_type(name: str, given: type) -> str:
    if given in ITEM_TYPES:
        return ITEM_TYPES[given]
    if given in (dict, list):
        return "json"
    raise MemorySetError(
        f"The memory set {name!r} cannot have items of the type {given!r}.",
        hint="Give str, ChatMessage, or object for what JSON can say.",
    )
