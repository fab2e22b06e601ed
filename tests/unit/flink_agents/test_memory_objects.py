"""Memory objects of Flink Agents' runtime."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

MEMORY = """
    import json
    from types import SimpleNamespace
    from uuid import uuid4
    from flink_agents.api.memory_object import MemoryType, validate_memory_value
    from flink_agents.runtime.flink_memory_object import FlinkMemoryObject, MemoryObjectError
    from flink_agents.runtime.local_memory_object import LocalMemoryObject

    memory = LocalMemoryObject(MemoryType.SHORT_TERM, {})

    def error_of(function, *arguments, **named):
        try:
            function(*arguments, **named)
        except Exception as error:
            return type(error).__name__
        return None
"""


def test_a_local_memory_is_a_tree(run_program: RunProgram) -> None:
    program = f"""{MEMORY}
    ref = memory.set("shop.orders", 2)
    memory.get("shop").set("open", True)
    memory.new_object("empty")
    print(json.dumps([
        memory.get(ref), memory.get("none"), memory.get("none", 1), memory.get_fields(),
        memory.get("shop").get_fields(), memory.get("empty").get_field_names(),
        memory.is_exist("shop.open"),
        error_of(memory.set, "shop", 1), error_of(memory.set, "shop.open.more", 1),
        error_of(memory.new_object, "shop.open"),
        error_of(memory.new_object, "shop.open", overwrite=True),
    ]))
    """
    nested = "NestedObject"
    assert json.loads(run_program(program)) == [
        2,
        None,
        1,
        {"shop": nested, "empty": nested},
        {"orders": 2, "open": True},
        [],
        True,
        "MemoryAccessError",
        "MemoryAccessError",
        "MemoryAccessError",
        None,
    ]


@pytest.mark.parametrize(("dialect", "refused"), [("0.2", None), ("0.3", "TypeError")])
def test_only_plain_data_is_kept_since_03(
    run_program: RunProgram, dialect: str, refused: str | None
) -> None:
    program = f"""{MEMORY}
    validate_memory_value("a", [1, {{"b": (b"c", None)[:1][0]}}])
    print(json.dumps([
        error_of(memory.set, "id", uuid4()), error_of(validate_memory_value, "a", {{1: 2}}),
        error_of(validate_memory_value, "a", [memory]),
    ]))
    """
    assert json.loads(run_program(program, dialect)) == [refused, "TypeError", "TypeError"]


def test_a_memory_in_java_is_asked(run_program: RunProgram) -> None:
    program = f"""{MEMORY}
    def result(value, is_object=False):
        return SimpleNamespace(isNestedObject=lambda: is_object, getValue=lambda: value)

    def fail():
        raise OSError("gone")

    java = SimpleNamespace(
        get=lambda path: {{"a": result(1), "b": result(None, True)}}.get(path),
        set=lambda path, value: SimpleNamespace(getPath=lambda: "root." + path),
        newObject=lambda path, overwrite: result(None, True),
        isExist=lambda path: path == "a",
        getFieldNames=lambda: ["a", "b"],
        getFields=fail,
    )
    memory = FlinkMemoryObject(MemoryType.SENSORY, java)
    print(json.dumps([
        memory.get("a"), type(memory.get("b")).__name__, memory.get("c", 3),
        memory.set("a", 2).path, type(memory.new_object("d")).__name__, memory.is_exist("a"),
        memory.get_field_names(), error_of(memory.get_fields), error_of(memory.set, "a", uuid4()),
    ]))
    """
    assert json.loads(run_program(program)) == [
        1,
        "FlinkMemoryObject",
        3,
        "root.a",
        "FlinkMemoryObject",
        True,
        ["a", "b"],
        "MemoryObjectError",
        "TypeError",
    ]
