"""Key selectors of which Java does the work: which they are, and which field they return."""

from __future__ import annotations

import operator
import random
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

from pyflink.common import Row, Types
from pyflink.common.typeinfo import LocalTimeTypeInfo
from pyflink.datastream import KeySelector

from tamias.bridge.flink.key_access import KeyField, key_field

if TYPE_CHECKING:
    from collections.abc import Callable

INNER = Types.ROW_NAMED(["city", "zip"], [Types.STRING(), Types.INT()])
PAIR = Types.TUPLE([Types.LONG(), Types.STRING()])
ORDER = Types.ROW_NAMED(
    ["user", "amount", "place", "pair", "price", "as_dict"],
    [Types.STRING(), Types.INT(), INNER, PAIR, Types.BIG_DEC(), Types.DOUBLE()],
)


class ByUser(KeySelector):  # type: ignore[misc]  # PyFlink has no types
    def get_key(self, value: Any) -> Any:
        """Only returns a field."""
        return value["user"]


class Opened(ByUser):
    def open(self, runtime_context: Any) -> None:
        """Does something else, too."""


def by_user(value: Any) -> Any:
    """Only returns a field."""
    return value.user


@pytest.mark.parametrize(
    ("selector", "positions", "names"),
    [
        (lambda v: v["user"], [0], ["user"]),
        (lambda v: v.user, [0], ["user"]),
        (lambda v: v[0], [0], ["user"]),
        (lambda v: v[-1], [5], ["as_dict"]),
        (lambda v: v["as_dict"], [5], ["as_dict"]),
        (lambda v: v["place"]["zip"], [2, 1], ["place", "zip"]),
        (lambda v: v.place.city, [2, 0], ["place", "city"]),
        (lambda v: v[3][1], [3, 1], ["pair", ""]),
        (by_user, [0], ["user"]),
        (ByUser(), [0], ["user"]),
        (operator.itemgetter("amount"), [1], ["amount"]),
        (operator.itemgetter(1), [1], ["amount"]),
        (operator.attrgetter("amount"), [1], ["amount"]),
        (operator.attrgetter("place.zip"), [2, 1], ["place", "zip"]),
    ],
)
def test_a_selector_that_only_returns_a_field_is_known(
    selector: Any, positions: list[int], names: list[str]
) -> None:
    found = key_field(selector, ORDER)
    assert found is not None
    assert (found.positions, found.names) == ([str(place) for place in positions], names)


def computed(value: Any) -> Any:
    str(value)
    return value["user"]


async def awaited(value: Any) -> Any:
    return value["user"]


def yielded(value: Any) -> Any:
    yield value["user"]


NAME = "user"


@pytest.mark.parametrize(
    "selector",
    [
        lambda v: v[NAME],
        lambda v, name="user": v[name],
        lambda *v: v[0],
        lambda v, **names: v["user"],
        lambda v: (v["user"],)[0],
        lambda v: v["user"] or "none",
        lambda v: v["amount"] % 3,
        lambda v: v["user"].upper(),
        lambda v: v["user"][0],
        lambda v: v["user"].__class__,
        lambda v: v["place"],  # a row
        lambda v: v["price"],  # a decimal
        lambda v: v.as_dict,  # a method of rows
        lambda v: v["nobody"],
        lambda v: v[6],
        lambda v: v[0:1],
        lambda v: v,
        lambda v: "user",
        computed,
        awaited,
        yielded,
        Opened(),
        operator.itemgetter("user", "amount"),
        operator.itemgetter("nobody"),
        operator.attrgetter("nobody"),
        str,
    ],
)
def test_any_other_selector_is_run(selector: Any) -> None:
    assert key_field(selector, ORDER) is None


@pytest.mark.parametrize(
    "kind",
    [
        Types.LONG(),
        Types.PICKLED_BYTE_ARRAY(),
        Types.MAP(Types.STRING(), Types.STRING()),
        Types.LIST(Types.STRING()),
        Types.ROW_NAMED(["user", "at"], [Types.STRING(), Types.SQL_TIMESTAMP()]),
        Types.ROW_NAMED(["user", "at"], [Types.STRING(), Types.INSTANT()]),
        Types.ROW_NAMED(
            ["user", "at"],
            [Types.STRING(), LocalTimeTypeInfo(LocalTimeTypeInfo.TimeType.LOCAL_DATE_TIME)],
        ),
        Types.ROW_NAMED(["user", "raw"], [Types.STRING(), Types.PICKLED_BYTE_ARRAY()]),
    ],
)
def test_a_selector_is_run_where_elements_could_change_on_the_way_through_python(
    kind: Any,
) -> None:
    assert key_field(lambda v: v["user"], kind) is None


def test_a_field_within_nothing_fails_as_the_selector_does() -> None:
    by_item = key_field(lambda v: v["place"]["zip"], ORDER)
    assert by_item is not None
    assert by_item.failures[1] == "TypeError: 'NoneType' object is not subscriptable"
    by_name = key_field(operator.attrgetter("place.zip"), ORDER)
    assert by_name is not None
    assert by_name.failures[1] == "AttributeError: 'NoneType' object has no attribute 'zip'"


LEAVES: list[tuple[Any, Callable[[random.Random], Any]]] = [
    (Types.STRING(), lambda rng: rng.choice(["", "a", "é" * 9])),
    (Types.LONG(), lambda rng: rng.randrange(-(2**63), 2**63)),
    (Types.DOUBLE(), lambda rng: rng.random()),
    (Types.BOOLEAN(), lambda rng: rng.random() < 0.5),
]


def random_element(rng: random.Random, depth: int) -> tuple[Any, Any]:
    """A type, and a value of it; parts are None at random."""
    if depth == 0 or (depth < 3 and rng.random() < 0.5):
        kind, make = rng.choice(LEAVES)
        return kind, None if rng.random() < 0.2 else make(rng)
    parts = [random_element(rng, depth - 1) for _ in range(rng.randint(1, 4))]
    kinds, values = [kind for kind, _ in parts], [value for _, value in parts]
    absent = depth < 3 and rng.random() < 0.2
    if rng.random() < 0.3:
        return Types.TUPLE(kinds), None if absent else tuple(values)
    names = rng.sample(["a", "b", "c", "count", "index"], len(parts))
    row = Row(*values)
    row.set_field_names(names)
    return Types.ROW_NAMED(names, kinds), None if absent else row


def random_selector(rng: random.Random) -> Any:
    """An access of up to three steps; many lead nowhere."""
    steps = []
    for _ in range(rng.randint(1, 3)):
        name, place = rng.choice(["a", "b", "c", "count", "index"]), rng.randint(-3, 3)
        steps.append(rng.choice([f"[{name!r}]", f".{name}", f"[{place}]"]))
    text = "".join(steps)
    if text.startswith(".") and "[" not in text:
        return rng.choice([operator.attrgetter(text[1:]), eval(f"lambda v: v{text}")])
    return eval(f"lambda v: v{text}")


def parts_on_the_way(field: KeyField, value: Any) -> list[Any]:
    """Where Java goes: from the element to the field, as far as there is something."""
    parts = [value]
    for place in field.positions:
        parts.append(None if parts[-1] is None else parts[-1][int(place)])
    return parts


def message_of(selector: Any, value: Any) -> str:
    with pytest.raises((TypeError, AttributeError)) as raised:
        selector(value)
    return f"{raised.type.__name__}: {raised.value}"


def test_a_known_selector_returns_what_is_in_its_field() -> None:
    rng = random.Random(5)
    known = failing = 0
    for _ in range(3000):
        kind, value = random_element(rng, 3)
        selector = random_selector(rng)
        field = key_field(selector, kind)
        if field is None:
            continue
        known += 1
        *way, found = parts_on_the_way(field, value)
        if None in way:
            failing += 1
            assert field.failures[way.index(None)] == message_of(selector, value)
        else:
            assert selector(value) is found
    assert known > 100
    assert failing > 5
