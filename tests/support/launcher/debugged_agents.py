"""Agents for tests of `tamias debug`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tamias import (
    Agent,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    Event,
    InputEvent,
    MessageRole,
    OllamaChatModelConnection,
    OllamaChatModelSetup,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    SubAgent,
    action,
    call_tools,
    chat_model_connection,
    chat_model_setup,
    tool,
)

if TYPE_CHECKING:
    from tamias import RunnerContext

made: list[int] = []
"""What the durable call was really made with."""


def rate(value: int) -> int:
    made.append(value)
    return value * 10


class Rated(Event):
    rating: int


class Shop(Agent):
    """Two actions, a plain and an asynchronous one; input 3 fails in the second."""

    @action(InputEvent)
    @staticmethod
    def first(event: Event, ctx: RunnerContext) -> None:
        rating = ctx.durable_execute(rate, event.input)
        ctx.short_term_memory.set("last", event.input)
        ctx.send_event(Rated(rating=rating))

    @action(Rated)
    @staticmethod
    async def second(event: Event, ctx: RunnerContext) -> None:
        limit = 300
        seen = ctx.short_term_memory.get("seen", 0) + 1
        ctx.short_term_memory.set("seen", seen)
        price = await ctx.durable_execute_async(rate, event.rating)
        if price == limit:
            raise ValueError(f"no {price}")  # the failing line
        ctx.send_event(OutputEvent(output=price))


class Waiting(Agent):
    """Sleeps, asks, and then fails."""

    @action(InputEvent)
    @staticmethod
    async def handle(event: Event, ctx: RunnerContext) -> None:
        await ctx.sleep(timedelta(hours=1))
        answer = await ctx.wait_for("approval", ask={"amount": event.input})
        began = ctx.now()
        raise ValueError(f"answered {answer} at {began.year}")


class Reminder(Event):
    text: str


class Reminding(Agent):
    """Sets a timer, whose run fails."""

    @action(InputEvent)
    @staticmethod
    def handle(event: Event, ctx: RunnerContext) -> None:
        ctx.schedule(after=60, event=Reminder(text=event.input))

    @action(Reminder)
    @staticmethod
    def remind(event: Event, ctx: RunnerContext) -> None:
        raise LookupError(f"nobody for {event.text} of {ctx.key}")


class Remembering(Agent):
    """Has a memory set, and fails at the input "fail"."""

    @action(InputEvent)
    @staticmethod
    def handle(event: Event, ctx: RunnerContext) -> None:
        notes = ctx.long_term_memory.get_or_create_memory_set("notes")
        if event.input == "fail":
            texts = sorted(str(item.value) for item in notes.get())
            raise ValueError(" and ".join(texts))
        notes.add(event.input)


class Assistant(Agent):
    """Asks a model, which may call a tool; then fails."""

    @chat_model_connection
    @staticmethod
    def service() -> ResourceDescriptor:
        return ResourceDescriptor(clazz=OllamaChatModelConnection)

    @chat_model_setup
    @staticmethod
    def model() -> ResourceDescriptor:
        return ResourceDescriptor(
            clazz=OllamaChatModelSetup, connection="service", model="m", tools=["weather"]
        )

    @tool
    @staticmethod
    def weather(city: str) -> str:
        """The weather in a city."""
        made.append(len(city))
        return f"rain in {city}"

    @action(InputEvent)
    @staticmethod
    def ask(event: Event, ctx: RunnerContext) -> None:
        message = ChatMessage(role=MessageRole.USER, content=event.input)
        ctx.send_event(ChatRequestEvent(model="model", messages=[message]))

    @action(ChatResponseEvent)
    @staticmethod
    def answer(event: Event, ctx: RunnerContext) -> None:
        text = event.response.content
        raise ValueError(f"cannot send {text!r}")


class Inner(Agent):
    """Is a tool of the next one."""

    @action(InputEvent)
    @staticmethod
    async def look(event: Event, ctx: RunnerContext) -> None:
        price = await ctx.durable_execute_async(rate, len(event.input))
        ctx.send_event(OutputEvent(output=price))


async def delegate(event: Event, ctx: RunnerContext) -> None:
    """Has another agent do the work, and fails."""
    call = {"id": "a", "function": {"name": "look", "arguments": {"input": event.input}}}
    found = (await call_tools(ctx, [call])).results
    raise ValueError(f"looked {found[0].content}")


delegating = Agent().add_action("delegate", [InputEvent], delegate)
delegating.add_resource(
    "look", ResourceType.TOOL, SubAgent(agent=Inner, name="look", description="Looks.")
)


class Wide(Agent):
    """A key with more fields than a worker reads at once; fails at the input "fail"."""

    @action(InputEvent)
    @staticmethod
    def handle(event: Event, ctx: RunnerContext) -> None:
        memory = ctx.short_term_memory
        if event.input == "fail":
            raise ValueError(f"{memory.get('field7')} of {len(memory.get_field_names())}")
        for number in range(100):
            memory.set(f"field{number}", event.input)


def unsteady(value: int) -> int:
    made.append(value)
    divisor = value - 3
    return 12 // divisor  # the failing call


class Caller(Agent):
    """Fails because of a durable call."""

    @action(InputEvent)
    @staticmethod
    def handle(event: Event, ctx: RunnerContext) -> None:
        rating = ctx.durable_execute(rate, event.input)
        ctx.send_event(OutputEvent(output=[rating, ctx.durable_execute(unsteady, event.input)]))
