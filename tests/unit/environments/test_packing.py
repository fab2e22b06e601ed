"""What crosses from one Python version to another, and what is refused before it can do harm."""

from __future__ import annotations

import base64
import pickle
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tamias import Agent, AgentDefinitionError, InputError, InputEvent, UsageError, action
from tamias.environments.launch import Launch
from tamias.environments.packing import by_name, own_folders, packed_for, portable_inputs

HERE = Launch(sys.executable)
ELSEWHERE = Launch("/usr/bin/python", version="3.99.0")


@dataclass
class Order:
    number: int


class Shop(Agent):
    @action(InputEvent)
    @staticmethod
    def take(event: Any, ctx: Any) -> None:
        pass


def _of_main(value: type) -> type:
    value.__module__ = "__main__"
    return value


def test_values_and_what_modules_define_go_by_name() -> None:
    value = {"order": Order(1), "function": base64.b64encode, "class": Order, "set": {1, 2}}
    assert pickle.loads(by_name(value)) == value


@pytest.mark.parametrize("value", [lambda: 1, type("Made", (), {})(), type("Made", (), {})])
def test_what_has_no_name_elsewhere_is_refused(value: object) -> None:
    with pytest.raises(UsageError):
        by_name([value])


def test_what_belongs_to_main_is_refused_by_name() -> None:
    class Local:
        pass

    with pytest.raises(UsageError, match="Local belongs to __main__"):
        by_name({"x": [_of_main(Local)]})


def test_an_agent_of_a_module_goes_anywhere() -> None:
    for launch in (None, HERE, ELSEWHERE):
        agent, resources = pickle.loads(base64.b64decode(packed_for(launch, Shop, {})))
        assert agent is Shop
        assert resources == {}


def test_an_agent_of_main_does_not_go_to_another_version() -> None:
    class Script(Agent):
        pass

    assert packed_for(HERE, _of_main(Script), {})
    with pytest.raises(AgentDefinitionError, match=r"to Python 3\.99: .*Script belongs") as caught:
        packed_for(ELSEWHERE, _of_main(Script), {})
    assert "package.module:name" in caught.value.hint


def test_inputs_are_checked_only_if_they_go_to_another_version() -> None:
    elements = [{"value": 1}, {"value": lambda: 1}]
    assert portable_inputs(elements, None) is elements
    assert portable_inputs(elements, HERE) is elements
    looked_at = iter(portable_inputs(elements, ELSEWHERE))
    assert next(looked_at) == {"value": 1}
    with pytest.raises(InputError, match=r"Element 1 .* to Python 3\.99"):
        next(looked_at)


@pytest.mark.process
def test_only_what_was_added_to_the_path_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("/the/programs/own")
    assert own_folders(None) is sys.path
    folders = own_folders(ELSEWHERE)
    assert "/the/programs/own" in folders
    assert not [folder for folder in folders if "site-packages" in folder]
