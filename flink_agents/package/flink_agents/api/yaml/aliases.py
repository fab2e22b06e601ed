"""As `flink_agents.api.yaml.aliases` of Flink Agents: short names in documents."""

from __future__ import annotations

from typing import Any, Final

from tamias.agent.yaml_agents.aliases import EVENT_TYPES, class_names

from ..resource import ResourceName, ResourceType

__all__ = [
    "CLAZZ_ALIASES",
    "EVENT_ALIASES",
    "JAVA_WRAPPER_CLAZZ",
    "resolve_clazz",
    "resolve_event_type",
]

EVENT_ALIASES: Final = dict(EVENT_TYPES)
"""Types of events, by short name."""

_SECTIONS: Final[dict[ResourceType, tuple[Any, str]]] = {
    ResourceType.CHAT_MODEL_CONNECTION: (ResourceName.ChatModel, "CONNECTION"),
    ResourceType.CHAT_MODEL: (ResourceName.ChatModel, "SETUP"),
    ResourceType.EMBEDDING_MODEL_CONNECTION: (ResourceName.EmbeddingModel, "CONNECTION"),
    ResourceType.EMBEDDING_MODEL: (ResourceName.EmbeddingModel, "SETUP"),
    ResourceType.VECTOR_STORE: (ResourceName.VectorStore, "VECTOR_STORE"),
}


def _python(kind: ResourceType) -> dict[str, str]:
    """Classes of a type by short name: Flink Agents' names for them, or else tamias's."""
    names = dict(class_names(kind))
    if kind is ResourceType.MCP_SERVER:
        return {**names, "mcp": ResourceName.MCP_SERVER}
    if kind not in _SECTIONS:
        return names
    section, suffix = _SECTIONS[kind]
    for constant, clazz in vars(section).items():
        short, _, end = constant.partition(f"_{suffix}")
        if isinstance(clazz, str) and not end and short and not short.startswith("JAVA_WRAPPER"):
            names[short.lower()] = clazz
    return names


CLAZZ_ALIASES: Final[dict[ResourceType, dict[str, dict[str, str]]]] = {
    kind: {
        language: names
        for language, names in (
            ("python", _python(kind)),
            ("java", dict(class_names(kind, java=True))),
        )
        if names
    }
    for kind in (*_SECTIONS, ResourceType.MCP_SERVER)
}
"""Full names of classes, by type of resource, language and short name."""

JAVA_WRAPPER_CLAZZ: Final = {
    ResourceType.CHAT_MODEL_CONNECTION: ResourceName.ChatModel.JAVA_WRAPPER_CONNECTION,
    ResourceType.CHAT_MODEL: ResourceName.ChatModel.JAVA_WRAPPER_SETUP,
    ResourceType.EMBEDDING_MODEL_CONNECTION: ResourceName.EmbeddingModel.JAVA_WRAPPER_CONNECTION,
    ResourceType.EMBEDDING_MODEL: ResourceName.EmbeddingModel.JAVA_WRAPPER_SETUP,
    ResourceType.VECTOR_STORE: (
        ResourceName.VectorStore.JAVA_WRAPPER_COLLECTION_MANAGEABLE_VECTOR_STORE
    ),
}
"""The classes, in Python, of resources that live in Java."""


def resolve_event_type(name: str) -> str:
    """The type of events that a short name stands for; another name stands for itself."""
    return EVENT_ALIASES.get(name, name)


def resolve_clazz(name: str, resource_type: ResourceType, language: str = "python") -> str:
    """The full name that a short name of a class stands for; another stands for itself."""
    return CLAZZ_ALIASES.get(resource_type, {}).get(language, {}).get(name, name)
