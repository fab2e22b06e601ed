"""Checks descriptors when all documents are known: the names in them, their classes and arguments.

What a document does not show is left alone: tools and prompts of MCP servers have names of their
own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import AgentDefinitionError
from ..resources.resource import ResourceDescriptor, ResourceType
from .functions import unknown_arguments
from .problems import did_you_mean

if TYPE_CHECKING:
    from .problems import Problems

_OF_CHAT: Final = {
    "connection": ResourceType.CHAT_MODEL_CONNECTION,
    "fallbacks": ResourceType.CHAT_MODEL_CONNECTION,
    "prompt": ResourceType.PROMPT,
    "skills": ResourceType.SKILLS,
    "tools": ResourceType.TOOL,
}
_NAMES: Final = {
    ResourceType.CHAT_MODEL: _OF_CHAT,
    ResourceType.EMBEDDING_MODEL: {"connection": ResourceType.EMBEDDING_MODEL_CONNECTION},
    ResourceType.VECTOR_STORE: {"embedding_model": ResourceType.EMBEDDING_MODEL},
}
"""Arguments that are names of other resources, and the types of those."""
REACT_NAMES: Final = {"chat_model": ResourceType.CHAT_MODEL, "prompt": ResourceType.PROMPT}
_OF_SERVERS: Final = (ResourceType.TOOL, ResourceType.PROMPT)


@dataclass(frozen=True)
class Place:
    """Where something is written, and the resources that it may name."""

    path: tuple[object, ...]
    problems: Problems
    own: Mapping[ResourceType, Mapping[str, Any]]
    """Those of its agent; at the top level those that are shared."""
    shared: Mapping[ResourceType, Mapping[str, Any]]
    failed: AbstractSet[tuple[ResourceType, str]]
    """Resources that the documents have, with mistakes that are reported already."""

    def names(self, kind: ResourceType) -> dict[str, Any]:
        """The resources of a type that may be named here."""
        return {**self.shared[kind], **self.own[kind]}

    def add(self, argument: str, what: str) -> None:
        """Add a mistake in an argument."""
        self.problems.add((*self.path, argument), what)


def check_names(
    place: Place, arguments: Mapping[str, Any], kinds: Mapping[str, ResourceType]
) -> None:
    """Check that resources which arguments name are there.

    Args:
        place: of the arguments.
        arguments: by name.
        kinds: the types of the resources that they name.
    """
    has_servers = bool(place.names(ResourceType.MCP_SERVER))
    for argument, kind in kinds.items():
        if kind in _OF_SERVERS and has_servers:
            continue
        known = place.names(kind)
        for name in _named(arguments.get(argument)):
            if name not in known and (kind, name) not in place.failed:
                what = f"there is no {kind.value} {name!r}{did_you_mean(name, known)}"
                place.add(argument, what)


def _named(given: object) -> Iterator[str]:
    """The names in an argument: one, or a list of names and of mappings with a connection."""
    for item in given if isinstance(given, list) else [given]:
        name = item.get("connection") if isinstance(item, Mapping) else item
        if isinstance(name, str):
            yield name


def check_descriptor(
    place: Place, descriptor: ResourceDescriptor, kind: ResourceType, *, in_java: bool
) -> None:
    """Check a descriptor of a resource of a type.

    The class is imported, unless the resource lives in Java, and compared with the arguments.
    """
    check_names(place, descriptor.arguments, _NAMES.get(kind, {}))
    if in_java:
        return
    try:
        clazz = descriptor.clazz
    except AgentDefinitionError as error:
        place.problems.add_error((*place.path, "clazz"), error)
        return
    if clazz.resource_type() is not kind:
        what = f"{clazz.__name__} is a {clazz.resource_type().value}, and this is a {kind.value}"
        place.add("clazz", what)
        return
    for name, what in unknown_arguments(clazz, descriptor.arguments).items():
        place.add(name, what)
