"""Events in the forms of Flink Agents' versions: what they refuse, their ids, their JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

BEGIN = """
    import json
    from typing import ClassVar
    from uuid import UUID, uuid4
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.chat_message import ChatMessage, MessageRole
    from flink_agents.api.decorators import action
    from flink_agents.api.events.chat_event import ChatRequestEvent
    from flink_agents.api.events.context_retrieval_event import ContextRetrievalResponseEvent
    from flink_agents.api.events.event import Event, InputEvent, OutputEvent
    from flink_agents.api.events.tool_event import ToolResponseEvent

    def error_of(function):
        try:
            print("no error", function())
        except Exception as error:
            print(type(error).__name__, str(error).splitlines())

    ID = UUID(int=1)

    class Order(Event):
        EVENT_TYPE: ClassVar[str] = "order"
        def __init__(self, amount):
            super().__init__(type=self.EVENT_TYPE, attributes={"amount": amount})

    class Declared(Event):
        amount: int
"""


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("0.2", [{"id": 1, "input": 2}, {"id": 1, "model": "m", "messages": 1}]),
        ("0.3", [{"input": 2}, {"messages": 1, "model": "m", "prompt_args": {}}]),
        ("0.4", [{"input": 2}, {"messages": 1, "model": "m", "prompt_args": {}}]),
    ],
)
def test_json_has_the_form_of_the_version(
    run_program: RunProgram, dialect: str, expected: list[dict[str, object]]
) -> None:
    program = f"""{BEGIN}
    message = ChatMessage(role=MessageRole.USER, content="hi")
    for event in (InputEvent(input=2), ChatRequestEvent(model="m", messages=[message])):
        print(event.model_copy(update={{"id": ID}}).model_dump_json())
    """
    events = [json.loads(line) for line in run_program(program, dialect).splitlines()]
    ids = [event.pop("id") for event in events]
    assert ids == ["00000000-0000-0000-0000-000000000001"] * 2
    if dialect != "0.2":
        assert [event.pop("type") for event in events] == ["_input_event", "_chat_request_event"]
        assert all(set(event) == {"attributes"} for event in events)
        events = [event["attributes"] for event in events]
    events[1]["messages"] = len(events[1]["messages"])
    assert events[1].pop("output_schema") is None
    assert events == [{k: v for k, v in each.items() if k != "id"} for each in expected]


def test_json_is_read_again(run_program: RunProgram) -> None:
    program = f"""{BEGIN}
    order = Order(3)
    order.id
    again = Event.from_json(order.model_dump_json())
    assert (again.id, again.type, again.attributes) == (order.id, "order", {{"amount": 3}})
    valid = Event.model_validate(json.loads(order.model_dump_json()))
    assert valid.id == order.id and valid.attributes == {{"amount": 3}}
    declared = Declared(type="declared", amount=4, extra=5)
    print(declared.model_dump_json(exclude={{"id"}}))
    print(declared.model_dump(include={{"attributes", "amount"}}))
    print(Event(type="x", attributes={{"a": {{"b": 1, "c": 2}}}}).model_dump(
        include={{"attributes": {{"a": {{"b"}}}}}}))
    print(Event(type="x", a=1).model_dump_json(exclude={{"id"}}, indent=1))
    print(Event(type="x", a="é").model_dump_json(exclude={{"id"}}, ensure_ascii=True))
    """
    lines = run_program(program).splitlines()
    assert json.loads(lines[0]) == {"type": "declared", "attributes": {}, "amount": 4, "extra": 5}
    assert lines[1] == "{'attributes': {}, 'amount': 4}"
    assert lines[2] == "{'attributes': {'a': {'b': 1}}}"
    assert lines[3] == "{"
    assert "\\u00e9" in lines[-1]


def test_what_cannot_be_json_is_refused(run_program: RunProgram) -> None:
    program = f"""{BEGIN}
    error_of(lambda: Event(type="x", a=1, b=InputEvent(input=1), c=[uuid4()]))
    error_of(lambda: Event(type="x", b=object))
    error_of(lambda: Order(object()))
    error_of(lambda: setattr(Event(type="x"), "b", object))
    error_of(lambda: Event(a=1))
    error_of(lambda: Event(type=1))
    error_of(lambda: OutputEvent(output=object) and "made")
    """
    lines = run_program(program).splitlines()
    assert [line.split()[0] for line in lines] == [
        "no",
        "ValidationError",
        "ValidationError",
        "PydanticSerializationError",
        "ValidationError",
        "ValidationError",
        "no",
    ]


def test_a_plain_event_of_0_2_needs_no_type(run_program: RunProgram) -> None:
    assert run_program(f"{BEGIN}\n    print(Event(a=1).a)\n", "0.2") == "1\n"


def test_ids_are_set_in_0_3_and_frozen_in_0_4(run_program: RunProgram) -> None:
    program = f"""{BEGIN}
    def assign():
        order = Order(3)
        order.id = ID
        return order.id
    error_of(assign)
    print(Event(type="x").id.version, Event(id=None, type="x").id.version)
    """
    assert run_program(program).splitlines() == [
        "no error 00000000-0000-0000-0000-000000000001",
        "4 4",
    ]
    first, second = run_program(program, "0.4").splitlines()
    assert "Field is frozen" in first
    assert second == "4 4"


def test_events_of_0_4_say_where_they_come_from(run_program: RunProgram) -> None:
    program = f"""{BEGIN}
    event = Event(type="_output_event", attributes={{"output": 1}}, upstreamEventId=str(ID))
    event.upstream_action_name = "act"
    for each in (OutputEvent.from_event(event), Event.from_json(event.model_dump_json())):
        assert (each.id, each.upstream_event_id, each.upstream_action_name) == (event.id, ID, "act")
        assert each.attributes == {{"output": 1}}
    print(event.model_dump_json(exclude={{"id"}}))
    print(event.model_dump_json(exclude={{"id", "upstream_event_id", "upstream_action_name"}}))
    draft = OutputEvent(output=1)
    again = draft.reconstruct_from(event)
    assert again.upstream_event_id == ID and draft.upstream_event_id is None
    """
    first, second = run_program(program, "0.4").splitlines()
    assert json.loads(first) == {
        "type": "_output_event",
        "attributes": {"output": 1},
        "upstreamEventId": "00000000-0000-0000-0000-000000000001",
        "upstreamActionName": "act",
    }
    assert json.loads(second) == {"type": "_output_event", "attributes": {"output": 1}}


@pytest.mark.parametrize(("dialect", "knows"), [("0.3", False), ("0.4", True)])
def test_tool_responses_have_the_fields_of_the_version(
    run_program: RunProgram, dialect: str, *, knows: bool
) -> None:
    program = f"""{BEGIN}
    given = {{"request_id": str(ID), "responses": {{"a": 1}}, "external_ids": {{}}, "at": 5}}
    typed = ToolResponseEvent.from_event(Event(type="_tool_response_event", attributes=given))
    assert "at" not in typed.attributes
    print(sorted(typed.attributes))
    print(json.dumps(json.loads(typed.model_dump_json())["attributes"].get("success")))
    """
    attributes, success = run_program(program, dialect).splitlines()
    assert ("success" in attributes) == knows
    assert success == ('{"a": true}' if knows else "null")


def test_documents_are_read_of_json(run_program: RunProgram) -> None:
    program = f"""{BEGIN}
    given = {{"request_id": str(ID), "query": "q", "documents": [{{"content": "c"}}]}}
    kind = "_context_retrieval_response_event"
    typed = ContextRetrievalResponseEvent.from_event(Event(type=kind, attributes=given))
    print(typed.documents[0].content, typed.model_dump()["attributes"]["documents"])
    """
    assert run_program(program) == (
        "c [{'content': 'c', 'metadata': {}, 'id': None, 'embedding': None, 'score': None}]\n"
    )


def test_rows_of_pyflink_are_written_and_read(run_program: RunProgram) -> None:
    program = f"""
    import sys, types

    class Row:
        def __init__(self, *values, **fields):
            self._values = list(fields.values() or values)
            self._fields = list(fields)

    sys.modules["pyflink.common"] = types.ModuleType("pyflink.common")
    sys.modules["pyflink.common"].Row = Row
    {BEGIN}
    event = Event(type="x", attributes={{"row": Row(a=1), "rows": [Row(1, 2)]}})
    print(event.model_dump_json(exclude={{"id"}}))
    again = Event.from_json(event.model_dump_json())
    assert type(again.attributes["row"]) is Row and again.attributes["rows"][0]._values == [1, 2]
    print(event.model_dump_json(include={{"attributes"}}, fallback=lambda row: "a row"))
    """
    first, second = run_program(program).splitlines()
    assert json.loads(first)["attributes"] == {
        "row": {"type": "Row", "values": [1], "fields": ["a"]},
        "rows": [{"type": "Row", "values": [1, 2]}],
    }
    assert json.loads(second)["attributes"] == {"row": "a row", "rows": ["a row"]}


@pytest.mark.parametrize("dialect", ["0.2", "0.3", "0.4"])
def test_a_program_runs_with_such_events(run_program: RunProgram, dialect: str) -> None:
    listens = "InputEvent" if dialect == "0.2" else "'_input_event'"
    further = "Declared" if dialect == "0.2" else "'order'"
    made = "Declared(amount=event.input)" if dialect == "0.2" else "Order(event.input)"
    program = f"""{BEGIN}
    from tamias import run_agent

    class Chain(Agent):
        @action({listens})
        @staticmethod
        def first(event, ctx):
            sent = {made}
            before = sent.id
            ctx.send_event(sent)
            assert sent.id == before

        @action({further})
        @staticmethod
        def second(event, ctx):
            amount = event.get_attr("amount")
            ctx.send_event(OutputEvent(output=[amount, json.loads(event.model_dump_json())["id"]]))

    one, two = (run_agent(Chain(), [{{"key": "k", "value": 2}}]).outputs for _ in "ab")
    print(one == two, one[0]["k"][0])
    """
    assert run_program(program, dialect) == "True 2\n"
