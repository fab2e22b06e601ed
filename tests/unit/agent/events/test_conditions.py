"""Conditions on events: what they see, what they compare, and what is refused at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import uuid4

import celpy
import pytest
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import tamias
from tamias import (
    Agent,
    AgentDefinitionError,
    AgentFailedError,
    AgentPlan,
    Configuration,
    Event,
    EventType,
    InputEvent,
    MissingExtraError,
    OutputEvent,
    RunnerContext,
    TriggerConditionError,
    action,
    run_agent,
)
from tamias.agent.events.condition_values import EvaluationError
from tamias.agent.events.conditions import Condition
from tamias.agent.events.triggers import event_type_in, event_types


class Customer(BaseModel):
    country: str
    age: int | None = None


class Colour(Enum):
    RED = "red"


@dataclass
class Size:
    width: float


class Order(Event):
    amount: int
    customer: Customer | None = None


def carrying(**attributes: Any) -> Event:
    return Event(type="order", attributes=attributes)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("order", "order"),
        (" order ", "order"),
        ("shop.order-created.v1", "shop.order-created.v1"),
        ("_input_event", "_input_event"),
        ("in", "in"),
        ("'true'", "true"),
        ('"order/created"', "order/created"),
        ("'EventType.mine'", "EventType.mine"),
        ("true", None),
        ("null", None),
        ("EventType.InputEvent", None),
        ("'two words'", None),
        ("''", None),
        ("'a\"", None),
        ("type == 'order'", None),
        ("1", None),
        ("has(x)", None),
    ],
)
def test_which_entries_are_event_types(entry: str, kind: str | None) -> None:
    assert event_type_in(entry) == kind


def test_the_constants_are_the_types_of_the_events() -> None:
    assert EventType.InputEvent == InputEvent.EVENT_TYPE
    assert EventType.OutputEvent == OutputEvent.EVENT_TYPE
    for name, kind in event_types().items():
        clazz = getattr(tamias, name, None)
        assert clazz is None or kind == clazz.EVENT_TYPE


HOLDS = [
    ("true", carrying()),
    ("type == 'order'", carrying()),
    ("type == EventType.InputEvent", InputEvent(input=1)),
    ("EventType.InputEvent == type && input > 0.5", InputEvent(input=1)),
    ("type == 'Order' && amount == 3", Order(amount=3)),
    ("attributes.amount >= 3 && attributes['amount'] < 4", Order(amount=3)),
    ("amount > 2.5", carrying(amount=3)),
    ("amount == 3.0 && amount != 'three'", carrying(amount=3)),
    ("amount in [1, 3] && !(amount in [2])", carrying(amount=3)),
    ("x == 9223372036854775807", carrying(x=(1 << 63) - 1)),
    ("x == null", carrying(x=None)),
    ("ok", None),
    ("ok == true && (no == false)", carrying(ok=True, no=False)),
    ("a.b.c.d[1].e == 'x'", carrying(a={"b": {"c": {"d": [0, {"e": "x"}]}}})),
    ("attributes['www.example.com'].ip == '1'", carrying(**{"www.example.com": {"ip": "1"}})),
    ("attributes[key] == 5", carrying(key="other", other=5)),
    ("has(amount) && has(attributes.amount)", carrying(amount=None)),
    ("!has(amount) && !has(attributes.amount) && !has(a.b.c)", carrying()),
    ("has(a.b) && !has(a.b.c) && !has(a.b.c.d) && !has(attributes.a.x.y)", carrying(a={"b": 1})),
    ("!has(missing.x) || missing.x > 3", carrying()),
    ("missing > 3 || type == 'order'", carrying()),
    ("type == 'order' || missing > 3", carrying()),
    ("!(missing > 3 && type == 'bill')", carrying()),
    ("attributes.type == 'fake' && type == 'order'", carrying(type="fake")),
    ("attributes.id == 'tenant' && id != 'tenant'", carrying(id="tenant")),
    (
        "customer.country == 'DE' && customer.age == null",
        Order(amount=1, customer=Customer(country="DE")),
    ),
    (
        "has(customer.country) && !has(customer.town)",
        Order(amount=1, customer=Customer(country="DE")),
    ),
    (
        "colour == 'red' && size.width < 3 && number == 0.5",
        carrying(colour=Colour.RED, size=Size(2), number=0.5),
    ),
    ("size(tags) == 2 && 'a' in tags && tags == ['a', 'b']", carrying(tags=("a", "b"))),
    (
        "name.startsWith('Ta') && name.endsWith('as') && name.contains('mi')",
        carrying(name="Tamias"),
    ),
    ("name.matches('^T[a-z]+$') && name.size() == 6", carrying(name="Tamias")),
    ("-a * 2 + 7 == 1 && -7 / 2 == -3 && -7 % 2 == -1 && 7.0 / 2.0 == 3.5", carrying(a=3)),
    ("'a' + 'b' == 'ab' && 'a' < 'b' && [1] + [2] == [1, 2]", carrying()),
    ("(amount > 5 ? 'big' : 'small') == 'small'", carrying(amount=3)),
    (r"name == 'it\'s\n' && name != r'\n'", carrying(name="it's\n")),
    ("amount-1 == 2 && amount - 1 == 2", carrying(amount=3)),
    ("double(amount) > 2.5 && string(amount) == '3'", carrying(amount=3)),
    ("timestamp('2026-01-02T00:00:00Z') > timestamp('2026-01-01T00:00:00Z')", carrying()),
    ("(((amount == 3)))", carrying(amount=3)),
]


@pytest.mark.parametrize(("source", "event"), [each for each in HOLDS if each[1] is not None])
def test_what_holds(source: str, event: Event) -> None:
    assert Condition(source).holds_for(event)
    assert not Condition(f"!({source})").holds_for(event)


def test_the_programs_recursion_limit_stays() -> None:
    limit = sys.getrecursionlimit()
    Condition("x > 3 && double(y) < 2.0")
    assert sys.getrecursionlimit() == limit


def test_the_id_is_text() -> None:
    identity = uuid4()
    assert Condition(f"id == '{identity}'").holds_for(Event(id=identity, type="x"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("missing > 3", "no attribute 'missing'"),
        ("a.b.c == 1", "no field 'b'"),
        ("a.x.y == 1", "no field 'y' in an int"),
        ("a > 'text'", "cannot be compared"),
        ("a.x > 'text'", "an int cannot be compared with a string"),
        ("a.x + 1.5 == 2.5", "cannot be combined"),
        ("a.x / 0 == 1", "division by zero"),
        ("9223372036854775807 + a.x == 0", "64 bits"),
        ("a.l[5] == 1", "no element 5"),
        ("a.x && true", "has to be a bool"),
        ("a['x'] ? true : false", "has to be a bool"),
        ("a.l[0]", "its value is no bool"),
        ("odd == 1", "type object"),
        ("size(a.x) == 1", "needs a string"),
        ("int('x') == 1", "."),
        ("name.matches('(')", "no pattern"),
    ],
)
def test_what_cannot_be_evaluated(source: str, says: str) -> None:
    event = carrying(a={"x": 1, "l": [1]}, odd=object(), name="n")
    with pytest.raises(EvaluationError, match=says):
        Condition(source).holds_for(event)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("type ==", "is no CEL at column 6"),
        ("two words", "is no CEL.*quoted"),
        ("(a == 1", "is no CEL"),
        ("a == 1)", "is no CEL"),
        ("42", "no bool"),
        ("null", "no bool"),
        ("'two words'", "no bool"),
        ("[1]", "no bool"),
        ("a + 1", "no bool"),
        ("-a", "no bool"),
        ("(a.b)", "compare it"),
        ("EventType.InputEvent", "compare it"),
        ("type == EventType.Nothing", "no EventType.Nothing"),
        ("noSuch(1) == 1", "no function noSuch"),
        ("a.noSuch() == 1", "no function noSuch"),
        ("a.exists(x, x > 1)", "macro exists"),
        ("size(a.map(x, x)) == 1", "macro map"),
        ("has('x')", "takes a path"),
        ("has(a, b)", "takes one path"),
        ("a == 99999999999999999999", "64 bits"),
        ("a == " + "1" * 9000, "8192"),
        ("(" * 2000 + "true" + ")" * 2000, "nested"),
    ],
)
def test_what_is_refused_when_the_agent_is_compiled(source: str, says: str) -> None:
    agent = Agent().add_action("look", [InputEvent, source], lambda _event, _ctx: None)
    with pytest.raises(AgentDefinitionError, match=says) as caught:
        AgentPlan.compile(agent)
    assert "Action 'look'" in str(caught.value)
    assert isinstance(caught.value, ValueError)


# ------------------------------------------------------------------ as the library has it


VALUES: dict[str, Any] = {"i": 3, "j": -7, "s": "abc", "t": "b", "yes": True, "no": False}
INTS: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(["i", "j", "0", "5", "-3"]),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/%"), inner)
        | st.builds("size([{}])".format, inner)
    ),
    max_leaves=4,
)
TEXTS = st.sampled_from(["s", "t", "'bc'", "''"])
BOOLS: st.SearchStrategy[str] = st.recursive(
    st.one_of(
        st.sampled_from(["yes", "no", "true", "missing == 1", "has(missing)", "has(i)"]),
        st.builds("{} {} {}".format, INTS, st.sampled_from(["<", "<=", "==", "!=", ">"]), INTS),
        st.builds("{}.{}({})".format, TEXTS, st.sampled_from(["contains", "endsWith"]), TEXTS),
        st.builds("{} in [{}, {}]".format, INTS, INTS, INTS),
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner),
        st.builds("!({})".format, inner),
        st.builds("(({}) ? ({}) : ({}))".format, inner, inner, inner),
    ),
    max_leaves=6,
)


@given(BOOLS)
def test_the_value_is_that_of_the_library_where_kinds_agree(source: str) -> None:
    source = f"({source}) == true"
    limit = sys.getrecursionlimit()
    environment = celpy.Environment()
    sys.setrecursionlimit(limit)  # the library has set its own
    try:
        given_values = {name: json_to_cel(value) for name, value in VALUES.items()}
        program = environment.program(environment.compile(source))
        expected = str(bool(program.evaluate(given_values)))
    except CELEvalError:
        expected = "failed"
    try:
        found = str(Condition(source).holds_for(carrying(**VALUES)))
    except EvaluationError:
        found = "failed"
    assert found == expected


# ------------------------------------------------------------------ routing


def reached(agent: Agent, event: Event, **options: Any) -> list[str]:
    plan = AgentPlan.compile(agent, Configuration(options))
    return [found.name for found in plan.route(event)]


def agent_of(*listens: list[Any]) -> Agent:
    agent = Agent()
    for number, events in enumerate(listens):
        agent.add_action(f"a{number}", events, lambda _event, _ctx: None)
    return agent


def test_exact_matches_come_first_and_each_action_once() -> None:
    agent = agent_of(
        ["amount > 1"], [Order], ["amount > 1", "amount > 2", "Order"], ["amount > 5"], ["'Order'"]
    )
    assert reached(agent, Order(amount=3)) == ["a1", "a2", "a4", "a0"]
    assert reached(agent, Order(amount=1)) == ["a1", "a2", "a4"]
    assert reached(agent, Event(type="other", amount=9)) == ["a0", "a2", "a3"]


STRATEGY = "action.trigger-condition.evaluate-failure-strategy"


def test_a_condition_that_cannot_be_evaluated_does_not_hold_or_fails() -> None:
    agent = agent_of(["missing > 1", "amount > 1"], ["missing > 2"])
    said: list[str] = []
    plan = AgentPlan.compile(agent)
    assert [each.name for each in plan.route(Order(amount=3), said.append)] == ["a0"]
    assert len(said) == 2
    assert "'missing > 1' of action 'a0' cannot be evaluated for an event of type Order" in said[0]
    with pytest.raises(TriggerConditionError, match="'missing > 1' of action 'a0'"):
        reached(agent, Order(amount=3), **{STRATEGY: "FAIL"})


class Shop(Agent):
    """Sorts inputs by conditions alone."""

    @action("type == EventType.InputEvent && input.amount > 2.5")
    @staticmethod
    def large(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(Event(type="sorted", attributes={"size": "large", "of": event.input}))

    @action("type == EventType.InputEvent && !(input.amount > 2.5)")
    @staticmethod
    def small(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(Event(type="sorted", attributes={"size": "small", "of": event.input}))

    @action("type == 'sorted' && size == 'large'")
    @staticmethod
    async def done(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(event.get_attr("of")))


def test_an_agent_of_conditions_runs(caplog: pytest.LogCaptureFixture) -> None:
    result = run_agent(
        Shop, [{"value": value} for value in ({"amount": 1}, {"amount": 3}, {"amount": 4}, {})]
    )
    assert sorted(each["amount"] for pair in result.outputs for each in pair.values()) == [3, 4]
    notices = [record.getMessage() for record in caplog.records]
    assert (
        sum("sends Event of type sorted, which no action listens to" in each for each in notices)
        == 1
    )
    assert sum("there is no field 'amount'" in each for each in notices) == 2


class Ending(Agent):
    """Hears inputs and their end by conditions; neither has what the other is asked for."""

    @action("type == EventType.InputEvent && input > 0")
    @staticmethod
    def count(event: Event, ctx: RunnerContext) -> None:
        ctx.short_term_memory.set("n", (ctx.short_term_memory.get("n") or 0) + 1)

    @action("type == EventType.EndOfInputEvent")
    @staticmethod
    def end(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(ctx.short_term_memory.get("n")))


def test_the_end_of_the_input_is_heard_by_a_condition() -> None:
    values = [{"key": "k", "value": value} for value in (1, -1, 2)]
    assert run_agent(Ending, values).outputs == [{"k": 2}]


class Strict(Agent):
    @action("input.amount > 1")
    @staticmethod
    def act(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(event.input["amount"]))


def test_with_the_strategy_to_fail_the_run_fails() -> None:
    values = [{"key": "k", "value": value} for value in ({"amount": 2}, {})]
    with pytest.raises(AgentFailedError, match=r"'input\.amount > 1' of action 'act'"):
        run_agent(Strict, values, config={STRATEGY: "FAIL", "max-attempts": 1})


PROGRAM = """
import sys
sys.modules["celpy"] = None
import tamias
from tamias import Agent, AgentPlan, InputEvent
AgentPlan.compile(Agent().add_action("a", [InputEvent, "order.created"], lambda e, c: None))
try:
    AgentPlan.compile(Agent().add_action("a", ["x > 3"], lambda e, c: None))
except tamias.MissingExtraError as error:
    print(error)
"""


@pytest.mark.process
def test_the_library_is_needed_by_conditions_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Action 'a': The condition 'x > 3' needs the package cel-python" in done.stdout
    assert "pip install 'tamias[cel]'" in done.stdout
    assert issubclass(MissingExtraError, Exception)
