"""Answers questions from the pages of a folder: retrieval, then a model that gets what was found.

The store of vectors is a class of this file, which keeps them in memory. `tamias.ChromaVectorStore`
keeps them on disk, and takes its place with another descriptor.
"""

import os
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from tamias import (
    Agent,
    BaseVectorStore,
    ChatRequestEvent,
    ChatResponseEvent,
    ContextRetrievalRequestEvent,
    ContextRetrievalResponseEvent,
    Document,
    InputEvent,
    OutputEvent,
    Prompt,
    ResourceDescriptor,
    RunnerContext,
    action,
    chat_model_connection,
    chat_model_setup,
    embedding_model_connection,
    embedding_model_setup,
    prompt,
    vector_store,
)
from tamias import ChatMessage as Message
from tamias import MessageRole as Role

HERE = Path(__file__).resolve().parent


class Pages(BaseVectorStore):
    """The pages of a folder, read when they are first asked for."""

    folder: str

    _pages: list[Document] = PrivateAttr(default_factory=list)

    @property
    def store_kwargs(self) -> dict[str, Any]:
        """It has no parameters."""
        return {}

    def _read(self) -> list[Document]:
        if not self._pages:
            files = sorted(Path(self.folder).glob("*.md"))
            texts = [file.read_text(encoding="utf-8") for file in files]
            vectors: Any = self._embedding_model().embed(texts)
            self._pages[:] = [  # at once: other keys ask at the same time
                Document(content=text, id=file.stem, embedding=vector)
                for file, text, vector in zip(files, texts, vectors, strict=True)
            ]
        return self._pages

    def _query_embedding(
        self,
        embedding: list[float],
        limit: int = 10,
        collection_name: str | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """The pages whose vectors have the smallest angles to this one."""
        del collection_name, kwargs

        def nearness(page: Document) -> float:
            return _cosine(page.embedding or [], embedding)

        return sorted(self._read(), key=nearness, reverse=True)[:limit]

    def _add_embedding(
        self, *, documents: Sequence[Document], collection_name: str | None = None, **kwargs: Any
    ) -> list[str]:
        """Refuse: the pages are those of the folder."""
        raise NotImplementedError

    def size(self, collection_name: str | None = None) -> int:
        """The number of pages."""
        del collection_name
        return len(self._read())

    def get(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The pages with these names; without names, all."""
        del collection_name, kwargs
        wanted = [ids] if isinstance(ids, str) else ids
        return [page for page in self._read() if wanted is None or page.id in wanted]

    def delete(
        self, ids: str | list[str] | None = None, collection_name: str | None = None, **kwargs: Any
    ) -> None:
        """Refuse: the pages are those of the folder."""
        raise NotImplementedError


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    length = sqrt(sum(x * x for x in one)) * sqrt(sum(x * x for x in other))
    return sum(x * y for x, y in zip(one, other, strict=True)) / (length or 1.0)


class Library(Agent):
    """Gets questions; its outputs are answers, with the pages that they are from."""

    @embedding_model_connection
    @staticmethod
    def embedding_service() -> ResourceDescriptor:
        """The address and the key are in OPENAI_BASE_URL and OPENAI_API_KEY."""
        return ResourceDescriptor(clazz="tamias.OpenAIEmbeddingModelConnection")

    @embedding_model_setup
    @staticmethod
    def vectors() -> ResourceDescriptor:
        """The model that makes vectors of texts."""
        return ResourceDescriptor(
            clazz="tamias.OpenAIEmbeddingModelSetup",
            connection="embedding_service",
            model=os.environ.get("EMBEDDING_MODEL", "text-embedding-3-small"),
        )

    @vector_store
    @staticmethod
    def pages() -> ResourceDescriptor:
        """What the answers are from."""
        return ResourceDescriptor(
            clazz=Pages, embedding_model="vectors", folder=str(HERE / "pages")
        )

    @chat_model_connection
    @staticmethod
    def service() -> ResourceDescriptor:
        """The address and the key are in OPENAI_BASE_URL and OPENAI_API_KEY."""
        return ResourceDescriptor(clazz="tamias.OpenAIChatModelConnection")

    @prompt
    @staticmethod
    def from_pages() -> Prompt:
        """What the model is told."""
        return Prompt.from_messages(
            [
                Message(
                    role=Role.SYSTEM,
                    content="You answer from these pages, and say so if they do not say:\n\n"
                    "{context}",
                ),
                Message(role=Role.USER, content="{input}"),
            ]
        )

    @chat_model_setup
    @staticmethod
    def librarian() -> ResourceDescriptor:
        """The model that answers."""
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelSetup",
            connection="service",
            model=os.environ.get("MODEL", "gpt-4o-mini"),
            prompt="from_pages",
            max_tokens=200,
        )

    @action(InputEvent)
    @staticmethod
    def find(event: InputEvent, ctx: RunnerContext) -> None:
        """Find pages about the question."""
        ctx.sensory_memory.set("question", event.input)
        request = ContextRetrievalRequestEvent(
            query=event.input, vector_store="pages", max_results=2
        )
        ctx.send_event(request)

    @action(ContextRetrievalResponseEvent)
    @staticmethod
    def ask(event: ContextRetrievalResponseEvent, ctx: RunnerContext) -> None:
        """Ask the model, with the pages that were found."""
        ctx.sensory_memory.set("sources", [page.id for page in event.documents])
        context = "\n\n".join(page.content for page in event.documents)
        question = ctx.sensory_memory.get("question")
        request = ChatRequestEvent(
            model="librarian", messages=[], prompt_args={"input": question, "context": context}
        )
        ctx.send_event(request)

    @action(ChatResponseEvent)
    @staticmethod
    def answer(event: ChatResponseEvent, ctx: RunnerContext) -> None:
        """Send the answer."""
        sources = ctx.sensory_memory.get("sources")
        ctx.send_event(OutputEvent(output={"answer": event.response.content, "from": sources}))
