"""Embeddings made in the process: their numbers, their shapes, and models that cannot be used."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from pathlib import Path
from typing import Any, cast

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    InputEvent,
    LocalEmbeddingModelConnection,
    LocalEmbeddingModelSetup,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    action,
    run_agent,
)
from tamias.models.embeddings import static_table

pytest.importorskip("tokenizers", reason="needs the extra `embeddings`")
pytest.importorskip("numpy", reason="needs the extra `embeddings`")

VOCABULARY = {"[UNK]": 0, "cat": 1, "dog": 2, "sun": 3}


def write_tensors(file: Path, **tensors: tuple[str, list[int], bytes]) -> None:
    header: dict[str, Any] = {"__metadata__": {"made": "here"}}
    data = b""
    for name, (kind, shape, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        data += content
    encoded = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A static model with four tokens and two dimensions, as model2vec saves one."""
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": VOCABULARY},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    numbers = struct.pack("<8f", 9, 9, 3, 0, 0, 4, 1, 1)
    write_tensors(tmp_path / "model.safetensors", embeddings=("F32", [4, 2], numbers))
    return tmp_path


def test_a_text_has_the_mean_of_its_tokens_vectors(folder: Path) -> None:
    connection = LocalEmbeddingModelConnection()
    model = str(folder)
    assert connection.embed("cat dog", model=model, normalize=False) == [1.5, 2.0]
    assert connection.embed("cat dog", model=model) == pytest.approx([0.6, 0.8])
    assert connection.embed(["cat", "dog"], model=model) == [[1.0, 0.0], [0.0, 1.0]]


def test_what_the_tokenizer_does_not_know_counts_for_nothing(folder: Path) -> None:
    connection = LocalEmbeddingModelConnection()
    assert connection.embed(["cat fish", "fish", ""], model=str(folder)) == [
        [1.0, 0.0],
        [0.0, 0.0],
        [0.0, 0.0],
    ]
    assert connection.embed([], model=str(folder)) == []


def test_weights_and_mappings_of_a_reduced_vocabulary_are_used(folder: Path) -> None:
    write_tensors(
        folder / "model.safetensors",
        embeddings=("F16", [2, 2], struct.pack("<4e", 1, 0, 0, 1)),
        weights=("F32", [4], struct.pack("<4f", 0, 1, 3, 1)),
        mapping=("I64", [4], struct.pack("<4q", 0, 0, 1, 1)),
    )
    connection = LocalEmbeddingModelConnection()
    vector = connection.embed("cat dog", model=str(folder), normalize=False)
    assert vector == [0.5, 1.5]


def test_vectors_can_be_cut(folder: Path) -> None:
    connection = LocalEmbeddingModelConnection()
    assert connection.embed("cat sun", model=str(folder), dimensions=1) == [1.0]
    with pytest.raises(AgentDefinitionError, match="has 2 dimensions, not 3"):
        connection.embed("cat", model=str(folder), dimensions=3)
    with pytest.raises(AgentDefinitionError, match="no argument temperature"):
        connection.embed("cat", temperature=0)


def test_a_model_that_cannot_be_used_says_why(folder: Path, tmp_path: Path) -> None:
    connection = LocalEmbeddingModelConnection()
    with pytest.raises(AgentDefinitionError, match=r"no .*model\.safetensors and no .*tokenizer"):
        connection.embed("cat", model=str(tmp_path / "nowhere"))
    write_tensors(folder / "model.safetensors", embeddings=("BF16", [4, 2], bytes(16)))
    with pytest.raises(AgentDefinitionError, match="numbers of the type BF16"):
        connection.embed("cat", model=str(folder))
    write_tensors(folder / "model.safetensors", other=("F32", [1], bytes(4)))
    with pytest.raises(AgentDefinitionError, match=r"no table of embeddings \(other\)"):
        connection.embed("cat", model=str(folder))
    for content in (b"", b"12", bytes(100), b"\xff" * 100):
        (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(AgentDefinitionError, match="cannot be used"):
            connection.embed("cat", model=str(folder))
    (folder / "tokenizer.json").write_text("{}")
    write_tensors(folder / "model.safetensors", embeddings=("F32", [1, 1], bytes(4)))
    with pytest.raises(AgentDefinitionError, match="cannot be used"):
        connection.embed("cat", model=str(folder))


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_the_bundled_model_finds_what_is_alike() -> None:
    pytest.importorskip("wordllama", reason="needs the extra `embeddings`")
    connection = LocalEmbeddingModelConnection()
    texts = ["a cat sleeps on the sofa", "the kitten naps on the couch", "interest rates of banks"]
    vectors = cast("list[list[float]]", asyncio.run(connection.aembed(texts)))
    assert [len(vector) for vector in vectors] == [256] * 3
    assert all(math.isclose(cosine(vector, vector), 1, rel_tol=1e-5) for vector in vectors)
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2]) + 0.2
    again = [asyncio.run(connection.aembed(text)) for text in texts]
    assert again == vectors
    connection.close()


class Embedding(Agent):
    """Sends the vector of each input."""

    @action(InputEvent)
    @staticmethod
    async def embed(event: InputEvent, ctx: RunnerContext) -> None:
        model = ctx.get_resource("texts", ResourceType.EMBEDDING_MODEL)
        assert isinstance(model, LocalEmbeddingModelSetup)
        ctx.send_event(OutputEvent(output=await model.aembed(event.input)))


def test_an_agent_uses_it_by_name(folder: Path) -> None:
    agent = Embedding()
    agent.add_resource(
        "here",
        ResourceType.EMBEDDING_MODEL_CONNECTION,
        ResourceDescriptor(clazz="tamias.LocalEmbeddingModelConnection"),
    )
    setup = ResourceDescriptor(
        clazz="tamias.LocalEmbeddingModelSetup", connection="here", model=str(folder)
    )
    agent.add_resource("texts", ResourceType.EMBEDDING_MODEL, setup)
    assert run_agent(agent, [{"value": "cat"}, {"value": "dog"}]).outputs == [
        {"input#0": [1.0, 0.0]},
        {"input#1": [0.0, 1.0]},
    ]


def test_a_setup_that_was_preloaded_shares_its_model(folder: Path) -> None:
    LocalEmbeddingModelSetup.preload({"connection": "here", "model": str(folder)})
    table = static_table.loaded(str(folder))
    assert table is not None
    (folder / "model.safetensors").unlink()  # it is not read again
    connection = LocalEmbeddingModelConnection()
    assert connection.embed("cat", model=str(folder)) == [1.0, 0.0]
    connection.close()
    assert static_table.loaded(str(folder)) is table
    assert connection.embed("dog", model=str(folder)) == [0.0, 1.0]


def test_a_model_that_cannot_be_preloaded_is_missed_at_its_first_use(tmp_path: Path) -> None:
    LocalEmbeddingModelSetup.preload({"connection": "here", "model": str(tmp_path)})
    with pytest.raises(AgentDefinitionError, match=r"There is no .*model.safetensors"):
        LocalEmbeddingModelConnection().embed("cat", model=str(tmp_path))
