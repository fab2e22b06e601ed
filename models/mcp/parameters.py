"""`Parameters`: how an MCP server is reached, as plain data that is sent to the keeper."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Parameters:
    """How a server is reached: by a command that starts it, or at an address."""

    name: str
    command: str = ""
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    endpoint: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    auth: dict[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    answer_timeout: float = 300.0
    protocol: str = ""
    roots: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return asdict(self)

    def key(self) -> str:
        """The same for equal parameters."""
        return json.dumps(asdict(self), sort_keys=True)

    def shown(self) -> str:
        """The command or the address, for messages; no secrets."""
        if self.endpoint:
            return self.endpoint.partition("?")[0]
        return " ".join([self.command, *self.args])
