"""Agents that use Java resources, for pools."""

from __future__ import annotations

from typing import Any, cast

from support.java.resources import PythonConnection, add, echo
from tamias import (
    Agent,
    BaseChatModelSetup,
    ChatMessage,
    InputEvent,
    JavaChatModelConnection,
    JavaChatModelSetup,
    JvmError,
    OutputEvent,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    action,
    chat_model_connection,
    chat_model_setup,
    prompt,
    tool,
)

JAVA = "org.apache.flink.agents.integrations.chatmodels.openai"


def model_of(ctx: RunnerContext) -> BaseChatModelSetup:
    """The agent's chat model."""
    return cast("BaseChatModelSetup", ctx.get_resource("model", ResourceType.CHAT_MODEL))


class Echoing(Agent):
    """Has its inputs said by a chat model that is Java's."""

    @chat_model_connection
    @staticmethod
    def echo() -> ResourceDescriptor:
        return echo()

    @chat_model_connection
    @staticmethod
    def here() -> ResourceDescriptor:
        return ResourceDescriptor(clazz=PythonConnection)

    @chat_model_setup
    @staticmethod
    def model() -> ResourceDescriptor:
        return ResourceDescriptor(
            clazz=JavaChatModelSetup, java_clazz="trials.Setup", connection="echo"
        )

    @chat_model_setup
    @staticmethod
    def over_python() -> ResourceDescriptor:
        return ResourceDescriptor(
            clazz=JavaChatModelSetup,
            java_clazz="trials.Setup",
            connection="here",
            prompt="manners",
            tools=["add"],
        )

    @prompt
    @staticmethod
    def manners() -> Prompt:
        return Prompt.from_text("Be {manner}.")

    @tool
    @staticmethod
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return add(a, b)


class Awaiting(Echoing):
    """Awaits the answer, and tells in which JVM it was."""

    @action(InputEvent)
    @staticmethod
    async def ask(event: InputEvent, ctx: RunnerContext) -> None:
        model = model_of(ctx)
        answer = await model.achat([ChatMessage(content=event.input)])
        life = cast("Any", model)._calls._session._address.life
        output = {"said": answer.content, "most": answer.extra_args.get("most"), "jvm": life}
        ctx.send_event(OutputEvent(output=output))


class Durable(Echoing):
    """Asks in durable calls of both sorts, and counts in memory."""

    @action(InputEvent)
    @staticmethod
    async def ask(event: InputEvent, ctx: RunnerContext) -> None:
        model = model_of(ctx)
        first = ctx.durable_execute(model.chat, [ChatMessage(content=f"{event.input}")])
        second = await ctx.durable_execute_async(
            model.achat, [ChatMessage(content=f"sleep {20 + event.input % 7}")]
        )
        count = (ctx.short_term_memory.get("n") or 0) + 1
        ctx.short_term_memory.set("n", count)
        ctx.send_event(OutputEvent(output=[count, first.content, second.content]))


class JavaAwaiting(Echoing):
    """Awaits Java for 50 ms, and counts."""

    @action(InputEvent)
    @staticmethod
    async def ask(event: InputEvent, ctx: RunnerContext) -> None:
        answer = await model_of(ctx).achat([ChatMessage(content="sleep 50")])
        _count(event, ctx, answer)


class JavaWaiting(Echoing):
    """Waits for Java for 50 ms, and counts."""

    @action(InputEvent)
    @staticmethod
    def ask(event: InputEvent, ctx: RunnerContext) -> None:
        answer = model_of(ctx).chat([ChatMessage(content="sleep 50")])
        _count(event, ctx, answer)


def _count(event: InputEvent, ctx: RunnerContext, answer: ChatMessage) -> None:
    count = (ctx.short_term_memory.get("n") or 0) + 1
    ctx.short_term_memory.set("n", count)
    row: Any = event.input
    ctx.send_event(OutputEvent(output={"n": row["n"], "count": count, "said": answer.content}))


class OverPython(Echoing):
    """A Java setup that uses a connection, a prompt and a tool of Python's."""

    @action(InputEvent)
    @staticmethod
    async def ask(event: InputEvent, ctx: RunnerContext) -> None:
        model = cast("BaseChatModelSetup", ctx.get_resource("over_python", ResourceType.CHAT_MODEL))
        asked = [ChatMessage(content=event.input, extra_args={"manner": "kind"})]
        plain = model.chat(asked)
        awaited = await model.achat(asked)
        assert plain == awaited
        ctx.send_event(OutputEvent(output=[plain.content, plain.extra_args["results"]]))


class Failing(Echoing):
    """Has Java run out of memory, and goes on with the error; the durable failure is on record."""

    @action(InputEvent)
    @staticmethod
    def ask(event: InputEvent, ctx: RunnerContext) -> None:
        model = model_of(ctx)
        try:
            model.chat([ChatMessage(content="grow")])
        except JvmError as error:
            told = error.message
        else:
            told = "nothing"
        answer = model.chat([ChatMessage(content="on")])
        ctx.send_event(OutputEvent(output=[told, answer.content]))


class Talking(Agent):
    """The OpenAI chat model of Flink Agents, with a tool of Python's that it may ask for."""

    base_url = ""

    @chat_model_connection
    @staticmethod
    def service() -> ResourceDescriptor:
        import os

        return ResourceDescriptor(
            clazz=JavaChatModelConnection,
            java_clazz=f"{JAVA}.OpenAIChatModelConnection",
            api_key="secret",
            api_base_url=os.environ["TALKING_URL"],
            max_retries=0,
        )

    @chat_model_setup
    @staticmethod
    def model() -> ResourceDescriptor:
        return ResourceDescriptor(
            clazz=JavaChatModelSetup,
            java_clazz=f"{JAVA}.OpenAIChatModelSetup",
            connection="service",
            model="gpt-test",
            temperature=0.25,
            prompt="manners",
            tools=["add"],
        )

    @prompt
    @staticmethod
    def manners() -> Prompt:
        return Prompt.from_text("Use tools.")

    @tool
    @staticmethod
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @action(InputEvent)
    @staticmethod
    async def ask(event: InputEvent, ctx: RunnerContext) -> None:
        model = model_of(ctx)
        talk = [ChatMessage(content=event.input)]
        while True:
            answer = await ctx.durable_execute_async(model.achat, talk)
            talk.append(answer)
            if not answer.tool_calls:
                break
            for call in answer.tool_calls:
                wanted = cast("Any", ctx.get_resource(call["function"]["name"], ResourceType.TOOL))
                result = await wanted.acall(**call["function"]["arguments"])
                extra = {"externalId": call["id"]}
                talk.append(ChatMessage(role="tool", content=str(result), extra_args=extra))
        ctx.send_event(OutputEvent(output=answer.content))
