"""`tamias.testing`: what a test sees of an agent, and what it decides."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.launcher import debugged_agents
from tamias import (
    Agent,
    AgentFailedError,
    ChatRequestEvent,
    ChatResponseEvent,
    EndOfInputEvent,
    Event,
    InputEvent,
    OllamaChatModelConnection,
    OllamaChatModelSetup,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    UsageError,
    action,
    chat_model_connection,
    chat_model_setup,
    tool,
)
from tamias.agent.resources.chat_message import ChatMessage, MessageRole
from tamias.store import clock
from tamias.testing import AgentTest, Clock, ScriptedChatModel, asks_for_tool, run_agent

charged: list[int] = []


def charge(amount: int, *, currency: str) -> str:
    charged.append(amount)
    if amount < 0:
        raise ValueError("negative")
    return f"{amount} {currency}"


class Charged(Event):
    receipt: str


class Reminder(Event):
    text: str


class Shop(Agent):
    """Charges durably, reminds after a day, and asks before it refunds."""

    @action(InputEvent)
    @staticmethod
    def order(event: Event, ctx: RunnerContext) -> None:
        receipt = ctx.durable_execute(charge, event.input, currency="EUR")
        ctx.short_term_memory.set("orders", ctx.short_term_memory.get("orders", 0) + 1)
        ctx.send_event(Charged(receipt=receipt))

    @action(Charged)
    @staticmethod
    async def charged(event: Event, ctx: RunnerContext) -> None:
        ctx.cancel("late")
        ctx.schedule(after=timedelta(days=1), event=Reminder(text=event.receipt), id="late")
        if event.receipt.startswith("500"):
            ctx.send_event(OutputEvent(output=await ctx.wait_for("approve", ask=event.receipt)))
            return
        ctx.send_event(OutputEvent(output=event.receipt))

    @action(Reminder)
    @staticmethod
    def remind(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=f"{event.text} at {ctx.now():%d.%m. %H h}"))

    @action(EndOfInputEvent)
    @staticmethod
    def end(event: Event, ctx: RunnerContext) -> None:
        del event
        ctx.send_event(OutputEvent(output="the end"))


@pytest.fixture(autouse=True)
def _nothing_is_charged() -> None:
    charged.clear()


def test_calls_events_and_timers_are_seen() -> None:
    run = run_agent(Shop, [("ada", 30)], longest_wait=60)
    (call,) = run.calls
    assert (call.name, call.args, call.kwargs) == (f"{__name__}.charge", (30,), {"currency": "EUR"})
    assert (call.result, call.error, call.is_replayed) == ("30 EUR", None, False)
    assert (call.key, call.offset, call.action) == ("ada", 0, "order")
    (sent,) = run.events
    assert sent.event == Charged(receipt="30 EUR")
    assert (sent.action, sent.key, sent.offset) == ("order", "ada", 0)
    (timer,) = run.timers
    assert (timer.id, timer.key, timer.event) == ("late", "ada", Reminder(text="30 EUR"))


def test_a_call_that_raises_is_seen_with_its_error() -> None:
    run = run_agent(Shop, [("ada", -1)], on_error="dead-letter", config={"max-attempts": 2})
    assert [str(call.error) for call in run.calls] == ["negative", "negative"]
    assert charged == [-1, -1]


def test_step_by_step() -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    with AgentTest(Shop, start=start) as test:
        assert test.memory("ada") == {}
        assert test.send("ada", 30) == ["30 EUR"]
        assert test.send_all([("bob", 5), ("ada", 12)]) == ["5 EUR", "12 EUR"]
        assert test.outputs_of("ada") == ["30 EUR", "12 EUR"]
        assert test.memory("ada") == {"orders": 2}
        assert [call.result for call in test.calls] == ["30 EUR", "5 EUR", "12 EUR"]
        assert charged == [30, 5, 12]


def test_time_is_moved_and_timers_fire() -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    with AgentTest(Shop, start=start) as test:
        test.send("ada", 30)
        assert [timer.due.date().isoformat() for timer in test.timers] == ["2026-03-02"]
        assert test.advance(timedelta(hours=23)) == []
        assert test.advance(timedelta(hours=2)) == ["30 EUR at 02.03. 12 h"]
        assert test.timers == []
        assert test.clock.now().hour == 13


def test_questions_wait_for_their_answer() -> None:
    with AgentTest(Shop) as test:
        assert test.send("ada", 500) == []
        (question,) = test.questions
        assert (question.name, question.ask) == ("approve", "500 EUR")
        assert test.answer("approve", "granted") == ["granted"]
        assert test.questions == []
        with pytest.raises(LookupError, match="no question 'approve' is open"):
            test.answer("approve", 1)


def test_new_outputs_are_those_of_the_step_whatever_input_they_go_back_to() -> None:
    with AgentTest(Shop, start=datetime(2026, 3, 1, 12, tzinfo=timezone.utc)) as test:
        test.send("ada", 30)
        test.send("bob", 500)
        assert test.advance(timedelta(days=2)) == ["30 EUR at 02.03. 12 h"]
        assert test.send("ada", 5) == ["5 EUR"]
        # The timer is due at once: it was set when the run began.
        assert test.answer("approve", "granted") == ["granted", "500 EUR at 03.03. 12 h"]
        assert test.outputs_of("bob") == ["granted", "500 EUR at 03.03. 12 h"]


def test_the_end_of_the_input_comes_when_the_test_says_so() -> None:
    with AgentTest(Shop) as test:
        test.send("ada", 1)
        assert test.end_input() == ["the end"]


def test_a_crash_after_a_call_does_not_make_it_twice() -> None:
    with AgentTest(Shop) as test:
        test.crash_after_calls(1)
        assert test.send("ada", 30) == ["30 EUR"]
        assert test.crashes == 1
        assert charged == [30]
        assert [call.is_replayed for call in test.calls] == [False, True]
        assert test.memory("ada") == {"orders": 1}


def test_a_crash_in_an_asynchronous_action_repeats_no_call() -> None:
    debugged_agents.made.clear()
    with AgentTest(debugged_agents.Shop) as test:
        test.crash_after_calls(2)
        assert test.send("ada", 4) == [400]
        assert test.crashes == 1
        assert debugged_agents.made == [4, 40]
        assert test.memory("ada") == {"last": 4, "seen": 1}


def test_errors_are_raised_or_listed() -> None:
    with AgentTest(Shop) as test, pytest.raises(AgentFailedError, match="negative"):
        test.send("ada", -1)
    config = {"max-attempts": 1}
    with AgentTest(Shop, on_error="dead-letter", config=config) as test:
        assert test.send("ada", -1) == []
        assert test.send("ada", 2) == ["2 EUR"]
        assert [(each.offset, each.error) for each in test.failures] == [
            (0, "ValueError: negative")
        ]


def test_the_clock_is_set_back() -> None:
    before = clock.now()
    with Clock(datetime(2030, 1, 1)) as moved:  # noqa: DTZ001 (it is in UTC)
        assert moved.now().year == 2030
        moved.advance(timedelta(days=400))
        assert moved.now().year == 2031
    assert abs(clock.now() - before) < 60


# -- models ------------------------------------------------------------------------------------


class Assistant(Agent):
    """Asks a model, which may call a tool."""

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
        return f"rain in {city}"

    @action(InputEvent)
    @staticmethod
    def ask(event: Event, ctx: RunnerContext) -> None:
        message = ChatMessage(role=MessageRole.USER, content=event.input)
        ctx.send_event(ChatRequestEvent(model="model", messages=[message]))

    @action(ChatResponseEvent)
    @staticmethod
    def answer(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=event.response.content))


def _with(model: ScriptedChatModel) -> dict[ResourceType, dict[str, Any]]:
    return {ResourceType.CHAT_MODEL_CONNECTION: {"service": model}}


def test_a_model_answers_as_the_test_says() -> None:
    model = ScriptedChatModel(asks_for_tool("weather", city="Rome"), "Take an umbrella.")
    run = run_agent(Assistant, [("ada", "Rome?")], replace=_with(model))
    assert run.outputs == [{"ada": "Take an umbrella."}]
    assert [asked.text for asked in model.asked] == ["Rome?", "rain in Rome"]
    assert model.asked[0].tools == ["weather"]
    assert model.left == 0


def test_a_model_may_be_a_function_or_fail() -> None:
    model = ScriptedChatModel(lambda messages: f"{len(messages)} of {messages[-1].content}")
    run = run_agent(Assistant, [("ada", "a"), ("bob", "b")], replace=_with(model))
    assert sorted(map(str, run.outputs)) == ["{'ada': '1 of a'}", "{'bob': '1 of b'}"]
    failing = ScriptedChatModel(TimeoutError("slow"))
    with pytest.raises(AgentFailedError, match="slow"):
        run_agent(Assistant, [("ada", "a")], replace=_with(failing))


def test_a_script_that_is_too_short_fails_the_run() -> None:
    with pytest.raises(AgentFailedError, match="was asked 1 times, and has no answer left"):
        run_agent(Assistant, [("ada", "a")], replace=_with(ScriptedChatModel()))


def test_what_is_replaced_has_to_be_there() -> None:
    wrong = {ResourceType.CHAT_MODEL_CONNECTION: {"servise": ScriptedChatModel()}}
    with pytest.raises(UsageError, match="has no chat_model_connection 'servise'"):
        run_agent(Assistant, [], replace=wrong)
