"""As `flink_agents.runtime.memory.vector_store_long_term_memory` of Flink Agents 0.2.

No run uses it: ``ctx.long_term_memory`` is that of tamias, in the key's shard. It is for programs
that keep items in a vector store themselves, with resources of their agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from tamias import ChatMessage, DatetimeRange, MemorySetItem, MessageRole, Prompt, ResourceType
from tamias.agent.upkeep.summaries import SourceText, question, shown, topics_in

from ...api.memory.long_term_memory import CompactionConfig, MemorySet
from ...api.vector_stores.vector_store import Document, VectorStoreQuery
from .internal_base_long_term_memory import InternalBaseLongTermMemory

__all__ = ["VectorStoreLongTermMemory"]

_SET: Final = "memory_set"
_COMPACTED: Final = "compacted"
_CREATED: Final = "created_time"
_FIRST: Final = "created_time_start"
_LAST: Final = "created_time_end"
_READ: Final = "last_accessed_time"
_TOKENS: Final = ("promptTokens", "completionTokens")


class VectorStoreLongTermMemory(InternalBaseLongTermMemory):
    """Memory sets in a vector store: a set of a key is a collection."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    ctx: Any = Field(exclude=True, repr=False)
    vector_store: Any
    job_id: str
    key: str = ""

    @property
    def store(self) -> Any:
        """The vector store, found by its name at the first use."""
        if isinstance(self.vector_store, str):
            self.vector_store = self.ctx.get_resource(self.vector_store, ResourceType.VECTOR_STORE)
        return self.vector_store

    def switch_context(
        self, key: str, *, observation_id: str = "", observation_suppressed: bool = False
    ) -> None:
        """Say whose items are meant from now on."""
        del observation_id, observation_suppressed
        self.key = key

    # -- sets

    def get_or_create_memory_set(
        self,
        name: str,
        item_type: type = str,
        capacity: int | None = None,
        compaction_config: CompactionConfig | None = None,
    ) -> MemorySet:
        """The set of that name, which is created if there is none."""
        made = MemorySet(
            name=name,
            item_type=item_type,
            capacity=capacity,
            compaction_config=compaction_config,
            ltm=self,
        )
        metadata = {_SET: made.model_dump_json()}
        self.store.get_or_create_collection(name=self._place(name), metadata=metadata)
        return made

    def get_memory_set(self, name: str) -> MemorySet:
        """The set of that name; the store's error if there is none."""
        collection = self.store.get_collection(name=self._place(name))
        found = MemorySet.model_validate_json(collection.metadata[_SET])
        found.ltm = self
        return found

    def delete_memory_set(self, name: str) -> bool:
        """Remove a set with all its items."""
        return self.store.delete_collection(name=self._place(name)) is not None

    def size(self, memory_set: MemorySet) -> int:
        """The number of items of a set."""
        return int(self.store.size(collection_name=self._place(memory_set.name)))

    # -- items

    def add(  # type: ignore[override]  # as in 0.2
        self,
        memory_set: MemorySet,
        memory_items: Any,
        ids: str | list[str] | None = None,
        metadatas: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> list[str]:
        """Add items to a set, and return their ids; a set that is full then is compacted."""
        items = _listed(memory_items)
        names = _listed(ids) if ids is not None else [str(uuid4()) for _ in items]
        given = _listed(metadatas) if metadatas is not None else [{} for _ in items]
        now = datetime.now(timezone.utc).isoformat()
        known = {_COMPACTED: False, _CREATED: now, _READ: now}
        documents = [
            Document(id=name, content=_text(item), metadata={**known, **metadata})
            for name, item, metadata in zip(names, items, given, strict=True)
        ]
        place = self._place(memory_set.name)
        added: list[str] = self.store.add(documents=documents, collection_name=place)
        is_bounded = memory_set.capacity is not None and memory_set.compaction_config is not None
        if is_bounded and self.size(memory_set) >= (memory_set.capacity or 0):
            self._compact(memory_set)
        return added

    def get(self, memory_set: MemorySet, ids: str | list[str] | None = None) -> list[MemorySetItem]:
        """Items of a set."""
        found = self.store.get(ids=ids, collection_name=self._place(memory_set.name))
        return [_item(memory_set, each) for each in found]

    def delete(self, memory_set: MemorySet, ids: str | list[str] | None = None) -> None:
        """Remove items of a set."""
        self.store.delete(ids=ids, collection_name=self._place(memory_set.name))

    def search(
        self, memory_set: MemorySet, query: str, limit: int, **kwargs: Any
    ) -> list[MemorySetItem]:
        """The items of a set that fit a text best."""
        asked = VectorStoreQuery(
            query_text=query,
            limit=limit,
            collection_name=self._place(memory_set.name),
            extra_args=kwargs,
        )
        return [_item(memory_set, each) for each in self.store.query(query=asked).documents]

    def close(self) -> None:
        """Do nothing: the store is a resource of the agent, which closes it."""

    def _place(self, name: str) -> str:
        return f"{self.job_id}-{self.key}-{name}"

    # -- compaction

    def _compact(self, memory_set: MemorySet) -> None:
        """Have a model's summaries take the place of items that they stand for."""
        config = memory_set.compaction_config
        assert config is not None  # noqa: S101 (the caller has looked)
        items = self.get(memory_set)
        prompt = config.prompt
        if isinstance(prompt, str):
            prompt = self.ctx.get_resource(prompt, ResourceType.PROMPT)
        sources = [SourceText(each.id, "", shown(each.value)) for each in items]
        model = self.ctx.get_resource(config.model, ResourceType.CHAT_MODEL)
        asked = question(sources, config.limit, prompt if isinstance(prompt, Prompt) else None)
        answer = model.chat(asked)
        for topic in topics_in(answer, sources, config.limit):
            replaced = [items[position] for position in topic.positions]
            self.delete(memory_set, [each.id for each in replaced])
            is_message = memory_set.item_type is ChatMessage
            value = ChatMessage(role=MessageRole.USER, content=topic.text)
            self.add(
                memory_set.model_copy(update={"capacity": None}),
                value if is_message else topic.text,
                metadatas={
                    _COMPACTED: True,
                    _FIRST: min(each.created_at for each in replaced).isoformat(),
                    _LAST: max(_end(each) for each in replaced).isoformat(),
                    _READ: max(each.last_accessed_time for each in replaced).isoformat(),
                },
            )
        self._count(answer.extra_args)

    def _count(self, used: dict[str, Any]) -> None:
        name = used.get("model_name")
        if not name:
            return
        group = self.ctx.agent_metric_group.get_sub_group("long-term-memory").get_sub_group(name)
        for each in _TOKENS:
            group.get_counter(each).inc(int(used.get(each) or 0))


def _listed(given: Any) -> list[Any]:
    is_many = isinstance(given, Sequence) and not isinstance(given, str)
    return list(given) if is_many else [given]


def _text(item: Any) -> str:
    return item.model_dump_json() if isinstance(item, BaseModel) else str(item)


def _end(item: MemorySetItem) -> datetime:
    created = item.created_time
    return created.end if isinstance(created, DatetimeRange) else created


def _item(memory_set: MemorySet, document: Document) -> MemorySetItem:
    metadata = dict(document.metadata)
    kind = memory_set.item_type
    text = document.content
    value = kind.model_validate_json(text) if issubclass(kind, BaseModel) else text
    is_compacted = bool(metadata.pop(_COMPACTED))
    times = {
        name: datetime.fromisoformat(metadata.pop(name))
        for name in (_CREATED, _FIRST, _LAST, _READ)
        if name in metadata
    }
    return MemorySetItem(
        memory_set_name=memory_set.name,
        id=document.id or "",
        value=value,
        compacted=is_compacted,
        created_time=DatetimeRange(start=times[_FIRST], end=times[_LAST])
        if is_compacted
        else times[_CREATED],
        last_accessed_time=times[_READ],
        additional_metadata=metadata,
    )
