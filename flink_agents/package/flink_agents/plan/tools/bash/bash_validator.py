"""As `flink_agents.plan.tools.bash.bash_validator` of Flink Agents."""

from __future__ import annotations

from collections.abc import Sequence

from tamias.models.skills.shell_rules import CommandRules, allowed_line, is_in_folders

__all__ = ["is_under_allowed_dirs", "validate_command"]


def validate_command(
    command: str,
    allowed_commands: Sequence[str],
    allowed_script_dirs: Sequence[str],
    cwd: str | None = None,
) -> str | None:
    """Return why a command may not run, None if it may."""
    rules = CommandRules(allowed_commands, allowed_script_dirs, cwd, has_files=True)
    try:
        allowed_line(command, rules)
    except PermissionError as error:
        return str(error)
    return None


def is_under_allowed_dirs(
    path_str: str, allowed_dirs: Sequence[str], cwd: str | None = None
) -> bool:
    """Return whether a path is in one of the folders."""
    return is_in_folders(path_str, allowed_dirs, cwd)
