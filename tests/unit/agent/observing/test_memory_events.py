"""Events that say what is in memory."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from tamias import (
    AgentRunBeginEvent,
    Event,
    EventType,
    MemoryEvent,
)
from tamias.agent.observing.events import (
    LongTermUpdateEvent,
    SensoryWriteEvent,
    ShortTermWriteEvent,
)


def test_their_types_are_those_of_event_type() -> None:
    for clazz in (AgentRunBeginEvent, ShortTermWriteEvent, SensoryWriteEvent):
        assert getattr(EventType, clazz.__name__) == clazz.EVENT_TYPE


def test_the_value_is_a_copy_as_json_has_it() -> None:
    given: dict[str, Any] = {"a": {"b": [1]}, "bytes": b"\x01\x02\x03"}
    event = ShortTermWriteEvent(key="k", value=given)
    given["a"]["b"].append(2)
    assert event.value == {"a": {"b": [1]}, "bytes": "AQID"}
    assert event.attributes == {"key": "k", "value": event.value}
    assert pickle.loads(pickle.dumps(event)) == event


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_cannot_be_json_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON serializable"):
        AgentRunBeginEvent(key="k", value={"a": value})


@pytest.mark.parametrize(("key", "value"), [(None, {}), (1, {}), ("k", None), ("k", [])])
def test_a_part_of_another_type_is_refused(key: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="'key'" if value == {} else "'value'"):
        SensoryWriteEvent(key=key, value=value)


def test_a_plain_event_becomes_one_of_the_class_of_its_type() -> None:
    plain = Event(type="_sensory_write_event", key="k", value={"a": 1})
    typed = MemoryEvent.from_event(plain)
    assert type(typed) is SensoryWriteEvent
    assert (typed.id, typed.key, typed.value) == (plain.id, "k", {"a": 1})
    with pytest.raises(ValueError, match="_input_event"):
        MemoryEvent.from_event(Event(type="_input_event"))
    with pytest.raises(TypeError, match="abstract"):
        MemoryEvent(key="k", value={})
    assert MemoryEvent.is_memory_type("_sensory_write_event")
    assert not MemoryEvent.is_memory_type(None)


def test_an_update_says_which_sets_were_cleared() -> None:
    event = LongTermUpdateEvent(key="k", value={}, cleared_sets=["prefs"])
    again = LongTermUpdateEvent.from_json(event.model_dump_json())
    assert type(again) is LongTermUpdateEvent
    assert again.cleared_sets == ["prefs"]
    assert LongTermUpdateEvent(key="k", value={}).cleared_sets == []
    wrong: Any
    for wrong in ("prefs", ("prefs",), ["prefs", 1]):
        with pytest.raises(TypeError, match="cleared_sets"):
            LongTermUpdateEvent(key="k", value={}, cleared_sets=wrong)
