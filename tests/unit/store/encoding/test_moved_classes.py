"""Pickles that name modules of an older version."""

from __future__ import annotations

import pickle
from importlib import import_module
from typing import Any

import pytest

import tamias
from tamias import ChatMessage, ConfigError, Event, ResourceDescriptor, UnserializableError
from tamias.agent.naming import moved
from tamias.store.encoding.keys import decode_key
from tamias.store.encoding.moved_classes import loads_pickle
from tamias.store.encoding.values import dumps, loads, loads_all
from tamias.worker.durable.fingerprint import function_name, identify_call


def older(data: bytes, module: bytes, name: bytes) -> bytes:
    """The pickle that an older version made, which named a class by the module it was in."""
    new, old = (b"\x8c" + bytes([len(part)]) + part for part in (b"tamias", b"tamias." + module))
    assert new in data
    assert b"\x8c" + bytes([len(name)]) + name in data
    return data.replace(new, old)


def unframed(value: Any) -> bytes:
    """A pickle without the lengths of frames, which change with the names in it."""
    data = pickle.dumps(value, 5)
    assert data[2:3] == b"\x95"
    return data[:2] + data[11:]


def test_every_class_is_found_by_the_module_it_was_in_first() -> None:
    for name, module in moved._FIRST_MODULE.items():
        data = b"\x80\x04c" + f"{module}\n{name}\n.".encode()
        assert loads(data) is getattr(tamias, name)


def test_modules_that_have_moved_are_there() -> None:
    for module in moved._FORMER_MODULE:
        import_module(module)


@pytest.mark.parametrize(
    ("value", "module"),
    [
        (ChatMessage(content="x"), b"agent.chat_message"),
        (ConfigError("x", hint="y"), b"agent.errors"),
        (Event(type="x"), b"agent.event"),
        (ResourceDescriptor(clazz="a.b.C", x=1), b"agent.resource"),
    ],
    ids=["message", "error", "event", "descriptor"],
)
def test_values_of_an_older_version_are_read(value: Any, module: bytes) -> None:
    data = older(unframed(value), module, type(value).__name__.encode())
    for copy in (loads(data), *loads_all(data + data, [len(data)] * 2)):
        assert type(copy) is type(value)
        assert repr(copy) == repr(value)
    assert type(decode_key(b"p" + data)) is type(value)


def test_large_buffers_of_an_older_version_are_read() -> None:
    message = ChatMessage(extra_args={"image": pickle.PickleBuffer(bytearray(100_000))})
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, 5, buffer_callback=buffers.append)
    head = head[:2] + head[11:]
    data = older(head, b"agent.chat_message", b"ChatMessage")
    copy = loads_pickle(data, [buffer.raw() for buffer in buffers])
    assert bytes(copy.extra_args["image"]) == bytes(100_000)


def test_a_descriptor_pickled_by_an_older_version_finds_its_class() -> None:
    descriptor = ResourceDescriptor(clazz="no.such.Prompt")
    descriptor.target_module, descriptor.target_clazz = "tamias.agent.prompt", "Prompt"
    copy = loads(dumps(descriptor))
    assert copy.clazz is tamias.Prompt
    assert copy == ResourceDescriptor(clazz=tamias.Prompt)


def test_a_class_that_is_nowhere_is_named() -> None:
    with pytest.raises(UnserializableError, match=r"tamias\.agent\.nowhere"):
        loads(b"\x80\x04ctamias.agent.nowhere\nThing\n.")


def test_recorded_calls_are_recognised_after_the_move() -> None:
    assert function_name(tamias.BaseChatModelSetup.chat) == (
        "tamias.agent.chat_model.BaseChatModelSetup.chat"
    )
    assert identify_call(print, (ChatMessage(content="x"),), {}).fingerprint.hex() == (
        "fbcd2af06d52ff79f470077b34ffb54b"
    )
