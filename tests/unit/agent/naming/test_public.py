"""Public classes by the name `tamias`: in pickles, in annotations, in users' own programs."""

from __future__ import annotations

import inspect
import pickle
import pickletools
import typing

import cloudpickle
import pytest
from pydantic import BaseModel

import tamias
from tamias import (
    ChatMessage,
    ConfigError,
    Document,
    Event,
    InputEvent,
    LocalPrompt,
    MemoryRef,
    MessageRole,
    Prompt,
    ResourceDescriptor,
    ResourceType,
    Row,
)

PUBLIC = [value for name in tamias.__all__ if isinstance(value := getattr(tamias, name), type)]

VALUES = [
    ChatMessage(role=MessageRole.USER, content="x"),
    Document(content="x"),
    Event(type="order", amount=3),
    InputEvent(input=[1]),
    LocalPrompt(template="x {y}"),
    MemoryRef("a.b"),
    MessageRole.TOOL,
    ResourceDescriptor(clazz=LocalPrompt, template="x"),
    ResourceType.TOOL,
    Row(a=1),
]


class Order(Event):
    """A user's event, in a module whose annotations are strings."""

    item: str
    message: ChatMessage


@pytest.mark.parametrize("clazz", PUBLIC, ids=lambda clazz: clazz.__name__)
def test_a_public_class_is_pickled_as_a_name_of_the_package(clazz: type) -> None:
    assert (clazz.__module__, clazz.__qualname__) == ("tamias", clazz.__name__)
    for dumps in (pickle.dumps, cloudpickle.dumps):
        data = dumps(clazz)
        assert b"tamias." not in data
        assert pickle.loads(data) is clazz


@pytest.mark.parametrize("clazz", PUBLIC, ids=lambda clazz: clazz.__name__)
def test_annotations_of_a_public_class_are_found(clazz: type) -> None:
    assert typing.get_type_hints(clazz) is not None
    assert not any(isinstance(hint, str) for hint in inspect.get_annotations(clazz).values())


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_pickled_value_names_no_module_within_the_package(value: object) -> None:
    data = pickle.dumps(value)
    words = [word for _, word, _ in pickletools.genops(data) if isinstance(word, str)]
    assert not [word for word in words if word.startswith("tamias.")]
    assert pickle.loads(data) == value


def test_an_error_is_shown_and_pickled_by_its_public_name() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("x", hint="y")))
    assert (type(error), error.hint) == (ConfigError, "y")
    assert f"{type(error).__module__}.{type(error).__qualname__}" == "tamias.ConfigError"


def test_users_derive_models_with_string_annotations() -> None:
    order = Order(item="x", message=ChatMessage(content="y"))
    assert Order.__module__ == __name__
    assert pickle.loads(pickle.dumps(order)) == order
    with pytest.raises(ValueError, match="item"):
        Order.model_validate({"item": 3, "message": order.message})


def test_models_of_users_hold_public_classes() -> None:
    class Answer(BaseModel):
        documents: list[Document]
        message: ChatMessage

    Answer.model_rebuild(_types_namespace={"Document": Document, "ChatMessage": ChatMessage})
    answer = Answer.model_validate({"documents": [{"content": "x"}], "message": {"content": "y"}})
    assert answer.documents == [Document(content="x")]
    assert Answer.model_json_schema()["$defs"].keys() >= {"ChatMessage", "Document"}


def test_sources_of_methods_are_found_and_those_of_classes_are_not_wrong() -> None:
    assert "self.content" in inspect.getsource(ChatMessage.__str__)
    with pytest.raises(OSError, match=r"source|class"):
        inspect.getsource(ChatMessage)


@pytest.mark.parametrize(
    "name",
    ["tamias.Prompt", "tamias.agent.prompt.Prompt", "tamias.agent.resources.prompt.Prompt"],
)
def test_a_descriptor_is_the_same_by_every_name_of_its_class(name: str) -> None:
    descriptor = ResourceDescriptor(clazz=name)
    assert descriptor == ResourceDescriptor(clazz=Prompt)
    assert descriptor.clazz is Prompt
    assert repr(descriptor) == "ResourceDescriptor(clazz='tamias.Prompt')"
