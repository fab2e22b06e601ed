"""Which lines for a shell may run: each of their commands is allowed by name, or is a script.

A script is a file in one of the folders that are given, named by its path, or behind the
interpreter that runs it: ``python3 scripts/count.py``. A bare name is none, whatever the folder
has: a shell would look for it elsewhere.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from .shell_lines import read_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .shell_lines import Command, Redirection, ShellLine, Word

__all__ = ["CommandRules", "allowed_line", "is_in_folders"]

_INTERPRETERS: Final = re.compile(r"(python|node|ruby|perl|bash|sh|Rscript)[0-9.]*")
_STREAMS: Final = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin")
_SYSTEM: Final = ("/dev/", "/proc/", "/sys/")
_MOVES: Final = ("cd", "pushd", "popd")
# Variables by which one decides what a program loads or starts, or where it finds its settings.
_STEERING: Final = re.compile(
    r"(HOME|IFS|ENV|SHELL|SHELLOPTS|PS[0-9]|EDITOR|VISUAL|BROWSER|CC|CXX|TMPDIR|MAKEFLAGS"
    r"|\w*PATH|\w*PAGER|\w*LESS\w*|\w*OPTIONS|\w*OPTS?|\w*COMMAND|\w*ASKPASS|\w*PROXY|\w*_proxy"
    r"|(BASH|DYLD|GIT|NODE|PERL|PYTHON|RUBY|JAVA)\w*"
    r"|(GCONV|GEM|GH|GLIBC|LD|LUA|MALLOC|MAN|NPM|PHP|PIP|R|SSH|SSL|CURL|XDG)_\w*)"
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CommandRules(NamedTuple):
    """What may run."""

    commands: Sequence[str]
    """Names that are allowed."""
    folders: Sequence[str | Path] = ()
    """Folders, each file of which may be run."""
    cwd: str | Path | None = None
    """Where the line runs."""
    has_files: bool = False
    """Whether it may redirect to and from any file."""


def allowed_line(line: str, rules: CommandRules) -> ShellLine:
    """Read a line, and check it.

    Raises:
        PermissionError: it may not run; says why, in words for a model.
    """
    found = read_line(line)
    for number, command in enumerate(found.commands):
        # Behind a change of the folder a relative path is not what it was.
        if any(_name(each) in _MOVES for each in found.commands[:number]):
            _check(command, rules._replace(cwd=None), is_moved=True)
        else:
            _check(command, rules, is_moved=False)
    return found


def is_in_folders(
    path: str | Path, folders: Sequence[str | Path], cwd: str | Path | None = None
) -> bool:
    """Whether a path, behind symbolic links, is in one of the folders, or is one."""
    try:
        found = (Path(cwd or "") / path).resolve()
        return any(found.is_relative_to(Path(folder).resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):
        return False


def _check(command: Command, rules: CommandRules, *, is_moved: bool) -> None:
    for variable, _ in command.assignments:
        _check_variable(variable)
    for redirection in command.redirections:
        if not redirection.is_copy:
            _check_redirection(redirection, rules, is_moved=is_moved)
    if not command.words:
        return
    name = _name(command)
    if name is None:
        raise PermissionError(f"The name of a command must be plain words: {command.text}.")
    if name == "export":
        for word in command.words[1:]:
            _check_variable(word.head.partition("=")[0])
        return
    if name in rules.commands:
        _check_own_script(name, rules)
        return
    if not _is_script(command.words, rules, is_moved=is_moved):
        raise PermissionError(
            f"The command {name!r} is not allowed; allowed are"
            f" {', '.join(rules.commands) or 'none'}"
            + (f", and files in {', '.join(map(str, rules.folders))}." if rules.folders else ".")
        )


def _name(command: Command) -> str | None:
    return command.words[0].value if command.words else None


def _check_own_script(name: str, rules: CommandRules) -> None:
    """What is allowed as ``./name`` is in the folder itself, also behind symbolic links."""
    if name.startswith("./") and rules.cwd and not is_in_folders(name, [rules.cwd], rules.cwd):
        raise PermissionError(f"{name} is outside of the skill's folder.")


def _is_script(words: Sequence[Word], rules: CommandRules, *, is_moved: bool) -> bool:
    name = words[0].value or ""
    path: str | None = name
    if "/" not in name:
        path = words[1].value if len(words) > 1 and _INTERPRETERS.fullmatch(name) else None
        # A word with a dash would be an option, which may be a program itself: -c, -m.
        if path is None or path.startswith(("-", "+")):
            return False
    if not path or (is_moved and not path.startswith("/")):
        return False
    return (
        is_in_folders(path, rules.folders, rules.cwd) and (Path(rules.cwd or "") / path).is_file()
    )


def _check_variable(name: str) -> None:
    if not _NAME.fullmatch(name) or _STEERING.fullmatch(name):
        raise PermissionError(f"The variable {name!r} may not be set.")


def _check_redirection(redirection: Redirection, rules: CommandRules, *, is_moved: bool) -> None:
    target = redirection.target.value
    if target in _STREAMS:
        return
    if target is None:
        raise PermissionError(f"A redirection needs a plain name: {redirection.target.text}.")
    real = os.path.realpath(Path(rules.cwd or "") / target)
    real = "/" + real.lstrip("/")
    is_relative = not target.startswith("/")
    if real.startswith(_SYSTEM) or target.startswith(("//", *_SYSTEM)):
        raise PermissionError(f"{target} may not be read or written.")
    if redirection.operator == "<":
        inside = rules.cwd is not None and is_in_folders(target, [rules.cwd], rules.cwd)
        allowed = rules.has_files or inside or is_in_folders(target, rules.folders, rules.cwd)
    else:
        # A file that may be run must not be written: that would be a way to run anything.
        allowed = rules.has_files and not is_in_folders(target, rules.folders, rules.cwd)
    if not allowed or (is_moved and is_relative):
        raise PermissionError(
            f"{target} may not be {'read' if redirection.operator == '<' else 'written'} by a"
            " redirection."
        )
