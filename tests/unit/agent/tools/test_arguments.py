"""Arguments that models give, and results that they are told: whatever comes."""

from __future__ import annotations

import inspect
import json
from contextlib import suppress
from keyword import iskeyword
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias import AgentDefinitionError, Tool
from tamias.agent.tools.approval import decision_of
from tamias.agent.tools.arguments import ToolArgumentsError, arguments_of, check_arguments
from tamias.agent.tools.results import bounded, result_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**31), 2**31),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(),
    bool: st.booleans(),
    list[int]: st.lists(st.integers(-9, 9)),
    dict[str, bool]: st.dictionaries(st.text(), st.booleans()),
    str | None: st.none() | st.text(),
    Literal["a", "b"]: st.sampled_from(["a", "b"]),
    Any: JSON,
}
NAMES = st.from_regex(r"[a-z][a-z_]{0,6}", fullmatch=True).filter(lambda name: not iskeyword(name))


def tool_of(types: dict[str, Any], defaults: dict[str, Any]) -> Tool:
    """A tool with parameters of these types, some of which have defaults."""

    def function(**given: Any) -> Any:
        return given

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=annotation,
            default=defaults.get(name, inspect.Parameter.empty),
        )
        for name, annotation in types.items()
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = dict(types)
    return Tool.from_callable(function)


@given(st.data())
def test_what_fits_arrives_as_it_is(data: st.DataObject) -> None:
    types = data.draw(st.dictionaries(NAMES, st.sampled_from(list(VALUES)), max_size=4))
    values = {name: data.draw(VALUES[annotation]) for name, annotation in types.items()}
    optional = [name for name in types if data.draw(st.booleans())]
    try:
        found = tool_of(types, {name: values[name] for name in optional})
        schema = found.parameters
    except AgentDefinitionError:  # names that pydantic keeps for itself
        assert any(name.startswith(("model_", "_")) or hasattr(Tool, name) for name in types)
        return
    assert set(schema["properties"]) == set(types)
    assert set(schema.get("required", [])) == set(types) - set(optional)
    asked = {"function": {"name": "t", "arguments": json.dumps(values)}}
    assert found.check_arguments(arguments_of(asked)) == values
    needed = {name: values[name] for name in types if name not in optional}
    assert found.check_arguments(needed) == values


def typed(number: int, texts: list[str], kind: Literal["a", "b"] = "a") -> Any:
    """Take some."""
    return number, texts, kind


BY_SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "integer"}, "kind": {"enum": ["a", "b"]}, "any": True},
    "required": ["number"],
    "additionalProperties": False,
}


@given(JSON | st.dictionaries(st.sampled_from(["number", "texts", "kind", "any"]), JSON))
def test_whatever_a_model_sends_is_taken_or_refused(arguments: Any) -> None:
    for given_as in (arguments, json.dumps(arguments)):
        try:
            read = arguments_of({"function": {"name": "t", "arguments": given_as}})
        except ToolArgumentsError:
            continue
        for check in (
            Tool.from_callable(typed).check_arguments,
            lambda found: check_arguments(BY_SCHEMA, found),
        ):
            with suppress(ToolArgumentsError):
                assert isinstance(check(read), dict)


@given(st.text(max_size=400), st.integers(100, 300))
def test_a_text_is_never_longer_than_it_may_be(text: str, longest: int) -> None:
    cut = bounded(text, longest)
    assert len(cut) <= longest
    assert (cut == text) == (len(text) <= longest)


@given(JSON)
def test_any_result_is_a_text(value: Any) -> None:
    text, blocks = result_of(value)
    assert isinstance(text, str)
    assert blocks == []
    if isinstance(value, (dict, list)):
        assert json.loads(text) == json.loads(json.dumps(value))


@given(JSON)
def test_an_answer_that_is_neither_yes_nor_no_is_none(answer: Any) -> None:
    decision = decision_of(answer)
    assert decision is None or isinstance(decision.approved, bool)
    if not isinstance(answer, (bool, str, dict)):
        assert decision is None


@pytest.mark.parametrize("approved", [1, None, "perhaps", [True], {"approved": {"approved": 1}}])
def test_only_a_clear_yes_approves(approved: Any) -> None:
    assert decision_of(approved) is None
    assert decision_of({"approved": approved}) is None


def test_a_yes_inside_of_another_answer_approves_nothing() -> None:
    answer: Any = {"approved": True}
    for _ in range(5000):
        answer = {"approved": answer}
    assert decision_of(answer) is None
