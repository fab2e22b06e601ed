"""The names of classes that come with tamias."""

from __future__ import annotations

from collections.abc import Iterator

from tamias import Resource, ResourceDescriptor, ResourceName


def names(of: type) -> Iterator[tuple[str, str]]:
    for name, value in vars(of).items():
        if isinstance(value, type) and name != "Java":
            yield from names(value)
        elif name.isupper() and value.startswith("tamias."):
            yield name, value


def test_every_name_is_that_of_a_class() -> None:
    found = dict.fromkeys(value for _, value in names(ResourceName))
    assert len(found) > 20
    for name in found:
        assert issubclass(ResourceDescriptor(clazz=name).clazz, Resource), name


def test_both_names_of_openai() -> None:
    names = ResourceName.ChatModel
    assert names.OPENAI_CONNECTION == names.OPENAI_COMPLETIONS_CONNECTION
    assert names.Java.OPENAI_COMPLETIONS_SETUP.endswith("chatmodels.openai.OpenAICompletionsSetup")
