"""What Flink Agents' runtime has over objects in Java, with such objects made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

RECORD = """
    import asyncio

    import cloudpickle

    from flink_agents.runtime.flink_runner_context import (
        FlinkRunnerContext,
        close_async_thread_pool,
        create_async_thread_pool,
    )


    class Record:
        def __init__(self):
            self.calls, self.place = [], 0

        def getCurrentCallResultFields(self):
            return self.calls[self.place] if self.place < len(self.calls) else None

        def matchNextOrClearSubsequentCallResult(self, function, digest):
            current = self.getCurrentCallResultFields()
            if current is None or current[:2] != [function, digest]:
                del self.calls[self.place :]
                return None
            self.place += 1
            return [True, *current[3:]]

        def recordCallCompletion(self, function, digest, value, failure):
            self.calls.append([function, digest, "ENDED", value, failure])
            self.place += 1

        def appendPendingCall(self, function, digest):
            self.calls.append([function, digest, "PENDING", None, None])

        def finalizeCurrentCall(self, function, digest, value, failure):
            self.calls[self.place] = [function, digest, "ENDED", value, failure]
            self.place += 1

        def clearCallResultsFromCurrentIndexAndPersist(self):
            del self.calls[self.place :]


    def charge(amount):
        done.append(amount)
        if amount < 0:
            raise ValueError(amount)
        return f"receipt {len(done)}"


    async def awaited(call):
        return await call


    def context():
        made = FlinkRunnerContext()
        made._j_runner_context, made.executor = record, pool
        record.place = 0
        return made


    done, record, pool = [], Record(), create_async_thread_pool(1)
"""


def test_calls_are_made_once_by_the_record_in_java(run_program: RunProgram) -> None:
    program = f"""{RECORD}
    for _ in range(2):
        ctx = context()
        print(ctx.durable_execute(charge, 5), end="; ")
        print(ctx.durable_execute(charge, 6, reconciler=lambda: "asked"), end="; ")
        print(asyncio.run(awaited(ctx.durable_execute_async(charge, 7))), end="; ")
        try:
            ctx.durable_execute(charge, -1)
        except ValueError as error:
            print(error)
    record.calls[1][2] = "PENDING"
    ctx = context()
    first = ctx.durable_execute(charge, 5)
    print(first, ctx.durable_execute(charge, 6, reconciler=lambda: "asked"))
    print(ctx.durable_execute(charge, 9), len(record.calls), done)
    close_async_thread_pool(pool)
    """
    assert run_program(program).splitlines() == [
        "receipt 1; receipt 2; receipt 3; -1",
        "receipt 1; receipt 2; receipt 3; -1",
        "receipt 1 asked",
        "receipt 5 3 [5, 6, 7, -1, 9]",
    ]


def test_resources_over_java_hand_everything_on(run_program: RunProgram) -> None:
    program = """
    from types import SimpleNamespace

    from flink_agents.api.chat_message import ChatMessage
    from flink_agents.runtime.flink_metric_group import FlinkMetricGroup
    from flink_agents.runtime.java.java_chat_model import JavaChatModelSetupImpl
    from flink_agents.runtime.java.java_embedding_model import JavaEmbeddingModelConnectionImpl

    class Model:
        def setMetricGroup(self, group):
            print("metrics", group)

        def embed(self, text, options):
            return (len(text), options["scale"])

        def chat(self, messages, values, options):
            role = SimpleNamespace(getValue=lambda: "assistant")
            return SimpleNamespace(
                getRole=lambda: role,
                getContent=lambda: f"{messages} {values} {options}",
                getToolCalls=lambda: [{"id": 7, "type": "function"}],
                getExtraArgs=lambda: None,
            )

    adapter = SimpleNamespace(fromPythonChatMessage=lambda message: message.content.upper())
    embedder = JavaEmbeddingModelConnectionImpl(Model(), adapter)
    print(embedder.embed("four", scale=2))
    embedder.set_metric_group(FlinkMetricGroup("theirs"))
    try:
        embedder.set_metric_group(object())
    except TypeError as error:
        print("refused")
    chat = JavaChatModelSetupImpl(Model(), adapter, connection="c", model="m")
    said = chat.chat([ChatMessage(content="hi")], {"a": 1}, top=2)
    print(said.content, said.tool_calls)
    """
    assert run_program(program, "0.4").splitlines() == [
        "[4, 2]",
        "metrics theirs",
        "refused",
        "['HI'] {'a': 1} {'top': 2} [{'id': '7', 'type': 'function'}]",
    ]
