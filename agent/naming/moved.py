"""Where modules and classes of tamias were in the past: pickles in users' stores name them so.

Public classes are in pickles as `tamias.NAME` now (`public`). Everything else that a pickle may
name gets an entry here when its module moves.
"""

from __future__ import annotations

from typing import Final

__all__ = ["current_module", "current_name", "first_module", "former_module"]

_PACKAGE: Final = "tamias."

_FIRST_MODULES: Final = {
    "agent.action": "Action",
    "agent.agent": "Agent",
    "agent.chat_message": "ChatMessage MessageRole",
    "agent.chat_model": "BaseChatModelConnection BaseChatModelSetup",
    "agent.config_option": "ConfigOption",
    "agent.configuration": "Configuration",
    "agent.context": "RunnerContext",
    "agent.embedding_model": "BaseEmbeddingModelConnection BaseEmbeddingModelSetup",
    "agent.environment": "AgentBuilder AgentsExecutionEnvironment",
    "agent.errors": (
        "AgentDefinitionError AgentFailedError BridgeError ConfigError DivergenceError "
        "DurableCallError EnvironmentSetupError FencedError ForeignStoreError InputError "
        "JavaCallError JavaTimeoutError JvmError LeaseHeldError MemoryAccessError "
        "MissingExtraError PoolError RunError RunTimeoutError ServiceError "
        "ServiceTimeoutError StoreCorruptError StoreError StoreFormatError StoreFullError "
        "StoreLockedError StoreUnwritableError SubmissionFailedError TamiasError "
        "TargetError UnserializableError UsageError WorkerStartError"
    ),
    "agent.event": "Event InputEvent OutputEvent",
    "agent.memory": "MemoryObject MemoryRef MemoryType",
    "agent.metrics": "Counter Gauge Histogram Meter MetricGroup",
    "agent.options": "AgentExecutionOptions JavaOptions PoolOptions ServiceOptions",
    "agent.plan": "AgentPlan",
    "agent.prompt": "LocalPrompt Prompt",
    "agent.resource": "Resource ResourceDescriptor ResourceType SerializableResource",
    "agent.row": "Row",
    "agent.tool": "FunctionTool Tool",
    "agent.vector_store": (
        "BaseVectorStore Collection CollectionManageableVectorStore Document "
        "VectorStoreQuery VectorStoreQueryMode VectorStoreQueryResult"
    ),
    "bridge.resources.chat_model": "JavaChatModelConnection JavaChatModelSetup",
    "bridge.resources.embedding_model": "JavaEmbeddingModelConnection JavaEmbeddingModelSetup",
    "bridge.resources.prompt": "JavaPrompt",
    "bridge.resources.tool": "JavaTool",
    "bridge.resources.vector_store": "JavaCollectionManageableVectorStore JavaVectorStore",
    "launcher.service.aioclient": "AsyncClient",
    "launcher.service.client": "Client",
    "launcher.service.submission": "AsyncSubmission Submission",
}
"""By the module that they were pickled under at first, names of public classes."""

_MOVED_MODULES: Final = {
    "agent.chat_message": "agent.resources.chat_message",
    "agent.chat_model": "agent.models.chat_model",
    "agent.config_option": "agent.config.option",
    "agent.config_values": "agent.config.values",
    "agent.config_yaml": "agent.config.yaml_text",
    "agent.configuration": "agent.config.configuration",
    "agent.embedding_model": "agent.models.embedding_model",
    "agent.options": "agent.config.options",
    "agent.prompt": "agent.resources.prompt",
    "agent.provider": "agent.resources.provider",
    "agent.resource": "agent.resources.resource",
    "agent.resource_registry": "agent.resources.registry",
    "agent.resources.chat_model": "agent.models.chat_model",
    "agent.resources.embedding_model": "agent.models.embedding_model",
    "agent.tool": "agent.tools.tool",
    "agent.resources.tool": "agent.tools.tool",
    "agent.vector_store": "agent.models.vector_store",
    "agent.resources.vector_store": "agent.models.vector_store",
    "bridge.resources.answering": "bridge.resources.callbacks",
    "bridge.resources.link": "bridge.resources.calls",
    "launcher.service.aioclient": "service.client.aioclient",
    "launcher.service.client": "service.client.client",
    "launcher.service.submission": "service.client.submission",
    "store.mainclasses": "store.encoding.main_classes",
}

_FIRST_MODULE: Final = {
    name: _PACKAGE + module for module, names in _FIRST_MODULES.items() for name in names.split()
}
_FORMER_MODULE: Final = {
    _PACKAGE + today: _PACKAGE + former for former, today in reversed(_MOVED_MODULES.items())
}
"""Of a module that has moved twice, the name that it had at first: that comes first above."""


def current_name(module: str, name: str) -> tuple[str, str]:
    """Return the module and qualified name under which a class or function is found today.

    Names that have not moved, and those of other packages, are returned as they are.
    """
    if not module.startswith(_PACKAGE):
        return module, name
    if name.partition(".")[0] in _FIRST_MODULE:
        return "tamias", name
    return current_module(module), name


def current_module(module: str) -> str:
    """Return the present name of a module of tamias."""
    moved = _MOVED_MODULES.get(module.removeprefix(_PACKAGE))
    return module if moved is None else _PACKAGE + moved


def first_module(clazz: type) -> str:
    """Return the module under which `clazz` was pickled first, for identities that never change.

    A durable call that an older version has recorded is recognised by the names of classes.
    """
    module = clazz.__module__
    if module == "tamias":
        return _FIRST_MODULE.get(clazz.__qualname__, module)
    return former_module(module)


def former_module(module: str) -> str:
    """Return the first name of a module of tamias, the inverse of `current_module`."""
    return _FORMER_MODULE.get(module, module)
