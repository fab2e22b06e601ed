"""Azure, vLLM, Tongyi and embeddings against the fake server."""

from __future__ import annotations

from typing import Any

import pytest

from support.loops import on_loop
from support.providers.script import Ask, Embedded, Queue, Reply, vector
from support.providers.server import fake_providers
from tamias import (
    AgentDefinitionError,
    AuthFailed,
    ChatMessage,
    EmbeddingTokenUsage,
    MessageRole,
    Unavailable,
)
from tamias.models.openai.azure import AzureOpenAIChatModelConnection, AzureOpenAIChatModelSetup
from tamias.models.openai.compatible import (
    TongyiChatModelConnection,
    TongyiChatModelSetup,
    TongyiEmbeddingModelConnection,
    TongyiEmbeddingModelSetup,
    VLLMChatModelConnection,
    VLLMChatModelSetup,
)
from tamias.models.openai.embeddings import (
    OpenAIEmbeddingModelConnection,
    OpenAIEmbeddingModelSetup,
)

HELLO = [ChatMessage(role=MessageRole.USER, content="hello")]


def test_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = AzureOpenAIChatModelSetup(
        connection="c", model="mine", model_of_azure_deployment="o3", max_tokens=9
    )
    with fake_providers(keys=frozenset({"k-1"})) as fake:
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k-1")
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", fake.url)
        connection = AzureOpenAIChatModelConnection(api_version="2024-10-21")
        paths = []
        handle = fake.handle

        def watch(request: Any) -> Any:
            paths.append((request.path, request.query))
            return handle(request)

        monkeypatch.setattr(fake, "handle", watch)
        answer = connection.chat(HELLO, **setup.model_kwargs)
        assert answer.content == "You said: hello"
        assert paths == [("/openai/deployments/mine/chat/completions", "api-version=2024-10-21")]
        assert fake.asked[0].headers["api-key"] == "k-1"
        assert fake.asked[0].body["max_completion_tokens"] == 9
        connection.close()
        wrong = AzureOpenAIChatModelConnection(api_key="k-2", api_version="2024-10-21")
        with pytest.raises(AuthFailed, match="Azure OpenAI does not accept the API key"):
            wrong.chat(HELLO, model="mine")
        wrong.close()
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT")
    with pytest.raises(AgentDefinitionError, match="AZURE_OPENAI_ENDPOINT"):
        AzureOpenAIChatModelConnection(api_version="v").chat(HELLO, model="mine")


def test_a_server_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-others")
    with fake_providers(keys=frozenset({"EMPTY"})) as fake:
        monkeypatch.setenv("VLLM_BASE_URL", fake.openai_url)
        connection = VLLMChatModelConnection()
        setup = VLLMChatModelSetup(connection="c", model="qwen", extract_reasoning=True)
        fake.script = Queue([Reply("<think>Hm.</think>Yes.")])
        answer = connection.chat(HELLO, **setup.model_kwargs)
        assert (answer.content, answer.reasoning) == ("Yes.", "Hm.")
        assert fake.asked[0].body["model"] == "qwen"
        assert connection.supports_native_structured_output("any")
        connection.close()


def test_tongyi(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_providers(keys=frozenset({"k-3"})) as fake:
        monkeypatch.setenv("DASHSCOPE_API_KEY", "k-3")
        connection = TongyiChatModelConnection(api_base_url=fake.openai_url)
        setup = TongyiChatModelSetup(connection="c")
        assert connection.chat(HELLO, **setup.model_kwargs).content == "You said: hello"
        assert fake.asked[0].body["model"] == "qwen-plus"
        assert fake.asked[0].body["temperature"] == 0.7
        assert not connection.supports_native_structured_output("qwen-plus")
        connection.close()


@pytest.mark.parametrize("form", [None, "base64"])
def test_vectors(form: str | None) -> None:
    with fake_providers() as fake:
        connection = OpenAIEmbeddingModelConnection(api_key="k", base_url=fake.openai_url)
        setup = OpenAIEmbeddingModelSetup(connection="c", dimensions=3, encoding_format=form)  # type: ignore[arg-type]
        one = connection.embed("a", **setup.model_kwargs)
        assert one == list(vector("a", 3))
        texts = [f"text {n}" for n in range(600)]
        assert connection.embed(texts, **setup.model_kwargs) == [list(vector(t, 3)) for t in texts]
        assert [len(ask.texts) for ask in fake.asked] == [1, 256, 256, 88]
        assert connection.embed([], **setup.model_kwargs) == []
        usage = connection.embed_with_usage(texts[:300], **setup.model_kwargs).token_usage
        assert usage == EmbeddingTokenUsage(prompt_tokens=600, total_tokens=600)
        connection.close()


def test_vectors_of_tongyi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "k-4")
    with fake_providers(keys=frozenset({"k-4"})) as fake:
        connection = TongyiEmbeddingModelConnection(base_url=fake.openai_url)
        setup = TongyiEmbeddingModelSetup(connection="c", dimensions=4)
        texts = [f"text {n}" for n in range(15)]
        assert connection.embed(texts, **setup.model_kwargs) == [list(vector(t, 4)) for t in texts]
        assert [(len(ask.texts), ask.model) for ask in fake.asked] == [
            (10, "text-embedding-v4"),
            (5, "text-embedding-v4"),
        ]
        connection.close()


@on_loop
async def test_vectors_of_many_texts_keep_their_order() -> None:
    with fake_providers() as fake:
        connection = OpenAIEmbeddingModelConnection(api_key="k", base_url=fake.openai_url)

        def later_ones_first(ask: Ask) -> Embedded:
            delay = 0.05 if ask.texts[0] == "text 0" else 0
            return Embedded(tuple(vector(text, 2) for text in ask.texts), delay)

        fake.script = later_ones_first
        texts = [f"text {n}" for n in range(300)]
        assert await connection.aembed(texts, model="e") == [list(vector(t, 2)) for t in texts]
        fake.script = Queue([Embedded(((1.0,),))])
        with pytest.raises(Unavailable, match="no valid answer"):
            await connection.aembed(["a", "b"], model="e")
        await connection.aclose()
