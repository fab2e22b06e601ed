"""What a program has put into Chroma's memory, its workers find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytest.importorskip("chromadb", reason="Chroma is not installed")

PROGRAM = """
    import chromadb

    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.decorators import action, vector_store
    from flink_agents.api.events.event import InputEvent, OutputEvent
    from flink_agents.api.execution_environment import AgentsExecutionEnvironment
    from flink_agents.api.resource import ResourceDescriptor, ResourceName, ResourceType


    class Finder(Agent):
        @vector_store
        @staticmethod
        def notes():
            return ResourceDescriptor(
                clazz=ResourceName.VectorStore.CHROMA_VECTOR_STORE,
                embedding_model="none",
                collection="notes",
            )

        @action(InputEvent.EVENT_TYPE)
        @staticmethod
        def find(event, ctx):
            store = ctx.get_resource("notes", ResourceType.VECTOR_STORE)
            found = store.get([InputEvent.from_event(event).input])
            ctx.send_event(OutputEvent(output=[each.content for each in found]))


    if __name__ == "__main__":
        notes = chromadb.EphemeralClient().create_collection("notes")
        notes.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0.0, 1.0], [1.0, 0.0]])
        env = AgentsExecutionEnvironment.get_execution_environment()
        names = ResourceName.EmbeddingModel
        env.add_resource(
            "none",
            ResourceType.EMBEDDING_MODEL,
            ResourceDescriptor(clazz=names.OLLAMA_SETUP, connection="no", model="no"),
        )
        env.add_resource(
            "no",
            ResourceType.EMBEDDING_MODEL_CONNECTION,
            ResourceDescriptor(clazz=names.OLLAMA_CONNECTION),
        )
        inputs = [{"key": n, "value": name} for n, name in enumerate("abc")]
        outputs = env.from_list(inputs).apply(Finder()).to_list()
        env.execute()
        print(sorted(list(each.values())[0] for each in outputs))
"""


@pytest.mark.process
@pytest.mark.slow
def test_workers_begin_with_the_documents_of_the_program(run_program: RunProgram) -> None:
    assert run_program(PROGRAM) == "[[], ['one'], ['two']]\n"


BESIDE = """
    import chromadb

    from flink_agents.api.vector_stores.vector_store import Document
    from flink_agents.integrations.vector_stores.chroma.chroma_vector_store import ChromaVectorStore

    own = chromadb.EphemeralClient()
    own.create_collection("notes").add(ids=["a"], documents=["one"], embeddings=[[0.0, 1.0]])
    store = ChromaVectorStore(embedding_model="none", collection="notes")
    print([each.content for each in store.get(["a"])])
"""


@pytest.mark.process
def test_a_store_in_memory_has_what_a_client_of_the_program_has(run_program: RunProgram) -> None:
    assert run_program(BESIDE, "0.3") == "['one']\n"


UNTOUCHED = """
    import chromadb

    from flink_agents.integrations.vector_stores.chroma.in_memory import given_to_workers

    with given_to_workers():
        pass
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    print(len(chromadb.EphemeralClient(settings=settings).list_collections()))
"""


@pytest.mark.process
def test_a_program_without_documents_in_memory_gets_no_client(run_program: RunProgram) -> None:
    assert run_program(UNTOUCHED) == "0\n"
