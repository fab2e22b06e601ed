"""Plans: which actions an event reaches, and that a plan travels."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any, ClassVar

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentPlan,
    Configuration,
    Event,
    InputEvent,
    LocalPrompt,
    OutputEvent,
    PoolOptions,
    Prompt,
    ResourceType,
    RunnerContext,
    action,
    prompt,
)
from tamias.agent.event import class_type
from tamias.agent.resources.registry import ResourceRegistry


class A(Event):
    pass


class SubA(A):
    pass


class Typed(Event):
    type: str = "x"


class Constant(Event):
    type: ClassVar[str] = "x"


def typed(clazz: type[Event], kind: Any) -> Event:
    return clazz.model_validate({"type": kind})


def reached(agent: Agent, event: Event) -> list[str]:
    return [found.name for found in AgentPlan.compile(agent).route(event)]


def agent_of(*listens: list[Any]) -> Agent:
    agent = Agent()
    for number, events in enumerate(listens):
        agent.add_action(f"a{number}", events, lambda _event, _ctx: None)
    return agent


def test_the_class_matches_exactly() -> None:
    agent = agent_of([A], [SubA], [Event])
    assert reached(agent, A()) == ["a0"]
    assert reached(agent, SubA()) == ["a1"]
    assert reached(agent, Event()) == ["a2"]
    assert reached(agent, InputEvent(input=1)) == []


def test_actions_run_in_the_order_of_declaration() -> None:
    assert reached(agent_of([A], [SubA, A], [A]), A()) == ["a0", "a1", "a2"]


def test_string_types_wherever_an_event_carries_them() -> None:
    agent = agent_of(["x"], ["y"])
    for event in (Event(type="x"), typed(A, "x"), Typed(), Constant()):
        assert reached(agent, event) == ["a0"]
    assert reached(agent, Typed(type="y")) == ["a1"]
    assert reached(agent, typed(Constant, "y")) == ["a1"]


def test_a_type_that_is_no_string_is_only_data() -> None:
    agent = agent_of(["x"], [A])
    for kind in (3, None, ["x"], {"x": 1}):
        assert reached(agent, typed(A, kind)) == ["a1"]


def test_a_type_can_be_changed_until_the_event_is_sent() -> None:
    plan = AgentPlan.compile(agent_of(["x"], ["y"]))
    event = Event(type="x")
    assert [each.name for each in plan.route(event)] == ["a0"]
    event.type = "y"
    assert [each.name for each in plan.route(event)] == ["a1"]


def test_the_class_comes_before_the_type_and_nothing_runs_twice() -> None:
    agent = agent_of(["x"], [A, "x"], [A])
    assert reached(agent, typed(A, "x")) == ["a1", "a2", "a0"]


class Form(Event):
    """As Flink Agents has its events since 0.3."""

    EVENT_TYPE: ClassVar[str] = "form"

    def __init__(self, amount: int) -> None:
        super().__init__(type=Form.EVENT_TYPE, attributes={"amount": amount})


@pytest.mark.parametrize("listened", [InputEvent, InputEvent.EVENT_TYPE, "_input_event"])
def test_both_forms_of_an_event_reach_both_forms_of_an_action(listened: Any) -> None:
    agent = agent_of([listened], [Form, "form"], [A])
    plain = Event(type="_input_event", attributes={"input": 1})
    assert reached(agent, InputEvent(input=1)) == reached(agent, plain) == ["a0"]
    assert reached(agent, Form(3)) == ["a1"]
    assert reached(agent, Event(type="form", attributes={"amount": 3})) == ["a1"]
    assert reached(agent, Event(type="A")) == reached(agent, A()) == ["a2"]
    assert reached(agent_of(["A"]), A()) == ["a0"]


def test_a_plain_event_reaches_nothing_by_the_class_of_another_type() -> None:
    agent = agent_of([A], [SubA])
    assert reached(agent, Event(type="order")) == []
    assert reached(agent, typed(A, "SubA")) == ["a0"]


def test_inputs_and_outputs_have_a_type_too() -> None:
    agent = agent_of([InputEvent.EVENT_TYPE], [OutputEvent.EVENT_TYPE])
    assert reached(agent, InputEvent(input=1)) == ["a0"]
    assert reached(agent, OutputEvent(output=1)) == ["a1"]


def test_a_plan_knows_whether_inputs_have_an_effect() -> None:
    AgentPlan.compile(agent_of([InputEvent])).check_handles_input()
    AgentPlan.compile(agent_of(["_input_event"])).check_handles_input()
    with pytest.raises(AgentDefinitionError, match=r"listens to InputEvent.*listen to A"):
        AgentPlan.compile(agent_of([A])).check_handles_input()
    with pytest.raises(AgentDefinitionError, match="has no action"):
        AgentPlan.compile(Agent()).check_handles_input()


def test_unheard_of_types_take_no_memory() -> None:
    plan = AgentPlan.compile(agent_of(["x"]))
    for number in range(1000):
        assert plan.route(Event(type=str(number))) == ()
    assert len(plan._routed) == 0


CLASSES: list[Any] = [A, SubA, Event, Typed, Constant]
TYPES = ["x", "y", "z"]


@given(
    listens=st.lists(st.lists(st.sampled_from(CLASSES + TYPES), min_size=1), max_size=6),
    events=st.lists(
        st.tuples(st.sampled_from(CLASSES), st.sampled_from([None, *TYPES, "w"])), max_size=10
    ),
)
def test_routing_against_its_definition(
    listens: list[list[Any]], events: list[tuple[Any, str | None]]
) -> None:
    plan = AgentPlan.compile(agent_of(*listens))
    for clazz, kind in events:
        event = clazz() if kind is None else clazz(type=kind)
        carried = event.get_type()
        by_class = [n for n, heard in enumerate(listens) if clazz in heard]
        types = [
            {each if isinstance(each, str) else class_type(each) for each in heard}
            if clazz is Event
            else heard
            for heard in listens
        ]
        by_type = [n for n, heard in enumerate(types) if carried in heard and n not in by_class]
        expected = [f"a{number}" for number in by_class + by_type]
        assert [found.name for found in plan.route(event)] == expected
    for listened, actions in plan.routes.items():
        assert [found.name for found in actions] == [
            f"a{number}" for number, heard in enumerate(listens) if listened in heard
        ]


# ------------------------------------------------------------------ configuration and resources


def test_the_plan_has_a_configuration_of_its_own() -> None:
    config = Configuration({"workers": 3})
    plan = AgentPlan.compile(agent_of([A]), config)
    config.set(PoolOptions.WORKERS, 4)
    assert plan.config.get(PoolOptions.WORKERS) == 3
    assert AgentPlan.compile(agent_of([A])).config.data == {}


class Prompting(Agent):
    @prompt
    @staticmethod
    def hello() -> Prompt:
        return Prompt.from_text("the agent's")


def test_an_agents_resources_are_preferred_to_the_environments() -> None:
    shared = {
        ResourceType.PROMPT: {
            "hello": Prompt.from_text("the environment's"),
            "bye": Prompt.from_text("bye"),
        }
    }
    plan = AgentPlan.compile(Prompting, resources=shared)
    registry = ResourceRegistry(plan.providers, plan.config)

    found = [registry.get(name, ResourceType.PROMPT) for name in ("hello", "bye")]

    assert [each.template for each in found if isinstance(each, LocalPrompt)] == [
        "the agent's",
        "bye",
    ]


# ------------------------------------------------------------------ travelling


class Importable(Agent):
    @action(InputEvent, "x", k=1)
    @staticmethod
    async def act(event: Event, ctx: RunnerContext) -> None:
        pass


def same(one: AgentPlan, other: AgentPlan) -> None:
    assert one.name == other.name
    assert list(one.actions) == list(other.actions)
    assert one.config == other.config
    for name, found in one.actions.items():
        copy = other.actions[name]
        assert (found.is_async, found.config) == (copy.is_async, copy.config)
        assert [str(each) for each in found.listens] == [str(each) for each in copy.listens]
    assert [str(each) for each in one.routes] == [str(each) for each in other.routes]


def test_an_importable_agent_travels_with_plain_pickle() -> None:
    plan = AgentPlan.compile(Importable, Configuration({"workers": 3}))
    copy = pickle.loads(pickle.dumps(plan, protocol=5))
    same(plan, copy)
    assert copy.actions["act"].fn is Importable.act
    assert [found.name for found in copy.route(Event(type="x"))] == ["act"]


def test_an_agent_of_a_closure_travels_with_its_classes() -> None:
    word = "from the closure"

    class Local(Event):
        text: str

    class Closure(Agent):
        @action(InputEvent)
        @staticmethod
        def act(_event: Event, _ctx: Any) -> Any:
            return Local(text=word)

        @action(Local)
        @staticmethod
        def react(event: Event, ctx: Any) -> None:
            pass

    plan = AgentPlan.compile(Closure)
    copy = pickle.loads(cloudpickle.dumps((plan, Closure())))[0]

    same(plan, copy)
    made = copy.actions["act"].fn(None, None)
    assert made.text == word
    assert [found.name for found in copy.route(made)] == ["react"]


MAIN = """
import sys
import cloudpickle
from tamias import *

class Local(Event):
    text: str

class Main(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        return Local(text=event.input + "!")

    @action(Local)
    @staticmethod
    async def react(event, ctx):
        pass

    @tool
    @staticmethod
    def shout(word: str, times: int = 1) -> str:
        "Shouts."
        return word.upper() * times

    @prompt
    @staticmethod
    def ask():
        return Prompt.from_text("say {what}")

sys.stdout.buffer.write(cloudpickle.dumps((AgentPlan.compile(Main), Main())))
"""


@pytest.mark.process
def test_an_agent_of_main_travels_to_another_process() -> None:
    written = subprocess.run(
        [sys.executable, "-c", MAIN], stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout

    plan, agent = pickle.loads(written)

    assert plan.name == "__main__:Main"
    same(plan, AgentPlan.compile(agent))
    made = plan.actions["act"].fn(InputEvent(input="hello"), None)
    assert made.text == "hello!"
    assert [found.name for found in plan.route(made)] == ["react"]
    registry = ResourceRegistry(plan.providers, plan.config)
    shout: Any = registry.get("shout", ResourceType.TOOL)
    assert shout.call("a", times=2) == "AA"
    assert shout.parameters["required"] == ["word"]
    ask: Any = registry.get("ask", ResourceType.PROMPT)
    assert ask.format_string(what="x") == "say x"
