"""An agent whose outputs show its memory sets, and what they have to be.

It adds, updates and deletes items of a set with vectors, adds to a set that all keys share, and
keeps a diary that a model makes smaller. The model joins what it is shown with "+", so what is
lost, doubled or summarised twice can be seen.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from tamias import (
    Agent,
    BaseChatModelConnection,
    BaseChatModelSetup,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    ChatMessage,
    CompactionConfig,
    InputEvent,
    MessageRole,
    OutputEvent,
    ResourceDescriptor,
    RunnerContext,
    TokenUsage,
    action,
    chat_model_connection,
    chat_model_setup,
    embedding_model_connection,
    embedding_model_setup,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOWN = re.compile(r"^\[(\d+)\] \([\d-]+\) (.*)$", re.MULTILINE)
CAPACITY = 6
EACH = 3


class Numbers(BaseEmbeddingModelConnection):
    """Vectors made of the numbers in a text."""

    def embed(self, text: str | Sequence[str], **_: Any) -> Any:
        """One vector or several."""
        texts = [text] if isinstance(text, str) else list(text)
        vectors = [vector(each) for each in texts]
        return vectors[0] if isinstance(text, str) else vectors


def vector(text: str) -> list[float]:
    number = sum(map(int, re.findall(r"\d+", text)))
    return [1.0, float(number % 7), float(number % 11), float(number % 13)]


class NumbersSetup(BaseEmbeddingModelSetup):
    """The model of `Numbers`."""

    connection: str = "numbers"
    model: str = "numbers"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """None."""
        return {}


class Joining(BaseChatModelConnection):
    """A model whose summaries name all that they stand for."""

    def chat(self, messages: Sequence[ChatMessage], tools: Any = None, **_: Any) -> ChatMessage:
        """One summary of all items."""
        shown = [text for _, text in SHOWN.findall(messages[1].content)]
        topic = {
            "summarization": "+".join(text.split()[0] for text in shown),
            "messages": list(range(len(shown))),
        }
        content = json.dumps({"all": topic})
        return ChatMessage(role=MessageRole.ASSISTANT, content=content, usage=TokenUsage())


class JoiningSetup(BaseChatModelSetup):
    """The model of `Joining`."""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """None."""
        return {}


class Remembering(Agent):
    """Changes three memory sets, and says what is in them."""

    @embedding_model_connection
    @staticmethod
    def numbers() -> ResourceDescriptor:
        """In process."""
        return ResourceDescriptor(clazz=Numbers)

    @embedding_model_setup
    @staticmethod
    def texts() -> ResourceDescriptor:
        """In process."""
        return ResourceDescriptor(clazz=NumbersSetup)

    @chat_model_connection
    @staticmethod
    def joining() -> ResourceDescriptor:
        """In process."""
        return ResourceDescriptor(clazz=Joining)

    @chat_model_setup
    @staticmethod
    def model() -> ResourceDescriptor:
        """In process."""
        return ResourceDescriptor(clazz=JoiningSetup, connection="joining")

    @action(InputEvent)
    @staticmethod
    async def remember(event: InputEvent, ctx: RunnerContext) -> None:
        """Carry out what the number of the input stands for."""
        row: Any = event.input
        n, key = row["n"], str(ctx.key)
        memory = ctx.long_term_memory
        notes = memory.get_memory_set("notes", embedding="texts")
        each = ctx.config.get_int("each", EACH)
        places = [f"{n}.{i}" for i in range(each)]
        await notes.aadd([f"note {place}" for place in places], places)
        if n % 5 == 0:
            await notes.adelete(f"{n}.0")
        if n % 3 == 0:
            await notes.aupdate(f"{n}.1", f"changed {n}.1")
        shared = memory.get_memory_set("shared", shared=True)
        await shared.aadd(f"{key} had {n}", f"{key}-{n}", {"key": key})
        config = CompactionConfig(model="model")
        diary = memory.get_memory_set("diary", capacity=CAPACITY, compaction_config=config)
        await diary.aadd(f"{n} was given to this key, and is part of its diary")
        found = await notes.asearch(f"note {n}.2", limit=9)
        output = {
            "key": key,
            "n": n,
            "size": await notes.asize(),
            "digest": digest(item.value for item in await notes.aget(limit=None)),
            "found": [item.value for item in found],
            "shared": len(await shared.aget(filters={"key": key}, limit=None)),
            "diary": [item.value for item in await diary.aget(limit=None)],
        }
        ctx.send_event(OutputEvent(output=output))


def digest(values: Iterable[str]) -> int:
    """What stands for the items of a set."""
    return zlib.crc32("\n".join(sorted(values)).encode())


def judge(outputs: Iterable[dict[str, Any]], each: int = EACH) -> None:
    """Each output shows the sets as the inputs of its key up to there have made them, once."""
    by_key: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for output in outputs:
        by_key[output["key"]].append(output)
    for found in by_key.values():
        notes: dict[str, str] = {}
        numbers = []
        for output in sorted(found, key=lambda output: output["n"]):
            n = output["n"]
            numbers.append(str(n))
            notes |= {f"{n}.{i}": f"note {n}.{i}" for i in range(each)}
            if n % 5 == 0:
                del notes[f"{n}.0"]
            if n % 3 == 0:
                notes[f"{n}.1"] = f"changed {n}.1"
            assert output["size"] == len(notes), output
            assert output["digest"] == digest(notes.values()), output
            assert f"note {n}.2" in output["found"], output
            assert output["shared"] == len(numbers), output
            assert len(output["diary"]) <= CAPACITY + 1
            parts = Counter(
                part for value in output["diary"] for part in value.split()[0].split("+")
            )
            assert parts == Counter(numbers), output
