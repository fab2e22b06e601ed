"""Long-term memory of 0.2 in a vector store that a program has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

PROGRAM = """
    import json
    from types import SimpleNamespace

    from flink_agents.api.chat_message import ChatMessage, MessageRole
    from flink_agents.api.memory.long_term_memory import CompactionConfig
    from flink_agents.runtime.memory.vector_store_long_term_memory import (
        VectorStoreLongTermMemory,
    )


    class Store:
        def __init__(self):
            self.sets = {}

        def get_or_create_collection(self, name, metadata):
            made = SimpleNamespace(metadata=metadata, documents={})
            return self.sets.setdefault(name, made)

        def get_collection(self, name):
            return self.sets[name]

        def delete_collection(self, name):
            return self.sets.pop(name, None)

        def size(self, collection_name):
            return len(self.sets[collection_name].documents)

        def add(self, documents, collection_name):
            self.sets[collection_name].documents.update({each.id: each for each in documents})
            return [each.id for each in documents]

        def get(self, ids, collection_name):
            found = self.sets[collection_name].documents.values()
            return [each for each in found if ids is None or each.id in ids]

        def delete(self, ids, collection_name):
            for each in ids:
                del self.sets[collection_name].documents[each]

        def query(self, query):
            found = self.get(None, query.collection_name)
            words = [each for each in found if query.query_text in each.content]
            return SimpleNamespace(documents=words[: query.limit])


    class Model:
        def chat(self, messages):
            topics = {"topic1": {"summarization": "in short", "messages": [0, 1, 2]}}
            return ChatMessage(role=MessageRole.ASSISTANT, content=json.dumps(topics))


    class Context:
        def get_resource(self, name, type):
            return {"store": store, "model": Model()}[name]


    store = Store()
    memory = VectorStoreLongTermMemory(
        ctx=Context(), vector_store="store", job_id="job", key="ada"
    )
    made = memory.get_or_create_memory_set(
        "talk", ChatMessage, 4, CompactionConfig(model="model", limit=2)
    )
    said = [ChatMessage(role=MessageRole.USER, content=f"no {n}") for n in range(3)]
    made.add(said)
    print(memory.get_memory_set("talk") == made, [each.value for each in made.get()] == said)
    print([each.value.content for each in made.search("no 1", 5)], made.size, list(store.sets))
    made.add(ChatMessage(role=MessageRole.USER, content="the last one"))
    for each in made.get():
        print(each.value.content, each.compacted, each.additional_metadata)
    memory.switch_context("bob")
    print(memory.delete_memory_set("talk"))
    memory.switch_context("ada")
    print(memory.delete_memory_set("talk"), store.sets)
"""


def test_sets_are_collections_and_summaries_replace_items(run_program: RunProgram) -> None:
    assert run_program(PROGRAM, "0.2").splitlines() == [
        "True True",
        "['no 1'] 3 ['job-ada-talk']",
        "the last one False {}",
        "in short True {}",
        "False",
        "True {}",
    ]
