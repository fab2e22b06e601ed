"""Memory sets: items that are kept for a key, or shared by all keys, and can be searched.

A set is found by its name. What a run changes in it becomes part of the state with the run's own
commit, and the run itself sees it at once. Each method has an awaitable form, with an ``a`` in
front of its name; use that one in asynchronous actions, because embedding takes a while.

The names are those of Flink Agents, of both its versions: `get_or_create_memory_set` with an item
type and a capacity (0.2), and `get_memory_set` with filters and metadata (0.3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator

from ..naming.public import public
from ..resources.prompt import LocalPrompt, Prompt
from ..waiting.moments import Duration  # noqa: TC001 (as above)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = [
    "CompactionConfig",
    "DatetimeRange",
    "LongTermMemory",
    "MemorySet",
    "MemorySetItem",
]

Eviction = Literal["oldest", "least-recently-used"]
Ids: TypeAlias = "str | Sequence[str | None] | None"
Metadatas: TypeAlias = "Mapping[str, Any] | Sequence[Mapping[str, Any]] | None"
SearchMode = Literal["auto", "vector", "text"]


@public
class CompactionConfig(BaseModel):
    """How a chat model makes a full set smaller.

    ``model`` is the name of a chat model of the agent. ``prompt`` is a `Prompt`, or the name of
    one; it is given ``limit`` and ``count``, and the items behind it. ``limit`` is the number of
    summaries that take the place of the items, at most. ``tokens_per_call`` is how much of them the
    model gets in one call, roughly; what is older comes first.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: str
    prompt: SerializeAsAny[Prompt] | str | None = None
    limit: int = Field(default=1, ge=1)
    tokens_per_call: int = Field(default=16_000, ge=100)

    @field_validator("prompt", mode="before")
    @classmethod
    def _restored(cls, value: Any) -> Any:
        """Read a prompt that was written as plain data. Raises ValueError for what cannot be."""
        if isinstance(value, Prompt) and not isinstance(value, LocalPrompt):
            msg = f"a {type(value).__name__} cannot be kept with a memory set: give its name"
            raise ValueError(msg)  # noqa: TRY004 (pydantic reports it)
        return LocalPrompt.model_validate(value) if isinstance(value, dict) else value


@public
class DatetimeRange(BaseModel):
    """From one moment to another."""

    start: datetime
    end: datetime


@public
class MemorySetItem(BaseModel):
    """One item of a memory set.

    ``value`` is a text, a `ChatMessage` or what JSON can say. ``compacted`` is whether it stands
    for several; ``created_time`` is a range then. ``updated_at`` is when its value was given last.
    ``score`` is how well it fits a search.
    """

    memory_set_name: str
    id: str
    value: Any
    compacted: bool = False
    created_time: datetime | DatetimeRange
    last_accessed_time: datetime
    additional_metadata: dict[str, Any] = Field(default_factory=dict)
    keep: bool = False
    expires_time: datetime | None = None
    updated_at: datetime | None = None
    score: float | None = None

    @property
    def created_at(self) -> datetime:
        """When it was added, or the first of those that it stands for."""
        created = self.created_time
        return created.start if isinstance(created, DatetimeRange) else created

    @property
    def metadata(self) -> dict[str, Any]:
        """What was given as metadata."""
        return self.additional_metadata


@public
class MemorySet(ABC):
    """A set of items; `LongTermMemory` gives it.

    Attributes:
        name: of the set.
        item_type: ``str``, `ChatMessage`, or ``object`` for what JSON can say.
        capacity: the number of items that it may have.
        compaction_config: how a model makes it smaller; None for no model.
        shared: whether runs of all keys use it.
    """

    is_part_of_run: ClassVar[bool] = True
    """Its methods are no durable calls, also where they are given to `ctx.durable_execute`."""

    name: str
    item_type: type
    capacity: int
    compaction_config: CompactionConfig | None
    shared: bool

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of items."""

    @abstractmethod
    def add(
        self,
        items: Any | Sequence[Any],
        ids: Ids | Metadatas = None,
        metadatas: Metadatas = None,
        *,
        keep: bool = False,
        infer: bool | str = False,
        ttl: Duration | None = None,
        vectors: Sequence[Sequence[float] | None] | None = None,
    ) -> list[str]:
        """Add items, and return their ids. An item with the id of another takes its place.

        Args:
            items: one or several.
            ids: of these; without them ids are made that are the same when the run is repeated.
            metadatas: of each item, or one for all: names with values as JSON has them. They may
                also stand in the place of ids, as in Flink Agents 0.3.
            keep: whether they stay when the set is full.
            infer: whether a chat model extracts what is worth keeping first (its name, or True for
                that of the set's compaction).
            ttl: how long they live; None for what the set says.
            vectors: of each item, where the caller has one; the embedding model is asked for the
                others.

        Raises:
            MemorySetError: an item, an id or its metadata cannot be kept; nothing is added then.
        """

    @abstractmethod
    def get(
        self,
        ids: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
    ) -> list[MemorySetItem]:
        """The items with these ids, in their order, or without ids the first ones of the set.

        ``filters`` are values that their metadata must have. With ids there is no limit.
        """

    @abstractmethod
    def search(
        self,
        query: str,
        limit: int = 10,
        filters: Mapping[str, Any] | None = None,
        *,
        half_life: Duration | None = None,
        mode: SearchMode = "auto",
    ) -> list[MemorySetItem]:
        """The items that fit a text best, the best first.

        ``half_life`` is the time in which the weight of an item halves, None for what the set says.
        ``mode`` is ``"vector"`` for a search by meaning alone, ``"text"`` for one by words alone,
        and ``"auto"`` for both, as far as the set has vectors.
        """

    @abstractmethod
    def delete(self, ids: str | Sequence[str] | None = None) -> None:
        """Remove the items with these ids, as far as there are any; without ids all."""

    @abstractmethod
    def update(self, id: str, item: Any, metadata: Mapping[str, Any] | None = None) -> None:
        """Change an item; its metadata stay, if no others are given.

        Raises `MemorySetError` if there is none with this id.
        """

    @abstractmethod
    async def asize(self) -> int:
        """The awaitable form of `size`."""

    @abstractmethod
    async def aadd(
        self,
        items: Any | Sequence[Any],
        ids: Ids | Metadatas = None,
        metadatas: Metadatas = None,
        *,
        keep: bool = False,
        infer: bool | str = False,
        ttl: Duration | None = None,
        vectors: Sequence[Sequence[float] | None] | None = None,
    ) -> list[str]:
        """The awaitable form of `add`."""

    @abstractmethod
    async def aget(
        self,
        ids: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
    ) -> list[MemorySetItem]:
        """The awaitable form of `get`."""

    @abstractmethod
    async def asearch(
        self,
        query: str,
        limit: int = 10,
        filters: Mapping[str, Any] | None = None,
        *,
        half_life: Duration | None = None,
        mode: SearchMode = "auto",
    ) -> list[MemorySetItem]:
        """The awaitable form of `search`."""

    @abstractmethod
    async def adelete(self, ids: str | Sequence[str] | None = None) -> None:
        """The awaitable form of `delete`."""

    @abstractmethod
    async def aupdate(self, id: str, item: Any, metadata: Mapping[str, Any] | None = None) -> None:
        """The awaitable form of `update`."""


@public
class LongTermMemory(ABC):
    """The memory sets of a key, and those that all keys share."""

    is_part_of_run: ClassVar[bool] = True
    """As of `MemorySet`."""

    @abstractmethod
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
        """The set of a name, which comes into being with its first item.

        What is given is laid down for the set; what is not given stays as it was.

        Args:
            name: 1 to 100 bytes.
            item_type: ``str``, `ChatMessage`, or ``object`` for what JSON can say.
            capacity: items, at most; without it, the option ``long-term-memory.max-items``.
            compaction_config: how a model makes a full set smaller; without it, items go.
            shared: whether the set is that of all keys, not of this one.
            embedding: the embedding model of the agent that is asked for vectors; "" for none, then
                searches go by words alone. Without it, ``long-term-memory.embedding-model``.
            max_tokens: of all items together; 0 for no limit.
            max_bytes: of all items together; 0 for no limit.
            eviction: which items go first.
            duplicates_above: from this similarity on, two items of a full set are one (0 to 1).
            ttl: how long an item lives.
            half_life: the time in which the weight of an item halves in searches.

        Raises:
            MemorySetError: the name or a setting is not possible, or the set has items of another
                type or another embedding model.
        """

    def get_or_create_memory_set(
        self,
        name: str,
        item_type: type = str,
        capacity: int | None = None,
        compaction_config: CompactionConfig | None = None,
        **settings: Any,
    ) -> MemorySet:
        """As `get_memory_set`."""
        return self.get_memory_set(
            name,
            item_type=item_type,
            capacity=capacity,
            compaction_config=compaction_config,
            **settings,
        )

    @abstractmethod
    def delete_memory_set(self, name: str, *, shared: bool = False) -> bool:
        """Remove a set with all its items; whether there was one.

        Of a shared set, a run can only remove the items that runs of its key have added.
        """

    @abstractmethod
    def memory_set_names(self, *, shared: bool = False) -> list[str]:
        """The names of the sets that there are."""

    def with_models_of(self, context: Any) -> LongTermMemory:  # noqa: ARG002 (a default)
        """The same memory, for a sub-agent: names of models are those of its own context."""
        return self
