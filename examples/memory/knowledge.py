"""A knowledge base that all keys share: some add pages, others ask, and answers are from the pages.

Pages are in a vector store that is part of the agent's own state: a page is there when the run that
has added it is committed, and only the key that has added one changes or removes it.

    {"key": "handbook", "value": {"add": "...", "name": "kettle", "about": "kitchen"}}
    {"key": "handbook", "value": {"remove": "kettle"}}
    {"key": "ada", "value": {"ask": "...", "about": "kitchen"}}
"""

from typing import Any, cast

from both import WithModels, chat_model

from tamias import (
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    Document,
    InputEvent,
    MemoryVectorStore,
    MessageRole,
    OutputEvent,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    VectorStoreQuery,
    action,
    chat_model_setup,
    prompt,
    vector_store,
)

LATER = 1.0
"""Seconds that a question waits, so that pages that came along with it are there."""


class Knowledge(WithModels):
    """Gets pages and questions; its outputs are answers, with the names of pages they are from."""

    @vector_store
    @staticmethod
    def pages() -> ResourceDescriptor:
        """What the answers are from."""
        return ResourceDescriptor(clazz="tamias.MemoryVectorStore", embedding_model="texts")

    @prompt
    @staticmethod
    def from_pages() -> Prompt:
        """What the model is told."""
        return Prompt.from_messages(
            [
                ChatMessage(
                    role=MessageRole.SYSTEM,
                    content="You answer from these pages, and say so if they do not say:\n\n"
                    "{context}",
                ),
                ChatMessage(role=MessageRole.USER, content="{input}"),
            ]
        )

    @chat_model_setup
    @staticmethod
    def librarian() -> ResourceDescriptor:
        """The model that answers."""
        return chat_model(prompt="from_pages")

    @action(InputEvent)
    @staticmethod
    async def read(event: InputEvent, ctx: RunnerContext) -> None:
        """Add a page, remove one, or find pages for a question."""
        given: dict[str, Any] = event.input
        store = cast("MemoryVectorStore", ctx.get_resource("pages", ResourceType.VECTOR_STORE))
        if "add" in given:
            metadata = {"about": given["about"], "by": ctx.key}
            await store.aadd(Document(id=given["name"], content=given["add"], metadata=metadata))
        elif "remove" in given:
            await store.adelete(given["remove"])
        else:
            await ctx.sleep(LATER)
            about = {"about": given["about"]} if "about" in given else None
            query = VectorStoreQuery(query_text=given["ask"], limit=2, filters=about)
            found = (await store.aquery(query)).documents
            ctx.sensory_memory.set("pages", [page.id for page in found])
            context = "\n\n".join(page.content for page in found)
            arguments = {"input": given["ask"], "context": context}
            ctx.send_event(ChatRequestEvent(model="librarian", messages=[], prompt_args=arguments))

    @action(ChatResponseEvent)
    @staticmethod
    async def answer(event: ChatResponseEvent, ctx: RunnerContext) -> None:
        """Send the answer."""
        pages = ctx.sensory_memory.get("pages")
        ctx.send_event(OutputEvent(output={"answer": event.response.content, "from": pages}))
