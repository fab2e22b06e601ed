"""Finds the agent that a TARGET string names: ``package.module:name`` or ``path/to/file.py:name``.

The name may be dotted, and may be omitted where a module defines only one agent. A file may also be
YAML, and the name that of an agent in it. It is resolved in
the worker's (or zygote's) process and Python environment, never in the launcher's.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.agent import Agent
from ...agent.errors import TamiasError, TargetError
from ...agent.failures.error_text import own_lines, traceback_of
from ...agent.naming.classes import is_subclass
from .name_clashes import name_clash
from .target_names import is_file, is_yaml
from .yaml_files import yaml_agent

if TYPE_CHECKING:
    from types import ModuleType

_OWN_FOLDERS: Final = tuple(
    f"{Path(__file__).parents[2] / room}{os.sep}"
    for room in (
        *("agent", "models", "store", "worker"),
        *("environments", "launcher", "service", "cli", "bridge"),
    )
)


def load_target(target: str, folder: Path | None = None) -> Agent | type[Agent]:
    """Import what `target` names: an `Agent` subclass or instance.

    Args:
        target: ``package.module:name`` or ``path/to/file.py:name``. A file's folder is put on
            `sys.path`, as Python does for a script, and the file becomes the module of its stem, so
            that what it pickles can be unpickled by others that import it. A YAML file's folder is
            put there, too, for the modules that it names.
        folder: relative paths start here, and modules are looked for here too, as ``python -m``
            does; None: the working directory.

    Raises:
        TargetError: it cannot be imported (with the user's part of the traceback), there is no such
            name, or it is no agent.
    """
    folder = Path.cwd() if folder is None else folder
    location, _, name = _split(target)
    if not location:
        raise TargetError(
            f"The target {target!r} names no module.",
            hint="Write package.module:name or path/to/file.py:name.",
        )
    if is_yaml(location):
        return yaml_agent((folder / location).resolve(), name)
    in_file = is_file(location)
    module = _import_file(folder / location) if in_file else _import_module(location, folder)
    found = _resolve(module, name, location) if name else _only_agent(module, location)
    if isinstance(found, Agent) or (is_subclass(found, Agent)):
        return found
    kind = "a class" if isinstance(found, type) else f"of type {type(found).__qualname__}"
    raise TargetError(
        f"{target} is {kind}, not an agent.",
        hint="Name a subclass of tamias.Agent, or an instance of one." + _offer(module),
    )


def _split(target: str) -> tuple[str, str, str]:
    location, colon, name = target.rpartition(":")
    return (location, colon, name) if colon else (target, "", "")


def _import_module(name: str, folder: Path) -> ModuleType:
    if name.startswith("."):
        raise _not_found(name, name)
    _put_on_path(folder)
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise _not_found(name, error.name or name) from None
        raise _failed(name, error) from error
    except ValueError:  # a module that was not imported from anywhere, as __main__
        spec = None
    except (Exception, SystemExit) as error:  # the parent package's own code
        raise _failed(name, error) from error
    if spec is None and name not in sys.modules:
        raise _not_found(name, name)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _import_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise TargetError(
            f"There is no file {path}.", hint="Paths start in the directory you run the command in."
        )
    _put_on_path(path.parent)
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file.", hint="Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise _failed(str(path), error) from error
    return module


def _module_name(path: Path) -> str:
    """The file's stem, unless it would hide a module of that name, or be hidden by it.

    If a module of the returned name is loaded, it is this file's.
    """
    name = path.stem
    loaded = sys.modules.get(name)
    free = loaded is None and name.isidentifier() and name not in sys.stdlib_module_names
    if free or _is_of(loaded, path):
        return name
    name = "tamias_target_" + "".join(letter if letter.isalnum() else "_" for letter in name)
    while name in sys.modules and not _is_of(sys.modules[name], path):
        name += "_"
    return name


def _is_of(module: ModuleType | None, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path


def _put_on_path(folder: Path) -> None:
    entry = str(folder)
    if entry not in sys.path:
        sys.path.insert(0, entry)


def _resolve(module: ModuleType, name: str, location: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            close = difflib.get_close_matches(part, [n for n in dir(found) if n[:1] != "_"], 1)
            hint = f"Did you mean {close[0]!r}?" if close else "Check the name." + _offer(module)
            raise TargetError(f"{location} has no {name!r}.", hint=hint) from None
    return found


def _only_agent(module: ModuleType, location: str) -> Any:
    names = _agents(module)
    if not names:
        raise TargetError(
            f"{location} defines no agent.", hint="Name the agent: " + location + ":name."
        )
    if len(names) > 1:
        raise TargetError(
            f"{location} defines several agents: {', '.join(names)}.",
            hint=f"Say which, as in {location}:{names[0]}.",
        )
    return getattr(module, names[0])


def _agents(module: ModuleType) -> list[str]:
    """Names of the agents that a module defines: its own classes, and instances in it."""
    names = []
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        own = isinstance(value, type) and value.__module__ == module.__name__
        if isinstance(value, Agent) or (own and issubclass(value, Agent)):
            names.append(name)
    return names


def _offer(module: ModuleType) -> str:
    names = _agents(module)
    return f" Agents there: {', '.join(names)}." if names else ""


def _not_found(wanted: str, missing: str) -> TargetError:
    which = "" if missing == wanted else f" (there is no {missing})"
    return TargetError(
        f"There is no module {wanted}{which}.",
        hint="Check the name, and that it can be imported in the workers' Python environment.",
    )


def _failed(what: str, error: BaseException) -> TargetError:
    """The error for code that raised while it was imported, with its own frames only."""
    frames = [
        frame
        for frame in traceback.extract_tb(traceback_of(error))
        if "importlib" not in frame.filename and not frame.filename.startswith(_OWN_FOLDERS)
    ]
    lines = traceback.format_list(frames)
    hint = "Repair the code."
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"Install what has {error.name!r} for {sys.executable}, or repair the code."
    if isinstance(error, TamiasError):  # without its module, and the hint where hints are
        lines.append(f"{type(error).__name__}: {error.message}")
        hint = error.hint or hint
    else:
        lines.append(own_lines(error))
    if isinstance(error, SystemExit):
        hint = "It has called sys.exit: put that below " + 'if __name__ == "__main__":'
    return TargetError(
        f"{what} cannot be imported:\n" + "".join(lines).rstrip() + "\n",
        hint=name_clash(error) or hint,
    )
