"""The long-term memory that an action holds: it gives memory sets and their names."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.memory_options import LongTermMemoryOptions
from ...agent.errors import MemorySetError
from ...agent.long_term.memory_set import LongTermMemory
from ...agent.resources.resource import ResourceType
from ...store.sets.changes import SetName
from ...store.sets.records import SetSettings, shared_owner
from .bounded_set import BoundedSet, other_items
from .memory_set import WorkerMemorySet
from .settings import checked_name, checked_settings
from .shared import SharedSets

if TYPE_CHECKING:
    from ...agent.context import RunnerContext
    from ...agent.long_term.memory_set import CompactionConfig, Eviction, MemorySet
    from ...agent.waiting.moments import Duration
    from ..runs.run import Run
    from .all_shards import AllShards
    from .shared import Recording

DUPLICATES_ABOVE: Final = 0.97
"""Where a set says nothing else."""


class WorkerLongTermMemory(LongTermMemory):
    """The memory sets of a run's key, and those that all keys share."""

    def __init__(
        self, context: RunnerContext, run: Run, shards: AllShards | None, records: Recording
    ) -> None:
        """`shards` are all that there are; None where only that of the run is read."""
        self._context = context
        self._run = run
        self._shards = shards
        self._records = records
        self._changes = run.lane.set_layers().action

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
        self._changes.check()
        set_name = SetName(self._owner(shared=shared), checked_name(name))
        lane = self._run.lane
        sets = self._shared_sets() if shared else None
        known = lane.read_set_settings(set_name) if sets is None else sets.settings(name)
        given = checked_settings(
            name,
            shared=shared,
            item_type=item_type,
            capacity=capacity,
            compaction_config=compaction_config,
            embedding=embedding,
            max_tokens=max_tokens,
            max_bytes=max_bytes,
            eviction=eviction,
            duplicates_above=duplicates_above,
            ttl=ttl,
            half_life=half_life,
        )
        settings = replace(known or self._defaults(), shared=shared, **given)
        self._check_model(settings.embedding, ResourceType.EMBEDDING_MODEL)
        if compaction_config is not None:
            self._check_model(compaction_config.model, ResourceType.CHAT_MODEL)
        if known is not None and known.item_type != settings.item_type:
            raise other_items(name, known.item_type, settings.item_type)
        found = WorkerMemorySet(
            self._context,
            self._run,
            self._changes,
            set_name,
            settings=settings,
            shards=self._shards,
        )
        if sets is not None:
            found.read_from(sets)
        return found

    def _shared_sets(self) -> SharedSets:
        if self._shards is None:
            raise MemorySetError("There are no shared memory sets here.")
        return SharedSets(self._run.lane, self._shards, self._records)

    def _defaults(self) -> SetSettings:
        config, options = self._context.config, LongTermMemoryOptions
        return SetSettings(
            embedding=config.get(options.EMBEDDING_MODEL)
            or config.get(options.Mem0.EMBEDDING_MODEL_SETUP),
            duplicates_above=DUPLICATES_ABOVE,
            ttl=config.get(options.TTL),
            half_life=config.get(options.HALF_LIFE),
        )

    def with_models_of(self, context: Any) -> LongTermMemory:
        """See `LongTermMemory.with_models_of`."""
        memory = copy(self)
        memory._context = context  # noqa: SLF001 (its own)
        return memory

    def _check_model(self, name: str, kind: ResourceType) -> None:
        """Raise MemorySetError for a resource that there is not."""
        known = self._context.resource_names(kind)
        if name and name not in known:
            raise MemorySetError(
                f"The agent has no {kind.value.replace('_', ' ')} {name!r}.",
                hint=f"It has: {', '.join(map(repr, sorted(known))) or 'none'}.",
            )

    def delete_memory_set(self, name: str, *, shared: bool = False) -> bool:
        """See `LongTermMemory.delete_memory_set`."""
        self._changes.check()
        set_name = SetName(self._owner(shared=shared), checked_name(name))
        lane = self._run.lane
        if shared:
            settings = self._shared_sets().settings(name)
        else:
            settings = lane.read_set_settings(set_name)
        if settings is None:
            return False
        BoundedSet(lane, self._changes, set_name, settings, self._context.config).drop()
        return True

    def memory_set_names(self, *, shared: bool = False) -> list[str]:
        """See `LongTermMemory.memory_set_names`."""
        self._changes.check()
        if shared:
            return self._shared_sets().names()
        return self._run.lane.read_set_names(self._run.lane.prefix)

    def _owner(self, *, shared: bool) -> bytes:
        lane = self._run.lane
        return shared_owner(lane.key_bytes) if shared else lane.prefix
