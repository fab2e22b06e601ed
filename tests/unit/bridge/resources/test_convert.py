"""What goes to Java and comes back is what it was. Through a real JVM, for all sorts of values."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.java.settings import agents_jar, needs_java
from support.profiles import SHARED_FIXTURE, examples
from tamias import (
    ChatMessage,
    Collection,
    Document,
    LocalPrompt,
    MessageRole,
    Prompt,
    Tool,
    UnserializableError,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from tamias.bridge.jvm.process import JvmProcess
from tamias.bridge.jvm.py4j_client import Py4jClient
from tamias.bridge.jvm.settings import JvmSettings, jvm_command
from tamias.bridge.resources import convert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = needs_java

often = settings(max_examples=examples(25), suppress_health_check=SHARED_FIXTURE)


@pytest.fixture(scope="module")
def through() -> Iterator[Callable[[str, Any], Any]]:
    """Makes a Java object of a value, and gives the tree that Java makes of that."""
    jvm = JvmProcess(jvm_command(JvmSettings(classpath=str(agents_jar()), options="-Xmx256m")))
    line = Py4jClient(jvm.address)

    def pass_through(kind: str, value: Any) -> Any:
        return convert.from_text(line.call("echo", kind, convert.to_text(value), timeout=30))

    yield pass_through
    line.close()
    jvm.kill("the tests are done")
    jvm.reap()


# Any text, lone surrogates included: users' data is not always what it should be.
texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
numbers = st.integers() | st.floats() | st.integers(-(10**40), 10**40)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
mappings = st.dictionaries(texts, values, max_size=4)
tool_calls = st.fixed_dictionaries(
    {
        "id": texts,
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": texts, "arguments": mappings}),
    },
    optional={"original_id": texts},
)
messages = st.builds(
    ChatMessage,
    role=st.sampled_from(MessageRole),
    content=texts,
    tool_calls=st.lists(tool_calls, max_size=2),
    extra_args=mappings,
)
singles = st.floats(width=32)
documents = st.builds(
    Document,
    content=texts,
    metadata=mappings,
    id=st.none() | texts,
    embedding=st.none() | st.lists(singles, max_size=8),
)


def same(one: Any, other: Any) -> bool:
    """Equal, NaN to NaN, and 1 not to 1.0: in the form that shows all of it."""
    return repr(_plain(one)) == repr(_plain(other))


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        return sorted((name, _plain(item)) for name, item in value.items())
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


@often
@given(st.lists(messages, max_size=3))
def test_messages(through: Callable[[str, Any], Any], given: list[ChatMessage]) -> None:
    assert same(convert.messages(through("messages", given)), given)


@often
@given(st.lists(documents, max_size=3))
def test_documents(through: Callable[[str, Any], Any], given: list[Document]) -> None:
    assert same(convert.documents(through("documents", given)), given)
    result = VectorStoreQueryResult(documents=given)
    assert same(convert.result(through("result", result)), result)


@often
@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_an_embedding_comes_back_as_the_nearest_floats_of_32_bits(
    through: Callable[[str, Any], Any], given: list[float]
) -> None:
    assert through("embedding", given) == [_single(number) for number in given]


def _single(number: float) -> float:
    try:
        rounded: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:  # beyond what such a float can be
        return math.copysign(math.inf, number)
    return rounded


@often
@given(
    st.builds(
        VectorStoreQuery,
        query_text=texts,
        limit=st.integers(1, 2**31 - 1),
        collection_name=st.none() | texts,
        extra_args=mappings,
    )
)
def test_queries(through: Callable[[str, Any], Any], given: VectorStoreQuery) -> None:
    assert same(convert.query(through("query", given)), given)


@often
@given(st.builds(Collection, name=texts, metadata=mappings))
def test_collections(through: Callable[[str, Any], Any], given: Collection) -> None:
    assert same(convert.collection(through("collection", given)), given)


@often
@given(texts | st.lists(messages, min_size=1, max_size=3))
def test_prompts(through: Callable[[str, Any], Any], given: str | list[ChatMessage]) -> None:
    prompt = LocalPrompt(template=given)
    assert same(convert.prompt(through("prompt", prompt)), prompt)


@often
@given(st.fixed_dictionaries({"name": texts, "description": texts, "schema": mappings}))
def test_tools(through: Callable[[str, Any], Any], given: dict[str, Any]) -> None:
    assert same(through("tool", given), given)


def test_a_tool_of_ours(through: Callable[[str, Any], Any]) -> None:
    def book(city: str, nights: int = 1, tags: list[str] | None = None) -> str:
        """Book a room."""
        return f"{city} {nights} {tags}"

    tree = convert.tool_tree(Tool.from_callable(book))
    assert tree["schema"]["properties"]["nights"]["type"] == "integer"
    assert through("tool", tree) == tree


def test_long_texts(through: Callable[[str, Any], Any]) -> None:
    given = ChatMessage(content="é\n\\" * 100_000)
    assert convert.messages(through("messages", [given])) == [given]


def test_what_changes_on_the_way(through: Callable[[str, Any], Any]) -> None:
    number = UUID(int=7)
    extra = {"tuple": (1, 2), "keys": {1: 2}, "uuid": number, "role": MessageRole.TOOL}
    (back,) = convert.messages(through("messages", [ChatMessage(extra_args=extra)]))
    assert back.extra_args == {
        "tuple": [1, 2],
        "keys": {"1": 2},
        "uuid": str(number),
        "role": "tool",
    }


def test_values_of_the_api_may_be_inside_of_others(through: Callable[[str, Any], Any]) -> None:
    extra = {"prompt": Prompt.from_text("Hi {you}."), "message": ChatMessage(content="x")}
    tree = json.loads(convert.to_text(extra))
    assert tree["prompt"] == {"template": "Hi {you}."}
    assert convert.message(tree["message"]) == ChatMessage(content="x")


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), {"a": [{"b": 1j}]}])
def test_what_json_does_not_know_is_refused(value: Any) -> None:
    with pytest.raises(UnserializableError, match="cannot go to Java") as caught:
        convert.to_text(ChatMessage(extra_args={"it": value}))
    assert "Use texts" in str(caught.value)


def test_what_contains_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(UnserializableError, match="cannot go to Java"):
        convert.to_text({"it": circle})
