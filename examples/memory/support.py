"""A support desk that remembers its customers from one session to the next.

The key is the customer. Two memory sets are kept for each:

- "talks" has what was said. It holds few messages; the oldest become a summary of a model when it
  is full, in a run of its own, so no customer waits for it.
- "facts" has what customers say of themselves. These stay, however much is said afterwards.

Of both, what fits the question is found, and given to the model. A customer who says "Forget me."
is forgotten.
"""

from typing import Any

from both import WithModels, chat_model

from tamias import (
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    CompactionConfig,
    InputEvent,
    MemorySet,
    MessageRole,
    OutputEvent,
    Prompt,
    ResourceDescriptor,
    RunnerContext,
    action,
    chat_model_setup,
    prompt,
)

OF_THEMSELVES = ("I am ", "I have ", "I live ", "My ", "We ")
"""How sentences begin that say something of the customer. No model is asked for each message."""


class Support(WithModels):
    """Gets what customers write; its outputs are answers, with what was remembered for them."""

    @prompt
    @staticmethod
    def with_memory() -> Prompt:
        """What the model is told."""
        return Prompt.from_messages(
            [
                ChatMessage(
                    role=MessageRole.SYSTEM,
                    content="You are the support of a shop. What you remember of this customer:"
                    "\n\n{memories}\n\nAnswer in one sentence.",
                ),
                ChatMessage(role=MessageRole.USER, content="{input}"),
            ]
        )

    @chat_model_setup
    @staticmethod
    def assistant() -> ResourceDescriptor:
        """The model that answers."""
        return chat_model(prompt="with_memory")

    @chat_model_setup
    @staticmethod
    def writer() -> ResourceDescriptor:
        """The model that writes summaries."""
        return chat_model()

    @action(InputEvent)
    @staticmethod
    async def read(event: InputEvent, ctx: RunnerContext) -> None:
        """Remember what fits, and ask the model."""
        text = event.input
        if text.strip(" .!").lower() == "forget me":
            for name in ctx.long_term_memory.memory_set_names():
                ctx.long_term_memory.delete_memory_set(name)
            ctx.send_event(OutputEvent(output=said("All that I knew of you is deleted.", [])))
            return
        recalled = [
            *await facts_of(ctx).asearch(text, limit=3),
            *await talks_of(ctx).asearch(text, limit=3),
        ]
        memories = list(dict.fromkeys(words_of(item.value) for item in recalled))
        sentences = [sentence.strip() for sentence in text.split(".")]
        facts = [sentence for sentence in sentences if sentence.startswith(OF_THEMSELVES)]
        if facts:
            # A fact that is told again is the same item: its text is its id.
            await facts_of(ctx).aadd(facts, ids=facts, keep=True)
        ctx.sensory_memory.set("asked", {"text": text, "memories": memories})
        ctx.send_event(
            ChatRequestEvent(
                model="assistant",
                messages=[],
                prompt_args={"input": text, "memories": "\n".join(memories) or "nothing"},
            )
        )

    @action(ChatResponseEvent)
    @staticmethod
    async def answer(event: ChatResponseEvent, ctx: RunnerContext) -> None:
        """Send the answer, and keep what both have said."""
        asked = ctx.sensory_memory.get("asked")
        question = ChatMessage(role=MessageRole.USER, content=asked["text"])
        reply = ChatMessage(role=MessageRole.ASSISTANT, content=event.response.content)
        await talks_of(ctx).aadd([question, reply])
        ctx.send_event(OutputEvent(output=said(reply.content, asked["memories"])))


def facts_of(ctx: RunnerContext) -> MemorySet:
    """What the customer has said of themselves."""
    return ctx.long_term_memory.get_memory_set("facts", embedding="texts", capacity=200)


def talks_of(ctx: RunnerContext) -> MemorySet:
    """What was said; of the older part there are summaries."""
    return ctx.long_term_memory.get_memory_set(
        "talks",
        item_type=ChatMessage,
        embedding="texts",
        capacity=8,
        compaction_config=CompactionConfig(model="writer", limit=2),
    )


def words_of(value: Any) -> str:
    """The words of a message, or of a text."""
    return str(value.content) if isinstance(value, ChatMessage) else str(value)


def said(answer: str, memories: list[str]) -> dict[str, Any]:
    """An output."""
    return {"answer": answer, "remembered": memories}
