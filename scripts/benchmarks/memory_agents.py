"""The agent that the benchmarks of long-term memory run."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from memory_peers import NumpyScan

from tamias import (
    Agent,
    InputEvent,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    action,
    embedding_model_connection,
    embedding_model_setup,
)


class Notes(Agent):
    """Adds texts to a set, or searches it, and says when and how long.

    {"add": [texts], "first": number of the first}, or {"search": [texts], "mode": ...}; with
    "shared" the set is that of all keys. {"search": [texts], "scan": file} multiplies the matrix in
    a file of numpy, which the action has loaded, in place of searching a set.
    """

    @embedding_model_connection
    @staticmethod
    def here() -> ResourceDescriptor:
        """Makes vectors in the process."""
        return ResourceDescriptor(clazz="tamias.LocalEmbeddingModelConnection")

    @embedding_model_setup
    @staticmethod
    def texts() -> ResourceDescriptor:
        """The model that comes along."""
        return ResourceDescriptor(clazz="tamias.LocalEmbeddingModelSetup", connection="here")

    @action(InputEvent)
    @staticmethod
    async def act(event: InputEvent, ctx: RunnerContext) -> None:
        """Add, or search."""
        given: dict[str, Any] = event.input
        began = time.monotonic()
        notes = ctx.long_term_memory.get_memory_set(
            "notes", embedding="texts", shared=given.get("shared", False)
        )
        output: dict[str, Any] = {"began": began}
        if "add" in given:
            first, texts = given["first"], given["add"]
            await notes.aadd(texts, [str(first + place) for place in range(len(texts))])
        else:
            scan = NumpyScan.saved(given["scan"]) if "scan" in given else None
            output |= {"found": [], "wall": [], "cpu": []}
            for text in given["search"]:
                wall, cpu = time.perf_counter(), time.process_time()
                if scan is not None:
                    model: Any = ctx.get_resource("texts", ResourceType.EMBEDDING_MODEL)
                    numbers = scan.search(np.asarray(await model.aembed(text), np.float32))
                else:
                    items = await notes.asearch(text, limit=10, mode=given["mode"])
                    numbers = [int(item.id) for item in items]
                output["cpu"].append(time.process_time() - cpu)
                output["wall"].append(time.perf_counter() - wall)
                output["found"].append(numbers)
        output |= {"ended": time.monotonic(), "cpu time": time.process_time()}
        ctx.send_event(OutputEvent(output=output))


class Pairs(Notes):
    """Keeps the last fifty pairs of items: each commit leaves whole pairs, one after the other."""

    @action(InputEvent)
    @staticmethod
    async def act(event: InputEvent, ctx: RunnerContext) -> None:
        """Add a pair, and remove one."""
        number, text = event.input["number"], event.input["text"]
        pairs = ctx.long_term_memory.get_memory_set("pairs", embedding="texts")
        names = [f"{number}-a", f"{number}-b"]
        await pairs.aadd([text, f"{text} (again)"], names, {"pair": number})
        await pairs.adelete([f"{number - KEPT}-a", f"{number - KEPT}-b"])
        ctx.send_event(OutputEvent(output=number))


KEPT = 50
