"""Declaring agents: every way that works, and a clear error for every way that does not."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentPlan,
    Event,
    InputEvent,
    OutputEvent,
    Prompt,
    ResourceType,
    RunnerContext,
    TamiasError,
    action,
    prompt,
    tool,
)


class Ping(Event):
    pass


class Pong(Event):
    pass


def nothing(event: Event, ctx: RunnerContext) -> None:
    pass


def names(agent: Agent | type[Agent]) -> list[str]:
    return list(AgentPlan.compile(agent).actions)


# ------------------------------------------------------------------ ways that work


class Both(Agent):
    @action(InputEvent)
    @staticmethod
    def above(event: Event, ctx: RunnerContext) -> None:
        pass

    @staticmethod
    @action(Ping, Pong, "ping", retries=3)
    async def below(event: Event, ctx: RunnerContext) -> None:
        pass

    @action(OutputEvent)
    def bare(event: Event, ctx: RunnerContext) -> None:  # type: ignore[misc]  # noqa: N805
        pass

    @staticmethod
    def helper(x: int) -> int:
        return x


def test_decorators_work_above_and_below_staticmethod() -> None:
    plan = AgentPlan.compile(Both)

    assert list(plan.actions) == ["above", "below", "bare"]
    assert plan.actions["above"].fn is Both.above
    assert plan.actions["below"].listens == (Ping, Pong, "ping")
    assert plan.actions["below"].config == {"retries": 3}
    assert [each.is_async for each in plan.actions.values()] == [False, True, False]


def test_decorated_functions_can_still_be_called() -> None:
    assert Both.above(Ping(), None) is None  # type: ignore[arg-type]


def test_a_class_and_an_instance_give_the_same_plan() -> None:
    one, other = AgentPlan.compile(Both), AgentPlan.compile(Both())
    assert one.name == other.name == f"{__name__}:Both"
    assert list(one.actions) == list(other.actions)
    assert one.routes.keys() == other.routes.keys()


def test_actions_added_by_hand_come_last() -> None:
    agent = Both().add_action("more", [Ping, "x"], nothing, k=1).add_action("one", Ping, nothing)
    plan = AgentPlan.compile(agent)

    assert list(plan.actions) == ["above", "below", "bare", "more", "one"]
    assert plan.actions["more"].config == {"k": 1}
    assert plan.actions["one"].listens == (Ping,)
    assert agent.actions["more"] == ([Ping, "x"], nothing, {"k": 1})
    assert agent.actions["one"] == ([Ping], nothing, None)


def test_an_agent_put_together_by_hand_is_named_after_its_functions() -> None:
    plan = AgentPlan.compile(Agent().add_action("a", [InputEvent], nothing))
    assert plan.name == f"{__name__}:Agent"


def test_a_subclass_need_not_call_init() -> None:
    class Forgetful(Agent):
        def __init__(self) -> None:
            self.add_action("a", [InputEvent], nothing)

    assert names(Forgetful) == ["a"]


def test_two_agents_share_nothing() -> None:
    Agent().add_action("a", [InputEvent], nothing)
    assert Agent().actions == {}
    assert all(not named for named in Agent().resources.values())


class Base(Agent):
    @action(InputEvent)
    @staticmethod
    def first(event: Event, ctx: RunnerContext) -> None:
        pass

    @action(InputEvent)
    @staticmethod
    def second(event: Event, ctx: RunnerContext) -> None:
        pass

    @action(InputEvent)
    @staticmethod
    def third(event: Event, ctx: RunnerContext) -> None:
        pass


class Mixin:
    @action(Pong)
    @staticmethod
    def mixed(event: Event, ctx: RunnerContext) -> None:
        pass


class Derived(Mixin, Base):
    @action(Pong)
    @staticmethod
    def fourth(event: Event, ctx: RunnerContext) -> None:
        pass

    @action(Ping)
    @staticmethod
    def first(event: Event, ctx: RunnerContext) -> None:
        pass

    second = None  # type: ignore[assignment]


def test_inheritance_goes_by_name_and_keeps_places() -> None:
    plan = AgentPlan.compile(Derived)
    assert list(plan.actions) == ["first", "third", "mixed", "fourth"]
    assert plan.actions["first"].fn is Derived.first
    assert plan.actions["first"].listens == (Ping,)
    assert names(Base) == ["first", "second", "third"]


def test_an_override_without_decorator_is_no_action() -> None:
    class Quiet(Base):
        @staticmethod
        def first(event: Event, ctx: RunnerContext) -> None:
            pass

    assert names(Quiet) == ["second", "third"]


def test_compiling_is_deterministic() -> None:
    plans = [AgentPlan.compile(Derived) for _ in range(3)]
    assert len({repr(plan) for plan in plans}) == 1
    assert len({str(list(plan.routes)) for plan in plans}) == 1


def test_listening_twice_is_listening_once() -> None:
    agent = Agent().add_action("a", [Ping, Ping, "x", "x"], nothing)
    plan = AgentPlan.compile(agent)
    assert plan.actions["a"].listens == (Ping, "x")
    assert len(plan.route(Ping.model_validate({"type": "x"}))) == 1


class CallableAction:
    async def __call__(self, event: Event, ctx: RunnerContext) -> None:
        pass

    def method(self, event: Event, ctx: RunnerContext) -> None:
        pass


async def three(extra: int, event: Event, ctx: RunnerContext) -> None:
    pass


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (nothing, False),
        (lambda *_: None, False),
        (lambda _event, _ctx, _more=1: None, False),
        (partial(three, 1), True),
        (partial(partial(three, 1)), True),
        (CallableAction(), True),
        (CallableAction().method, False),
        (staticmethod(nothing), False),
        (print, False),
    ],
)
def test_whatever_can_be_called_with_event_and_context(
    function: Any,
    is_async: bool,  # noqa: FBT001
) -> None:
    plan = AgentPlan.compile(Agent().add_action("a", [Ping], function))
    assert plan.actions["a"].is_async is is_async


def test_a_decorator_in_between_does_not_hide_an_action() -> None:
    def logged(function: Any) -> Any:
        @wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    class Logged(Agent):
        @staticmethod
        @logged
        @action(InputEvent)
        def inner(event: Event, ctx: RunnerContext) -> None:
            pass

    assert names(Logged) == ["inner"]


def test_attributes_of_any_kind_do_no_harm() -> None:
    class YesMan:
        def __getattr__(self, name: str) -> str:
            return name

        def __call__(self) -> None:
            pass

    class Odd(Agent):
        yes = YesMan()
        count = 3
        event = Ping
        size = property(lambda _: 1)

    assert names(Odd) == []


# ------------------------------------------------------------------ ways that do not


def refused(match: str) -> Any:
    return pytest.raises(AgentDefinitionError, match=match)


def test_an_action_that_listens_to_nothing() -> None:
    with refused(r"'.*idle' listens to nothing.*@action\(InputEvent\)"):

        @action()
        def idle(event: Event, ctx: RunnerContext) -> None:
            pass

    with refused("'idle' listens to nothing"):
        Agent().add_action("idle", [], nothing)


def test_a_forgotten_pair_of_brackets() -> None:
    with refused("idle' listens to nothing"):

        @action  # type: ignore[arg-type]
        def idle(event: Event, ctx: RunnerContext) -> None:
            pass

    with refused("listens to nothing"):
        action(staticmethod(nothing))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [int, 3, None, Ping(), "", ["x"]])
def test_listening_to_something_that_is_no_event(wrong: Any) -> None:
    with refused("'a' listens to .*, which is neither a subclass of Event nor a string"):
        Agent().add_action("a", [InputEvent, wrong], nothing)
    if not isinstance(wrong, list):
        with refused("neither a subclass of Event nor a string"):
            action(InputEvent, wrong)(nothing)


def test_two_actions_of_one_name() -> None:
    with refused("'a' has been added to Agent before"):
        Agent().add_action("a", [Ping], nothing).add_action("a", [Pong], nothing)
    with refused("'above' is both a method of Both and added by hand"):
        AgentPlan.compile(Both().add_action("above", [Ping], nothing))


async def agen(event: Event, ctx: RunnerContext) -> Any:
    yield event


def gen(event: Event, ctx: RunnerContext) -> Any:
    yield event


@pytest.mark.parametrize("function", [gen, agen, partial(gen)])
def test_a_generator(function: Any) -> None:
    with refused("'a' yields.*send_event"):
        AgentPlan.compile(Agent().add_action("a", [Ping], function))


@pytest.mark.parametrize(
    "function",
    [
        lambda: None,
        lambda _event: None,
        lambda _event, _ctx, _more: None,
        lambda _event, *, _ctx: None,
        partial(three, 1, Ping()),
        CallableAction.method,
    ],
)
def test_a_bad_signature(function: Any) -> None:
    with refused(r"'a' takes \(.*, but is called with \(event, ctx\)"):
        AgentPlan.compile(Agent().add_action("a", [Ping], function))


def test_a_method_with_self() -> None:
    class Selfish(Agent):
        @action(InputEvent)
        def act(self, event: Event, ctx: RunnerContext) -> None:
            pass

    with refused("without self, under @staticmethod"):
        AgentPlan.compile(Selfish)


def test_a_class_method() -> None:
    class Classy(Agent):
        @action(InputEvent)
        @classmethod
        def act(cls, event: Event, ctx: RunnerContext) -> None:
            pass

    with refused("'act' is a class method.*@staticmethod"):
        AgentPlan.compile(Classy)


@pytest.mark.parametrize("thing", [print, 3, CallableAction().method])
def test_something_that_cannot_be_decorated(thing: Any) -> None:
    for decorator in (action(Ping), tool):
        with refused("cannot be decorated.*add_action"):
            decorator(thing)


def test_something_that_cannot_be_called() -> None:
    with refused("'a' is 3, which cannot be called"):
        AgentPlan.compile(Agent().add_action("a", [Ping], 3))  # type: ignore[arg-type]


def test_a_name_that_every_agent_has() -> None:
    class Clash(Agent):
        @action(InputEvent)
        @staticmethod
        def resources(event: Event, ctx: RunnerContext) -> None:  # type: ignore[override]
            pass

    with refused("'resources' is declared as an action.*every Agent has it"):
        AgentPlan.compile(Clash)


def test_an_action_that_is_a_resource_too() -> None:
    class Double(Agent):
        @tool
        @action(InputEvent)
        @staticmethod
        def both(event: Event, ctx: RunnerContext) -> None:
            pass

    with refused("'both' is declared both as an action and as a resource"):
        AgentPlan.compile(Double)


@pytest.mark.parametrize("name", ["", None, InputEvent])
def test_a_name_that_is_none(name: Any) -> None:
    with refused("given as the name of a action"):
        Agent().add_action(name, [Ping], nothing)
    with refused("given as the name of a prompt"):
        Agent().add_resource(name, ResourceType.PROMPT, Prompt.from_text("x"))


@pytest.mark.parametrize("thing", [None, 3, Ping, object, "module:Agent"])
def test_something_that_is_no_agent(thing: Any) -> None:
    with refused("is not an agent.*subclass of tamias.Agent"):
        AgentPlan.compile(thing)


def test_a_class_that_needs_arguments() -> None:
    class Needy(Agent):
        def __init__(self, url: str) -> None:
            self.url = url

    with refused("Needy cannot be made without arguments.*'url'.*instance instead"):
        AgentPlan.compile(Needy)
    assert names(Needy("x")) == []


def test_what_an_agents_constructor_raises_is_not_hidden() -> None:
    class Broken(Agent):
        def __init__(self) -> None:
            msg = "from inside"
            raise TypeError(msg)

    with pytest.raises(TypeError, match="from inside"):
        AgentPlan.compile(Broken)


def test_two_resources_of_one_name() -> None:
    class Prompting(Agent):
        @prompt
        @staticmethod
        def hello() -> Prompt:
            return Prompt.from_text("hello")

    text = Prompt.from_text("x")
    with refused("prompt 'p' has been added before"):
        Agent().add_resource("p", ResourceType.PROMPT, text).add_resource(
            "p", ResourceType.PROMPT, text
        )
    with refused("prompt 'hello' is both a method of .*Prompting and added by hand"):
        AgentPlan.compile(Prompting().add_resource("hello", ResourceType.PROMPT, text))


def test_every_definition_error_says_what_to_do() -> None:
    for wrong in (None, Agent().add_action("a", [Ping], lambda: None)):
        with pytest.raises(TamiasError) as caught:
            AgentPlan.compile(wrong)  # type: ignore[arg-type]
        assert caught.value.hint
