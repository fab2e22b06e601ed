"""MemoryRef: a small, unchangeable, portable pointer into a memory."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from tamias import Event, MemoryAccessError, MemoryObject, MemoryRef, MemoryType

if TYPE_CHECKING:
    from tamias.agent.memory import HasMemory

REFS = st.builds(MemoryRef.create, st.sampled_from(MemoryType), st.text(min_size=1, max_size=20))


class Stored(Event):
    content: MemoryRef
    others: list[MemoryRef] = Field(default_factory=list)


class Flat(MemoryObject):
    """As much of a memory as a reference needs."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def get(self, path_or_ref: str | MemoryRef, default: Any = None) -> Any:
        return self.fields.get(
            path_or_ref.path if isinstance(path_or_ref, MemoryRef) else path_or_ref
        )

    def set(self, path: str, value: Any) -> MemoryRef:
        self.fields[path] = value
        return MemoryRef(path)

    def new_object(self, path: str, *, overwrite: bool = False) -> MemoryObject:
        raise NotImplementedError

    def is_exist(self, path: str) -> bool:
        return path in self.fields

    def get_field_names(self) -> list[str]:
        return list(self.fields)

    def get_fields(self) -> dict[str, Any]:
        return dict(self.fields)


class Context:
    sensory_memory = Flat(a="sensed")
    short_term_memory = Flat(a="kept")


def test_a_reference_resolves_in_its_own_memory() -> None:
    ctx: HasMemory = Context()
    assert MemoryRef.create(MemoryType.SENSORY, "a").resolve(ctx) == "sensed"
    assert MemoryRef.create(MemoryType.SHORT_TERM, "a").resolve(ctx) == "kept"
    assert MemoryRef("nothing").resolve(ctx) is None


def test_short_term_is_the_default_and_keywords_work() -> None:
    assert MemoryRef("a") == MemoryRef(memory_type=MemoryType.SHORT_TERM, path="a")


@given(REFS, REFS)
def test_equality_and_hash_are_by_value(one: MemoryRef, other: MemoryRef) -> None:
    same = (one.path, one.memory_type) == (other.path, other.memory_type)
    assert (one == other) is same
    assert not same or hash(one) == hash(other)
    assert len({one, other}) == (1 if same else 2)


@given(REFS)
def test_every_kind_of_copy_is_equal(ref: MemoryRef) -> None:
    for protocol in range(6):
        assert pickle.loads(pickle.dumps(ref, protocol)) == ref
    assert pickle.loads(cloudpickle.dumps(ref)) == ref
    assert copy.deepcopy(ref) == copy.copy(ref) == ref


def test_a_reference_cannot_be_changed() -> None:
    ref = MemoryRef("a")
    with pytest.raises(MemoryAccessError, match="cannot be changed"):
        ref.path = "b"
    with pytest.raises(MemoryAccessError, match="cannot be changed"):
        del ref.memory_type
    with pytest.raises(MemoryAccessError, match="cannot be changed"):
        ref.note = "x"
    assert ref == MemoryRef("a")
    assert not hasattr(ref, "__dict__")


def test_a_reference_is_no_tuple() -> None:
    assert MemoryRef("a") != ("a", MemoryType.SHORT_TERM)
    with pytest.raises(TypeError):
        iter(MemoryRef("a"))  # type: ignore[call-overload]


@given(REFS)
def test_as_a_field_of_an_event(ref: MemoryRef) -> None:
    event = Stored(content=ref, others=[ref])

    assert event.content is ref
    assert Stored.model_validate(event.model_dump()) == event
    assert Stored.model_validate_json(event.model_dump_json()) == event
    assert pickle.loads(pickle.dumps(event)) == event
    assert Event(content=ref).content is ref


@pytest.mark.parametrize("wrong", ["a.b", 3, None, {"memory_type": "sensory"}, {"path": 3}])
def test_a_field_takes_nothing_else(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="MemoryRef"):
        Stored(content=wrong)
