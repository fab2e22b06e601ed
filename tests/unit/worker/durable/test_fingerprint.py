"""What makes two durable calls the same call, in this process and in another."""

from __future__ import annotations

import copy
import functools
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.processes import run
from tamias import InputEvent, Resource, ResourceType, UnserializableError
from tamias.agent.limits.limited_call import LimitedCall
from tamias.worker.durable.fingerprint import (
    CallIdentity,
    _digest_call,
    _Walk,
    function_name,
    identify_call,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def pay(*_: Any, **__: Any) -> None: ...


def ship(*_: Any, **__: Any) -> None: ...


def of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
    return identify_call(function, args, kwargs).fingerprint


class Colour(Enum):
    RED = 1
    GREEN = 2


@dataclass
class Order:
    number: int
    tags: set[str] = field(default_factory=set)

    def total(self) -> int:
        return self.number

    @classmethod
    def make(cls) -> Order:
        return cls(0)


class Client:
    """What cannot be pickled, as clients are."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()

    def get(self, url: str) -> str:
        return url

    def __call__(self, url: str) -> str:
        return url


class Model(Resource):
    name: str
    calls: int = 0

    @classmethod
    def resource_type(cls) -> ResourceType:
        return ResourceType.CHAT_MODEL

    def chat(self, text: str) -> str:
        return text


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
data = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.frozensets(scalars, max_size=3)
    ),
    max_leaves=6,
)


@given(data, data)
def test_other_contents_are_another_call(one: Any, other: Any) -> None:
    assert of(pay, one) == of(pay, copy.deepcopy(one))
    if repr(one) != repr(other) and one != other:
        assert of(pay, one) != of(pay, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1,), (True,)),
        ((1,), (1.0,)),
        ((0.0,), (-0.0,)),
        (("1",), (1,)),
        (("a",), (b"a",)),
        (([1, 2],), ((1, 2),)),
        (([1], [2]), ([1, 2],)),
        (("ab", "c"), ("a", "bc")),
        (({1, 2},), ({1, 3},)),
        ((Colour.RED,), (Colour.GREEN,)),
        ((Order(1),), (Order(2),)),
        ((Order(1, {"a"}),), (Order(1, {"b"}),)),
        ((Order,), (Client,)),
        ((pay,), (ship,)),
        ((np.arange(3),), (np.arange(3).astype(float),)),
        ((InputEvent(input=1),), (InputEvent(input=2),)),
    ],
    ids=lambda values: " ".join(type(value).__name__ for value in values),
)
def test_arguments_that_differ(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert of(pay, *one) != of(pay, *other)


def test_order_and_identity_do_not_count_where_equality_ignores_them() -> None:
    assert of(pay, {"a": 1, "b": 2}) == of(pay, {"b": 2, "a": 1})
    assert of(pay, a=1, b=2) == of(pay, b=2, a=1)
    text = "some text"
    assert of(pay, [text, text]) == of(pay, ["some text", "some text"])


def test_a_value_may_contain_itself() -> None:
    def circle(number: int) -> list[Any]:
        value: list[Any] = [number]
        value.append(value)
        return value

    assert of(pay, circle(1)) == of(pay, circle(1))
    assert of(pay, circle(1)) != of(pay, circle(2))


def test_functions_and_how_they_are_called() -> None:
    partial = functools.partial
    calls = [
        of(pay),
        of(ship),
        of(pay, 1),
        of(pay, a=1),
        of(pay, "a", 1),
        of(partial(pay, 1)),
        of(partial(pay, 2)),
        of(partial(pay, a=1)),
        of(Order(1).total),
        of(Order(2).total),
        of(partial(Order(1).total)),
        of(partial(Order(2).total)),
        of(Order.make),
        of(Client("a").get),
        of(Client("a")),
        of("a".join, ["b"]),
        of("c".join, ["b"]),
        of(Model(name="small").chat, "hello"),
        of(Model(name="large").chat, "hello"),
    ]
    assert len(set(calls)) == len(calls)


def test_a_method_of_what_cannot_be_pickled_is_known_by_its_type() -> None:
    assert of(Client("a").get, "url") == of(Client("b").get, "url")
    assert of(Client("a").get, "url") != of(Client("a").get, "other url")


def test_what_a_resource_has_counted_does_not_make_it_another() -> None:
    assert of(Model(name="m", calls=1).chat, "hi") == of(Model(name="m", calls=2).chat, "hi")


def test_lambdas_and_closures_are_told_apart_by_what_they_carry() -> None:
    client = Client("a")

    def each(number: int) -> list[Callable[..., Any]]:
        def local() -> int:
            return number

        return [
            lambda: pay(number),
            lambda: ship(number),
            lambda: pay(number, 1),
            lambda: pay(number, 2),
            lambda x=number: pay(x),
            lambda *, x=number: pay(x),
            lambda: (client.get("url"), number),
            local,
        ]

    fingerprints = [of(function) for function in each(1) + each(2)]
    assert len(set(fingerprints)) == len(fingerprints)
    assert fingerprints == [of(function) for function in each(1) + each(2)]


def test_a_closure_may_contain_itself_and_holes() -> None:
    def factorial(number: int) -> int:
        return number * factorial(number - 1) if number else 1

    def early() -> int:
        return later

    assert of(factorial, 3) == of(factorial, 3)
    assert of(early) == of(early)
    later = 1
    assert of(early) == of(early)


def test_an_argument_that_cannot_be_pickled_is_an_error() -> None:
    with pytest.raises(UnserializableError, match="lock"):
        of(pay, [Client("a")])
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnserializableError, match="too deeply"):
        of(pay, deep)


def test_names() -> None:
    assert function_name(functools.partial(functools.partial(pay, 1), 2)).endswith(".pay")
    assert function_name(Order(1).total).endswith(".Order.total")
    assert function_name(Client("a")).endswith(".Client")


PROGRAM = """
from dataclasses import dataclass
from functools import partial
from tamias.worker.durable.fingerprint import identify_call
@dataclass
class Order:
    tags: set
words = {"one", "two", "three", "four"}
def pay(): ...
arguments = words, Order(words), {w: {w} for w in words}
print(identify_call(pay, arguments, {"deep": [frozenset(words)]}).fingerprint.hex())
print(identify_call(partial(pay, words), (), {}).fingerprint.hex())
print(identify_call(lambda: (words, "x" in {"x", "y", "z"}), (), {}).fingerprint.hex())
print(identify_call(lambda: (words, "x" in {"x", "y", "z"}), (), {}).code.hex())
"""


@pytest.mark.process
def test_fingerprints_hold_in_other_processes() -> None:
    found = {run(PROGRAM, PYTHONHASHSEED=str(seed)).stdout for seed in range(4)}
    assert len(found) == 1
    assert len(found.pop().split()) == 4


def plain_values() -> st.SearchStrategy[object]:
    floats = st.floats() | st.complex_numbers()
    return st.text() | st.binary() | st.integers() | floats | st.booleans() | st.none()


def plain_dicts() -> st.SearchStrategy[dict[Any, Any]]:
    names = st.text() | st.integers() | st.tuples(st.text())
    return st.dictionaries(names, plain_values() | st.lists(st.text()), max_size=3)


@given(
    st.lists(plain_values() | plain_dicts(), max_size=4),
    st.dictionaries(st.text(), plain_values(), max_size=3),
)
def test_plain_arguments_have_the_digest_that_they_have_taken_apart(
    args: list[object], kwargs: dict[str, object]
) -> None:
    for function in (pay, copy.copy):
        taken_apart = _digest_call(_Walk(), function, tuple(args), kwargs)
        assert identify_call(function, tuple(args), kwargs) == CallIdentity(taken_apart)
        limited = Limited(function, tuple(args))
        assert identify_call(limited, (), kwargs) == CallIdentity(taken_apart)


class Limited(LimitedCall):
    """A call that has a limit."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments

    async def attempt(self, route: int) -> None: ...

    def attempt_now(self, route: int) -> None: ...
