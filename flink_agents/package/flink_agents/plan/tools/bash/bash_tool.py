"""As `flink_agents.plan.tools.bash.bash_tool` of Flink Agents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from tamias import Tool, ToolMetadata
from tamias.agent.skills.skill_tools import BASH_TOOL
from tamias.models.skills.commands import CommandLimits, run_line
from tamias.models.skills.shell_rules import CommandRules, allowed_line, is_in_folders

__all__ = ["BashArgs", "BashTool"]


class BashArgs(BaseModel):
    """Has the arguments that a model gives."""

    command: str = Field(description="The command with its arguments.")
    timeout: int = Field(default=60, gt=0, description="At most so many seconds.")
    cwd: str | None = Field(default=None, description="The folder to run it in; in place of cd.")


class BashTool(Tool):
    """Runs a command that is allowed, with the limits that commands of tamias's skills have.

    What is allowed comes with a call, from who makes it: ``allowed_commands`` and
    ``allowed_script_dirs`` are no arguments of the model's.
    """

    def __init__(self, **data: Any) -> None:
        metadata = ToolMetadata(
            name=BASH_TOOL,
            description="Run a command that is allowed, or a script in a folder that is.",
            args_schema=BashArgs,
        )
        super().__init__(metadata=metadata, **data)

    def call(self, *args: Any, **kwargs: Any) -> str:
        """Run it, and wait."""
        with ThreadPoolExecutor(1) as thread:  # this one may have an event loop
            return thread.submit(asyncio.run, self.acall(*args, **kwargs)).result()

    async def acall(
        self,
        *args: Any,
        allowed_commands: Sequence[str] | None = None,
        allowed_script_dirs: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> str:
        """Run it; returns what it has printed, or why it has not run."""
        given = BashArgs(**dict(zip(("command",), args, strict=False)), **kwargs)
        commands, folders = allowed_commands or [], allowed_script_dirs or []
        if given.cwd is not None and not is_in_folders(given.cwd, folders):
            return f"Command rejected: cwd {given.cwd!r} is in no folder that is allowed."
        try:
            rules = CommandRules(commands, folders, given.cwd, has_files=True)
            line = allowed_line(given.command, rules)
            folder = None if given.cwd is None else Path(given.cwd)
            limits = CommandLimits(given.timeout, network=True)
            status, printed = await run_line(line, folder, limits)
        except PermissionError as error:
            return f"Command rejected: {error}"
        except OSError as error:
            return f"Error: {error}"
        if status is None:
            return f"Error: it was killed after {given.timeout} seconds.\n{printed}".strip()
        if status:
            return f"Error (exit code {status}): {printed}"
        return printed.strip() or "Success"
