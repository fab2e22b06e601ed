"""Answers Java's questions: describes Python's resources, and calls their methods.

Java has a proxy object for each Python resource that it uses. Each call of one of its methods
becomes a question that is answered here.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

from ...agent.errors import BridgeError
from ...agent.models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ...agent.models.embedding_model import BaseEmbeddingModelConnection, BaseEmbeddingModelSetup
from ...agent.models.vector_store import BaseVectorStore, CollectionManageableVectorStore
from ...agent.resources.chat_message import MessageRole
from ...agent.resources.prompt import LocalPrompt, Prompt
from ...agent.resources.resource import ResourceType
from ...agent.tools.tool import Tool
from . import convert

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ...agent.resources.resource import Resource

    GetResource = Callable[[str, ResourceType], Resource]

_STORE_METHODS = frozenset(
    (
        *("add", "query", "size", "get", "delete", "query_embedding"),
        *("get_or_create_collection", "get_collection", "delete_collection"),
    )
)


def answer(question: dict[str, Any], get_resource: GetResource) -> Any:
    """The answer to a question of Java's.

    Raises:
        BridgeError: the resource has no such method.
        Exception: what the resource raises.
    """
    resource = get_resource(question["name"], ResourceType(question["type"]))
    method, args = question["method"], question.get("args") or {}
    if method == "describe":
        return describe(resource)
    if method == "chat" and isinstance(resource, BaseChatModelSetup):
        return resource.chat(convert.messages(args["messages"]), **args["kwargs"])
    if method == "chat" and isinstance(resource, BaseChatModelConnection):
        tools = [_OfferedTool(tree=tree, get=get_resource) for tree in args["tools"]]
        given: list[Tool] = list(tools)
        return resource.chat(convert.messages(args["messages"]), given, **args["kwargs"])
    if method == "embed" and isinstance(
        resource, (BaseEmbeddingModelSetup, BaseEmbeddingModelConnection)
    ):
        return resource.embed(args["text"], **args["kwargs"])
    if method == "call" and isinstance(resource, Tool):
        return _awaited(resource.call(**args["kwargs"]))
    if method == "format_string" and isinstance(resource, Prompt):
        return resource.format_string(**args["values"])
    if method == "format_messages" and isinstance(resource, Prompt):
        return resource.format_messages(MessageRole(args["role"]), **args["values"])
    if method in _STORE_METHODS and isinstance(resource, BaseVectorStore):
        return _store(resource, method, args)
    raise BridgeError(
        f"Java has called {method} of the {question['type']} {question['name']!r}, which is a"
        f" {type(resource).__qualname__} and has no such method.",
        hint="Derive its class from the base class of its type.",
    )


def describe(resource: Resource) -> dict[str, Any]:
    """What Java has to know of a resource to make a proxy for it."""
    java: dict[str, Any] | None = getattr(resource, "java_description", None)
    if java is not None:
        return {"java": java}
    fields: dict[str, Any] = {}
    if isinstance(resource, Tool):
        fields = convert.tool_tree(resource)
    elif isinstance(resource, LocalPrompt):
        fields = convert.to_tree(resource)
    elif isinstance(resource, BaseChatModelSetup):
        fields = {"connection": resource.connection, "tools": resource.tools}
        fields["model"] = resource.model_kwargs.get("model")
        fields["prompt"] = resource.prompt if isinstance(resource.prompt, str) else None
    elif isinstance(resource, BaseEmbeddingModelSetup):
        fields = {"connection": resource.connection, "model": resource.model}
    elif isinstance(resource, BaseVectorStore):
        fields = {"embedding_model": resource.embedding_model}
        fields["collections"] = isinstance(resource, CollectionManageableVectorStore)
    return {"python": fields}


def _store(store: BaseVectorStore, method: str, args: dict[str, Any]) -> Any:
    if method == "query":
        return store.query(convert.query(args["query"]))
    if method == "size":
        return store.size(args["collection_name"])
    if method == "query_embedding":
        return store._query_embedding(  # noqa: SLF001 (public in Java)
            args["embedding"], args["limit"], args["collection_name"], **args["kwargs"]
        )
    if method == "add":
        given = convert.documents(args["documents"])
        return store.add(given, args["collection_name"], **args["kwargs"])
    if method in {"get", "delete"}:
        return getattr(store, method)(args["ids"], args["collection_name"], **args["kwargs"])
    if not isinstance(store, CollectionManageableVectorStore):
        raise BridgeError(
            f"{type(store).__qualname__} does not manage collections.",
            hint="Derive its class from tamias.CollectionManageableVectorStore.",
        )
    return getattr(store, method)(**args)


class _OfferedTool(Tool):
    """A tool that Java passes to a Python connection: its resource has the tool's name."""

    tree: dict[str, Any]
    get: Any

    @property
    def name(self) -> str:
        """The name."""
        return str(self.tree["name"])

    @property
    def description(self) -> str:
        """What it does."""
        return str(self.tree["description"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        schema: dict[str, Any] = self.tree["schema"]
        return schema

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the agent's tool of that name."""
        tool: Tool = self.get(self.name, ResourceType.TOOL)
        return tool.call(*args, **kwargs)


def _awaited(value: Any) -> Any:
    """The value, awaited if need be, in a thread of its own: this one may have a running loop."""
    if not inspect.iscoroutine(value):
        return value
    outcome: dict[str, Any] = {}

    def run(coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            outcome["value"] = asyncio.run(coroutine)
        except BaseException as error:  # noqa: BLE001 (raised below)
            outcome["error"] = error

    thread = threading.Thread(target=run, args=(value,), name="tamias-java-coroutine")
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]
