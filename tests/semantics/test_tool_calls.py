"""Calls of tools that a model has asked for: checked, approved, durable, all of a turn at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    Agent,
    AgentFailedError,
    Event,
    InjectedArg,
    InputEvent,
    InputRequired,
    OutputEvent,
    ResourceType,
    RunnerContext,
    Tool,
    call_tools,
    run_agent,
    tool,
)
from tamias.agent.tools.metadata import ToolMetadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MADE: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()


def call(name: str, id_: str = "", **arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": id_ or name, "type": "function", "function": function, "original_id": f"x-{id_}"}


async def call_all(event: Event, ctx: RunnerContext) -> None:
    """Call the tools of an input, and emit what the model is told."""
    found = (await call_tools(ctx, event.input)).results
    told_all = [[each.name, each.content, each.error] for each in found]
    ctx.send_event(OutputEvent(output=told_all))


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    MADE.append(("add", a, b))
    return a + b


async def slow(n: int) -> dict[str, int]:
    """Take a while."""
    MADE.append(("begin", n))
    await asyncio.sleep(0.05)
    MADE.append(("end", n))
    return {"n": n}


def broken() -> None:
    """Fail."""
    raise LookupError("no such order")


@tool(approval=True)
def pay(amount: int) -> str:
    """Pay somebody."""
    MADE.append(("pay", amount))
    return f"paid {amount}"


@tool(approval=lambda arguments, ctx: arguments["amount"] > 100)
def refund(amount: int) -> str:
    """Pay back."""
    MADE.append(("refund", amount))
    return f"refunded {amount}"


@tool(injected_args={"token": InjectedArg.from_config("api.token")})
def secret(query: str, token: str, ctx: RunnerContext) -> str:
    """Ask with a token."""
    return f"{query} {token} {ctx.key}"


class Asking(Tool):
    """Asks for the size when it is called."""

    def __init__(self) -> None:
        super().__init__(
            metadata=ToolMetadata(
                name="order",
                description="Order something.",
                args_schema={
                    "type": "object",
                    "properties": {
                        name: {"type": "string"} for name in ("what", "state", "answer")
                    },
                },
            )
        )

    def call(self, *args: Any, **kwargs: Any) -> Any:
        MADE.append("asked")
        return InputRequired(ask={"size": "S or L"}, state=kwargs["what"])

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    async def aresume(self, state: Any, answer: Any, /, **arguments: Any) -> Any:
        MADE.append("resumed")
        return f"{state} of size {answer}"


def agent(*tools: Callable[..., Any] | Tool) -> Agent:
    made = Agent().add_action("call_all", [InputEvent], call_all)
    for each in tools:
        name = each.name if isinstance(each, Tool) else each.__name__
        made.add_resource(name, ResourceType.TOOL, each)
    return made


def told(made: Agent, *calls: dict[str, Any], **options: Any) -> list[Any]:
    return run_agent(made, [("k", list(calls))], **options).outputs_of("k")[0]  # type: ignore[no-any-return]


def test_all_calls_of_a_turn_go_on_at_the_same_time() -> None:
    found = told(agent(slow, add), *(call("slow", str(n), n=n) for n in range(3)), call("add", a=2))
    assert found == [
        *(["slow", f'{{"n":{n}}}', None] for n in range(3)),
        ["add", "3", None],
    ]
    begun = [made for made in MADE if made[0] == "begin"]
    assert MADE.index(("begin", 2)) < MADE.index(("end", 0))
    assert len(begun) == 3


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (call("add", a="many"), "The arguments of tool `add` are not valid: a: "),
        (call("add"), "The arguments of tool `add` are not valid: a: is required"),
        (call("nosuch"), "There is no tool `nosuch`."),
        (
            {"id": "1", "function": {"name": "add", "arguments": {}, "malformed": "{a: 1"}},
            "The arguments of tool `add` are not valid: The arguments are not a JSON object: {a: 1",
        ),
        (call("broken"), "no such order"),
    ],
    ids=["type", "missing", "unknown", "malformed", "exception"],
)
def test_the_model_is_told_what_it_has_done_wrong(asked: dict[str, Any], error: str) -> None:
    [[_, content, told_error]] = told(agent(add, broken), asked)
    assert error in content
    assert told_error == content
    assert MADE == []


def test_an_exception_may_fail_the_run() -> None:
    with pytest.raises(AgentFailedError, match="no such order"):
        told(agent(broken), call("broken"), config={"tool-call.error-strategy": "fail"})


@pytest.mark.parametrize(
    ("answer", "content", "made"),
    [
        (True, "paid 5", [("pay", 5)]),
        ("yes", "paid 5", [("pay", 5)]),
        ({"approved": True, "arguments": {"amount": 3}}, "paid 3", [("pay", 3)]),
        (False, "The call of `pay` was not approved.", []),
        (
            {"approved": False, "reason": "too much"},
            "The call of `pay` was not approved. Reason: too much",
            [],
        ),
    ],
    ids=["true", "yes", "edited", "false", "a reason"],
)
def test_what_an_approval_says(answer: Any, content: str, made: list[Any]) -> None:
    found = told(agent(pay), call("pay", amount=5), answers={"approve pay": answer})
    assert found[0][1] == content
    assert made == MADE


def test_what_is_asked_names_the_tool_and_its_arguments() -> None:
    run = run_agent(agent(pay), [("k", [call("pay", "p1", amount=5)])])
    [question] = run.questions
    assert question.name == "approve pay"
    assert question.ask["tool"] == "pay"
    assert question.ask["arguments"] == {"amount": 5}
    assert question.ask["call_id"] == "p1"
    assert run.waiting == 1
    assert MADE == []


def test_whether_an_approval_is_needed_may_depend_on_the_arguments() -> None:
    calls = [call("refund", "a", amount=5), call("refund", "b", amount=500)]
    run = run_agent(agent(refund), [("k", calls)])
    [question] = run.questions
    assert question.ask["arguments"] == {"amount": 500}
    found = told(agent(refund), *calls, answers={"approve refund": False})
    assert [each[2] is None for each in found] == [True, False]


def test_an_unclear_answer_is_asked_again_with_the_reason() -> None:
    asked = []

    def answer(question: Any) -> Any:
        asked.append(question.ask.get("reason", ""))
        return "maybe" if len(asked) == 1 else True

    assert told(agent(pay), call("pay", amount=1), answers=answer)[0][1] == "paid 1"
    assert asked[0] == ""
    assert 'The answer "maybe" is neither yes nor no' in asked[1]


class _Untold:
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("unclear", [{(1, 2): 3}, [_Untold()], {"approved": {"approved": True}}])
def test_an_answer_that_has_no_json_form_is_asked_again(unclear: Any) -> None:
    answers = iter([unclear, True])
    found = told(agent(pay), call("pay", amount=1), answers=lambda _: next(answers))
    assert found[0][1] == "paid 1"


def test_a_tool_that_changes_before_the_approval_is_not_called(tmp_path: Path) -> None:
    state = tmp_path / "state"
    inputs = [("k", [call("pay", amount=5)])]
    assert run_agent(agent(pay), inputs, state=state).waiting == 1

    @tool(approval=True)
    def other_pay(amount: int) -> str:
        """Pay somebody."""
        MADE.append(("other", amount))
        return f"paid {amount} by other code"

    other_pay.__name__ = "pay"
    asked = []

    def answer(question: Any) -> Any:
        asked.append(question.ask.get("reason", ""))
        return len(asked) < 3

    run = run_agent(agent(other_pay), inputs, state=state, answers=answer)
    assert asked == ["", "The tool has changed since the call was approved."]
    assert run.outputs_of("k") == [[["pay", "paid 5 by other code", None]]]
    assert MADE == [("other", 5)]


def test_an_approval_that_comes_too_late_is_none() -> None:
    found = told(agent(pay), call("pay", amount=5), config={"tool-call.approval-timeout": "1h"})
    assert found[0][1] == "The call of `pay` was not approved in time."


def test_a_tool_may_ask_for_input() -> None:
    found = told(agent(Asking()), call("order", what="tea"), answers={"input order": "L"})
    assert found == [["order", "tea of size L", None]]
    assert MADE == ["asked", "resumed"]


def test_what_is_given_to_a_tool_needs_no_json_form() -> None:
    given = {"size": "L", 1: 2}  # keys that cannot be sorted
    found = told(agent(Asking()), call("order", what="tea"), answers={"input order": given})
    assert found == [["order", f"tea of size {given}", None]]


def test_a_tool_that_asks_for_input_may_have_parameters_called_state_and_answer() -> None:
    order = call("order", what="tea", state="new", answer="none")
    found = told(agent(Asking()), order, answers={"input order": "L"})
    assert found == [["order", "tea of size L", None]]


def test_injected_arguments_are_not_the_models() -> None:
    assert set(Tool.from_callable(secret).parameters["properties"]) == {"query"}
    config = {"api.token": "t0"}
    assert told(agent(secret), call("secret", query="q"), config=config)[0][1] == "q t0 k"
    wrong = call("secret", query="q", token="mine")
    assert told(agent(secret), wrong, config=config)[0][1] != "q mine k"


def test_a_long_result_is_cut_and_says_so() -> None:
    def long() -> str:
        """Be long."""
        return "x" * 1000

    content = told(agent(long), call("long"), config={"tool-call.max-result-length": 200})[0][1]
    assert len(content) <= 200
    assert content.startswith("xxx")
    assert content.endswith("xxx")
