"""As `flink_agents.runtime.memory.mem0.mem0_long_term_memory` of Flink Agents.

No run uses it: ``ctx.long_term_memory`` is that of tamias, in the key's shard, whatever the options
of Mem0 say. It is for programs that keep items in Mem0 themselves, with models of their agent.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from enum import Enum
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from pydantic import ConfigDict, Field, PrivateAttr

from tamias import MemorySetItem, ResourceType

from ....api.memory.long_term_memory import MemorySet
from ..internal_base_long_term_memory import InternalBaseLongTermMemory

__all__ = ["Mem0LongTermMemory"]

logger = logging.getLogger(__name__)

_UNKNOWN: Final = datetime.fromtimestamp(0, timezone.utc)
_TOKENS: Final = ("promptTokens", "completionTokens")


class _LtmObservationOp(str, Enum):
    """Says what was done to a memory set."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    DELETE_SET = "DELETE_SET"
    GET = "GET"
    SEARCH = "SEARCH"


@dataclass(frozen=True)
class _Record:
    op: str
    set: str
    id: str | None = None
    query: str | None = None
    value: Any = None
    version: int = 1


class _Caller(NamedTuple):
    """Whose operation it is: taken when it begins, as another action may take over meanwhile."""

    key: str
    action: str
    enabled: bool


class Mem0LongTermMemory(InternalBaseLongTermMemory):
    """Memory sets in Mem0: a set is a run of Mem0, a key an agent, and a job a user."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    ctx: Any = Field(exclude=True, repr=False)
    job_id: str
    key: str = ""
    chat_model_name: str
    embedding_model_name: str
    vector_store_name: str
    metric_group: Any = Field(default=None, exclude=True, repr=False)
    metric_records: Any = Field(default_factory=queue.Queue, exclude=True, repr=False)

    _mem0: Any = PrivateAttr(default=None)
    _ltm_observation_records: Any = PrivateAttr(default_factory=queue.Queue)
    _update_observation_enabled: Any = PrivateAttr(default=False)
    _get_observation_enabled: Any = PrivateAttr(default=False)
    _search_observation_enabled: Any = PrivateAttr(default=False)
    _observation_id: str = PrivateAttr(default="")
    _observation_suppressed: bool = PrivateAttr(default=False)

    def model_post_init(self, context: Any) -> None:
        """Find the group that tokens are counted in, while the context is at hand."""
        super().model_post_init(context)
        group = getattr(self.ctx, "agent_metric_group", None)
        if self.metric_group is None and group is not None:
            self.metric_group = group.get_sub_group("long-term-memory")

    @property
    def _memory(self) -> Any:
        if self._mem0 is None:
            self._mem0 = self._opened()
        return self._mem0

    def _opened(self) -> Any:
        """Mem0's memory, on the models and the store of the agent."""
        from mem0 import Memory  # noqa: PLC0415 (an extra)
        from mem0.configs.base import MemoryConfig  # noqa: PLC0415 (an extra)

        from . import flink_agents_mem0_adapters as adapters  # noqa: PLC0415 (an extra)

        find = self.ctx.get_resource
        chat = find(self.chat_model_name, ResourceType.CHAT_MODEL)
        embedding = find(self.embedding_model_name, ResourceType.EMBEDDING_MODEL)
        store = find(self.vector_store_name, ResourceType.VECTOR_STORE)
        place = adapters.FlinkAgentsProviderConfig(store)
        of = adapters.PROVIDER
        config = MemoryConfig.model_construct(
            llm=SimpleNamespace(
                provider=of, config={"model": chat, "metric_records": self.metric_records}
            ),
            embedder=SimpleNamespace(provider=of, config={"model": embedding}),
            vector_store=SimpleNamespace(provider=of, config=place),
            # Its own log of changes, of which nothing is asked here.
            history_db_path=":memory:",
        )
        return Memory(config)

    # -- whose items

    def configure_observation(
        self,
        *,
        update_observation_enabled: bool,
        get_observation_enabled: bool,
        search_observation_enabled: bool,
    ) -> None:
        """Say which operations are put on record."""
        self._update_observation_enabled = update_observation_enabled
        self._get_observation_enabled = get_observation_enabled
        self._search_observation_enabled = search_observation_enabled

    def switch_context(
        self, key: str, *, observation_id: str = "", observation_suppressed: bool = False
    ) -> None:
        """Say whose items are meant from now on, and by which action."""
        _ = self._memory
        self._count_tokens()
        self.key = key
        self._observation_id = observation_id
        self._observation_suppressed = observation_suppressed

    def close(self) -> None:
        """Count the tokens that are not counted yet."""
        self._count_tokens()

    def _count_tokens(self) -> None:
        if self.metric_group is None:
            return
        for record in _taken(self.metric_records):
            if record.get("model_name") and all(record.get(name) for name in _TOKENS):
                group = self.metric_group.get_sub_group("model", record["model_name"])
                for name in _TOKENS:
                    group.get_counter(name).inc(record[name])

    # -- sets

    def get_memory_set(self, name: str) -> MemorySet:
        """The set of that name."""
        return MemorySet(name=name, ltm=self)

    def delete_memory_set(self, name: str) -> bool:
        """Remove a set with all its items."""
        self._delete_all(name)
        return True

    def _delete_all(self, name: str) -> None:
        caller = self._caller("update")
        self._memory.delete_all(user_id=self.job_id, agent_id=caller.key, run_id=name)
        self._note(caller, _LtmObservationOp.DELETE_SET, name)

    def add(self, memory_set: MemorySet, memory_items: Any, metadatas: Any = None) -> list[str]:
        """Have Mem0 take what is worth keeping from items; the ids of what it has changed."""
        caller = self._caller("update")
        items = [memory_items] if isinstance(memory_items, str) else memory_items
        known = [metadatas] if isinstance(metadatas, Mapping) else list(metadatas or ())
        known += [None] * (len(items) - len(known))
        ids: list[str] = []
        for item, metadata in zip(items, known, strict=False):
            changed = self._memory.add(
                messages=item,
                user_id=self.job_id,
                agent_id=caller.key,
                run_id=memory_set.name,
                metadata=metadata,
            )
            for each in changed.get("results", ()):
                if "id" in each:
                    ids.append(each["id"])
                    self._note_change(caller, memory_set.name, each)
        return ids

    def _note_change(self, caller: _Caller, name: str, changed: Mapping[str, Any]) -> None:
        try:
            op = _LtmObservationOp(str(changed.get("event", "")).upper())
        except ValueError:
            logger.warning("Mem0 says that it has done %r, which is unknown", changed.get("event"))
            return
        value = None if op is _LtmObservationOp.DELETE else changed.get("memory")
        self._note(caller, op, name, changed["id"], value)

    def get(
        self,
        memory_set: MemorySet,
        ids: str | list[str] | None = None,
        filters: dict[str, Any] | None = None,
        limit: int = 100,
    ) -> list[MemorySetItem]:
        """The items with these ids, or the first ones with these metadata."""
        caller = self._caller("get")
        if ids is None:
            found = self._memory.get_all(
                user_id=self.job_id,
                agent_id=caller.key,
                run_id=memory_set.name,
                filters=filters,
                limit=limit,
            ).get("results", [])
        else:
            several = [ids] if isinstance(ids, str) else ids
            answers = (self._memory.get(memory_id=each) for each in several)
            found = [answer for answer in answers if answer]
        items = [_item(memory_set.name, each) for each in found]
        for item in items:
            self._note(caller, _LtmObservationOp.GET, memory_set.name, item.id, item.value)
        return items

    def delete(self, memory_set: MemorySet, ids: str | list[str] | None = None) -> None:
        """Remove the items with these ids, or all."""
        if ids is None:
            self._delete_all(memory_set.name)
            return
        caller = self._caller("update")
        for each in [ids] if isinstance(ids, str) else ids:
            self._memory.delete(memory_id=each)
            self._note(caller, _LtmObservationOp.DELETE, memory_set.name, each)

    def search(
        self,
        memory_set: MemorySet,
        query: str,
        limit: int,
        filters: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[MemorySetItem]:
        """The items that fit a text best."""
        caller = self._caller("search")
        found = self._memory.search(
            query=query,
            user_id=self.job_id,
            agent_id=caller.key,
            run_id=memory_set.name,
            limit=limit,
            filters=filters,
            **kwargs,
        ).get("results", [])
        hits = [
            {"id": each["id"], "value": each.get("memory"), "score": each.get("score")}
            for each in found
            if "id" in each
        ]
        self._record_ltm_search(memory_set.name, query, hits, *caller[:2], enabled=caller.enabled)
        return [_item(memory_set.name, each) for each in found]

    # -- what is put on record

    def _caller(self, kind: str) -> _Caller:
        key, action = self.key, self._observation_id
        enabled = getattr(self, f"_{kind}_observation_enabled")
        return _Caller(key, action, bool(enabled and not self._observation_suppressed))

    def _note(
        self,
        caller: _Caller,
        op: _LtmObservationOp,
        name: str,
        item: str | None = None,
        value: Any = None,
    ) -> None:
        self._record_ltm_op(op, name, item, value, *caller[:2], enabled=caller.enabled)

    def _record_ltm_op(  # noqa: PLR0917 (as in Flink Agents)
        self,
        op: str,
        memory_set: str,
        mem_id: str | None,
        value: Any,
        observation_key: str,
        observation_id: str,
        *,
        enabled: bool = True,
    ) -> None:
        record = _Record(_LtmObservationOp(op).value, memory_set, id=mem_id, value=value)
        self._keep(record, observation_key, observation_id, enabled=enabled)

    def _record_ltm_search(
        self,
        memory_set: str,
        query: str,
        hits: list[dict[str, Any]],
        observation_key: str,
        observation_id: str,
        *,
        enabled: bool = True,
    ) -> None:
        record = _Record(_LtmObservationOp.SEARCH.value, memory_set, query=query, value=hits)
        self._keep(record, observation_key, observation_id, enabled=enabled)

    def _keep(self, record: _Record, key: str, action: str, *, enabled: bool) -> None:
        if not enabled:
            return
        try:
            self._ltm_observation_records.put((key, action, record))
        except Exception:
            # What is only observed keeps no run from going on.
            logger.exception("An operation on the memory set %r is not on record", record.set)

    def drain_ltm_observation_records(self, key: str, observation_id: str) -> str:
        """Take the records of one action, as JSON."""
        own: list[dict[str, Any]] = []
        others = []
        for each in _taken(self._ltm_observation_records):
            if each[:2] == (key, observation_id):
                own.append(asdict(each[2]))
            else:
                others.append(each)
        for each in others:
            self._ltm_observation_records.put(each)
        return json.dumps(own, ensure_ascii=False)


def _taken(records: Any) -> Iterator[Any]:
    """All that a queue has now."""
    with contextlib.suppress(queue.Empty):
        while True:
            yield records.get_nowait()


def _item(name: str, found: Mapping[str, Any]) -> MemorySetItem:
    """Return an entry of Mem0 as an item."""
    created = _moment(found.get("created_at")) or _UNKNOWN
    updated = _moment(found.get("updated_at"))
    return MemorySetItem(
        memory_set_name=name,
        id=str(found.get("id") or ""),
        value=found.get("memory") or "",
        created_time=created,
        last_accessed_time=updated or created,
        updated_at=updated,
        additional_metadata=dict(found.get("metadata") or {}),
        score=found.get("score"),
    )


def _moment(text: Any) -> datetime | None:
    with contextlib.suppress(ValueError, TypeError):
        return datetime.fromisoformat(text)
    return None
