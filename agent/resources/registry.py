"""The resources of one worker: each created at its first use, all closed at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from threading import RLock
from typing import TYPE_CHECKING

from ..errors import AgentDefinitionError, ResourceNotFoundError, RunError
from .mcp_server import BaseMCPServer, clash, matching
from .resource import ResourceType

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from .provider import ResourceProvider
    from .recording import CallRecorder
    from .resource import Resource

__all__ = ["ResourceRegistry"]

_OF_SERVERS = frozenset({ResourceType.TOOL, ResourceType.PROMPT})
"""What MCP servers have, too."""

logger = logging.getLogger(__name__)


class ResourceRegistry:
    """Gives every resource of a plan by name and type, created once.

    A resource may ask for others, also while it is being created. May be used from several threads:
    one resource is created at a time.
    """

    __slots__ = (
        "_closed",
        "_config",
        "_created",
        "_creating",
        "_lock",
        "_providers",
        "_recorder",
        "_was_closed",
    )

    def __init__(
        self,
        providers: Mapping[ResourceType, Mapping[str, ResourceProvider]],
        config: Configuration,
        recorder: CallRecorder | None = None,
    ) -> None:
        """`recorder`: where calls of models are recorded; None where they are not."""
        self._recorder = recorder
        self._providers = providers
        self._config = config
        self._created: dict[tuple[ResourceType, str], Resource] = {}
        self._creating: list[tuple[ResourceType, str]] = []
        self._lock = RLock()
        self._closed = False
        self._was_closed: list[Resource] = []

    def names(self, kind: ResourceType) -> list[str]:
        """The names of the resources of that type that are declared."""
        return list(self._providers.get(kind, ()))

    def has(self, name: str, kind: ResourceType) -> bool:
        """Whether there is such a resource."""
        return name in self._providers.get(kind, ())

    def get(self, name: str, kind: ResourceType) -> Resource:
        """The resource ``name`` of that type.

        Raises `ResourceNotFoundError` when there is none, `AgentDefinitionError` when creating it
        needs itself; what its class raises passes through, and the next request tries again.
        """
        # Without the lock: a dict is safe to read, and a resource is put in only when it is ready.
        resource = self._created.get((kind, name))
        if resource is not None:
            return resource
        if kind in _OF_SERVERS and name not in self._providers.get(kind, {}):
            found = self._find_in_servers(name, kind)
            if found is not None:
                return found
        return self._create(name, kind)

    def name_of(self, resource: Resource) -> str:
        """The name of a resource that was created; empty if it is none of these."""
        for (_, name), created in list(self._created.items()):
            if created is resource:
                return name
        return ""

    def _find_in_servers(self, name: str, kind: ResourceType) -> Resource | None:
        """The tool or prompt of an MCP server, as it is now; None if there is none.

        Without the lock, and not kept: servers are asked, which may take long, and they change.
        """
        hits = []
        for server_name in self._providers.get(ResourceType.MCP_SERVER, {}):
            server = self.get(server_name, ResourceType.MCP_SERVER)
            if not isinstance(server, BaseMCPServer):
                continue
            is_tool = kind is ResourceType.TOOL
            known = server.describe_tools() if is_tool else server.describe_prompts()
            hit = matching(name, server_name, known)
            if hit is not None:
                hits.append((server_name, server, hit))
        if not hits:
            return None
        if len(hits) > 1:
            raise clash(name, [server_name for server_name, _, _ in hits])
        _, server, (description, qualified) = hits[0]
        if kind is ResourceType.TOOL:
            return server.tool_of(description, qualified=qualified)
        return server.prompt_of(description)

    def _create(self, name: str, kind: ResourceType) -> Resource:
        wanted = (kind, name)
        with self._lock:
            if wanted in self._created:
                return self._created[wanted]
            if self._closed:
                # What was created now would never be closed.
                raise RunError(f"The {kind.value} {name!r} was asked for while the worker ends.")
            provider = self._providers.get(kind, {}).get(name)
            if provider is None:
                raise self._unknown(name, kind)
            if wanted in self._creating:
                circle = [*self._creating[self._creating.index(wanted) :], wanted]
                path = " -> ".join(f"{each.value} {named!r}" for each, named in circle)
                msg = f"Resources need each other to be created: {path}."
                hint = "Let one of them ask for the other when it is used, not when it is created."
                raise AgentDefinitionError(msg, hint=hint)
            self._creating.append(wanted)
            try:
                resource = provider.provide(self.get, self._config)
            finally:
                self._creating.pop()
            if self._recorder is not None:
                resource.recorded_by(self._recorder)
            self._created[wanted] = resource
            return resource

    def _unknown(self, name: str, kind: ResourceType) -> ResourceNotFoundError:
        known = ", ".join(map(repr, self._providers.get(kind, {}))) or "none"
        msg = f"The agent has no {kind.value} {name!r} (it has {known})."
        hint = "Declare it with a decorator of the agent, or with add_resource()."
        return ResourceNotFoundError(msg, hint=hint)

    def close(self) -> None:
        """Close what was created, the newest first, so that each may still use what it needed.

        One that fails to close is logged and does not keep the others open. Closing again does
        nothing.
        """
        with self._lock:
            self._closed = True
            while self._created:
                (kind, name), resource = self._created.popitem()
                try:
                    resource.close()
                except Exception:
                    logger.exception("The %s %r could not be closed", kind.value, name)
                self._was_closed.append(resource)

    async def aclose(self) -> None:
        """Close on the loop what `close` has closed, all at once; one that fails is logged."""
        closed, self._was_closed = self._was_closed, []
        if closed:
            ends = [resource.aclose() for resource in closed]
            for error in await asyncio.gather(*ends, return_exceptions=True):
                if isinstance(error, Exception):
                    logger.error("A resource could not be closed: %r", error)
